"""Shared by the commands of this folder: processes and their usage, and building the measured programs."""
import json, os, pathlib, re, shutil, socket, subprocess, sys, time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TICK = os.sysconf("SC_CLK_TCK")


def require(packages):
    """Exits with the command that installs missing programs; `packages` are Debian's, by program."""
    missing = sorted({package for program, package in packages.items() if not shutil.which(program)})
    if missing:
        sys.exit(f"missing: apt-get install --no-install-recommends {' '.join(missing)}")


def built(kind, name, profile="shipped"):
    """Builds one program, by default with the profile of packages. Returns its path."""
    # deploy/build.sh leaves target/shipped/qrgate; a program without profile-guided optimisation must not replace it.
    folder = ROOT / "target" / ("shipping" if profile == "shipped" else "")
    argv = ["cargo", "build", "--profile", profile, "--target-dir", folder, "--locked", "--message-format=json-render-diagnostics", kind, name]
    messages = subprocess.run(argv, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    named = [message for message in map(json.loads, messages) if message.get("target", {}).get("name") == name]
    return next(message["executable"] for message in named if message.get("executable"))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(port):
    for _ in range(200):
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    sys.exit(f"nothing listens on port {port}")


def split_cores(wanted):
    """The cores for the measured processes, and those for the rest; the same ones if there are too few."""
    cores = sorted(os.sched_getaffinity(0))
    return (cores[:wanted] if len(cores) > wanted else cores), (cores[wanted:] or cores)


def spawn(argv, cores, log, **more):
    """Starts a program on these cores, with its output in a file."""
    with open(log, "w") as out:
        streams = {"stdout": out, "stderr": out} | more
        return subprocess.Popen(argv, preexec_fn=lambda: os.sched_setaffinity(0, cores), **streams)


def stop(children):
    for child in reversed(children):
        child.terminate()
    for child in children:
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def tree(pid):
    """The process and its descendants."""
    found, waiting = [], [pid]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/children") as f:
                    waiting += [int(child) for child in f.read().split()]
        except OSError:
            pass
    return found


def cpu_seconds(pid):
    """User and system time of a process and its descendants."""
    total = 0
    for p in tree(pid):
        try:
            with open(f"/proc/{p}/stat") as f:
                fields = f.read().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        except OSError:
            pass
    return total / TICK


def threads(pid):
    """For each thread of a process: name, CPU seconds, voluntary and involuntary context switches."""
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        name = (task / "comm").read_text().strip()
        on_core = int((task / "schedstat").read_text().split()[0]) / 1e9
        switches = re.findall(r"ctxt_switches:\s+(\d+)", (task / "status").read_text())
        found.append((name, on_core, *map(int, switches)))
    return found


def resident_kib(pid):
    total = 0
    for p in tree(pid):
        try:
            with open(f"/proc/{p}/smaps_rollup") as f:
                total += int(re.search(r"Pss:\s+(\d+)", f.read()).group(1))
        except PermissionError:
            sys.exit("memory is measured by root alone: qrgate lets no other process of its user look into it")
        except (OSError, AttributeError):
            pass
    return total


def machine(*versions):
    """This machine, and the first line of each program's version, as a list."""
    cpu = re.search(r"model name\s*: (.+)", pathlib.Path("/proc/cpuinfo").read_text())

    def version(argv):
        run = subprocess.run(argv, capture_output=True, text=True)
        return (run.stdout + run.stderr).strip().splitlines()[0]

    return "\n".join([f"- {os.cpu_count()} cores, {cpu.group(1) if cpu else 'unknown'}, Linux {os.uname().release}",
                      *(f"- {argv[0]}: {version(argv)}" for argv in versions)])

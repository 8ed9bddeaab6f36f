//! The Debian package, the systemd units and the manifests. `tests/deploy` also boots them.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::harness::application::TestApplication;
use crate::harness::eventually;
use crate::harness::front::is_installed;
use crate::harness::gate::configuration;
use crate::harness::http::TIMEOUT;

const PROGRAM: &str = env!("CARGO_BIN_EXE_qrgate");

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {said}{complained}");
    output
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_debian_package_contains_a_working_program_and_no_configuration() {
    if !is_installed("dpkg-deb") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let build = ["deploy/debian/build.sh", PROGRAM];
    let made = run(Command::new("bash").args(build).arg(folder.path()).env("DPKG_DEB_OPTIONS", "-Znone"));
    let package = text(&made).trim().to_owned();
    let control = text(&run(Command::new("dpkg-deb").args(["--field", &package])));
    let version = format!("Version: {}", env!("CARGO_PKG_VERSION"));
    assert!(control.starts_with("Package: qrgate\n") && control.contains(&version), "{control}");
    assert!(!control.contains('@') || control.matches('@').count() == 1, "only the maintainer's: {control}");

    let tree = folder.path().join("tree");
    run(Command::new("dpkg-deb").args(["--raw-extract", &package]).arg(&tree));
    // `qrgate init` writes proxy.toml, and keeps an existing one.
    assert_eq!(std::fs::read_dir(tree.join("etc/qrgate")).unwrap().count(), 0);
    let program = tree.join("usr/bin/qrgate");
    assert!(text(&run(Command::new(&program).arg("--version"))).contains(env!("CARGO_PKG_VERSION")));
    for file in [
        "lib/systemd/system/qrgate.service",
        "lib/systemd/system/qrgate.socket",
        "usr/share/man/man1/qrgate.1.gz",
        "usr/share/bash-completion/completions/qrgate",
        "usr/share/doc/qrgate/copyright",
        "usr/share/doc/qrgate/docs/operations.md",
    ] {
        assert!(tree.join(file).is_file(), "{file}");
    }
    for script in ["postinst", "prerm", "postrm"] {
        run(Command::new("sh").arg("-n").arg(tree.join("DEBIAN").join(script)));
    }
}

#[test]
fn systemd_accepts_the_units() {
    if !is_installed("systemd-analyze") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let units = ["qrgate.service", "qrgate.socket"].map(|name| folder.path().join(name));
    for (unit, text) in units
        .iter()
        .zip([include_str!("../../deploy/systemd/qrgate.service"), include_str!("../../deploy/systemd/qrgate.socket")])
    {
        // Neither the manual page nor the program is installed here.
        let text = text.replace("/usr/bin/qrgate", PROGRAM).replace("Documentation=man:qrgate(1)\n", "");
        std::fs::write(unit, text).unwrap();
    }
    let output = run(Command::new("systemd-analyze").arg("verify").args(&units));
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(!complained.contains("qrgate."), "{complained}");
}

/// `qrgate check --offline` of this file, with these variables.
fn look_over(file: &Path, variables: &[(String, String)]) {
    run(&mut check_of(file, variables));
}

fn check_of(file: &Path, variables: &[(String, String)]) -> Command {
    let mut command = Command::new(PROGRAM);
    let variables = variables.iter().map(|(name, value)| (name, value));
    command.args(["check", "--offline", "--config"]).arg(file).envs(variables);
    command
}

/// The `NAME: value` and `name: NAME` of qrgate's variables in a manifest.
fn variables(manifest: &str) -> Vec<(String, String)> {
    let names = manifest.split("QRGATE_").skip(1).map(|rest| rest.split([':', ',', ' ']).next().unwrap());
    let value = |name: &str| {
        manifest.split_once(&format!("QRGATE_{name}: ")).map_or("", |(_, rest)| rest.lines().next().unwrap())
    };
    names.map(|name| (format!("QRGATE_{name}"), value(name).to_owned())).collect()
}

#[test]
fn the_settings_in_the_kubernetes_manifest_are_valid() {
    let manifest = std::fs::read_to_string("deploy/kubernetes/sidecar.yaml").unwrap();
    let (_, block) = manifest.split_once("  proxy.toml: |\n").unwrap();
    let file: Vec<&str> =
        block.lines().take_while(|line| *line != "---").map(|line| line.get(4..).unwrap_or("")).collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("proxy.toml");
    std::fs::write(&path, file.join("\n")).unwrap();
    let mut variables = variables(&manifest);
    assert_eq!(variables.len(), 3, "{variables:?}");
    for (name, value) in &mut variables {
        match name.ends_with("SECRET") {
            true => text(&run(Command::new(PROGRAM).arg("secret"))).trim().clone_into(value),
            false => "redis://qrgate:0123@redis:6379/0".clone_into(value),
        }
    }
    let output = check_of(&path, &variables).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "unedited, it trusts no proxy and does not start");
    let placeholder = "replace with the addresses of the ingress controller";
    let (edited, asked) = (file.join("\n").replace(placeholder, "10.9.8.0/28"), file.join("\n").contains(placeholder));
    assert!(asked, "{file:?}");
    std::fs::write(&path, edited).unwrap();
    look_over(&path, &variables);
    // The ports of the file are those of the container, and the paths of the probes those of the admin listener.
    for (key, port) in
        [("address", "{ name: http, containerPort: 8080 }"), ("admin", "{ name: admin, containerPort: 9180 }")]
    {
        let number: String = port.chars().filter(char::is_ascii_digit).collect();
        assert!(file.contains(&&*format!("{key} = \"0.0.0.0:{number}\"")) && manifest.contains(port), "{key}");
    }
    for probe in [
        "livenessProbe: { httpGet: { path: /healthz, port: admin } }",
        "readinessProbe: { httpGet: { path: /readyz, port: admin } }",
    ] {
        assert!(manifest.contains(probe), "{probe}");
    }
}

#[test]
fn the_settings_in_the_compose_file_are_valid() {
    let folder = tempfile::tempdir().unwrap();
    let mut variables = variables(&std::fs::read_to_string("deploy/container/compose.yaml").unwrap());
    assert!(variables.len() > 4, "{variables:?}");
    for (name, value) in &mut variables {
        if name.ends_with("_FILE") {
            let file = folder.path().join(value.strip_prefix("/run/secrets/").expect(name));
            match name.ends_with("SECRET_FILE") {
                true => std::fs::write(&file, run(Command::new(PROGRAM).arg("secret")).stdout).unwrap(),
                false => std::fs::write(&file, "redis://qrgate:0123@redis:6379/0\n").unwrap(),
            }
            *value = file.to_str().unwrap().to_owned();
        }
    }
    look_over(Path::new("examples/django/proxy.toml"), &variables);
}

#[test]
fn a_socket_from_systemd_is_used_and_its_first_client_served() {
    if !is_installed("systemd-socket-activate") {
        return;
    }
    let application = TestApplication::start();
    let folder = tempfile::tempdir().unwrap();
    let (file, socket) = (folder.path().join("proxy.toml"), folder.path().join("http.sock"));
    let settings = "[listen]\naddress = \"systemd:http\"\nadmin = \"off\"\n[public]\ntrusted_proxies = [\"unix\"]";
    std::fs::write(&file, configuration(application.address, settings)).unwrap();
    let mut activator = Command::new("systemd-socket-activate")
        .arg("--listen")
        .arg(&socket)
        .args(["--fdname=http", PROGRAM, "--config"])
        .arg(&file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // qrgate does not run yet: systemd owns the socket, and the connection waits until qrgate accepts it.
    let mut visitor = eventually("the socket", || UnixStream::connect(&socket).ok());
    visitor.set_read_timeout(Some(TIMEOUT)).unwrap();
    visitor.write_all(b"GET /hello HTTP/1.1\r\nHost: app.example.com\r\nConnection: close\r\n\r\n").unwrap();
    let mut response = String::new();
    let read = visitor.read_to_string(&mut response);
    // systemd-socket-activate has replaced itself with qrgate: it is the same process.
    let ended = Command::new("kill").arg(activator.id().to_string()).status();
    assert_eq!(activator.wait().unwrap().code(), Some(0), "{ended:?}");
    read.unwrap();
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
}

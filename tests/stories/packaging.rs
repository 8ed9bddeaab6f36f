//! What an operator installs: the Debian package and the systemd unit.

use std::process::{Command, Output};

use crate::harness::front::is_installed;

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
fn the_debian_package_holds_a_program_that_runs_and_a_file_that_is_right() {
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
    let conffiles = std::fs::read_to_string(tree.join("DEBIAN/conffiles")).unwrap();
    assert_eq!(conffiles, "/etc/qrgate/proxy.toml\n");
    let program = tree.join("usr/bin/qrgate");
    assert!(text(&run(Command::new(&program).arg("--version"))).contains(env!("CARGO_PKG_VERSION")));
    for file in [
        "lib/systemd/system/qrgate.service",
        "usr/share/man/man1/qrgate.1.gz",
        "usr/share/bash-completion/completions/qrgate",
        "usr/share/doc/qrgate/copyright",
        "usr/share/doc/qrgate/docs/operations.md",
    ] {
        assert!(tree.join(file).is_file(), "{file}");
    }
    // As postinst does: the secrets that the file names.
    for name in ["hook", "ticket"] {
        let secret = run(Command::new(&program).arg("secret"));
        std::fs::write(tree.join(format!("etc/qrgate/{name}.secret")), secret.stdout).unwrap();
    }
    run(Command::new(&program).args(["check", "--offline", "--config"]).arg(tree.join("etc/qrgate/proxy.toml")));
    for script in ["postinst", "prerm", "postrm"] {
        run(Command::new("sh").arg("-n").arg(tree.join("DEBIAN").join(script)));
    }
}

#[test]
fn systemd_understands_the_unit() {
    if !is_installed("systemd-analyze") {
        return;
    }
    let unit = std::fs::read_to_string("deploy/systemd/qrgate.service").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("qrgate.service");
    // The manual page is not installed here, nor is the program there.
    let unit = unit.replace("/usr/bin/qrgate", PROGRAM).replace("Documentation=man:qrgate(1)\n", "");
    std::fs::write(&file, unit).unwrap();
    let output = run(Command::new("systemd-analyze").arg("verify").arg(&file));
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(!complained.contains("qrgate.service"), "{complained}");
}

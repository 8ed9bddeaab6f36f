//! Versions with known vulnerabilities are refused. `deny.toml` does the same for licences, sources and whole crates.

#![allow(clippy::unwrap_used, reason = "a test that cannot read its files has failed")]

/// Crate → the first version without a known vulnerability; only crates in use are checked.
const FLOORS: [(&str, [u64; 3]); 12] = [
    ("hyper", [1, 11, 0]), // before it a Content-Length ahead of Transfer-Encoding stayed in the map
    ("h2", [0, 4, 18]),
    ("rustls", [0, 23, 18]),
    ("rustls-webpki", [0, 103, 13]),
    ("ring", [0, 17, 12]),
    ("aws-lc-sys", [0, 39, 0]),
    ("tokio", [1, 44, 2]),
    ("bytes", [1, 11, 1]),
    ("time", [0, 3, 47]),
    ("tracing-subscriber", [0, 3, 20]),
    ("idna", [1, 0, 0]),
    ("lru", [0, 18, 2]),
];

fn version(text: &str) -> [u64; 3] {
    let bare = text.split(['+', '-']).next().unwrap();
    let mut parts = bare.split('.').map(|part| part.parse().unwrap());
    std::array::from_fn(|_| parts.next().unwrap_or(0))
}

#[test]
fn no_dependency_is_older_than_its_last_known_hole() {
    let lock: toml::Table = std::fs::read_to_string("Cargo.lock").unwrap().parse().unwrap();
    let packages = lock["package"].as_array().unwrap();
    let mut held = 0;
    for package in packages {
        let (name, locked) = (package["name"].as_str().unwrap(), package["version"].as_str().unwrap());
        for (_, floor) in FLOORS.iter().filter(|(held, _)| *held == name) {
            held += 1;
            assert!(version(locked) >= *floor, "{name} {locked} is older than {floor:?}");
        }
    }
    assert!(held > 5, "only {held} of the crates with a floor are used");
}

#[test]
fn the_lock_of_the_fuzz_targets_has_the_dependencies_of_the_program() {
    let read = |path: &str| std::fs::read_to_string(path).unwrap().parse::<toml::Table>().unwrap();
    let (manifest, lock) = (read("Cargo.toml"), read("fuzz/Cargo.lock"));
    let program = lock["package"].as_array().unwrap().iter().find(|package| package["name"].as_str() == Some("qrgate"));
    let locked = program.unwrap()["dependencies"].as_array().unwrap();
    for (name, dependency) in manifest["dependencies"].as_table().unwrap() {
        let is_optional = dependency.get("optional").is_some_and(|optional| optional.as_bool() == Some(true));
        let is_locked = locked.iter().any(|entry| entry.as_str().unwrap().split(' ').next() == Some(name));
        assert!(is_optional || is_locked, "{name}: run cargo metadata --manifest-path fuzz/Cargo.toml");
    }
}

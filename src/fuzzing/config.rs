//! proxy.toml: every problem has a position in the file, and no secret is printed.

use std::path::Path;

use crate::config::{Config, ConfigErrors, Environment, parse};

const SECRET: &str = "whsec_Zm9ydHktdHdvLWlzLWEtc2VjcmV0LW9mLTMyLWJ5dGVz";

/// The input is a file.
///
/// - The file is accepted, or refused with at least one problem; each problem has an existing line.
/// - A secret in the file appears neither in the messages nor in the debug output of the configuration.
/// - Messages contain no terminal control characters.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let shown = match read(text) {
        Ok(config) => format!("{config:?}"),
        Err(errors) => {
            let report = errors.to_string();
            assert!(report.contains("proxy.toml"), "{report}");
            let lines = text.split('\n').count();
            let places = report.lines().filter_map(|line| line.strip_prefix("proxy.toml:")?.split_once(':'));
            for number in places.filter_map(|(number, _)| number.parse::<usize>().ok()) {
                assert!((1..=lines).contains(&number), "line {number} of {lines}");
            }
            report
        }
    };
    assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
    for guarded in [
        format!("{text}\n[login]\nsecret = \"{SECRET}\"\n"),
        format!("login.secret = \"{SECRET}\"\n{text}"),
        format!("{text} # {SECRET}"),
    ] {
        let shown = read(&guarded).map_or_else(|errors| errors.to_string(), |config| format!("{config:?}"));
        assert!(!shown.contains(&SECRET[8..24]), "{shown}");
    }
}

fn read(text: &str) -> Result<Config, ConfigErrors> {
    parse("proxy.toml", text, Path::new("/nonexistent"), &Environment::default())
}

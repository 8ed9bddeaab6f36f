//! Properties that hold for any input: one check for each parser of external bytes.
//!
//! A check takes arbitrary bytes and panics if a property does not hold. `fuzz/` searches for such bytes; the test
//! below replays its seeds and all inputs that were once findings. Where a property needs an oracle, this folder has a
//! second, slow and independent implementation of the rule.

#![allow(clippy::expect_used, reason = "a check that panics has found something")]

pub mod accept_language;
pub mod answers;
pub mod config;
pub mod cookies;
pub mod forwarded;
pub mod hook_answers;
pub mod jwt;
mod lines;
pub mod proxy_protocol;
pub mod requests;
pub mod return_path;
pub mod rows;
pub mod set_cookie;
pub mod target;
pub mod tokens;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    type Check = fn(&[u8]);

    const CHECKS: [(&str, Check); 14] = [
        ("accept_language", super::accept_language::check),
        ("answers", super::answers::check),
        ("config", super::config::check),
        ("cookies", super::cookies::check),
        ("forwarded", super::forwarded::check),
        ("hook_answers", super::hook_answers::check),
        ("jwt", super::jwt::check),
        ("proxy_protocol", super::proxy_protocol::check),
        ("requests", super::requests::check),
        ("return_path", super::return_path::check),
        ("rows", super::rows::check),
        ("set_cookie", super::set_cookie::check),
        ("target", super::target::check),
        ("tokens", super::tokens::check),
    ];

    /// Runs the check on every file of a folder. Returns the number of files, and adds failing files to `broken`.
    fn replay(folder: &Path, check: Check, broken: &mut Vec<PathBuf>) -> usize {
        let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut files = 0;
        for entry in entries {
            let path = entry.unwrap().path();
            let data = fs::read(&path).unwrap();
            if std::panic::catch_unwind(|| check(&data)).is_err() {
                broken.push(path);
            }
            files += 1;
        }
        files
    }

    #[test]
    fn every_kept_input_keeps_the_properties() {
        let mut broken = Vec::new();
        for (name, check) in CHECKS {
            let files = replay(&Path::new("fuzz/seeds").join(name), check, &mut broken);
            assert!(files > 0, "fuzz/seeds/{name} is empty");
            // A corpus that fuzzing produced is not part of the repository.
            for folder in ["fuzz/regressions", "fuzz/corpus"].map(|kind| Path::new(kind).join(name)) {
                if folder.exists() {
                    replay(&folder, check, &mut broken);
                }
            }
        }
        assert!(broken.is_empty(), "a property does not hold for {broken:?}");
    }

    #[test]
    fn every_fuzz_target_is_replayed_here() {
        let mut targets: Vec<String> = fs::read_dir("fuzz/fuzz_targets")
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        targets.sort();
        assert_eq!(targets, CHECKS.map(|(name, _)| name));
    }
}

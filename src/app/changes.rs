//! Detects changed files by polling, which works however a file is replaced, also through links and mounts.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

/// The identity of a file's state: modification time, length and inode.
type Stamp = Option<(SystemTime, u64, u64)>;

/// Polls after which files that could not be used are tried again.
const RETRY: u32 = 5;

/// The state of some files when they were last used, and at the last poll.
pub struct Changes {
    used: Vec<Stamp>,
    seen: Vec<Stamp>,
    failure: Option<Failure>,
}

/// Why the files could not be used, and the polls until they are tried again.
struct Failure {
    cause: String,
    retry_in: u32,
}

/// The result of a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Nothing to do.
    Nothing,
    /// They have changed, and have stopped changing.
    Changed,
    /// They could not be used last time, and it is time to try again.
    Again,
}

impl Changes {
    /// These files are in use as they are now.
    pub fn since_now(files: &[&Path]) -> Changes {
        let stamps = stamps_of(files);
        Changes { used: stamps.clone(), seen: stamps, failure: None }
    }

    /// Polls the files. [`Look::Changed`] is reported once per change, when two polls in a row found the same state, so
    /// that a half-written file is not used while it is still being written.
    ///
    /// Files that could not be used are tried again every few polls, since the cause may not show in them: permissions,
    /// or another file that they name.
    pub fn look(&mut self, files: &[&Path]) -> Look {
        let stamps = stamps_of(files);
        let at_rest = stamps == self.seen;
        if at_rest && stamps != self.used {
            self.used = stamps;
            self.failure = None;
            return Look::Changed;
        }
        self.seen = stamps;
        let Some(failure) = self.failure.as_mut().filter(|_| at_rest) else { return Look::Nothing };
        failure.retry_in = failure.retry_in.saturating_sub(1);
        if failure.retry_in == 0 { Look::Again } else { Look::Nothing }
    }

    /// Notes that the files could not be used. True if the cause differs from that of the last try.
    pub fn failed(&mut self, cause: String) -> bool {
        let known = self.failure.as_ref().is_some_and(|failure| failure.cause == cause);
        self.failure = Some(Failure { cause, retry_in: RETRY });
        !known
    }

    /// Notes that the files are in use after an earlier failure.
    pub fn succeeded(&mut self) {
        self.failure = None;
    }
}

fn stamps_of(files: &[&Path]) -> Vec<Stamp> {
    let stamp = |path: &&Path| {
        let file = std::fs::metadata(path).ok()?;
        Some((file.modified().ok()?, file.len(), file.ino()))
    };
    files.iter().map(stamp).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_reported_once_and_only_when_the_file_has_stopped_changing() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        std::fs::write(&one, "1").unwrap();
        let files: [&Path; 2] = [&one, &other];
        let mut changes = Changes::since_now(&files);
        assert_eq!([changes.look(&files), changes.look(&files)], [Look::Nothing; 2], "nothing has changed");
        std::fs::write(&one, "12").unwrap();
        assert_eq!(changes.look(&files), Look::Nothing, "it may be half-written");
        std::fs::write(&one, "123").unwrap();
        assert_eq!(changes.look(&files), Look::Nothing, "it was");
        assert_eq!(changes.look(&files), Look::Changed);
        assert_eq!(changes.look(&files), Look::Nothing, "reported once");
        std::fs::write(&other, "").unwrap();
        assert_eq!(changes.look(&files), Look::Nothing);
        assert_eq!(changes.look(&files), Look::Changed, "a file that was not there counts too");
    }

    #[test]
    fn a_file_put_in_place_of_another_of_the_same_length_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let (file, new) = (folder.path().join("file"), folder.path().join("new"));
        std::fs::write(&file, "1").unwrap();
        let mut changes = Changes::since_now(&[&file]);
        std::fs::write(&new, "2").unwrap();
        std::fs::rename(&new, &file).unwrap();
        assert_eq!(changes.look(&[&file]), Look::Nothing);
        assert_eq!(changes.look(&[&file]), Look::Changed);
    }

    #[test]
    fn what_could_not_be_used_is_tried_again_and_its_cause_is_news_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "1").unwrap();
        let mut changes = Changes::since_now(&[&file]);
        assert!(changes.failed("no right to read it".to_owned()));
        for _ in 0..2 {
            let looks: Vec<Look> = (0..RETRY).map(|_| changes.look(&[&file])).collect();
            assert_eq!(looks.iter().position(|look| *look == Look::Again), Some(RETRY as usize - 1), "{looks:?}");
            assert!(!changes.failed("no right to read it".to_owned()));
        }
        assert!(changes.failed("not a certificate".to_owned()));
        changes.succeeded();
        assert!((0..2 * RETRY).all(|_| changes.look(&[&file]) == Look::Nothing));
        assert!(changes.failed("not a certificate".to_owned()));
        std::fs::write(&file, "12").unwrap();
        assert_eq!([changes.look(&[&file]), changes.look(&[&file])], [Look::Nothing, Look::Changed]);
        assert!(changes.failed("not a certificate".to_owned()), "of another file");
    }
}

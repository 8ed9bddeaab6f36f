//! Notices that files have changed, by looking at them now and then: that works however they are replaced, through links
//! and mounts too.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

/// What tells one state of a file from another: when it was written, how long it is, and which file it is.
type Stamp = Option<(SystemTime, u64, u64)>;

/// Some files, as they were when they were last used and as they were when they were last looked at.
pub struct Changes {
    used: Vec<Stamp>,
    seen: Vec<Stamp>,
}

impl Changes {
    /// These files are in use as they are now.
    pub fn since_now(files: &[&Path]) -> Changes {
        let stamps = stamps_of(files);
        Changes { used: stamps.clone(), seen: stamps }
    }

    /// Whether the files differ from those last used, and have come to rest: two looks found the same. True once for
    /// each change; a half-written file is not taken for a new one as long as its writer goes on.
    pub fn look(&mut self, files: &[&Path]) -> bool {
        let stamps = stamps_of(files);
        let at_rest = stamps == self.seen;
        if at_rest && stamps != self.used {
            self.used = stamps;
            return true;
        }
        self.seen = stamps;
        false
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
    fn a_change_is_told_once_and_only_when_it_has_come_to_rest() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        std::fs::write(&one, "1").unwrap();
        let files: [&Path; 2] = [&one, &other];
        let mut changes = Changes::since_now(&files);
        assert!(!changes.look(&files) && !changes.look(&files), "nothing has changed");
        std::fs::write(&one, "12").unwrap();
        assert!(!changes.look(&files), "it may be half-written");
        std::fs::write(&one, "123").unwrap();
        assert!(!changes.look(&files), "it was");
        assert!(changes.look(&files));
        assert!(!changes.look(&files), "told once");
        std::fs::write(&other, "").unwrap();
        assert!(!changes.look(&files));
        assert!(changes.look(&files), "a file that was not there counts too");
    }

    #[test]
    fn a_file_put_in_place_of_another_of_the_same_length_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let (file, new) = (folder.path().join("file"), folder.path().join("new"));
        std::fs::write(&file, "1").unwrap();
        let mut changes = Changes::since_now(&[&file]);
        std::fs::write(&new, "2").unwrap();
        std::fs::rename(&new, &file).unwrap();
        assert!(!changes.look(&[&file]));
        assert!(changes.look(&[&file]));
    }
}

//! The folder that the processes share: the account, the certificate, the pending challenges, and the pause after a
//! failure. Only the process that holds the lock writes.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use instant_acme::AccountCredentials;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::trouble::Trouble;
use crate::clock::Timestamp;
use crate::config::Acme;

/// An authority's folder.
pub struct Folder {
    path: PathBuf,
}

/// A folder that this process may write to. The kernel releases the lock when the process ends, however it ends.
pub struct LockedFolder<'a> {
    folder: &'a Folder,
    _file: File,
}

/// An account at the authority, with its private key.
#[derive(Serialize, Deserialize)]
pub struct Registered {
    /// The contact that the authority knows.
    pub contact: Option<String>,
    pub credentials: AccountCredentials,
}

/// What the last failed attempt left for the next one, also after a restart and for other processes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Failed attempts in a row.
    pub failures: u32,
    /// No attempt before this time.
    pub until: Timestamp,
    /// The domains that were ordered. The pause does not apply to others.
    pub domains: Vec<String>,
}

impl Folder {
    /// Makes the folder and its parents. It is open to this user only (0700), as is everything that is made in it.
    pub fn open(settings: &Acme) -> Result<Folder, Trouble> {
        let path = settings.authority_folder();
        let challenges = path.join("challenges");
        let made = (|| {
            DirBuilder::new().recursive(true).mode(0o700).create(&challenges)?;
            for folder in [&path, &challenges] {
                if fs::metadata(folder)?.permissions().mode() & 0o077 != 0 {
                    fs::set_permissions(folder, Permissions::from_mode(0o700))?;
                }
            }
            Ok(())
        })();
        made.map_err(|error| Trouble::folder(&path, &error))?;
        Ok(Folder { path })
    }

    /// Takes the lock. `None` while another process has it. Fails where the file system has no locks.
    pub fn lock(&self) -> Result<Option<LockedFolder<'_>>, Trouble> {
        let path = self.path.join("lock");
        let file =
            private().create(true).truncate(false).open(&path).map_err(|error| Trouble::folder(&path, &error))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(LockedFolder { folder: self, _file: file })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(Trouble::folder(&path, &error.into())),
        }
    }

    /// The account, if one was made.
    pub fn account(&self) -> Result<Option<Registered>, Trouble> {
        let path = self.path.join("account.json");
        match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|error| Trouble::account(&path, &error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Trouble::folder(&path, &error)),
        }
    }

    /// The pause after the last failure. `None` also when its file is damaged.
    pub fn pause(&self) -> Option<Pause> {
        serde_json::from_slice(&fs::read(self.path.join("pause.json")).ok()?).ok()
    }
}

impl LockedFolder<'_> {
    pub fn account(&self) -> Result<Option<Registered>, Trouble> {
        self.folder.account()
    }

    pub fn set_account(&self, account: &Registered) -> Result<(), Trouble> {
        let path = self.folder.path.join("account.json");
        self.put(&path, &serde_json::to_vec(account).map_err(|error| Trouble::account(&path, &error))?)
    }

    pub fn set_pause(&self, pause: &Pause) -> Result<(), Trouble> {
        self.put(&self.folder.path.join("pause.json"), &serde_json::to_vec(pause).unwrap_or_default())
    }

    pub fn clear_pause(&self) {
        let _ = fs::remove_file(self.folder.path.join("pause.json"));
    }

    /// Removes every challenge, also those that a killed process has left.
    pub fn clear_challenges(&self) {
        for entry in fs::read_dir(self.folder.path.join("challenges")).into_iter().flatten().flatten() {
            let _ = fs::remove_file(entry.path());
        }
    }

    /// Replaces a file of the folder as a whole (0600), on the disk when this returns. A crash leaves the old content
    /// or the new one.
    pub fn put(&self, path: &Path, content: &[u8]) -> Result<(), Trouble> {
        let new = path.with_extension("new");
        let written = (|| {
            // A killed process may have left one.
            let _ = fs::remove_file(&new);
            let mut file = private().create_new(true).open(&new)?;
            file.write_all(content)?;
            file.sync_all()?;
            fs::rename(&new, path)?;
            path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
        })();
        written.map_err(|error| {
            let _ = fs::remove_file(&new);
            Trouble::folder(path, &error)
        })
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    options
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::ClientTls;

    fn settings(folder: &Path) -> Acme {
        Acme {
            domains: vec!["a.example".to_owned()],
            contact: None,
            folder: folder.join("acme"),
            directory: "https://ca.example/directory".to_owned(),
            tls: ClientTls::default(),
        }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn no_other_user_can_read_the_folder_and_its_files() {
        let outer = tempfile::tempdir().unwrap();
        let settings = settings(outer.path());
        fs::create_dir_all(settings.authority_folder()).unwrap();
        for path in [&settings.folder, &settings.authority_folder()] {
            fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
        }
        let folder = Folder::open(&settings).unwrap();
        let locked = folder.lock().unwrap().unwrap();
        let file = settings.certificate_files().certificate;
        locked.put(&file, b"one").unwrap();
        locked.put(&file, b"two").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "two");
        assert_eq!(mode(&settings.authority_folder()), 0o700);
        assert_eq!(mode(&settings.folder), 0o755, "it may hold other things: it is left alone");
        let names: Vec<_> = fs::read_dir(settings.authority_folder()).unwrap().map(|entry| entry.unwrap()).collect();
        assert_eq!(names.len(), 3, "no temporary file is left: {names:?}");
        for entry in names.iter().filter(|entry| entry.file_type().unwrap().is_file()) {
            assert_eq!(mode(&entry.path()), 0o600, "{entry:?}");
        }
    }

    #[test]
    fn one_holder_has_the_lock_until_it_lets_go() {
        let outer = tempfile::tempdir().unwrap();
        let settings = settings(outer.path());
        let (one, other) = (Folder::open(&settings).unwrap(), Folder::open(&settings).unwrap());
        let lock = one.lock().unwrap();
        assert!(lock.is_some() && other.lock().unwrap().is_none());
        drop(lock);
        assert!(other.lock().unwrap().is_some());
    }

    #[test]
    fn pause_and_challenges_are_kept_until_they_are_removed() {
        let outer = tempfile::tempdir().unwrap();
        let settings = settings(outer.path());
        let folder = Folder::open(&settings).unwrap();
        let locked = folder.lock().unwrap().unwrap();
        let pause = Pause { failures: 2, until: Timestamp(5), domains: vec!["a.example".to_owned()] };
        locked.set_pause(&pause).unwrap();
        assert_eq!(folder.pause(), Some(pause));
        fs::write(folder.path.join("pause.json"), "{").unwrap();
        assert_eq!(folder.pause(), None, "damaged");
        locked.clear_pause();
        assert_eq!(folder.pause(), None);
        let challenges = settings.challenges();
        locked.put(&challenges.token_file("token").unwrap(), b"token.thumbprint").unwrap();
        assert_eq!(challenges.key_authorization("token").unwrap(), b"token.thumbprint");
        locked.clear_challenges();
        assert_eq!(challenges.key_authorization("token"), None);
    }

    #[test]
    fn a_damaged_account_is_an_error_that_says_what_to_do() {
        let outer = tempfile::tempdir().unwrap();
        let folder = Folder::open(&settings(outer.path())).unwrap();
        assert!(folder.account().unwrap().is_none());
        fs::write(folder.path.join("account.json"), "{\"id\":").unwrap();
        let error = folder.account().err().unwrap().to_string();
        assert!(error.contains("account.json") && error.contains("remove it"), "{error}");
    }
}

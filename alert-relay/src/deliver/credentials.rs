//! Secrets from files, read when they are used, and known again by a digest.
//!
//! An incident is ended with the key that it was opened with. Keys that were used since the start are
//! kept, so that a rotated file does not orphan open incidents; one that was rotated while the relay
//! was down is lost, and the file's key is used.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use daemon_runtime::secret::{Secret, SecretFile, SecretFileError};
use sha2::{Digest as _, Sha256};

/// Keys that are kept; the oldest gives way.
const MAX_KNOWN: usize = 256;

/// A secret with its digest.
#[derive(Debug, Clone)]
pub(super) struct Credential {
    pub(super) secret: Arc<Secret<String>>,
    pub(super) digest: String,
}

impl Credential {
    pub(super) fn of(text: String) -> Self {
        let mut digest = String::new();
        for byte in Sha256::digest(text.as_bytes()).iter().take(8) {
            let _ = write!(digest, "{byte:02x}");
        }
        Self { secret: Arc::new(Secret::new(text)), digest }
    }

    pub(super) fn expose(&self) -> &str {
        self.secret.expose()
    }
}

/// Those that were used.
#[derive(Debug, Default)]
pub(super) struct Credentials(Mutex<VecDeque<Credential>>);

impl Credentials {
    /// What a file has now.
    pub(super) async fn read(&self, path: &Path) -> Result<Credential, SecretFileError> {
        let owned = path.to_owned();
        let read = tokio::task::spawn_blocking(move || SecretFile::open(owned));
        let file = read.await.map_err(|_| SecretFileError::Unreadable {
            path: path.to_owned(),
            cause: std::io::Error::other("the program is ending"),
        })??;
        let credential = Credential::of(file.read().secret.expose().clone());
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.iter().any(|one| one.digest == credential.digest) {
            known.push_back(credential.clone());
            if known.len() > MAX_KNOWN {
                known.pop_front();
            }
        }
        Ok(credential)
    }

    /// The one of a digest, if it was used since the start.
    pub(super) fn known(&self, digest: &str) -> Option<Credential> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().find(|one| one.digest == digest).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_rotated_key_is_still_known_by_its_digest() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let credentials = Credentials::default();
        std::fs::write(file.path(), "first\n").unwrap();
        let first = credentials.read(file.path()).await.unwrap();
        std::fs::write(file.path(), "second\n").unwrap();
        let second = credentials.read(file.path()).await.unwrap();
        assert_eq!((first.expose(), second.expose()), ("first", "second"));
        assert_eq!(credentials.known(&first.digest).unwrap().expose(), "first");
        assert!(credentials.known("nothing").is_none());
        assert!(!format!("{first:?} {credentials:?}").contains("first"));
    }
}

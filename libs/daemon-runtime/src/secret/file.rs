//! A secret that lives in a file and may change there.
//!
//! A secret once read stays in use until a later one was read in full: a file that is missing,
//! empty or unreadable for a moment while it is replaced costs nothing but a report.

use std::fmt;
use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Secret;

/// The largest file that is read as a secret: 64 KiB, far above any token or password.
pub const MAX_SECRET_BYTES: u64 = 64 << 10;

/// A file is looked at no more often than this.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Why a file gave no secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretFileError {
    /// The system refused to open or read it.
    #[error("cannot read the secret file {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// A directory, pipe or device.
    #[error("{} is not a regular file", path.display())]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// More than [`MAX_SECRET_BYTES`].
    #[error("secret file {} is too large: at most {MAX_SECRET_BYTES} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// Nothing but line ends.
    #[error("secret file {} is empty", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// Bytes that are not UTF-8.
    #[error("secret file {} is not UTF-8 text", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
    },
}

/// What [`SecretFile::read`] found.
#[derive(Debug)]
pub struct Reading {
    /// The last secret that was read in full.
    pub secret: Arc<Secret<String>>,
    /// Why this call could not re-read a file that changed; at most once a second.
    pub problem: Option<SecretFileError>,
}

/// A secret that follows its file, without line ends at its end.
pub struct SecretFile {
    path: PathBuf,
    clock: Box<dyn Fn() -> Instant + Send + Sync>,
    state: Mutex<State>,
}

struct State {
    secret: Arc<Secret<String>>,
    seen: Fingerprint,
    checked: Instant,
}

/// Tells one content of a path from the next. Links are followed, so Kubernetes' swap of a volume's
/// `..data` link shows as another inode; the change time shows a rewrite that keeps the size and
/// restores the modification time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Fingerprint {
    /// Of the file that `metadata` describes.
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl SecretFile {
    /// Reads the secret in `path` for the first time. Blocks on the disk.
    ///
    /// # Errors
    /// [`SecretFileError`] when the file holds no usable secret.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, SecretFileError> {
        Self::open_with_clock(path, Instant::now)
    }

    /// The same, with `clock` to tell when the file was last looked at.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with_clock(
        path: impl Into<PathBuf>,
        clock: impl Fn() -> Instant + Send + Sync + 'static,
    ) -> Result<Self, SecretFileError> {
        let path = path.into();
        let checked = clock();
        let (secret, seen) = load(&path)?;
        let state = Mutex::new(State { secret, seen, checked });
        Ok(Self { path, clock: Box::new(clock), state })
    }

    /// The file that the secret comes from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The current secret, re-read if the file changed and was not looked at within the last
    /// second. That look is a `stat`, and a read of at most [`MAX_SECRET_BYTES`] after a change.
    pub fn read(&self) -> Reading {
        // a panic while the lock was held cannot have left a half-made state: each field is set whole
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = (self.clock)();
        let mut problem = None;
        if now.saturating_duration_since(state.checked) >= CHECK_INTERVAL {
            state.checked = now;
            let same = fs::metadata(&self.path)
                .is_ok_and(|metadata| Fingerprint::of(&metadata) == state.seen);
            if !same {
                match load(&self.path) {
                    Ok((secret, seen)) => (state.secret, state.seen) = (secret, seen),
                    Err(error) => problem = Some(error),
                }
            }
        }
        Reading { secret: Arc::clone(&state.secret), problem }
    }
}

impl fmt::Debug for SecretFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretFile").field("path", &self.path).finish_non_exhaustive()
    }
}

fn load(path: &Path) -> Result<(Arc<Secret<String>>, Fingerprint), SecretFileError> {
    let unreadable = |cause| SecretFileError::Unreadable { path: path.to_owned(), cause };
    // before the open, which would wait for a writer if this were a pipe
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(SecretFileError::NotAFile { path: path.to_owned() });
    }
    let file = File::open(path).map_err(unreadable)?;
    // of the open file and before the read: a change in between shows at the next look
    let seen = Fingerprint::of(&file.metadata().map_err(unreadable)?);
    let mut bytes = Vec::new();
    file.take(MAX_SECRET_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_SECRET_BYTES {
        return Err(SecretFileError::TooLarge { path: path.to_owned() });
    }
    let mut text = String::from_utf8(bytes)
        .map_err(|_bytes| SecretFileError::NotText { path: path.to_owned() })?;
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    if text.is_empty() {
        return Err(SecretFileError::Empty { path: path.to_owned() });
    }
    Ok((Arc::new(Secret::new(text)), seen))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    struct Fixture {
        directory: TempDir,
        path: PathBuf,
        now: Arc<Mutex<Instant>>,
    }

    impl Fixture {
        fn new() -> Self {
            let directory = TempDir::new().unwrap();
            let path = directory.path().join("token");
            fs::write(&path, "first\n").unwrap();
            Self { directory, path, now: Arc::new(Mutex::new(Instant::now())) }
        }

        fn open(&self) -> SecretFile {
            let now = Arc::clone(&self.now);
            SecretFile::open_with_clock(&self.path, move || *now.lock().unwrap()).unwrap()
        }

        fn advance(&self, by: Duration) {
            *self.now.lock().unwrap() += by;
        }
    }

    fn text(reading: &Reading) -> &str {
        reading.secret.expose()
    }

    #[test]
    fn line_ends_at_the_end_are_cut_and_other_space_is_kept() {
        let fixture = Fixture::new();
        fs::write(&fixture.path, " a b \r\n").unwrap();
        assert_eq!(text(&fixture.open().read()), " a b ");
    }

    #[test]
    fn a_changed_file_is_read_again_but_looked_at_no_more_than_once_a_second() {
        let fixture = Fixture::new();
        let file = fixture.open();
        fs::write(&fixture.path, "second").unwrap();
        fixture.advance(Duration::from_millis(999));
        assert_eq!(text(&file.read()), "first");
        fixture.advance(Duration::from_millis(1));
        assert_eq!(text(&file.read()), "second");
    }

    #[test]
    fn an_unchanged_file_is_not_read_again() {
        let fixture = Fixture::new();
        let file = fixture.open();
        let before = file.read().secret;
        fixture.advance(CHECK_INTERVAL);
        assert!(Arc::ptr_eq(&before, &file.read().secret));
    }

    #[test]
    fn the_swap_of_a_kubernetes_volumes_link_is_followed() {
        let fixture = Fixture::new();
        let at = |name: &str| fixture.directory.path().join(name);
        for (directory, secret) in [("..1", "alpha"), ("..2", "gamma")] {
            fs::create_dir(at(directory)).unwrap();
            fs::write(at(directory).join("password"), secret).unwrap();
        }
        symlink("..1", at("..data")).unwrap();
        symlink("..data/password", at("password")).unwrap();
        let now = Arc::clone(&fixture.now);
        let file =
            SecretFile::open_with_clock(at("password"), move || *now.lock().unwrap()).unwrap();
        assert_eq!(text(&file.read()), "alpha");
        symlink("..2", at("..data_tmp")).unwrap();
        fs::rename(at("..data_tmp"), at("..data")).unwrap();
        fixture.advance(CHECK_INTERVAL);
        assert_eq!(text(&file.read()), "gamma");
    }

    #[test]
    fn a_file_that_cannot_be_read_again_leaves_the_last_secret_in_use_and_is_reported() {
        let fixture = Fixture::new();
        let file = fixture.open();
        fs::remove_file(&fixture.path).unwrap();
        fixture.advance(CHECK_INTERVAL);
        let reading = file.read();
        assert_eq!(text(&reading), "first");
        assert!(matches!(reading.problem, Some(SecretFileError::Unreadable { .. })));
        assert!(file.read().problem.is_none(), "reported once per look");

        fs::write(&fixture.path, "\n").unwrap();
        fixture.advance(CHECK_INTERVAL);
        let reading = file.read();
        assert_eq!(text(&reading), "first");
        assert!(matches!(reading.problem, Some(SecretFileError::Empty { .. })));

        fs::write(&fixture.path, "second").unwrap();
        fixture.advance(CHECK_INTERVAL);
        let reading = file.read();
        assert_eq!(text(&reading), "second");
        assert!(reading.problem.is_none());
    }

    #[test]
    fn a_file_at_the_size_limit_is_read_and_one_above_is_refused() {
        let fixture = Fixture::new();
        let limit = usize::try_from(MAX_SECRET_BYTES).unwrap();
        fs::write(&fixture.path, "x".repeat(limit)).unwrap();
        assert_eq!(text(&fixture.open().read()).len(), limit);
        fs::write(&fixture.path, "x".repeat(limit + 1)).unwrap();
        let error = SecretFile::open(&fixture.path).unwrap_err();
        assert!(matches!(error, SecretFileError::TooLarge { .. }), "{error}");
    }

    #[test]
    fn directories_and_bytes_that_are_not_text_are_refused_without_showing_them() {
        let fixture = Fixture::new();
        let error = SecretFile::open(fixture.directory.path()).unwrap_err();
        assert!(matches!(error, SecretFileError::NotAFile { .. }), "{error}");
        fs::write(&fixture.path, b"hunter2\xff").unwrap();
        let error = SecretFile::open(&fixture.path).unwrap_err();
        assert!(matches!(error, SecretFileError::NotText { .. }), "{error}");
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}

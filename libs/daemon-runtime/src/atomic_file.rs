//! Replaces a whole file so that a crash leaves either the old content or the new, never a mix.
//!
//! The new content is written and synced under a second name in the same directory before it takes
//! the file's name. One writer per file: two at once would share that second name.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// The part of a replacement that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Making the temporary file beside the target.
    Create,
    /// Writing its content and setting its permissions.
    Write,
    /// Flushing it to the disk.
    Sync,
    /// Giving it the target's name.
    Rename,
    /// Flushing the directory; the new content is in place, but may not survive a power loss.
    SyncDirectory,
}

impl Step {
    const fn what(self) -> &'static str {
        match self {
            Self::Create => "cannot create the temporary file",
            Self::Write => "cannot write the temporary file",
            Self::Sync => "cannot sync the temporary file",
            Self::Rename => "cannot rename the temporary file",
            Self::SyncDirectory => "cannot sync the directory",
        }
    }
}

/// Why a file was not replaced, or not durably.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplaceError {
    /// The path ends in no file name, such as `/` or `a/..`.
    #[error("{} names no file", path.display())]
    NoFileName {
        /// The path as given.
        path: PathBuf,
    },
    /// The file is a mount point of its own; only its directory can be mounted.
    #[error("cannot replace {}: it is a mount point; mount its directory instead of the file", path.display())]
    MountPoint {
        /// The file to replace.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// A call to the system failed.
    #[error("cannot replace {}: {}", path.display(), step.what())]
    Failed {
        /// The file to replace.
        path: PathBuf,
        /// What was being done.
        step: Step,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
}

/// Puts `bytes` in the place of whatever `path` held; the file's permissions become `mode`,
/// whatever the umask. A symbolic link is replaced itself, not what it points to.
///
/// Blocks on the disk.
///
/// # Errors
/// [`ReplaceError`] names path and step. The old content is untouched unless the step is
/// [`Step::SyncDirectory`].
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), ReplaceError> {
    replace_with(path, bytes, mode, |_step| Ok(()))
}

/// The same with `before` called ahead of each step, where a test can make it fail.
fn replace_with(
    path: &Path,
    bytes: &[u8],
    mode: u32,
    mut before: impl FnMut(Step) -> io::Result<()>,
) -> Result<(), ReplaceError> {
    let Some(name) = path.file_name() else {
        return Err(ReplaceError::NoFileName { path: path.to_owned() });
    };
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    // A fixed name: what a crash leaves behind is overwritten by the next call instead of piling up.
    let mut temporary_name = OsString::from(".");
    temporary_name.push(name);
    temporary_name.push(".tmp");
    let temporary = directory.join(temporary_name);

    let failed = |step| {
        move |cause: io::Error| match (step, cause.kind()) {
            (Step::Rename, io::ErrorKind::ResourceBusy | io::ErrorKind::CrossesDevices) => {
                ReplaceError::MountPoint { path: path.to_owned(), cause }
            }
            _ => ReplaceError::Failed { path: path.to_owned(), step, cause },
        }
    };

    let mut file = before(Step::Create)
        .and_then(|()| create_afresh(&temporary, mode))
        .map_err(failed(Step::Create))?;
    let written = before(Step::Write)
        .and_then(|()| file.write_all(bytes))
        .and_then(|()| file.set_permissions(Permissions::from_mode(mode)))
        .map_err(failed(Step::Write))
        .and_then(|()| {
            before(Step::Sync).and_then(|()| file.sync_all()).map_err(failed(Step::Sync))
        })
        .and_then(|()| {
            before(Step::Rename)
                .and_then(|()| fs::rename(&temporary, path))
                .map_err(failed(Step::Rename))
        });
    if let Err(error) = written {
        // the first failure is the one to report
        let _removed = fs::remove_file(&temporary);
        return Err(error);
    }
    before(Step::SyncDirectory)
        .and_then(|()| File::open(directory)?.sync_all())
        .map_err(failed(Step::SyncDirectory))
}

/// Never opens what is already there: in a shared directory that could be somebody's link.
fn create_afresh(path: &Path, mode: u32) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn names(directory: &TempDir) -> Vec<OsString> {
        let mut names: Vec<_> = fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn the_file_holds_the_new_bytes_with_the_mode_asked_for_and_nothing_else_is_left() {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("positions.yaml");
        replace(&path, b"a long first content", 0o600).unwrap();
        replace(&path, b"short", 0o666).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"short");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o666);
        assert_eq!(names(&directory), ["positions.yaml"]);
    }

    #[test]
    fn a_failure_at_any_step_leaves_a_whole_file_and_no_temporary_one() {
        for (broken, expected) in [
            (Step::Create, "old"),
            (Step::Write, "old"),
            (Step::Sync, "old"),
            (Step::Rename, "old"),
            (Step::SyncDirectory, "new"),
        ] {
            let directory = TempDir::new().unwrap();
            let path = directory.path().join("file");
            replace(&path, b"old", 0o600).unwrap();
            let error = replace_with(&path, b"new", 0o600, |step| {
                if step == broken { Err(io::Error::other("injected")) } else { Ok(()) }
            })
            .unwrap_err();
            assert!(
                matches!(error, ReplaceError::Failed { step, .. } if step == broken),
                "{error}"
            );
            assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), expected, "{broken:?}");
            assert_eq!(names(&directory), ["file"], "{broken:?}");
        }
    }

    #[test]
    fn a_crash_before_any_step_leaves_a_whole_file_and_the_next_call_cleans_up() {
        for crash in [Step::Create, Step::Write, Step::Sync, Step::Rename, Step::SyncDirectory] {
            let directory = TempDir::new().unwrap();
            let path = directory.path().join("file");
            replace(&path, b"old", 0o600).unwrap();
            // unwinding past the clean-up code leaves the directory as a killed process would
            let killed = std::panic::catch_unwind(|| {
                replace_with(&path, b"new", 0o600, |step| {
                    assert!(step != crash, "killed");
                    Ok(())
                })
            });
            assert!(killed.is_err());
            assert!(["old", "new"].contains(&fs::read_to_string(&path).unwrap().as_str()));
            replace(&path, b"next", 0o600).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), "next");
            assert_eq!(names(&directory), ["file"], "{crash:?}");
        }
    }

    #[test]
    fn a_link_left_under_the_temporary_name_is_not_followed() {
        let directory = TempDir::new().unwrap();
        let victim = directory.path().join("victim");
        fs::write(&victim, "untouched").unwrap();
        std::os::unix::fs::symlink(&victim, directory.path().join(".file.tmp")).unwrap();
        replace(&directory.path().join("file"), b"new", 0o600).unwrap();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched");
    }

    #[test]
    fn a_busy_target_is_named_as_a_mount_point() {
        let directory = TempDir::new().unwrap();
        let error = replace_with(&directory.path().join("file"), b"", 0o600, |step| match step {
            Step::Rename => Err(io::ErrorKind::ResourceBusy.into()),
            _ => Ok(()),
        })
        .unwrap_err();
        assert!(error.to_string().ends_with("mount its directory instead of the file"), "{error}");
    }

    #[test]
    fn a_missing_directory_and_a_path_without_a_name_are_refused() {
        let directory = TempDir::new().unwrap();
        let error = replace(&directory.path().join("missing/file"), b"", 0o600).unwrap_err();
        assert!(matches!(error, ReplaceError::Failed { step: Step::Create, .. }), "{error}");
        let error = replace(Path::new("/"), b"", 0o600).unwrap_err();
        assert!(matches!(error, ReplaceError::NoFileName { .. }), "{error}");
    }
}

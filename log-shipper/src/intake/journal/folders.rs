//! Which folders and files make up a journal.
//!
//! A file is known by device and inode: journald renames it when it rotates.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A file as it was listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) path: PathBuf,
    /// Device and inode.
    pub(super) id: (u64, u64),
    /// Size and time of change: an archived file keeps both.
    pub(super) version: (u64, i64, i64),
}

/// Where to look.
#[derive(Debug, Clone)]
pub(super) enum Folders {
    /// A folder and those of its folders that are named by a machine.
    Below(PathBuf),
    /// The persistent and the volatile journal of this machine.
    System {
        /// `/`
        root: PathBuf,
    },
}

impl Folders {
    /// The folders that are there now.
    ///
    /// # Errors
    /// The folder, or all of the system's, cannot be listed.
    pub(super) fn list(&self) -> io::Result<Vec<PathBuf>> {
        match self {
            Self::Below(folder) => {
                let mut folders = vec![folder.clone()];
                folders.extend(machines_in(folder)?);
                Ok(folders)
            }
            Self::System { root } => {
                let machine = std::fs::read_to_string(root.join("etc/machine-id"));
                let machine = machine.ok().filter(|id| is_machine(id.trim()));
                let mut folders = Vec::new();
                let mut failure = None;
                for place in ["var/log/journal", "run/log/journal"] {
                    let place = root.join(place);
                    match &machine {
                        Some(id) => folders.push(place.join(id.trim())),
                        // A container without the machine's id sees its folders all the same.
                        None => match machines_in(&place) {
                            Ok(found) => folders.extend(found),
                            Err(error) => failure = Some(error),
                        },
                    }
                }
                folders.retain(|folder| folder.is_dir());
                match failure {
                    Some(error) if folders.is_empty() => Err(error),
                    _ if folders.is_empty() => Err(io::ErrorKind::NotFound.into()),
                    _ => Ok(folders),
                }
            }
        }
    }

    /// What to call them in a message.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Below(folder) => folder.display().to_string(),
            Self::System { root } => {
                let root = root.display();
                format!("{root}var/log/journal and {root}run/log/journal")
            }
        }
    }
}

fn machines_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for item in std::fs::read_dir(folder)? {
        let item = item?;
        if item.file_name().to_str().is_some_and(is_machine) && item.path().is_dir() {
            found.push(item.path());
        }
    }
    found.sort();
    Ok(found)
}

fn is_machine(name: &str) -> bool {
    name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The journal files of a folder, by name.
///
/// # Errors
/// The folder cannot be listed. A file that vanishes meanwhile is left out.
pub(super) fn files_in(folder: &Path) -> io::Result<Vec<Listed>> {
    let mut files = Vec::new();
    for item in std::fs::read_dir(folder)? {
        let path = item?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        // journald adds the tilde when it finds a file that was not closed.
        if !name.trim_end_matches('~').ends_with(".journal") {
            continue;
        }
        let Ok(metadata) = std::fs::metadata(&path) else { continue };
        if metadata.is_file() {
            let version = (metadata.len(), metadata.mtime(), metadata.mtime_nsec());
            files.push(Listed { path, id: (metadata.dev(), metadata.ino()), version });
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const MACHINE: &str = "3d1219c7c4c5404aaa1f6d2a48adfda4";
    const OTHER: &str = "00000000000000000000000000000001";

    #[test]
    fn the_system_journal_is_that_of_this_machine() {
        let root = tempfile::tempdir().unwrap();
        let folders = Folders::System { root: root.path().to_path_buf() };
        assert!(folders.list().is_err());
        for place in ["var/log/journal", "run/log/journal"] {
            for machine in [MACHINE, OTHER] {
                fs::create_dir_all(root.path().join(place).join(machine)).unwrap();
            }
        }
        assert_eq!(folders.list().unwrap().len(), 4, "no machine-id: every machine");
        fs::create_dir(root.path().join("etc")).unwrap();
        fs::write(root.path().join("etc/machine-id"), format!("{MACHINE}\n")).unwrap();
        let expected = ["var/log/journal", "run/log/journal"]
            .map(|place| root.path().join(place).join(MACHINE));
        assert_eq!(folders.list().unwrap(), expected);
    }

    #[test]
    fn a_folder_is_read_with_those_of_machines_in_it() {
        let root = tempfile::tempdir().unwrap();
        let inner = root.path().join(MACHINE);
        fs::create_dir(&inner).unwrap();
        fs::create_dir(root.path().join("other")).unwrap();
        let folders = Folders::Below(root.path().to_path_buf());
        assert_eq!(folders.list().unwrap(), [root.path().to_path_buf(), inner.clone()]);
        for name in ["system.journal", "user-1000.journal", "system@a.journal~", "x.txt"] {
            fs::write(inner.join(name), "").unwrap();
        }
        let files = files_in(&inner).unwrap();
        let names: Vec<_> = files.iter().map(|file| file.path.file_name().unwrap()).collect();
        assert_eq!(names, ["system.journal", "system@a.journal~", "user-1000.journal"]);
    }
}

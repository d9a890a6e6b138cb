//! Where the real servers are that `cargo xtask tools` found or fetched.

use std::path::{Path, PathBuf};

/// The path of a program: in PATH, else under `target/tools`.
///
/// # Panics
///
/// When it is in neither, with what to do.
pub fn path_of(program: &str) -> PathBuf {
    let unpacked = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/usr/bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([unpacked])
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
        .unwrap_or_else(|| panic!("{program} is missing: run `cargo xtask tools`"))
}

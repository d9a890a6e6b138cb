//! Length and names of source files: a newcomer finds the place of a change from the tree alone.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{Finding, shown};
use crate::process::output;

/// Longer files are split by responsibility.
const MAX_LINES: usize = 600;

/// Names that say nothing about what is inside.
const FORBIDDEN: [&str; 12] = [
    "utils", "util", "common", "misc", "base", "core", "manager", "handler", "handlers", "types",
    "helpers", "mod",
];

/// Rust files that git tracks, or would if they were added.
pub(super) fn rust_sources(root: &Path) -> Result<Vec<PathBuf>> {
    let mut git = Command::new("git");
    git.current_dir(root).args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
        "--",
        "*.rs",
    ]);
    let paths = output(&mut git).context("list of files from git")?;
    Ok(paths.lines().map(|path| root.join(path)).filter(|path| path.is_file()).collect())
}

/// Checks length and names.
pub(super) fn check(root: &Path, sources: &[PathBuf]) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for path in sources {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", shown(root, path)))?;
        findings.extend(check_file(&shown(root, path), &text));
    }
    Ok(findings)
}

fn check_file(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lines = text.lines().count();
    if lines > MAX_LINES {
        findings.push(format!(
            "{path}: {lines} lines, at most {MAX_LINES}: split it by responsibility"
        ));
    }
    let names = path.trim_end_matches(".rs").split('/');
    for name in names.filter(|name| FORBIDDEN.contains(name)) {
        findings.push(format!("{path}: `{name}` says nothing: name what is inside"));
    }
    // A file of tests belongs to the module that it is beside.
    if !text.starts_with("//!") && !path.ends_with("/tests.rs") {
        findings.push(format!("{path}: does not begin with a `//!` line that says what it is"));
    }
    if text.contains(concat!("#[", "ignore")) {
        findings.push(format!("{path}: an ignored test protects nothing"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_files_empty_names_and_missing_headlines_are_found() {
        assert!(check_file("a/src/tail.rs", "//! Files to lines.\n").is_empty());
        let long = "//! x\n".repeat(MAX_LINES + 1);
        assert!(check_file("a/src/tail.rs", &long)[0].contains("601 lines"));
        assert!(check_file("a/src/utils.rs", "//! x\n")[0].contains("`utils`"));
        assert!(check_file("a/src/tail/mod.rs", "//! x\n")[0].contains("`mod`"));
        assert!(check_file("a/src/tail.rs", "use x;\n")[0].contains("//!"));
        let ignored = format!("//! x\n{}]\n", concat!("#[", "ignore"));
        assert!(check_file("a/src/tail.rs", &ignored)[0].contains("ignored"));
    }
}

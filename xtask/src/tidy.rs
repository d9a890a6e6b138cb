//! `tidy`: the house rules as a program. Each rule has its file; each finding names a place.

mod dependencies;
mod files;
mod flow;

use std::path::Path;

use anyhow::{Result, bail};

use crate::complain;
use crate::process::root;

/// One breach of a rule.
pub(crate) type Finding = String;

/// Checks all rules.
pub(crate) fn run() -> Result<()> {
    let root = root();
    let sources = files::rust_sources(&root)?;
    let mut findings = files::check(&root, &sources)?;
    findings.extend(flow::check(&root, &sources)?);
    findings.extend(dependencies::check(&root)?);
    for finding in &findings {
        complain(finding);
    }
    match findings.len() {
        0 => Ok(()),
        count => bail!("{count} house rules broken"),
    }
}

/// A path as it is printed.
fn shown(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}

//! Data flows one way through a crate: `lib.rs` states the order, and a module imports only from
//! modules to its left.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{Finding, shown};

/// Checks every crate whose `lib.rs` has a `//! Flow:` line.
pub(super) fn check(root: &Path, sources: &[PathBuf]) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for lib in sources.iter().filter(|path| path.ends_with("src/lib.rs")) {
        let text = std::fs::read_to_string(lib)?;
        let Some(order) = order_of(&text) else {
            if text.matches("\npub mod ").count() + text.matches("\nmod ").count() > 1 {
                findings.push(format!(
                    "{}: no `//! Flow:` line states the order of its modules",
                    shown(root, lib)
                ));
            }
            continue;
        };
        let folder = lib.parent().context("lib.rs is in a folder")?;
        for path in sources.iter().filter(|path| path.starts_with(folder)) {
            let module = path.strip_prefix(folder)?.components().next();
            let module = module.and_then(|first| first.as_os_str().to_str()).unwrap_or_default();
            let text = std::fs::read_to_string(path)?;
            let found = check_module(&order, module.trim_end_matches(".rs"), &text);
            findings.extend(
                found
                    .into_iter()
                    .map(|(line, what)| format!("{}:{line}: {what}", shown(root, path))),
            );
        }
    }
    Ok(findings)
}

/// `//! Flow: a -> b -> c`
fn order_of(text: &str) -> Option<Vec<String>> {
    let line = text.lines().find_map(|line| line.strip_prefix("//! Flow: "))?;
    Some(
        line.split("->")
            .map(|module| module.trim().trim_end_matches('.').trim_matches('`').to_owned())
            .collect(),
    )
}

fn check_module(order: &[String], module: &str, text: &str) -> Vec<(usize, String)> {
    let Some(own) = order.iter().position(|known| known == module) else { return Vec::new() };
    let mut findings = Vec::new();
    // A test may hold what a module reads against what a later one writes.
    let code = text.split_once("#[cfg(test)]\nmod tests {").map_or(text, |(code, _)| code);
    for (index, line) in code.lines().enumerate() {
        if line.trim_start().starts_with("//") {
            continue;
        }
        for later in &order[own + 1..] {
            let path = format!("crate::{later}");
            let rest = line.split_once(&path).map(|(_, rest)| rest);
            if rest.is_some_and(|rest| {
                !rest.starts_with(|char: char| char.is_alphanumeric() || char == '_')
            }) {
                findings.push((
                    index + 1,
                    format!("`{module}` must not import `{later}`: it comes later in the flow"),
                ));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_against_the_flow_is_found_with_its_line() {
        let order = order_of("//! A crate.\n//!\n//! Flow: config -> tail -> push\n").unwrap();
        assert_eq!(order, ["config", "tail", "push"]);
        let text = "//! Not crate::push.\nuse crate::config::x;\nuse crate::push::client;\n";
        let findings = check_module(&order, "tail", text);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].0, 3);
        assert!(check_module(&order, "push", text).is_empty());
        assert!(
            check_module(&order, "metrics", text).is_empty(),
            "vocabulary stands beside the flow"
        );
        assert!(check_module(&order, "tail", "use crate::pushing::x;\n").is_empty());
    }
}

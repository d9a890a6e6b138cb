//! Known inputs: what the recorded cases of `tests/conformance/promtail` read and are configured
//! with.

use std::fs;
use std::path::{Path, PathBuf};

use log_shipper::config::yaml::{self, Kind, Node};

use crate::finding::repository;

/// Longer pieces of a file are cut: short inputs are tried more often.
const MAX_SEED_BYTES: usize = 4 << 10;

/// Files of all cases, in the order of their names.
fn files() -> Vec<PathBuf> {
    fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
        let Ok(entries) = fs::read_dir(folder) else { return };
        let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            if path.is_dir() { walk(&path, files) } else { files.push(path) }
        }
    }
    let mut paths = Vec::new();
    walk(&repository().join("tests/conformance/promtail"), &mut paths);
    paths
}

/// The configurations.
pub(crate) fn configs() -> Vec<Vec<u8>> {
    let is_config = |path: &PathBuf| path.file_name().is_some_and(|name| name == "config.yaml");
    files().into_iter().filter(is_config).filter_map(|path| fs::read(path).ok()).collect()
}

/// The beginnings of the log files of cases whose names begin like this.
pub(crate) fn logs(case: &str) -> Vec<Vec<u8>> {
    let is_log = |path: &PathBuf| {
        let mut names = path.iter().rev().filter_map(|name| name.to_str());
        let depth = names.position(|name| name == "input");
        depth.is_some_and(|depth| depth > 0)
            && names.next().is_some_and(|name| name.starts_with(case))
    };
    let cut = |mut log: Vec<u8>| {
        log.truncate(MAX_SEED_BYTES);
        log
    };
    files().into_iter().filter(is_log).filter_map(|path| fs::read(path).ok()).map(cut).collect()
}

/// Every text that stands under `key` in a configuration, or below it.
pub(crate) fn values(key: &str) -> Vec<String> {
    fn walk(node: &Node, key: &str, is_below: bool, texts: &mut Vec<String>) {
        match &node.kind {
            Kind::Scalar { text, .. } if is_below => texts.push(text.clone()),
            Kind::Null | Kind::Scalar { .. } => {}
            Kind::Sequence(items) => {
                for item in items {
                    walk(item, key, is_below, texts);
                }
            }
            Kind::Mapping(pairs) => {
                for (name, value) in pairs {
                    walk(value, key, is_below || name.raw_text() == Some(key), texts);
                }
            }
        }
    }
    let mut texts = Vec::new();
    for config in configs() {
        if let Ok(tree) = yaml::parse(&String::from_utf8_lossy(&config)) {
            walk(&tree, key, false, &mut texts);
        }
    }
    texts.sort();
    texts.dedup();
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recorded_cases_are_found() {
        assert!(configs().len() > 50);
        assert!(!logs("cri").is_empty());
        assert!(values("format").iter().any(|format| format.contains("2006")));
    }
}

//! `file_sd_configs`: targets in JSON or YAML files. A file that cannot be read or understood keeps
//! its last targets, with one warning.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::glob::Glob;
use super::static_targets::addresses;
use super::target::Group;
use crate::config::scrape_configs::FileSd;
use crate::config::yaml::{self, Kind, Node};

/// The label with the path of the file.
const FILE_LABEL: &str = "__meta_filepath";

/// Larger files are refused.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

#[derive(Debug, Clone, Default)]
struct Known {
    /// Text of the last attempt: read again only when it changes.
    text: String,
    groups: Vec<Group>,
}

/// The files of one job and what they said last.
#[derive(Debug, Default)]
pub struct FileTargets {
    patterns: Vec<String>,
    known: BTreeMap<PathBuf, Known>,
}

impl FileTargets {
    /// For the configs of one job.
    pub fn new(configs: &[FileSd]) -> Self {
        let patterns = configs.iter().flat_map(|config| config.files.clone()).collect();
        Self { patterns, known: BTreeMap::new() }
    }

    /// Reads what changed; the groups of all files.
    pub fn groups(&mut self) -> Vec<Group> {
        let mut paths = Vec::new();
        for pattern in &self.patterns {
            let absolute = std::path::absolute(pattern).unwrap_or_else(|_| pattern.into());
            match Glob::new(&absolute.to_string_lossy()) {
                Ok(glob) => paths.extend(glob.find().files),
                Err(error) => tracing::warn!(%error, "file_sd_configs"),
            }
        }
        self.known.retain(|path, _| paths.contains(path));
        for path in paths {
            let known = self.known.entry(path.clone()).or_default();
            match read(&path) {
                Ok(text) if text == known.text => {}
                Ok(text) => {
                    match parse(&text, &path) {
                        Ok(groups) => known.groups = groups,
                        Err(why) => tracing::warn!(
                            path = %path.display(), why,
                            "targets cannot be understood, keeping the last ones"
                        ),
                    }
                    known.text = text;
                }
                Err(error) => tracing::warn!(
                    path = %path.display(), %error,
                    "targets cannot be read, keeping the last ones"
                ),
            }
        }
        self.known.values().flat_map(|known| known.groups.clone()).collect()
    }
}

fn read(path: &Path) -> std::io::Result<String> {
    if fs::metadata(path)?.len() > MAX_BYTES {
        return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, "more than 16 MiB"));
    }
    fs::read_to_string(path)
}

/// A list of `{targets: [...], labels: {...}}`; JSON is YAML.
fn parse(text: &str, path: &Path) -> Result<Vec<Group>, String> {
    const EXPECTED: &str = "expected a list of maps with the keys targets and labels";
    let tree = yaml::parse(text).map_err(|error| error.to_string())?;
    let wrong = |node: &Node| format!("line {}, column {}: {EXPECTED}", node.line, node.column);
    let items = match &tree.kind {
        Kind::Null => return Ok(Vec::new()),
        Kind::Sequence(items) => items,
        _ => return Err(wrong(&tree)),
    };
    let mut groups = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let Kind::Mapping(pairs) = &item.kind else { return Err(wrong(item)) };
        let mut targets = Vec::new();
        let mut labels = vec![(FILE_LABEL.to_owned(), path.display().to_string())];
        for (key, value) in pairs {
            match (key.raw_text(), &value.kind) {
                (Some("targets"), Kind::Sequence(items)) => {
                    for item in items {
                        targets.push(item.raw_text().ok_or_else(|| wrong(item))?.to_owned());
                    }
                }
                (Some("labels"), Kind::Mapping(pairs)) => {
                    for (name, value) in pairs {
                        let name = name.raw_text().ok_or_else(|| wrong(name))?;
                        let value = value.raw_text().ok_or_else(|| wrong(value))?;
                        labels.push((name.to_owned(), value.to_owned()));
                    }
                }
                (Some("targets" | "labels"), Kind::Null) => {}
                _ => return Err(wrong(key)),
            }
        }
        groups.push(Group {
            source: format!("{}:{index}", path.display()),
            targets: addresses(&targets),
            labels: labels.into_iter().collect(),
        });
    }
    Ok(groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_and_yaml_files_give_groups_and_broken_ones_keep_the_last() {
        let dir = tempfile::tempdir().unwrap();
        let (json, yml) = (dir.path().join("a.json"), dir.path().join("b.yml"));
        fs::write(&json, r#"[{"targets":["h1"],"labels":{"job":"a"}}]"#).unwrap();
        fs::write(&yml, "- targets: [h2]\n  labels: {job: b}\n- labels: {job: c}\n").unwrap();
        let pattern = |name: &str| format!("{}/{name}", dir.path().display());
        let mut files = FileTargets {
            patterns: vec![pattern("*.json"), pattern("*.yml")],
            ..FileTargets::default()
        };
        let jobs = |groups: &[Group]| -> Vec<String> {
            groups.iter().map(|group| group.labels.get("job").unwrap().to_owned()).collect()
        };
        let groups = files.groups();
        assert_eq!(jobs(&groups), ["a", "b", "c"]);
        assert_eq!(groups[0].labels.get(FILE_LABEL), json.to_str());
        fs::write(&yml, "- targets: [broken").unwrap();
        assert_eq!(jobs(&files.groups()), ["a", "b", "c"]);
        fs::remove_file(&yml).unwrap();
        assert_eq!(jobs(&files.groups()), ["a"]);
        let error = parse("- {targets: [a], lables: {}}", &json).unwrap_err();
        assert!(error.contains("line 1, column "), "{error}");
    }
}

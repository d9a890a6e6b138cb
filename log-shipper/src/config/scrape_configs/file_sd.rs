//! `file_sd_configs`: targets that somebody else writes into files.

use daemon_runtime::durations::PrometheusDuration;

use crate::config::decode::{Block, Fields};
use crate::config::finding::Findings;
use crate::config::yaml::{Kind, Node};

/// An item of `file_sd_configs`.
#[derive(Debug, Clone, PartialEq)]
pub struct FileSd {
    /// Paths ending in `.json`, `.yml` or `.yaml`; the last element may have one `*`. At least one.
    pub files: Vec<String>,
    /// How often the files are read, besides whenever they change. Default 5m.
    pub refresh_interval: PrometheusDuration,
}

impl Default for FileSd {
    fn default() -> Self {
        Self { files: Vec::new(), refresh_interval: PrometheusDuration::from_secs(300) }
    }
}

impl Block for FileSd {
    const TYPE: &'static str = "file.plain";

    fn fields(&mut self, fields: &mut Fields<'_>) {
        fields.field("files", &mut self.files);
        fields.field("refresh_interval", &mut self.refresh_interval);
    }

    fn complete(&mut self, node: &Node, findings: &mut Findings) {
        let files = node.get("files").unwrap_or(node);
        if self.files.is_empty() {
            findings.error(files, "file service discovery needs at least one path in files");
        }
        let Kind::Sequence(items) = &files.kind else { return };
        for item in items {
            let path = item.raw_text().unwrap_or_default();
            if !is_path(path) {
                findings.error(
                    item,
                    format!(
                        "path {path:?} is not valid for file discovery: it must end in .json, .yml \
                         or .yaml, and only its last element may have a `*`, once"
                    ),
                );
            }
        }
    }
}

fn is_path(path: &str) -> bool {
    let has_ending = path.rsplit_once('.').is_some_and(|(_, ending)| {
        ["json", "yml", "yaml", "JSON", "YML", "YAML"].contains(&ending)
    });
    let star_is_last = path.split_once('*').is_none_or(|(_, rest)| !rest.contains(['*', '/']));
    has_ending && star_is_last
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::decode::tests::read;

    #[test]
    fn paths_are_checked_and_the_interval_is_a_prometheus_duration() {
        let mut sd = FileSd::default();
        let text = "{files: ['/a/*.json', b.yml], refresh_interval: 1d}";
        assert_eq!(read(&mut sd, text), (vec![], vec![]));
        assert_eq!(sd.refresh_interval, PrometheusDuration::from_secs(86_400));
        for path in ["/a/*/b.json", "/a/*x*.json", "/a/b.txt", "json"] {
            let (errors, _) = read(&mut FileSd::default(), &format!("{{files: ['{path}']}}"));
            assert_eq!(errors.len(), 1, "{path}");
            assert!(errors[0].starts_with("1:10: path "), "{errors:?}");
        }
        let (errors, _) = read(&mut FileSd::default(), "{refresh_interval: 1s}");
        assert_eq!(errors, ["1:1: file service discovery needs at least one path in files"]);
    }
}

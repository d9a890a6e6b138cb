//! A case: the folder with a configuration, its input, what happens, and what came of it.
//!
//! Unknown keys are refused: a misspelt one would make a case weaker without anybody noticing.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

/// Why a case cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaseError {
    /// A file or folder cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        cause: io::Error,
    },
    /// A file is no JSON of the expected shape.
    #[error("{} does not describe a case", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Place and reason.
        #[source]
        cause: serde_json::Error,
    },
}

/// How a case runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Runs until it is stopped; pushes are compared.
    #[default]
    Push,
    /// Must end by itself because of its configuration.
    Refuse,
    /// Reads standard input and ends by itself.
    Stdin,
    /// Runs with `-dry-run`; what it prints is compared.
    Dry,
}

/// What is compared beyond streams and exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Check {
    /// Saved positions after the stop.
    Positions,
    /// Number of entries of each accepted push.
    Batches,
}

/// Content for a file: `text`, `base64`, or `from` (a file of the case); empty without any.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Write {
    /// The file below the input folder.
    pub file: String,
    /// Text with placeholders.
    pub text: Option<String>,
    /// Any bytes.
    pub base64: Option<String>,
    /// A file below the case's folder.
    pub from: Option<String>,
    /// For `rotate` only: the new name of the old file.
    pub to: Option<String>,
}

/// Two names below the input folder.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Move {
    /// The old name.
    #[serde(alias = "file")]
    pub from: String,
    /// The new name.
    pub to: String,
}

/// Compression of a file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compress {
    /// The plain file; removed afterwards unless `keep`.
    pub file: String,
    /// The compressed one.
    pub to: String,
    /// `gz`, `z` or `bz2`.
    pub format: String,
    /// The plain file stays.
    #[serde(default)]
    pub keep: bool,
}

/// What to wait for; several at once are waited for one after the other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Wait {
    /// Accepted entries in total.
    pub entries: Option<usize>,
    /// Pushes in total, accepted or not.
    pub requests: Option<usize>,
    /// Saved positions: file below the input folder to offset.
    pub positions: BTreeMap<String, u64>,
}

/// One thing that happens.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Waits for a condition.
    Wait(Wait),
    /// Lets time pass, in seconds: for behaviour that depends on time itself.
    Sleep(f64),
    /// Appends to a file.
    Append(Write),
    /// Writes a file anew.
    Write(Write),
    /// Renames.
    Rename(Move),
    /// Renames, then creates the old name with the given content.
    Rotate(Write),
    /// Copies, then truncates.
    CopyTruncate(Move),
    /// Truncates to a size.
    Truncate {
        /// The file.
        file: String,
        /// Its new size in bytes.
        #[serde(default)]
        size: u64,
    },
    /// Removes a file.
    Remove {
        /// The file.
        file: String,
    },
    /// Creates a folder.
    Mkdir {
        /// The folder.
        dir: String,
    },
    /// Creates a symbolic link.
    Symlink {
        /// The link.
        link: String,
        /// What it points to, as written.
        target: String,
    },
    /// Compresses a file.
    Compress(Compress),
    /// Replaces the configuration by this file of the case.
    Config(String),
    /// Sends a signal (`HUP`).
    Signal(String),
    /// Sends a signal (`TERM`, `KILL`) and waits for the end.
    Stop(String),
    /// Starts the binary again.
    Start(()),
}

/// `case.json`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CaseSpec {
    /// What the case shows.
    pub about: String,
    /// Stages and features.
    pub tags: Vec<String>,
    /// Why a good shipper may differ.
    pub quirk: Option<String>,
    /// How it runs.
    pub kind: Kind,
    /// Further arguments, with placeholders.
    pub args: Vec<String>,
    /// Further environment, with placeholders.
    pub env: BTreeMap<String, String>,
    /// File below the input folder for standard input.
    pub stdin: Option<String>,
    /// Positions file before the start, with placeholders.
    pub positions: Option<String>,
    /// The configuration's file name, if it is not `config.yaml`.
    pub config: Option<String>,
    /// What happens before the start.
    pub setup: Vec<Step>,
    /// What happens after the start.
    pub steps: Vec<Step>,
    /// Statuses of the first pushes.
    pub sink: Vec<u16>,
    /// File with the objects of a Kubernetes API.
    pub kube: Option<String>,
    /// Entries of a stream have no order.
    pub unordered: bool,
    /// What is compared beyond streams.
    pub check: Vec<Check>,
    /// Regular expressions of the metrics to compare; they match from the start of a name.
    pub metrics: Vec<String>,
    /// Paths of the binary's server whose status is compared.
    pub http_status: Vec<String>,
    /// Request headers to compare.
    pub record_headers: Vec<String>,
    /// Times are compared without their year.
    pub yearless: bool,
    /// Label whose value is the host's name.
    pub hostname_label: Option<String>,
    /// Seconds to wait for surplus entries.
    pub settle: Option<f64>,
}

/// A case with its folder.
#[derive(Debug, Clone)]
pub struct Case {
    /// Its folder.
    pub folder: PathBuf,
    /// The folder's name.
    pub name: String,
    /// What happens.
    pub spec: CaseSpec,
    /// What came of it: `expected.json`.
    pub expected: Value,
}

impl Case {
    /// Reads a case's folder.
    ///
    /// # Errors
    ///
    /// [`CaseError`] when a file is missing or is not what it should be.
    pub fn load(folder: &Path) -> Result<Self, CaseError> {
        Ok(Self {
            folder: folder.to_path_buf(),
            name: folder.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            spec: read_json(&folder.join("case.json"))?,
            expected: read_json(&folder.join("expected.json"))?,
        })
    }

    /// All cases below a folder, sorted by name.
    ///
    /// # Errors
    ///
    /// [`CaseError`] for the first that cannot be read.
    pub fn load_all(corpus: &Path) -> Result<Vec<Self>, CaseError> {
        let fail = |cause| CaseError::Read { path: corpus.to_path_buf(), cause };
        let mut folders = Vec::new();
        for entry in fs::read_dir(corpus).map_err(fail)? {
            let path = entry.map_err(fail)?.path();
            if path.join("case.json").is_file() {
                folders.push(path);
            }
        }
        folders.sort();
        folders.iter().map(|folder| Self::load(folder)).collect()
    }

    /// How many entries Promtail sent in all.
    pub fn expected_entries(&self) -> usize {
        let streams = self.expected["streams"].as_array().into_iter().flatten();
        streams.map(|stream| stream["entries"].as_array().map_or(0, Vec::len)).sum()
    }
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, CaseError> {
    let text = fs::read(path).map_err(|cause| CaseError::Read { path: path.into(), cause })?;
    serde_json::from_slice(&text).map_err(|cause| CaseError::Parse { path: path.into(), cause })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_step_is_read() {
        let spec: CaseSpec = serde_json::from_str(
            r#"{"steps": [{"wait": {"entries": 3}}, {"start": null}, {"stop": "KILL"},
                {"rotate": {"file": "a", "to": "b", "text": "c"}}, {"truncate": {"file": "a"}},
                {"copytruncate": {"file": "a", "to": "b"}}, {"sleep": 0.5}]}"#,
        )
        .unwrap();
        assert_eq!(spec.steps[0], Step::Wait(Wait { entries: Some(3), ..Wait::default() }));
        assert_eq!(spec.steps[4], Step::Truncate { file: "a".to_owned(), size: 0 });
        let renamed = Move { from: "a".to_owned(), to: "b".to_owned() };
        assert_eq!(spec.steps[5], Step::CopyTruncate(renamed));
    }

    #[test]
    fn a_misspelt_key_is_refused() {
        assert!(serde_json::from_str::<CaseSpec>(r#"{"step": []}"#).is_err());
        assert!(
            serde_json::from_str::<CaseSpec>(r#"{"steps": [{"wait": {"entry": 1}}]}"#).is_err()
        );
    }

    #[test]
    fn every_case_of_the_corpus_can_be_read() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/conformance/promtail");
        let cases = Case::load_all(Path::new(corpus)).unwrap();
        assert!(cases.len() >= 148, "{}", cases.len());
    }
}

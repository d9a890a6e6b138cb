//! From a path to a configuration: which file is read, expansion, YAML, decoding.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::Config;
use super::decode::Value as _;
use super::expand_env::{self, ExpansionError, Lookup};
use super::finding::{Finding, FindingName, Findings};
use super::yaml::{self, Node, YamlError};

/// The largest file that is read: 16 MiB, far above any configuration.
pub const MAX_FILE_BYTES: u64 = 16 << 20;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// None of the paths exists.
    #[error("{paths} does not exist, set config.file for custom config path")]
    NotFound {
        /// The paths that were tried, as they were given.
        paths: String,
    },
    /// The system refused to open or read the file.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// More than [`MAX_FILE_BYTES`].
    #[error("{} is too large: at most {} MiB are read", path.display(), MAX_FILE_BYTES >> 20)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// Bytes that are not UTF-8.
    #[error("{}:{line}: not UTF-8 text", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
        /// Line of the first such byte, from 1.
        line: usize,
    },
    /// A `${` that cannot be expanded.
    #[error("{}:{}:{}: {}", path.display(), cause.line, cause.column, cause.problem)]
    Expansion {
        /// The file.
        path: PathBuf,
        /// Where and why.
        cause: ExpansionError,
    },
    /// Not YAML.
    #[error("{}:{}:{}: {}{hint}", path.display(), cause.line, cause.column, cause.problem)]
    Yaml {
        /// The file.
        path: PathBuf,
        /// Where and why.
        cause: YamlError,
        /// What may help.
        hint: Hint,
    },
    /// Values of wrong type, unknown keys and the like: all of the file.
    #[error("{}{hint}", Lines { path, findings })]
    Invalid {
        /// The file.
        path: PathBuf,
        /// In the order of the file.
        findings: Vec<Finding>,
        /// What may help.
        hint: Hint,
    },
}

/// A last line about variables that were not expanded, or nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hint(bool);

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 {
            f.write_str(
                "\nvariables such as ${NAME} are expanded only with -config.expand-env=true",
            )?;
        }
        Ok(())
    }
}

struct Lines<'a> {
    path: &'a Path,
    findings: &'a [Finding],
}

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.findings.iter().enumerate() {
            let line_end = if index == 0 { "" } else { "\n" };
            write!(f, "{line_end}{}:{finding}", self.path.display())?;
        }
        Ok(())
    }
}

/// A file that was read.
#[derive(Debug)]
pub struct Loaded {
    /// The one that exists of those that were named.
    pub path: PathBuf,
    /// What it says.
    pub config: Config,
    /// Its YAML, with the place of every value.
    pub root: Node,
    /// What is accepted but hardly meant; also in [`Config::warnings`], as text.
    pub warnings: Vec<Finding>,
}

/// Loads the first file that exists of a comma-separated list. No path at all is the default
/// configuration. `lookup` knows the environment; it is asked only if `expand_env` is set.
///
/// # Errors
/// [`ConfigError`]; its text has a line for each finding.
pub fn load(paths: &str, expand_env: bool, lookup: Lookup<'_>) -> Result<Config, ConfigError> {
    if paths.is_empty() {
        return Ok(Config::default());
    }
    load_with_tree(paths, expand_env, lookup).map(|loaded| loaded.config)
}

/// As [`load`], for who wants to say more about the file than what was decoded. No path at all is
/// an error.
///
/// # Errors
/// As [`load`].
pub fn load_with_tree(
    paths: &str,
    expand_env: bool,
    lookup: Lookup<'_>,
) -> Result<Loaded, ConfigError> {
    for path in paths.split(',').map(Path::new) {
        match File::open(path) {
            Ok(file) => {
                let text = read(path, file)?;
                return parse_with_tree(path, &text, expand_env.then_some(lookup));
            }
            Err(error) if is_absent(&error) => {}
            Err(cause) => return Err(ConfigError::Unreadable { path: path.to_owned(), cause }),
        }
    }
    Err(ConfigError::NotFound { paths: paths.to_owned() })
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn read(path: &Path, file: File) -> Result<String, ConfigError> {
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|cause| ConfigError::Unreadable { path: path.to_owned(), cause })?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(ConfigError::TooLarge { path: path.to_owned() });
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = memchr::memchr_iter(b'\n', valid).count() + 1;
        ConfigError::NotText { path: path.to_owned(), line }
    })
}

/// Reads the text of a configuration; `path` is for messages. With a `lookup`, variables are
/// expanded first.
///
/// # Errors
/// As [`load`].
pub fn parse(path: &Path, text: &str, lookup: Option<Lookup<'_>>) -> Result<Config, ConfigError> {
    parse_with_tree(path, text, lookup).map(|loaded| loaded.config)
}

fn parse_with_tree(
    path: &Path,
    text: &str,
    lookup: Option<Lookup<'_>>,
) -> Result<Loaded, ConfigError> {
    let file = path.display();
    let mut warnings: Vec<Finding> = Vec::new();
    let expanded;
    let mut source = text;
    if let Some(lookup) = lookup {
        expanded = expand_env::expand(text, lookup)
            .map_err(|cause| ConfigError::Expansion { path: path.to_owned(), cause })?;
        for warning in &expanded.warnings {
            warnings.push(Finding {
                name: FindingName::ExpandedToNothing,
                line: warning.line,
                column: warning.column,
                message: format!(
                    "${{{name}}} is replaced by nothing; write $${{{name}}} for a reference to a group",
                    name = warning.name
                ),
            });
        }
        source = &expanded.text;
    }
    let hint = Hint(lookup.is_none() && text.contains("${"));
    let root = yaml::parse(source).map_err(|cause| ConfigError::Yaml {
        path: path.to_owned(),
        cause,
        hint,
    })?;
    let mut config = Config::default();
    let mut findings = Findings::default();
    if !root.is_null() {
        config.read(&root, &mut findings);
    }
    let (errors, found) = findings.into_parts();
    if !errors.is_empty() {
        return Err(ConfigError::Invalid { path: path.to_owned(), findings: errors, hint });
    }
    warnings.extend(found);
    config.warnings = warnings.iter().map(|warning| format!("{file}:{warning}")).collect();
    Ok(Loaded { path: path.to_owned(), config, root, warnings })
}

#[cfg(test)]
mod tests;

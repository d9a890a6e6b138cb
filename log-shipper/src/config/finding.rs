//! What is wrong with a configuration, and where.
//!
//! Reading goes on after an error, so that one run reports everything. A message never holds the
//! value of a secret: it names the key and what is accepted there.

use std::fmt::{self, Write as _};

use super::yaml::Node;

pub use name::{Category, FindingName};

mod name;

/// One error or warning with its place in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What kind of finding it is.
    pub name: FindingName,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// The key's path and what is wrong with it, in one line.
    pub message: String,
}

impl Finding {
    /// A finding at the first character of `at`.
    pub fn new(name: FindingName, at: &Node, message: impl Into<String>) -> Self {
        Self { name, line: at.line, column: at.column, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}

/// Everything found so far, and the path of the key that is being read.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    path: String,
    errors: Vec<Finding>,
    warnings: Vec<Finding>,
}

impl Findings {
    /// Something that makes the file unusable.
    pub(crate) fn error(&mut self, at: &Node, message: impl AsRef<str>) {
        let finding = self.finding(FindingName::InvalidConfiguration, at, message.as_ref());
        self.errors.push(finding);
    }

    /// Something that is accepted, but hardly meant.
    pub(crate) fn warn(&mut self, name: FindingName, at: &Node, message: impl AsRef<str>) {
        let finding = self.finding(name, at, message.as_ref());
        self.warnings.push(finding);
    }

    /// A warning that one occurrence is enough for.
    pub(crate) fn warn_once(&mut self, name: FindingName, at: &Node, message: &str) {
        if !self.warnings.iter().any(|warning| warning.message.ends_with(message)) {
            self.warn(name, at, message);
        }
    }

    /// Reads what stands under a key.
    pub(crate) fn under_key(&mut self, key: &str, read: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        if !self.path.is_empty() {
            self.path.push('.');
        }
        self.path.push_str(key);
        read(self);
        self.path.truncate(length);
    }

    /// Reads an item of a list.
    pub(crate) fn under_index(&mut self, index: usize, read: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        let _infallible = write!(self.path, "[{index}]");
        read(self);
        self.path.truncate(length);
    }

    /// Errors and warnings in the order of the file.
    pub(crate) fn into_parts(mut self) -> (Vec<Finding>, Vec<Finding>) {
        let place = |finding: &Finding| (finding.line, finding.column);
        self.errors.sort_by_key(place);
        self.warnings.sort_by_key(place);
        (self.errors, self.warnings)
    }

    fn finding(&self, name: FindingName, at: &Node, message: &str) -> Finding {
        let message = match self.path.as_str() {
            "" => message.to_owned(),
            path => format!("{path}: {message}"),
        };
        Finding::new(name, at, message)
    }
}

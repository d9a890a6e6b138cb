//! YAML 1.1 as Go's yaml.v2 reads it: a tree in which every value keeps its position and spelling.
//!
//! A scalar has no type of its own. Where text is wanted, the spelling of the file counts (`1.10`,
//! `yes`); where another type is wanted, [`Node::scalar`] resolves it. Anchors, aliases and merge
//! keys are gone from the tree, and no map has a key twice.

mod build;
mod scalar;
#[cfg(test)]
mod tests;
mod write;

use std::fmt;

pub use build::parse;
pub use scalar::Scalar;
pub use write::to_text;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Line of its first character, from 1. Of an alias, the line of what the alias stands for.
    pub line: usize,
    /// Column of its first character, from 1.
    pub column: usize,
    /// What it is.
    pub kind: Kind,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Nothing, `~` or `null`.
    Null,
    /// One piece of text.
    Scalar {
        /// The spelling of the file, with quotes and escapes resolved.
        text: String,
        /// Whether it may be something else than text: neither quoted nor tagged as text.
        plain: bool,
    },
    /// A list.
    Sequence(Vec<Node>),
    /// A map in the order of the file; keys are scalars or null, each once.
    Mapping(Vec<(Node, Node)>),
}

impl Default for Node {
    fn default() -> Self {
        Self::new(Kind::Null)
    }
}

impl Kind {
    /// Text that stays text, whatever it looks like.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Scalar { text: text.into(), plain: false }
    }

    /// A number, a boolean or a word, as it prints.
    pub(crate) fn plain(value: impl fmt::Display) -> Self {
        Self::Scalar { text: value.to_string(), plain: true }
    }
}

impl Node {
    /// A value that comes from no file: at the first character.
    pub(crate) fn new(kind: Kind) -> Self {
        Self { line: 1, column: 1, kind }
    }

    /// The value under `key`; `None` in anything that is no map.
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Kind::Mapping(pairs) = &self.kind else { return None };
        pairs.iter().find(|(name, _)| name.raw_text() == Some(key)).map(|(_, value)| value)
    }

    /// Whether the value is there but says nothing.
    pub fn is_null(&self) -> bool {
        matches!(self.kind, Kind::Null)
    }

    /// The value with its YAML 1.1 type; `None` for lists and maps.
    pub fn scalar(&self) -> Option<Scalar<'_>> {
        match &self.kind {
            Kind::Null => Some(Scalar::Null),
            Kind::Scalar { text, plain: true } => Some(Scalar::resolve(text)),
            Kind::Scalar { text, plain: false } => Some(Scalar::Text(text)),
            Kind::Sequence(_) | Kind::Mapping(_) => None,
        }
    }

    /// The spelling of the file; `None` for null, lists and maps.
    pub fn raw_text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { text, .. } => Some(text),
            Kind::Null | Kind::Sequence(_) | Kind::Mapping(_) => None,
        }
    }
}

/// Why a text is no tree, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {problem}")]
pub struct YamlError {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// What is wrong there.
    pub problem: YamlProblem,
}

/// What is wrong with a YAML text.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum YamlProblem {
    /// Not YAML; what the parser expected.
    Syntax(String),
    /// The key stands in the same map already.
    DuplicateKey {
        /// The key.
        key: String,
        /// Line of its first occurrence.
        first_line: usize,
    },
    /// A list or a map as a key.
    KeyNotScalar,
    /// The value of `<<` is neither a map nor a list of maps.
    MergeNotMap,
    /// An alias inside the value that it stands for.
    AliasOfItself,
    /// Aliases that stand for more than [`MAX_EXPANDED_BYTES`] altogether.
    AliasesTooLarge,
    /// Lists and maps nested deeper than [`MAX_DEPTH`].
    TooDeep,
}

/// How deep lists and maps may be nested.
pub const MAX_DEPTH: usize = 128;

/// A key that is written longer needs a `? ` before it: YAML readers look for the colon no further
/// than 1024 characters.
pub(crate) const MAX_SIMPLE_KEY_BYTES: usize = 1000;

/// How much memory aliases and merge keys of one text may take: 16 MiB, far above any configuration.
pub const MAX_EXPANDED_BYTES: usize = 16 << 20;

impl fmt::Display for YamlProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(what) => write!(f, "not valid YAML: {what}"),
            Self::DuplicateKey { key, first_line } => {
                write!(f, "key {key:?} already set in this map on line {first_line}")
            }
            Self::KeyNotScalar => f.write_str("a key of a map must be a single value"),
            Self::MergeNotMap => f.write_str("`<<` merges a map or a list of maps"),
            Self::AliasOfItself => f.write_str("an alias stands for a value that contains it"),
            Self::AliasesTooLarge => {
                write!(f, "aliases expand to more than {} MiB", MAX_EXPANDED_BYTES >> 20)
            }
            Self::TooDeep => write!(f, "nested more than {MAX_DEPTH} levels deep"),
        }
    }
}

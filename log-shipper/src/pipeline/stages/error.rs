//! Why a stage refuses its configuration.
//!
//! A message names the place in the file, the stage and the key; what is wrong; and what would be
//! accepted.

use std::fmt;

/// Where something stands in the configuration file, both counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Line.
    pub line: usize,
    /// Column, in characters.
    pub column: usize,
}

/// A stage that cannot be built.
///
/// Stages know key and problem; the position is added where the YAML tree is at hand, see
/// [`StageError::at`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub struct StageError {
    /// Name of the stage as in the configuration, such as `drop`.
    pub stage: &'static str,
    /// The key inside the stage's options; none where the stage as a whole is wrong.
    pub key: Option<Box<str>>,
    /// Where it stands; none for stages built without a file.
    pub position: Option<Position>,
    /// What is wrong, a lowercase fragment.
    pub problem: String,
    /// What would be accepted.
    pub accepted: Option<String>,
    /// The reason in the words of a parser (a regular expression's, a template's).
    #[source]
    pub cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl StageError {
    /// An error of a whole stage; the other methods add what is known.
    pub fn new(stage: &'static str, problem: impl Into<String>) -> Self {
        Self {
            stage,
            key: None,
            position: None,
            problem: problem.into(),
            accepted: None,
            cause: None,
        }
    }

    /// The key it is about.
    #[must_use]
    pub fn key(mut self, key: &str) -> Self {
        self.key = Some(Box::from(key));
        self
    }

    /// What would be accepted.
    #[must_use]
    pub fn accepted(mut self, accepted: impl Into<String>) -> Self {
        self.accepted = Some(accepted.into());
        self
    }

    /// The error of a parser.
    #[must_use]
    pub fn cause(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Where it stands. A position that is already known is kept: it is the more exact one.
    #[must_use]
    pub fn at(mut self, line: usize, column: usize) -> Self {
        self.position.get_or_insert(Position { line, column });
        self
    }
}

/// `line 12, column 9: drop stage: older_than: not a duration; accepted: a Go duration such as 5m`
impl fmt::Display for StageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Position { line, column }) = self.position {
            write!(f, "line {line}, column {column}: ")?;
        }
        write!(f, "{} stage: ", self.stage)?;
        if let Some(key) = &self.key {
            write!(f, "{key}: ")?;
        }
        f.write_str(&self.problem)?;
        if let Some(accepted) = &self.accepted {
            write!(f, "; accepted: {accepted}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_names_place_stage_key_problem_and_what_is_accepted() {
        let error = StageError::new("drop", "not a duration")
            .key("older_than")
            .accepted("a Go duration such as 5m")
            .at(12, 9)
            .at(1, 1);

        assert_eq!(
            error.to_string(),
            "line 12, column 9: drop stage: older_than: not a duration; accepted: a Go duration such as 5m"
        );
    }

    #[test]
    fn a_cause_is_the_source_and_not_repeated() {
        let error = StageError::new("regex", "does not compile").cause("missing closing )");

        assert_eq!(error.to_string(), "regex stage: does not compile");
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "missing closing )");
    }
}

//! What can be wrong with a template, when it is read and when it runs.

use super::limits::{Fault, Limit};

/// Why a template was refused. Lines count from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// Something stands where the grammar does not allow it.
    #[error("line {line}: unexpected {found}, expected {accepted}")]
    Unexpected {
        /// Line of the template.
        line: usize,
        /// What stands there.
        found: String,
        /// What may stand there.
        accepted: &'static str,
    },
    /// A literal, comment or action that does not end, or a number that is none.
    #[error("line {line}: {reason}")]
    Malformed {
        /// Line of the template.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// No function of this name is known, to Promtail neither.
    #[error("line {line}: function \"{name}\" not defined")]
    UnknownFunction {
        /// Line of the template.
        line: usize,
        /// The name.
        name: String,
    },
    /// Promtail has the function, this implementation leaves it out.
    #[error("line {line}: function \"{name}\" is not supported here: {reason}")]
    RefusedFunction {
        /// Line of the template.
        line: usize,
        /// The name.
        name: String,
        /// Why it is left out.
        reason: &'static str,
    },
    /// A variable that no `:=` before it declares.
    #[error("line {line}: undefined variable \"{name}\", declare it with {name} := ... first")]
    UndefinedVariable {
        /// Line of the template.
        line: usize,
        /// The name, with its dollar sign.
        name: String,
    },
    /// Blocks or parentheses nest deeper than any template needs.
    #[error("line {line}: blocks or parentheses nested deeper than {limit}")]
    TooDeep {
        /// Line of the template.
        line: usize,
        /// The deepest accepted nesting.
        limit: usize,
    },
}

/// Why a template could not be rendered with the given fields. Lines count from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RenderError {
    /// A function, or an operation such as a field access, does not accept its arguments.
    #[error("line {line}: {place}: {reason}")]
    Failed {
        /// Line of the template.
        line: usize,
        /// The function or operation.
        place: String,
        /// What it did not accept.
        reason: String,
    },
    /// The rendering would have used more than it may.
    #[error("line {line}: {place}: {limit}")]
    Limit {
        /// Line of the template.
        line: usize,
        /// The function or operation.
        place: String,
        /// The bound.
        limit: Limit,
    },
}

impl RenderError {
    pub(super) fn new(line: usize, place: &str, fault: Fault) -> Self {
        let place = place.to_owned();
        match fault {
            Fault::Limit(limit) => Self::Limit { line, place, limit },
            Fault::Failed(reason) => Self::Failed { line, place, reason },
        }
    }

    /// Whether a bound on output, work or depth ended the rendering.
    pub fn is_limit(&self) -> bool {
        matches!(self, Self::Limit { .. })
    }
}

//! Why a pattern is refused.

/// A pattern that cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RegexpError {
    /// The pattern is not in Go's syntax.
    #[error("error parsing regexp: {problem}: `{fragment}`{}", place(*position, fragment, pattern))]
    Syntax {
        /// What is wrong, in Go's words.
        problem: &'static str,
        /// The part of the pattern that is at fault; empty for a backslash at the end.
        fragment: String,
        /// Where the fragment begins, in bytes.
        position: usize,
        /// The pattern as given.
        pattern: String,
    },
    /// The compiled pattern would take more memory than is allowed.
    #[error("regexp `{pattern}` takes more than {limit_bytes} bytes when compiled")]
    TooLarge {
        /// The pattern as given.
        pattern: String,
        /// The limit, in bytes.
        limit_bytes: usize,
    },
    /// The engine refuses the pattern for a reason of its own.
    #[error("regexp `{pattern}` is not supported")]
    Engine {
        /// The pattern as given.
        pattern: String,
        /// The engine's reason, about the translated pattern.
        #[source]
        cause: regex::Error,
    },
}

fn place(position: usize, fragment: &str, pattern: &str) -> String {
    if fragment == pattern { String::new() } else { format!(" at byte {position} of `{pattern}`") }
}

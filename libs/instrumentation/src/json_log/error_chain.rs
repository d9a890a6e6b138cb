//! An error with all that caused it, on one line.

use std::error::Error;
use std::fmt;

/// Causes followed at most: an error may, by mistake, be its own source.
const MAX_CAUSES: usize = 32;

/// Shows an error and its sources, `outer: inner: innermost`.
///
/// For errors whose `Display` leaves the source out. A cause that the error before it has at its
/// end already is not repeated. A field given as `&dyn Error` is logged like this without help.
///
/// ```
/// use instrumentation::json_log::ErrorChain;
///
/// #[derive(Debug, thiserror::Error)]
/// #[error("cannot read `{path}`")]
/// struct ReadError {
///     path: &'static str,
///     source: std::io::Error,
/// }
///
/// let error = ReadError { path: "model.bin", source: std::io::Error::other("disk on fire") };
/// assert_eq!(ErrorChain(&error).to_string(), "cannot read `model.bin`: disk on fire");
/// ```
#[derive(Clone, Copy)]
pub struct ErrorChain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for ErrorChain<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut told = self.0.to_string();
        out.write_str(&told)?;
        for cause in
            std::iter::successors(self.0.source(), |&error| error.source()).take(MAX_CAUSES)
        {
            let text = cause.to_string();
            if !told.ends_with(&text) {
                write!(out, ": {text}")?;
                told = text;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for ErrorChain<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Link {
        text: &'static str,
        source: Option<Box<Link>>,
    }

    fn chain(texts: &[&'static str]) -> Link {
        let source = texts[1..].first().map(|_| Box::new(chain(&texts[1..])));
        Link { text: texts[0], source }
    }

    #[test]
    fn all_sources_are_told_in_order() {
        let error = chain(&["push failed", "connect", "refused"]);
        assert_eq!(ErrorChain(&error).to_string(), "push failed: connect: refused");
    }

    #[test]
    fn a_source_that_the_error_tells_itself_is_not_repeated() {
        let error = chain(&["push failed: connect", "connect", "refused"]);
        assert_eq!(ErrorChain(&error).to_string(), "push failed: connect: refused");
    }
}

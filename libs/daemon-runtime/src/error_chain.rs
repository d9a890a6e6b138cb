//! An error with all its causes on one line.
//!
//! It relies on every error's `Display` leaving its source out; otherwise a cause appears twice.

use std::error::Error;
use std::fmt;

/// Prints `outer: middle: inner`, for one-line logs.
#[derive(Debug, Clone, Copy)]
pub struct ErrorChain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for ErrorChain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{name}")]
    struct Layer {
        name: &'static str,
        source: Option<Box<Layer>>,
    }

    #[test]
    fn causes_follow_the_error_from_the_outside_in() {
        let inner = Layer { name: "inner", source: None };
        let middle = Layer { name: "middle", source: Some(Box::new(inner)) };
        let outer = Layer { name: "outer", source: Some(Box::new(middle)) };
        assert_eq!(ErrorChain(&outer).to_string(), "outer: middle: inner");
    }
}

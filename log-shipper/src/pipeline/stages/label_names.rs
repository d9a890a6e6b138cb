//! Which label names stages accept.

use super::error::StageError;

/// What [`is_label_name`] accepts, for messages.
pub(super) const ACCEPTED: &str = "letters, digits and underscores, not starting with a digit";

/// Prometheus' classic rule, `[a-zA-Z_][a-zA-Z0-9_]*`.
pub(super) fn is_label_name(name: &[u8]) -> bool {
    match name {
        [] => false,
        [first, ..] if first.is_ascii_digit() => false,
        all => all.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_'),
    }
}

/// Refuses a name that is no label name.
pub(super) fn require_label_name(stage: &'static str, name: &str) -> Result<(), StageError> {
    if is_label_name(name.as_bytes()) {
        return Ok(());
    }
    Err(StageError::new(stage, format!("invalid label name: {name:?}"))
        .key(name)
        .accepted(ACCEPTED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_names_are_letters_digits_and_underscores() {
        for good in ["a", "_", "__x__", "aZ9_"] {
            assert!(is_label_name(good.as_bytes()), "{good}");
        }
        for bad in ["", "9a", "trace-id", "a.b", "é", "a b"] {
            assert!(!is_label_name(bad.as_bytes()), "{bad}");
        }
    }
}

//! `matches`: which entries are read.
//!
//! As in systemd, matches of different fields must all hold, and of those of one field any.

use super::journal_file::Field;

/// A word of `matches` is no match.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "journal: matches: {word:?} is not FIELD=value; several are separated by spaces and all must hold"
)]
pub(super) struct MatchError {
    word: String,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Filter {
    /// For each field what it may be, as `FIELD=value`.
    fields: Vec<Vec<Vec<u8>>>,
}

impl Filter {
    pub(super) fn parse(text: &str) -> Result<Self, MatchError> {
        let mut fields: Vec<(&str, Vec<Vec<u8>>)> = Vec::new();
        for word in text.split_whitespace() {
            let name = word.split_once('=').map(|(name, _)| name);
            let is_letter =
                |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
            let Some(name) = name.filter(|name| !name.is_empty() && name.bytes().all(is_letter))
            else {
                return Err(MatchError { word: word.to_owned() });
            };
            let whole = word.as_bytes().to_vec();
            match fields.iter_mut().find(|(known, _)| *known == name) {
                Some((_, values)) => values.push(whole),
                None => fields.push((name, vec![whole])),
            }
        }
        Ok(Self { fields: fields.into_iter().map(|(_, values)| values).collect() })
    }

    pub(super) fn admits(&self, fields: &[Field]) -> bool {
        self.fields.iter().all(|any| {
            fields.iter().any(|field| any.iter().any(|whole| whole.as_slice() == field.whole()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(matches: &str, fields: &[&str]) -> bool {
        let fields: Vec<Field> =
            fields.iter().map(|field| Field::new(field.as_bytes().to_vec()).unwrap()).collect();
        Filter::parse(matches).unwrap().admits(&fields)
    }

    #[test]
    fn different_fields_must_all_hold_and_of_one_field_any() {
        let entry = ["_TRANSPORT=kernel", "PRIORITY=3", "TAG=a", "TAG=b"];
        assert!(admits("", &entry));
        assert!(admits("_TRANSPORT=kernel PRIORITY=3", &entry));
        assert!(!admits("_TRANSPORT=kernel PRIORITY=4", &entry));
        assert!(admits("PRIORITY=4 PRIORITY=3", &entry));
        assert!(admits("TAG=a", &entry) && admits("TAG=b", &entry));
        assert!(!admits("PRIORITY=", &entry));
    }

    #[test]
    fn a_word_that_is_no_match_is_named() {
        for word in ["+", "kernel", "=x", "priority=3"] {
            let error = Filter::parse(&format!("PRIORITY=3 {word}")).unwrap_err();
            assert_eq!(error, MatchError { word: word.to_owned() });
        }
    }
}

//! What an operator does to the value of a variable. Offsets and lengths count bytes.

use super::pattern::Pattern;

/// An operator other than a default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Function {
    /// `:offset` and `:offset:length`.
    Substring,
    /// `^`, `^^`, `,` and `,,`; a mixture does nothing.
    Case(String),
    /// `/old/new`.
    ReplaceFirst,
    /// `//old/new`.
    ReplaceAll,
    /// `/#old/new`.
    ReplacePrefix,
    /// `/%old/new`.
    ReplaceSuffix,
    /// `#pattern` and `##pattern`.
    TrimPrefix {
        /// As much as the pattern can match.
        longest: bool,
    },
    /// `%pattern` and `%%pattern`.
    TrimSuffix {
        /// As much as the pattern can match.
        longest: bool,
    },
}

impl Function {
    pub(super) fn trim(operator: &str) -> Self {
        let longest = operator.len() == 2;
        if operator.starts_with('#') {
            Self::TrimPrefix { longest }
        } else {
            Self::TrimSuffix { longest }
        }
    }

    /// The new value; `None` where a character would be cut in two.
    pub(super) fn apply(&self, value: String, operands: &[String]) -> Option<String> {
        let first = operands.first().map_or("", String::as_str);
        // an empty replacement is no operand, and then a prefix or suffix stays where it is
        let second = operands.get(1).map(String::as_str);
        Some(match self {
            Self::Substring => return substring(&value, first, second),
            Self::Case(operator) => match operator.as_str() {
                "^^" => value.chars().map(upper).collect(),
                ",," => value.chars().map(lower).collect(),
                "^" => first_character(&value, upper),
                "," => first_character(&value, lower),
                _ => value,
            },
            Self::ReplaceFirst => value.replacen(first, second.unwrap_or_default(), 1),
            Self::ReplaceAll => value.replace(first, second.unwrap_or_default()),
            Self::ReplacePrefix => match (value.strip_prefix(first), second) {
                (Some(rest), Some(new)) => format!("{new}{rest}"),
                _ => value,
            },
            Self::ReplaceSuffix => match (value.strip_suffix(first), second) {
                (Some(rest), Some(new)) => format!("{rest}{new}"),
                _ => value,
            },
            Self::TrimPrefix { longest } => {
                let characters: Vec<char> = value.chars().collect();
                let cut = Pattern::parse(first).and_then(|p| p.prefix_of(&characters, *longest));
                characters[cut.unwrap_or(0)..].iter().collect()
            }
            Self::TrimSuffix { longest } => {
                // both are turned around, as text: a class in the pattern is not one any more
                let characters: Vec<char> = value.chars().rev().collect();
                let pattern: String = first.chars().rev().collect();
                let cut = Pattern::parse(&pattern).and_then(|p| p.prefix_of(&characters, *longest));
                characters[cut.unwrap_or(0)..].iter().rev().collect()
            }
        })
    }
}

/// Numbers that are none leave the value as it is.
fn substring(value: &str, offset: &str, length: Option<&str>) -> Option<String> {
    let Ok(offset) = offset.parse::<i64>() else { return Some(value.to_owned()) };
    let start = match usize::try_from(offset) {
        Ok(offset) => offset.min(value.len()),
        Err(_) => value.len().saturating_sub(usize::try_from(offset.unsigned_abs()).ok()?),
    };
    let end = match length.map(str::parse::<i64>) {
        None => value.len(),
        Some(Err(_)) => return Some(value.to_owned()),
        Some(Ok(length)) => {
            start.saturating_add(usize::try_from(length).unwrap_or(0)).min(value.len())
        }
    };
    value.get(start..end).map(str::to_owned)
}

fn first_character(value: &str, map: fn(char) -> char) -> String {
    let mut characters = value.chars();
    characters.next().map(map).into_iter().chain(characters).collect()
}

/// One character for one, as Go maps them: `ß` has no upper case.
fn upper(c: char) -> char {
    let mut mapped = c.to_uppercase();
    if mapped.len() == 1 { mapped.next().unwrap_or(c) } else { c }
}

fn lower(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}

//! Upper and lower case as Go's `strings.ToUpper` and `strings.ToLower`: letter by letter.
//!
//! A letter becomes one letter or stays: `ß` is not `SS`. Rust's mapping gives several letters for
//! some that have a single counterpart as well; those are named here.

/// `text` in upper case.
pub(super) fn upper(text: &str) -> String {
    text.chars().map(upper_letter).collect()
}

/// `text` in lower case.
pub(super) fn lower(text: &str) -> String {
    text.chars().map(lower_letter).collect()
}

fn upper_letter(letter: char) -> char {
    match letter {
        // Greek with iota subscript: the counterpart stands a few places further in the table
        '\u{1F80}'..='\u{1F87}' | '\u{1F90}'..='\u{1F97}' | '\u{1FA0}'..='\u{1FA7}' => {
            char::from_u32(letter as u32 + 8).unwrap_or(letter)
        }
        '\u{1FB3}' | '\u{1FC3}' | '\u{1FF3}' => char::from_u32(letter as u32 + 9).unwrap_or(letter),
        _ => single(letter, letter.to_uppercase()),
    }
}

fn lower_letter(letter: char) -> char {
    match letter {
        // I with a dot: Rust keeps the dot as a second character
        '\u{130}' => 'i',
        _ => single(letter, letter.to_lowercase()),
    }
}

fn single(letter: char, mut mapped: impl Iterator<Item = char>) -> char {
    match (mapped.next(), mapped.next()) {
        (Some(one), None) => one,
        _ => letter,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_never_becomes_two() {
        assert_eq!(upper("straße ŉ ﬁ ǆ"), "STRAßE ŉ ﬁ Ǆ");
        assert_eq!(lower("ΑΣ ẞ Ǆ"), "ασ ß ǆ");
    }

    #[test]
    fn letters_with_one_counterpart_become_it() {
        assert_eq!(lower("İ"), "i");
        assert_eq!(upper("ᾀᾗᾠᾳῃῳ"), "ᾈᾟᾨᾼῌῼ");
        for letter in ['ᾈ', 'ᾟ', 'ᾨ', 'ᾼ', 'ῌ', 'ῼ'] {
            assert_eq!(upper_letter(lower_letter(letter)), letter);
        }
    }
}

//! Abbreviations of zones as they stand in texts: `CEST`, `GMT-3`, `+03`.
//!
//! Go knows no list of them and goes by their looks: three to five capital letters, of which four
//! or five end in `T`.

/// How long the abbreviation is that a text begins with; `None` if there is none.
pub(super) fn length(text: &[u8]) -> Option<usize> {
    if text.starts_with(b"ChST") || text.starts_with(b"MeST") {
        return Some(4);
    }
    if let Some(offset) = text.strip_prefix(b"GMT") {
        return Some(3 + signed_hours(offset).map_or(0, |(_, length)| length));
    }
    if matches!(text, [b'+' | b'-', ..]) {
        // shorter texts are no abbreviation whatever they say
        return signed_hours(text).map(|(_, length)| length).filter(|_| text.len() >= 3);
    }
    match text.iter().take(6).take_while(|byte| byte.is_ascii_uppercase()).count() {
        3 => Some(3),
        4 if text[3] == b'T' || text.starts_with(b"WITA") => Some(4),
        5 if text[4] == b'T' => Some(5),
        _ => None,
    }
}

/// The offset on whose clock a time with an unknown abbreviation is shown, in seconds: that of
/// `GMT-3`, else 0.
pub(super) fn shown_offset(name: &str) -> i32 {
    let offset = name.as_bytes().strip_prefix(b"GMT").and_then(signed_hours);
    offset.map_or(0, |(hours, _)| hours * 3_600)
}

/// The hours of `+3` or `-07`, which are at most 23, and their length.
fn signed_hours(text: &[u8]) -> Option<(i32, usize)> {
    let (sign, digits) = match text {
        [b'+', digits @ ..] => (1, digits),
        [b'-', digits @ ..] => (-1, digits),
        _ => return None,
    };
    let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if count == 0 {
        return None;
    }
    let hours = digits[..count].iter().fold(0_i32, |hours, digit| {
        hours.saturating_mul(10).saturating_add(i32::from(digit - b'0'))
    });
    (hours <= 23).then_some((sign * hours, 1 + count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abbreviations_are_known_by_their_looks() {
        for (text, expected) in [
            ("CET 2024", Some(3)),
            ("CEST", Some(4)),
            ("WITA", Some(4)),
            ("ChST", Some(4)),
            ("MeST", Some(4)),
            ("AKSTT", Some(5)),
            ("GMT", Some(3)),
            ("GMT+3 x", Some(5)),
            ("GMT-24", Some(3)),
            ("GMT+", Some(3)),
            ("+03", Some(3)),
            ("-0007x", Some(5)),
            ("+3", None),
            ("+24", None),
            ("CESU", None),
            ("ABCDE", None),
            ("ABCDET", None),
            ("Cet", None),
            ("UT", None),
            ("", None),
        ] {
            assert_eq!(length(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn only_gmt_shows_an_offset() {
        assert_eq!(shown_offset("GMT-3"), -3 * 3_600);
        assert_eq!(shown_offset("GMT"), 0);
        assert_eq!(shown_offset("PST"), 0);
        assert_eq!(shown_offset("+03"), 0);
    }
}

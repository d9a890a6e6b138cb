//! Long texts made to fit: `wrap` and `abbrev`.

use super::{Arguments, Builtin, Outcome, exactly, usize_of};
use crate::template::limits::Fault;
use crate::template::value::Value;

pub(super) const TABLE: &[Builtin] = &[
    exactly("wrap", 2, |call| {
        let width = call.int(0)?;
        wrapped(&call.characters(1)?, width, "\n", false)
    }),
    exactly("wrapWith", 3, |call| {
        let width = call.int(0)?;
        wrapped(&call.characters(2)?, width, &call.characters(1)?, true)
    }),
    exactly("abbrev", 2, |call| {
        let width = call.int(0)?;
        let text = call.bytes(1)?;
        let fits = width < 4 || text.len() <= usize_of(width);
        Ok(Value::Text(if fits { text.to_vec() } else { cut(text, usize_of(width)) }))
    }),
    exactly("abbrevboth", 3, abbreviate_both),
];

const MARK: &[u8] = b"...";

/// The start of the text with the mark after it, `width` bytes in all.
fn cut(text: &[u8], width: usize) -> Vec<u8> {
    [&text[..width - MARK.len()], MARK].concat()
}

/// The text from `offset` on with marks on the sides where something is missing.
fn abbreviate_both(call: &mut Arguments<'_>) -> Result<Value, Fault> {
    let (left, right) = (call.int(0)?, call.int(1)?);
    let text = call.bytes(2)?;
    let (offset, width) = (usize_of(left), usize_of(right));
    if right < 4 || (left > 0 && right < 7) || text.len() <= width {
        return Ok(Value::text(text));
    }
    let room = width - MARK.len();
    let offset = offset.min(text.len());
    let offset = if text.len() - offset < room { text.len() - room } else { offset };
    if offset <= 4 {
        return Ok(Value::Text(cut(text, width)));
    }
    if offset + room < text.len() {
        return Ok(Value::Text([MARK, &cut(&text[offset..], room)].concat()));
    }
    Ok(Value::Text([MARK, &text[text.len() - room..]].concat()))
}

/// Breaks the text at spaces into lines of at most `width` characters; words that are longer are
/// broken only where `hard` says so.
fn wrapped(text: &str, width: i64, line_end: &str, hard: bool) -> Outcome {
    let width = usize_of(width).max(1);
    let characters: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = characters.as_slice();
    while rest.len() > width {
        if rest[0] == ' ' {
            rest = &rest[1..];
            continue;
        }
        let space = rest[..=width].iter().rposition(|character| *character == ' ');
        let (line, after) = match space {
            Some(at) => (&rest[..at], &rest[at + 1..]),
            None if hard => rest.split_at(width),
            None => match rest[width..].iter().position(|character| *character == ' ') {
                Some(more) => (&rest[..width + more], &rest[width + more + 1..]),
                None => break,
            },
        };
        out.extend(line);
        out.push_str(line_end);
        super::check_length(out.len())?;
        rest = after;
    }
    out.extend(rest);
    Ok(Value::text(out))
}

#[cfg(test)]
mod tests {
    use crate::template::tests::rendered;

    #[test]
    fn long_texts_are_cut_and_marked() {
        assert_eq!(rendered(r#"{{ abbrev 5 "hello world" }}"#), "he...");
        assert_eq!(rendered(r#"{{ abbrev 20 "hello world" }}"#), "hello world");
        assert_eq!(rendered(r#"{{ abbrevboth 5 10 "1234 5678 9123" }}"#), "...5678...");
    }

    #[test]
    fn lines_are_broken_at_spaces() {
        assert_eq!(rendered(r#"{{ wrap 5 "aa bb cc" }}"#), "aa bb\ncc");
        assert_eq!(rendered(r#"{{ wrap 2 "abcd ef" }}"#), "abcd\nef");
        assert_eq!(rendered(r#"{{ wrapWith 2 "|" "abcd ef" }}"#), "ab|cd|ef");
    }
}

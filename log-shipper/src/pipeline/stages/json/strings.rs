//! JSON strings, read and written.
//!
//! Reading keeps bytes that are not UTF-8, so that a value is as broken as the line it came from;
//! writing replaces them, because what is written must be JSON.

/// Appends the text that stands between the quotes of a valid JSON string.
///
/// Half of a surrogate pair becomes U+FFFD, as in Go.
pub(crate) fn unescape(raw: &[u8], out: &mut Vec<u8>) {
    let mut rest = raw;
    while let Some(backslash) = find_backslash(rest) {
        out.extend_from_slice(&rest[..backslash]);
        rest = &rest[backslash + 1..];
        let Some((&escaped, after)) = rest.split_first() else { return };
        rest = after;
        match escaped {
            b'b' => out.push(0x08),
            b'f' => out.push(0x0C),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'u' => rest = unescape_unicode(rest, out),
            other => out.push(other),
        }
    }
    out.extend_from_slice(rest);
}

/// JSON inside a JSON string has a backslash every few bytes, where calling `memchr` costs more than
/// looking.
fn find_backslash(text: &[u8]) -> Option<usize> {
    const NEAR: usize = 16;
    let (near, far) = text.split_at(text.len().min(NEAR));
    let found = near.iter().position(|byte| *byte == b'\\');
    found.or_else(|| memchr::memchr(b'\\', far).map(|index| NEAR + index))
}

/// Reads the digits behind `\u`, and a second half if they are the first one.
fn unescape_unicode<'a>(digits: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let (unit, mut rest) = code_unit(digits);
    let character = match unit {
        0xD800..0xDC00 => match rest.strip_prefix(b"\\u").map(code_unit) {
            Some((second @ 0xDC00..0xE000, after)) => {
                rest = after;
                char::from_u32(0x1_0000 + ((unit - 0xD800) << 10) + (second - 0xDC00))
            }
            _ => None,
        },
        unit => char::from_u32(unit),
    };
    let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    rest
}

/// Four hexadecimal digits, and what follows.
fn code_unit(text: &[u8]) -> (u32, &[u8]) {
    let (digits, rest) = text.split_at(text.len().min(4));
    let value = |byte: u8| char::from(byte).to_digit(16).unwrap_or(0);
    (digits.iter().fold(0, |unit, digit| unit << 4 | value(*digit)), rest)
}

/// Appends `text` as a JSON string as Go writes it: `<`, `>`, `&`, U+2028 and U+2029 escaped, each
/// byte that is not UTF-8 replaced by an escaped U+FFFD.
pub(crate) fn push_string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for chunk in text.utf8_chunks() {
        push_valid(out, chunk.valid().as_bytes());
        for _ in chunk.invalid() {
            out.extend_from_slice(br"\ufffd");
        }
    }
    out.push(b'"');
}

fn push_valid(out: &mut Vec<u8>, text: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut copied = 0;
    for (index, byte) in text.iter().copied().enumerate() {
        let line_separator =
            byte == 0xE2 && matches!(text.get(index + 1..index + 3), Some([0x80, 0xA8 | 0xA9]));
        if !matches!(byte, b'"' | b'\\' | b'<' | b'>' | b'&' | 0..0x20) && !line_separator {
            continue;
        }
        out.extend_from_slice(&text[copied..index]);
        copied = index + if line_separator { 3 } else { 1 };
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(br"\n"),
            b'\r' => out.extend_from_slice(br"\r"),
            b'\t' => out.extend_from_slice(br"\t"),
            0xE2 => {
                out.extend_from_slice(br"\u202");
                out.push(text[index + 2] - 0xA8 + b'8');
            }
            _ => {
                out.extend_from_slice(br"\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 0xF)]);
            }
        }
    }
    out.extend_from_slice(&text[copied..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn unescaped(raw: &str) -> String {
        let mut out = Vec::new();
        unescape(raw.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    fn written(text: &[u8]) -> String {
        let mut out = Vec::new();
        push_string(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn escapes_are_read() {
        assert_eq!(
            unescaped(r#"line\nbreak\ttab\"quote\\ \/ \b\f\r"#),
            "line\nbreak\ttab\"quote\\ / \u{8}\u{c}\r"
        );
        assert_eq!(unescaped(r"\u00e9\u20AC a\u0000b"), "é€ a\0b");
        assert_eq!(unescaped(r"\ud83d\ude80"), "🚀");
    }

    #[test]
    fn half_a_surrogate_pair_becomes_a_replacement_character() {
        assert_eq!(unescaped(r"\ud83d"), "\u{fffd}");
        assert_eq!(unescaped(r"\ude80x"), "\u{fffd}x");
        assert_eq!(unescaped(r"\ud83d\n"), "\u{fffd}\n");
        assert_eq!(unescaped(r"\ud83d\u0041"), "\u{fffd}A");
        assert_eq!(unescaped(r"\ud83d\ud83d\ude80"), "\u{fffd}🚀");
    }

    #[test]
    fn html_and_line_separators_are_escaped() {
        assert_eq!(
            written("<b>&\"\\\n\r\t\u{1}é\u{2028}\u{2029}\u{2030}".as_bytes()),
            "\"\\u003cb\\u003e\\u0026\\\"\\\\\\n\\r\\t\\u0001é\\u2028\\u2029\u{2030}\""
        );
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_replaced_one_by_one() {
        assert_eq!(written(b"a\xff\xe2\x80z"), r#""a\ufffd\ufffd\ufffdz""#);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_as_the_same_text(text in any::<String>()) {
            let written = written(text.as_bytes());
            prop_assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text.clone());
            prop_assert_eq!(unescaped(&written[1..written.len() - 1]), text);
        }
    }
}

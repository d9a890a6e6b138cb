//! String literals of Go: `strconv.Quote` and `strconv.Unquote`.
//!
//! Quoting works on bytes, because log lines need not be UTF-8: a byte that belongs to no
//! character is written as `\xHH` and comes back from [`unquote`] as that byte.

use std::fmt::Write as _;
use std::sync::LazyLock;

use regex_syntax::hir::{Class, HirKind};

/// Quotes a text as `strconv.Quote` does: control and other unprintable characters are escaped.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    push_escaped(text, &mut out);
    out.push('"');
    out
}

/// Quotes bytes as `strconv.Quote` does; each byte that is not part of a character becomes `\xHH`.
pub fn quote_bytes(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + 2);
    out.push('"');
    for chunk in bytes.utf8_chunks() {
        push_escaped(chunk.valid(), &mut out);
        for byte in chunk.invalid() {
            push_hex_byte(*byte, &mut out);
        }
    }
    out.push('"');
    out
}

/// Reads a Go string literal in double quotes or backquotes, quotes included.
///
/// The result is bytes, since `\xff` and `\377` name bytes, not characters. `None` where Go's
/// `strconv.Unquote` answers `ErrSyntax`, and for rune literals in single quotes.
pub fn unquote(literal: &str) -> Option<Vec<u8>> {
    if let Some(raw) = inside(literal, '`') {
        // carriage returns are not part of a raw string's value
        return (!raw.contains('`')).then(|| raw.bytes().filter(|byte| *byte != b'\r').collect());
    }
    let mut rest = inside(literal, '"')?;
    let mut out = Vec::with_capacity(rest.len());
    while let Some(position) = rest.find(['\\', '"', '\n']) {
        let (plain, special) = rest.split_at(position);
        out.extend_from_slice(plain.as_bytes());
        rest = unescape(special.strip_prefix('\\')?, &mut out)?;
    }
    out.extend_from_slice(rest.as_bytes());
    Some(out)
}

/// Whether Go's `strconv.IsPrint` holds: letters, marks, numbers, punctuation, symbols and the
/// ASCII space. Decided by the Unicode version of `regex-syntax`, which may be newer than Go's.
pub fn is_print(character: char) -> bool {
    static PRINTABLE: LazyLock<Vec<(char, char)>> = LazyLock::new(|| {
        let class = regex_syntax::parse(r"[\pL\pM\pN\pP\pS]").expect("a constant, valid class");
        let HirKind::Class(Class::Unicode(class)) = class.into_kind() else {
            unreachable!("a class with several members stays a Unicode class")
        };
        class.iter().map(|range| (range.start(), range.end())).collect()
    });
    if character.is_ascii() {
        return matches!(character, ' '..='~');
    }
    let after = PRINTABLE.partition_point(|(start, _)| *start <= character);
    after.checked_sub(1).is_some_and(|index| character <= PRINTABLE[index].1)
}

fn inside(literal: &str, mark: char) -> Option<&str> {
    literal.strip_prefix(mark)?.strip_suffix(mark)
}

fn push_escaped(text: &str, out: &mut String) {
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x0b' => out.push_str("\\v"),
            '\0'..='\x1f' | '\x7f' => push_hex_byte(character as u8, out),
            _ if is_print(character) => out.push(character),
            _ => {
                let code = u32::from(character);
                let written = if code < 0x1_0000 {
                    write!(out, "\\u{code:04x}")
                } else {
                    write!(out, "\\U{code:08x}")
                };
                written.expect("writing to a String cannot fail");
            }
        }
    }
}

fn push_hex_byte(byte: u8, out: &mut String) {
    write!(out, "\\x{byte:02x}").expect("writing to a String cannot fail");
}

/// Decodes one escape, whose backslash is already taken off, and returns what follows it.
fn unescape<'a>(escape: &'a str, out: &mut Vec<u8>) -> Option<&'a str> {
    let selector = *escape.as_bytes().first()?;
    let simple = match selector {
        b'a' => 0x07,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        b'\\' | b'"' => selector,
        b'x' => {
            let (byte, rest) = digits(&escape[1..], 2, 16)?;
            out.push(u8::try_from(byte).ok()?);
            return Some(rest);
        }
        b'u' | b'U' => {
            let count = if selector == b'u' { 4 } else { 8 };
            let (code, rest) = digits(&escape[1..], count, 16)?;
            let character = char::from_u32(code)?;
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            return Some(rest);
        }
        b'0'..=b'7' => {
            let (byte, rest) = digits(escape, 3, 8)?;
            out.push(u8::try_from(byte).ok()?);
            return Some(rest);
        }
        _ => return None,
    };
    out.push(simple);
    Some(&escape[1..])
}

/// Reads exactly `count` digits, at most eight.
fn digits(text: &str, count: usize, radix: u32) -> Option<(u32, &str)> {
    let (digits, rest) = text.split_at_checked(count)?;
    // `from_str_radix` alone would take a leading plus sign
    if !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    Some((u32::from_str_radix(digits, radix).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quoting_escapes_what_go_escapes() {
        assert_eq!(quote("a\"b\\c"), r#""a\"b\\c""#);
        assert_eq!(quote("\x07\x08\x0c\n\r\t\x0b"), r#""\a\b\f\n\r\t\v""#);
        assert_eq!(quote("\x00\x01\x1b\x7f"), r#""\x00\x01\x1b\x7f""#);
        assert_eq!(quote("é 日本 🚀 \u{301}"), "\"é 日本 🚀 \u{301}\"");
        assert_eq!(quote("\u{a0}\u{ad}\u{2028}\u{feff}"), r#""\u00a0\u00ad\u2028\ufeff""#);
        assert_eq!(quote("\u{e0001}\u{10ffff}"), r#""\U000e0001\U0010ffff""#);
        assert_eq!(quote("\u{fffd}"), "\"\u{fffd}\"");
        assert_eq!(quote("it's <b>&</b>"), r#""it's <b>&</b>""#);
    }

    #[test]
    fn bytes_outside_utf_8_are_quoted_one_by_one() {
        assert_eq!(quote_bytes(b"\xff\xc3\xa9\xe2\x82"), "\"\\xffé\\xe2\\x82\"");
    }

    #[test]
    fn double_quoted_literals_are_read() {
        assert_eq!(unquote(r#""a\tb\"\\""#).unwrap(), b"a\tb\"\\");
        assert_eq!(unquote(r#""\xff\377\101""#).unwrap(), b"\xff\xffA");
        assert_eq!(unquote(r#""\u00e9\U0001F680""#).unwrap(), "é🚀".as_bytes());
        assert_eq!(unquote(r#""""#).unwrap(), b"");
    }

    #[test]
    fn raw_literals_lose_only_carriage_returns() {
        assert_eq!(unquote("`a\\n\r\nb\"`").unwrap(), b"a\\n\nb\"");
    }

    #[test]
    fn malformed_literals_are_refused() {
        for literal in [
            "",
            "\"",
            "abc",
            "\"abc",
            "abc\"",
            "'a'",
            "\"a\"b\"",
            "\"\n\"",
            r#""\'""#,
            r#""\q""#,
            r#""\""#,
            r#""\x4""#,
            r#""\x+4""#,
            r#""\400""#,
            r#""\18""#,
            r#""\ud800""#,
            r#""\U00110000""#,
            "`a`b`",
            "`",
        ] {
            assert_eq!(unquote(literal), None, "{literal}");
        }
    }

    proptest! {
        #[test]
        fn unquoting_a_quoted_text_gives_it_back(bytes: Vec<u8>, text: String) {
            prop_assert_eq!(unquote(&quote_bytes(&bytes)), Some(bytes));
            prop_assert_eq!(quote(&text), quote_bytes(text.as_bytes()));
            prop_assert_eq!(unquote(&quote(&text)), Some(text.into_bytes()));
        }

        #[test]
        fn unquoting_never_panics(text in "[\"`][\\\\\"`a-fuxU0-9é\n]{0,12}[\"`]") {
            let _ = unquote(&text);
        }
    }
}

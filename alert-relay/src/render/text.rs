//! Text from strangers made harmless: cleaned, cut, escaped.
//!
//! Lengths are in UTF-16 units, which are never fewer than characters: whichever of them a
//! destination counts, the limit is kept.

use std::fmt::Write as _;

/// Ends what was cut.
const CUT: char = '…';

/// Without what is not seen: control characters but newline and tab, marks that turn the direction
/// of writing, characters without width. Every end of a line becomes a newline.
pub fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\r' => {
                if characters.peek() != Some(&'\n') {
                    cleaned.push('\n');
                }
            }
            '\u{2028}' | '\u{2029}' | '\u{85}' => cleaned.push('\n'),
            '\n' | '\t' => cleaned.push(character),
            '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}' => {}
            _ if character.is_control() => {}
            _ => cleaned.push(character),
        }
    }
    cleaned
}

/// Cleaned, on one line, with single spaces.
pub fn line(text: &str) -> String {
    let cleaned = clean(text);
    let mut line = String::with_capacity(cleaned.len());
    for word in cleaned.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

/// How long a text is, in UTF-16 units.
pub fn length(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// At most `max` units, with `…` at the end of what was cut.
pub fn cut(text: &str, max: usize) -> String {
    fitted(text, max, |character, out| out.push(character))
}

/// Escaped for Slack, and at most `max` units long after that; never cut inside an entity.
pub fn escape(text: &str, max: usize) -> String {
    fitted(text, max, |character, out| match character {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        other => out.push(other),
    })
}

/// Escaped for HTML, and at most `max` units long after that.
pub fn html(text: &str, max: usize) -> String {
    fitted(text, max, |character, out| match character {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '"' => out.push_str("&quot;"),
        '\'' => out.push_str("&#39;"),
        other => out.push(other),
    })
}

fn fitted(text: &str, max: usize, mut push: impl FnMut(char, &mut String)) -> String {
    let mut out = String::with_capacity(text.len().min(max));
    let (mut used, mut fits_with_mark) = (0, 0);
    let mut piece = String::new();
    for character in text.chars() {
        piece.clear();
        push(character, &mut piece);
        used += length(&piece);
        if used > max {
            out.truncate(fits_with_mark);
            if max > 0 {
                out.push(CUT);
            }
            return out;
        }
        out.push_str(&piece);
        if used < max {
            fits_with_mark = out.len();
        }
    }
    out
}

/// As code in Slack's markup, at most `max` units long: nothing inside is markup.
pub fn code(text: &str, max: usize) -> String {
    let inside = line(text).replace('`', "ˋ");
    let inside = escape(&inside, max.saturating_sub(2));
    if inside.is_empty() { String::new() } else { format!("`{inside}`") }
}

/// A link for `http` and `https`; `None` for anything else, which may only be shown as text.
pub fn url(text: &str) -> Option<&str> {
    let text = text.trim();
    let (scheme, rest) = text.split_once("://")?;
    let is_web = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    let is_plain = |character: char| !character.is_whitespace() && !character.is_control();
    let is_visible = clean(text).len() == text.len();
    (is_web && !rest.is_empty() && is_visible && rest.chars().all(is_plain)).then_some(text)
}

/// A link in Slack's markup: `<https://…|text>`; nothing if the address is no link or longer than
/// `max`.
pub fn slack_link(address: &str, text: &str, max: usize) -> Option<String> {
    let mut link = "<".to_owned();
    for character in url(address)?.chars() {
        match character {
            '<' | '>' | '|' | '"' | '`' => {
                let _ = write!(link, "%{:02X}", u32::from(character));
            }
            '&' => link.push_str("&amp;"),
            other => link.push(other),
        }
    }
    let _ = write!(link, "|{}>", escape(&line(text), 75));
    (length(&link) <= max).then_some(link)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_not_seen_is_removed_and_ends_of_lines_are_one() {
        let text = "a\u{7}b\0\u{202e}c\u{200b}\r\nd\re\u{2028}f\tg\u{9b}";
        assert_eq!(clean(text), "abc\nd\ne\nf\tg");
        assert_eq!(line(text), "abc d e f g");
    }

    #[test]
    fn what_is_cut_ends_with_a_mark_and_between_characters() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdefg", 6), "abcde…");
        assert_eq!(cut("ab🔥🔥", 5), "ab🔥…");
        assert_eq!(cut("ab", 0), "");
    }

    #[test]
    fn an_entity_is_whole_or_not_there() {
        assert_eq!(escape("a<b&c>", 100), "a&lt;b&amp;c&gt;");
        assert_eq!(escape("a<<", 9), "a&lt;&lt;");
        assert_eq!(escape("a<<<", 9), "a&lt;…");
    }

    #[test]
    fn code_cannot_be_left() {
        assert_eq!(code("a`*b*`\nc", 100), "`aˋ*b*ˋ c`");
        assert_eq!(code("\u{200b}", 100), "");
    }

    #[test]
    fn only_addresses_of_the_web_are_links() {
        let link = slack_link("https://x.example/a|b>c?d=1&e", "go > on", 300).unwrap();
        assert_eq!(link, "<https://x.example/a%7Cb%3Ec?d=1&amp;e|go &gt; on>");
        for text in ["javascript:alert(1)", "file:///etc", "https://", "", "https://a b", "ftp://x"]
        {
            assert_eq!(slack_link(text, "x", 300), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_becomes_longer_than_it_may(text in "\\PC{0,80}|[<>&🔥a]{0,80}", max in 0_usize..60) {
            for out in [cut(&text, max), escape(&text, max), html(&text, max)] {
                prop_assert!(length(&out) <= max);
            }
            let out = escape(&clean(&text), max);
            prop_assert!(!out.contains('<') && !out.contains('>'));
            prop_assert!(out.matches('&').count() == out.matches(';').count().min(out.matches('&').count()));
        }
    }
}

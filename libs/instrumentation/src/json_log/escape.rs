//! Puts any text on one line: JSON strings, logfmt values, plain text.
//!
//! No control character ever reaches the output as it is, neither one that would
//! end the line nor one that a terminal would obey.

use std::fmt::Write;

/// Appends `text` between double quotes as a JSON string.
pub(super) fn json_string(out: &mut String, text: &str) {
    out.push('"');
    json_string_content(out, text);
    out.push('"');
}

/// Appends `text` as a logfmt value: bare where a reader cannot misunderstand it, else quoted.
pub(super) fn logfmt_value(out: &mut String, text: &str) {
    let is_bare = |char: char| !matches!(char, ' ' | '=' | '"' | '\\') && !is_unsafe(char);
    if !text.is_empty() && text.chars().all(is_bare) {
        out.push_str(text);
    } else {
        json_string(out, text);
    }
}

/// The character in a logfmt key, which cannot be quoted: `_` for what it may not hold.
pub(super) fn logfmt_key_char(char: char) -> char {
    if matches!(char, ' ' | '=' | '"') || is_unsafe(char) { '_' } else { char }
}

/// Appends `text` with control characters escaped and everything else as it is.
pub(super) fn plain(out: &mut String, text: &str) {
    escape(out, text, is_unsafe);
}

/// Appends what stands between the quotes of a JSON string.
pub(super) fn json_string_content(out: &mut String, text: &str) {
    escape(out, text, |char| matches!(char, '"' | '\\') || is_unsafe(char));
}

/// C0, DEL, C1, and the two separators that some readers take for the end of a line.
fn is_unsafe(char: char) -> bool {
    char.is_control() || matches!(char, '\u{2028}' | '\u{2029}')
}

fn escape(out: &mut String, text: &str, is_escaped: impl Fn(char) -> bool) {
    let mut rest = text;
    while let Some(at) = rest.find(&is_escaped) {
        let (clean, tail) = rest.split_at(at);
        out.push_str(clean);
        let mut chars = tail.chars();
        match chars.next() {
            Some(char @ ('"' | '\\')) => out.extend(['\\', char]),
            Some('\n') => out.push_str("\\n"),
            Some('\r') => out.push_str("\\r"),
            Some('\t') => out.push_str("\\t"),
            // all that is escaped lies in the basic plane: four digits hold it
            Some(char) => {
                let _ = write!(out, "\\u{:04x}", u32::from(char));
            }
            None => {}
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn with(escape: impl Fn(&mut String, &str), text: &str) -> String {
        let mut out = String::new();
        escape(&mut out, text);
        out
    }

    proptest! {
        #[test]
        fn a_json_string_reads_back_as_the_text(text in any::<String>()) {
            let out = with(json_string, &text);
            prop_assert!(!out.chars().any(char::is_control), "{out:?}");
            prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
        }

        #[test]
        fn a_logfmt_value_is_one_word_or_quoted(text in any::<String>()) {
            let out = with(logfmt_value, &text);
            prop_assert!(!out.chars().any(char::is_control), "{out:?}");
            if out.starts_with('"') {
                prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
            } else {
                prop_assert!(!out.is_empty() && !out.contains([' ', '=', '"']));
                prop_assert_eq!(out, text);
            }
        }
    }

    #[test]
    fn a_logfmt_value_is_quoted_only_where_it_must_be() {
        for bare in ["info", "/var/log/a.log", "1.5s", "é", "a,b", "{x}"] {
            assert_eq!(with(logfmt_value, bare), bare);
        }
        for quoted in ["", "two words", "a=b", "C:\\x", "say \"hi\"", "a\nb"] {
            assert!(with(logfmt_value, quoted).starts_with('"'), "{quoted:?}");
        }
    }

    #[test]
    fn a_logfmt_key_is_always_one_word() {
        let key: String = "a key=\"x\"\n".chars().map(logfmt_key_char).collect();
        assert_eq!(key, "a_key__x__");
    }

    #[test]
    fn plain_text_cannot_command_a_terminal() {
        assert_eq!(with(plain, "\"a\" \u{1b}[2J\n\u{9b}1m \\"), "\"a\" \\u001b[2J\\n\\u009b1m \\");
    }
}

//! `decolorize`: takes the control sequences of terminals out of the line.
//!
//! A sequence is what Loki's `decolorize` takes for one, also where a terminal would differ:
//! the two must agree on which lines are equal.

use super::error::StageError;
use super::options::Options;
use crate::config::Finding;
use crate::config::yaml::Node;
use crate::pipeline::entry::Entry;
use crate::pipeline::stage::{Context, Stage, Verdict};

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct DecolorizeStage;

impl DecolorizeStage {
    /// Reads the options, of which there are none.
    ///
    /// # Errors
    ///
    /// What is neither a map nor nothing.
    pub fn from_node(node: &Node, warnings: &mut Vec<Finding>) -> Result<Self, StageError> {
        Options::strict("decolorize", node)?.finish(warnings);
        Ok(Self)
    }
}

impl Stage for DecolorizeStage {
    fn process(&mut self, entry: &mut Entry, _: &mut Context) -> Verdict {
        decolorize(&mut entry.line);
        Verdict::Pass
    }

    fn fork(&self) -> Box<dyn Stage> {
        Box::new(self.clone())
    }
}

/// Removes all sequences in place.
fn decolorize(line: &mut Vec<u8>) {
    let mut read = 0;
    let mut written = 0;
    // ESC, or the first byte of U+009B.
    while let Some(found) = memchr::memchr2(0x1B, 0xC2, &line[read..]) {
        let start = read + found;
        let end = sequence(&line[start..]).map_or(start, |length| start + length);
        // What is no sequence is kept with its first byte, so that the search goes on behind it.
        let kept = if end == start { start + 1 } else { start };
        line.copy_within(read..kept, written);
        written += kept - read;
        read = end.max(kept);
    }
    if written < read {
        line.copy_within(read.., written);
        line.truncate(line.len() - (read - written));
    }
}

/// How long the sequence at the beginning is.
fn sequence(text: &[u8]) -> Option<usize> {
    let introducer = match text {
        [0x1B, ..] => 1,
        [0xC2, 0x9B, ..] => 2,
        _ => return None,
    };
    let punctuation = run(&text[introducer..], |byte| {
        matches!(byte, b'[' | b']' | b'(' | b')' | b'#' | b';' | b'?')
    });
    let begin = introducer + punctuation;
    let rest = &text[begin..];
    // A command of the operating system, ended by BEL: `]0;title`
    let command = run(rest, |byte| byte.is_ascii_alphanumeric() || byte == b';');
    if rest.get(command) == Some(&0x07) {
        return Some(begin + command + 1);
    }
    // Parameters and a final byte: `1;32m`
    let parameters = parameters(rest);
    if rest.get(parameters).copied().is_some_and(is_final) {
        return Some(begin + parameters + 1);
    }
    // Without a final byte the last digit of the parameters stands in for one.
    let last_digit = rest[..parameters].iter().rposition(u8::is_ascii_digit)?;
    Some(begin + last_digit + 1)
}

/// Length of groups of up to four digits, separated by semicolons; the first is not empty.
fn parameters(text: &[u8]) -> usize {
    let digits = |at: usize| run(&text[at..text.len().min(at + 4)], |byte| byte.is_ascii_digit());
    let mut length = digits(0);
    if length == 0 {
        return 0;
    }
    while text.get(length) == Some(&b';') {
        length += 1 + digits(length + 1);
    }
    length
}

fn is_final(byte: u8) -> bool {
    matches!(byte,
        b'0'..=b'9' | b'A'..=b'P' | b'R' | b'Z' | b'c' | b'f'..=b'n' | b't' | b'q' | b'r' | b'y'
        | b'=' | b'>' | b'<' | b'~')
}

fn run(text: &[u8], belongs: impl Fn(u8) -> bool) -> usize {
    text.iter().position(|byte| !belongs(*byte)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::stages::testing::{entry, line, run};
    use go_compat::regexp::Regexp;
    use proptest::prelude::*;

    fn plain(text: &str) -> String {
        let mut entry = entry(&[], text);
        run(&mut DecolorizeStage, &mut entry);
        line(&entry).to_owned()
    }

    #[test]
    fn sequences_vanish_and_text_stays() {
        for (text, expected) in [
            ("\u{1b}[31mred\u{1b}[0m plain", "red plain"),
            ("\u{1b}[1;32;40mgreen bold\u{1b}[m end", "green bold end"),
            (
                "\u{1b}[38;5;208mpalette\u{1b}[0m \u{1b}[38;2;1;2;3mtrue colour\u{1b}[0m",
                "palette true colour",
            ),
            ("up\u{1b}[2Aclear\u{1b}[2K", "upclear"),
            ("\u{1b}]0;title\u{7}text", "text"),
            ("none", "none"),
            ("half \u{1b}[", "half \u{1b}["),
            ("\u{9b}31mC1? ünï", "C1? ünï"),
            ("a \u{1b}[31m red \u{1b}[0m \u{1b}]8;x\u{7} b", "a  red   b"),
            ("", ""),
        ] {
            assert_eq!(plain(text), expected, "{text:?}");
        }
    }

    #[test]
    fn bytes_around_sequences_need_not_be_utf_8() {
        let mut line = b"\xff\xc2\x1b[0m\xc2".to_vec();
        decolorize(&mut line);
        assert_eq!(line, b"\xff\xc2\xc2");
    }

    proptest! {
        #[test]
        fn sequences_are_what_lokis_pattern_matches(
            text in r"([\x1b\x{9b}\[\]();?]{1,2}[0-9;a-zQSXm~=\x07é\x{c2} -]{0,9}){0,4}",
        ) {
            let pattern = concat!(
                r"[\x1B\x{9B}][[\]()#;?]*(?:(?:(?:[a-zA-Z\d]*(?:;[a-zA-Z\d]*)*)?\x07)",
                r"|(?:(?:\d{1,4}(?:;\d{0,4})*)?[\dA-PRZcf-ntqry=><~]))",
            );
            let expected = Regexp::new(pattern).unwrap().replace_all_literal(&text, "");
            prop_assert_eq!(plain(&text), expected, "{:?}", text);
        }
    }
}

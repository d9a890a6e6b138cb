//! Go's regular expressions. The first line is a pattern, the rest a text.
//!
//! Groups lie within the text, and a text is put together again from what is found and what is not.

use go_compat::regexp::Regexp;

use super::{Check, Shape, Target, first_line};
use crate::recordings;

pub(super) const TARGET: Target = Target {
    name: "regexp",
    about: "a pattern in the first line, and a text",
    seeds,
    words: &[
        "(?P<a>",
        "(?<a>",
        "(?:",
        "(?i)",
        "(?s)",
        "(?U)",
        "(?m:",
        ")",
        "[",
        "]",
        "[^",
        "[[:alpha:]]",
        "[^[:^space:]]",
        "\\pL",
        "\\p{Greek}",
        "\\P{Lu}",
        "\\d",
        "\\S",
        "\\b",
        "\\B",
        "\\A",
        "\\z",
        "\\Q",
        "\\E",
        "\\x{10FFFF}",
        "\\x41",
        "\\012",
        "\\C",
        "{2,3}",
        "{1000}",
        "{0}",
        "*",
        "+?",
        "??",
        "|",
        ".",
        "^",
        "$",
        "-",
        "&&",
        "~~",
        "--",
        "é",
        "ſ",
        "K",
        "\n",
    ],
    start,
};

fn seeds() -> Vec<Vec<u8>> {
    let mut patterns = recordings::values("expression");
    patterns.extend(recordings::values("regex"));
    patterns.extend(
        [
            "(a+)(b*)?c",
            "(?i)[α-ω]+|\\bx\\B",
            "^(?s)(?P<t>\\S+?) (.*)$",
            "[[:^digit:]]{2,3}\\Q.*\\E",
        ]
        .map(str::to_owned),
    );
    patterns.iter().map(|pattern| format!("{pattern}\n2024 aabbc é level=info").into()).collect()
}

fn start() -> Check {
    Box::new(|input| {
        let (pattern, text) = first_line(input);
        let regexp = match Regexp::new(&pattern) {
            Ok(regexp) => regexp,
            Err(error) => return Shape::of_message(&error.to_string()),
        };
        let mut locations = regexp.capture_locations();
        let matched = regexp.captures_read(&mut locations, text);
        assert_eq!(matched, regexp.is_match(text));
        assert_eq!(locations.len(), regexp.group_names().len());
        let mut groups = Vec::new();
        if matched {
            let whole = locations.get(0).expect("the whole match");
            for group in 0..locations.len() {
                let place = locations.get(group);
                if let Some((begin, end)) = place {
                    assert!(whole.0 <= begin && begin <= end && end <= whole.1, "group {group}");
                }
                groups.push(place.is_some());
            }
            assert!(whole.1 <= text.len());
        }
        let text = String::from_utf8_lossy(text);
        let pieces: usize = regexp.split(&text, -1).iter().map(|piece| piece.len()).sum();
        let found: usize = regexp.find_all(&text, -1).iter().map(|piece| piece.len()).sum();
        assert!(pieces + found <= text.len() || found > 0, "{pieces} and {found}");
        regexp.replace_all(&text, "$1${a}");
        groups.truncate(16);
        Shape::of((matched, groups, found.min(16)))
    })
}

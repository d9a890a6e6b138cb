//! What patterns match in Go; the cases were recorded or follow RE2's published syntax.

use proptest::prelude::*;

use super::*;

fn groups(pattern: &str, haystack: &[u8]) -> Option<Vec<String>> {
    let regexp = Regexp::new(pattern).unwrap();
    let mut locations = regexp.capture_locations();
    regexp.captures_read(&mut locations, haystack).then(|| {
        (0..locations.len())
            .map(|group| match locations.get(group) {
                Some((begin, end)) => String::from_utf8_lossy(&haystack[begin..end]).into_owned(),
                None => "-".to_owned(),
            })
            .collect()
    })
}

fn matches(pattern: &str, haystack: &str) -> bool {
    Regexp::new(pattern).unwrap().is_match(haystack.as_bytes())
}

#[test]
fn perl_classes_are_ascii() {
    assert!(!matches(r"^\w", "é1"));
    assert!(!matches(r"^\d", "٣"));
    assert!(!matches(r"^\s", "\u{b}"));
    assert!(!matches(r"^\s", "\u{a0}"));
    assert!(matches(r"^[\d\s]$", "\t"));
    assert!(matches(r"^[^\W]$", "_"));
    assert!(matches(r"\bx\b", "éx"), "a word boundary knows ASCII only");
}

#[test]
fn matching_is_leftmost_first() {
    assert_eq!(groups("(a|ab|abc)", b"abc").unwrap(), ["a", "a"]);
}

#[test]
fn quoting_octal_and_code_points() {
    assert!(matches(r"^\Qa.b\E.$", "a.bx"));
    assert!(!matches(r"^\Qa.b\E", "axb"));
    assert!(matches(r"^\Q[\z", r"[\z"), "without \\E to the end");
    assert!(matches(r"^\x41\x{1F680}\101\n$", "A\u{1F680}A\n"));
    assert!(matches(r"^\pL\p{Greek}\P{Greek}\p{^Greek}$", "aαaa"));
}

#[test]
fn group_names_may_repeat_and_have_two_spellings() {
    let regexp = Regexp::new(r"^(?P<dup>x)\d|^(?<dup>y)$|(z)").unwrap();
    let names: Vec<Option<&str>> = regexp.group_names().iter().map(|name| name.as_deref()).collect();
    assert_eq!(names, [None, Some("dup"), Some("dup"), None]);
    let mut locations = regexp.capture_locations();
    assert!(regexp.captures_read(&mut locations, b"y"));
    let mut out = Vec::new();
    regexp.expand("$dup-${dup}-$1-$9-$$-$-${", &locations, b"y", &mut out);
    assert_eq!(String::from_utf8(out).unwrap(), "y-y---$-$-${");
}

#[test]
fn a_class_holds_what_is_written() {
    assert!(matches("^[[]$", "["));
    assert!(matches("^[]a]+$", "]a"));
    assert!(matches("^[^]a]$", "b"));
    assert!(matches("^[a&&b]+$", "&ab"));
    assert!(matches("^[a~~b-]+$", "~-"));
    assert!(matches("^[[:word:]-]+$", "a-_"));
    assert!(matches(r"^[\]\-a-c]+$", "]-b"));
    assert!(!matches("^[a&&b]+$", "c"));
}

#[test]
fn braces_that_are_no_repetition_are_literals() {
    assert!(matches("^a{,3}$", "a{,3}"));
    assert!(matches("^{x}$", "{x}"));
    assert!(matches("^a{2,3}$", "aaa"));
    assert!(matches("^(?:a{2})?$", ""));
}

#[test]
fn invalid_bytes_are_characters_of_their_own() {
    assert_eq!(groups(r"^(\S+) (.)$", b"a\xff\xfeb \xff").unwrap().len(), 3);
    assert!(Regexp::new("^[^a]$").unwrap().is_match(b"\xff"));
    assert!(!Regexp::new(r"^\w$").unwrap().is_match(b"\xff"));
}

#[test]
fn anchored_patterns_match_whole_texts_over_lines() {
    let regexp = Regexp::anchored("a|b.*").unwrap();
    assert!(regexp.is_match(b"b\nc"));
    assert!(!regexp.is_match(b"xa"));
    assert!(!regexp.is_match(b"ax"));
}

#[test]
fn replacements_split_and_find_as_in_go() {
    let regexp = Regexp::new("([a-z])([a-z])").unwrap();
    assert_eq!(regexp.replace_all("abcd-e", "${2}${1}"), "badc-e");
    assert_eq!(regexp.replace_all("ab", "$2x"), "", "the longest name");
    assert_eq!(regexp.replace_all_literal("ab", "$1"), "$1");
    let comma = Regexp::new(",").unwrap();
    assert_eq!(comma.split("a,b,c", -1), ["a", "b", "c"]);
    assert_eq!(comma.split("a,b,c", 2), ["a", "b,c"]);
    assert_eq!(comma.find("abc"), "");
    assert_eq!(Regexp::new("b*").unwrap().find_all("abb", -1), ["", "bb"]);
    assert_eq!(Regexp::new("x*").unwrap().replace_all("ab", "-"), "-a-b-");
}

#[test]
fn what_go_has_not_is_refused_with_its_words() {
    for (pattern, message) in [
        ("(?P<a>x", "missing closing )"),
        ("a)", "unexpected )"),
        ("[a", "missing closing ]"),
        ("(?=a)", "invalid or unsupported Perl syntax"),
        ("(?<!a)", "invalid or unsupported Perl syntax"),
        ("(?x)a", "invalid or unsupported Perl syntax"),
        (r"\1", "invalid escape sequence"),
        (r"\C", "invalid escape sequence"),
        ("a**", "invalid nested repetition operator: `**`"),
        ("a{1001}", "invalid repeat count"),
        ("[z-a]", "invalid character class range"),
        ("(?P<a-b>x)", "invalid named capture"),
        ("a\\", "trailing backslash"),
    ] {
        let error = Regexp::new(pattern).unwrap_err().to_string();
        assert!(error.contains(message), "{pattern}: {error}");
        assert!(error.contains(pattern), "{error}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_compiler_panic(pattern in r"[\\\[\](){}^$.*+?|a-c0-9:<>PQEdwsbx, -]{0,24}") {
        let _ = Regexp::new(&pattern);
    }

    #[test]
    fn a_quoted_text_matches_itself(text in "[^\\\\]{0,20}") {
        let regexp = Regexp::anchored(&format!("\\Q{text}\\E")).unwrap();
        prop_assert!(regexp.is_match(text.as_bytes()));
    }
}

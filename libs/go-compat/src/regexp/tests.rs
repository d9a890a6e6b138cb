//! What patterns match in Go: recorded cases of Promtail 3.4.6 and the rules of RE2's syntax.

use proptest::prelude::*;

use super::*;

fn groups(pattern: &str, haystack: &[u8]) -> Option<Vec<Option<Vec<u8>>>> {
    let regexp = Regexp::new(pattern).unwrap();
    let mut locations = regexp.capture_locations();
    regexp.captures_read(&mut locations, haystack).then(|| {
        (0..locations.len())
            .map(|group| locations.get(group).map(|(begin, end)| haystack[begin..end].to_vec()))
            .collect()
    })
}

/// All groups as text, `-` for one that took no part; empty if nothing matches.
fn texts(pattern: &str, haystack: &str) -> Vec<String> {
    let text = |group: Option<Vec<u8>>| {
        group.map_or("-".to_owned(), |bytes| String::from_utf8(bytes).unwrap())
    };
    groups(pattern, haystack.as_bytes()).into_iter().flatten().map(text).collect()
}

fn matches(pattern: &str, haystack: &str) -> bool {
    Regexp::new(pattern).unwrap().is_match(haystack.as_bytes())
}

#[test]
fn perl_classes_and_boundaries_know_ascii_only() {
    assert_eq!(texts(r"(?i)n=(?P<digits>\d+)", "N=8 NAME=Upper"), ["N=8", "8"]);
    assert!(!matches(r"(?i)n=(?P<digits>\d+)", "n=١٢٣ name=x"));
    assert_eq!(texts(r"name=(?P<word>\w*)", "name=Straße"), ["name=Stra", "Stra"]);
    assert_eq!(texts(r"(\S+)\s+name", "größe=12 name"), ["größe=12 name", "größe=12"]);
    assert!(!matches(r"(\S+)\s+name", "n=7\u{a0}name"));
    assert!(!matches(r"^(?P<w>\w+)", "é1"));
    for space in ["\u{b}", "\u{a0}", "\u{2028}"] {
        assert!(!matches(r"\s", space), "{space:?}");
        assert!(matches(r"[\S]", space), "{space:?}");
    }
    assert!(matches("[[:space:]]", "\u{b}"));
    assert!(matches(r"é\bx", "éx"));
    assert!(matches(r"a\b", "aé"));
}

#[test]
fn matching_is_leftmost_first() {
    assert_eq!(texts("(?P<first>a|ab|abc)", "abc"), ["a", "a"]);
    assert_eq!(texts("(a+)(b+)?", "xaab"), ["aab", "aa", "b"]);
    assert_eq!(texts("(a)|(b)", "b"), ["b", "-", "b"]);
}

#[test]
fn syntax_that_only_go_has_is_understood() {
    assert_eq!(texts(r"\Qa.b\E(?P<quoted>.)", "a.b!"), ["a.b!", "!"]);
    assert!(!matches(r"\Qa.b\E(?P<quoted>.)", "axb!"));
    assert!(matches(r"^\Qab\E+$", "abbb"), "a repetition takes the last character only");
    assert!(matches(r"^\Q[\z", r"[\z"), "an unclosed quote reaches to the end");
    assert_eq!(texts(r"^[[:word:]]+\pN(?P<after>[^\pN])", "word7z"), ["word7z", "z"]);
    assert_eq!(texts(r"\x{1F680}\s(?P<rocket>.*)", "go 🚀 up"), ["🚀 up", "up"]);
    assert!(matches(r"^\x41\101\x{1F680}\n\a\f\t\r\v\07\.\_$", "AA🚀\n\x07\x0c\t\r\x0b\x07._"));
    assert!(matches(r"^\pL\p{Greek}\P{Greek}\p{^Greek}\P{^Greek}\p{Any}$", "aαaaα\n"));
    assert!(!matches(r"[\x{D800}-\x{DFFF}]|\x{D800}", "\u{d7ff}\u{e000}"));
    assert!(!matches(r"\pC", "\u{378}"), "unassigned code points are in no category");
}

#[test]
fn flags_last_to_the_end_of_their_group() {
    assert_eq!(texts("(?m)^b(?P<line>.*)$", "one\nbtwo\nthree"), ["btwo", "two"]);
    assert_eq!(texts("(?s)^(?P<all>one.b)", "one\nbtwo"), ["one\nb", "one\nb"]);
    assert!(!matches("one$", "one\n"), "the end is the end of the text");
    assert!(!matches("a.b", "a\nb"));
    assert!(matches("^(?i:a)b$", "Ab"));
    assert!(!matches("^(?i:a)b$", "AB"));
    assert!(matches("^(a(?i)b|c)d$", "aBd"));
    assert!(matches("^(a(?i)b|c)d$", "Cd"));
    assert!(!matches("^(a(?i)b|c)d$", "CD"));
    assert!(matches("(?i-s:.)", "x"));
    assert!(!matches("(?s)(?-s:^.$)", "\n"));
    assert_eq!(texts("(?U)(a+)(a+?)", "aaa"), ["aaa", "a", "aa"]);
    assert!(matches("^a{2}(?i)?$", ""), "flags stand between two operators");
}

#[test]
fn case_is_folded_beyond_ascii_and_before_a_class_is_negated() {
    assert!(matches("^(?i)straße ΣΊΣΥΦΟΣ k$", "STRAẞE σίσυφος \u{212a}"));
    assert!(!matches("(?i)[^k]", "k"));
    assert!(!matches("(?i)[^k]", "\u{212a}"));
    assert!(matches(r"(?i)^\w\p{Lu}[[:upper:]]$", "ſab"));
    assert!(!matches(r"(?i)\W", "ſ"));
}

#[test]
fn a_class_holds_what_is_written() {
    for (pattern, members, others) in [
        ("[[]", "[", "]a"),
        ("[]a]", "]a", "["),
        ("[^]a]", "b\n", "]a"),
        ("[a&&b]", "a&b", "c"),
        ("[a~~b]", "a~b", "c"),
        ("[a--b]", "", "c"),
        ("[--/]", "-./", ",0"),
        ("[a-]", "a-", "b"),
        ("[a-c-e]", "abc-e", "d"),
        (r"[\d-z]", "3-z", "a"),
        (r"[\]\-\\^]", "]-\\^", "a"),
        ("[[:alpha:]-[:digit:]]", "a-5", ":"),
        ("[[:^alpha:]]", "5é", "a"),
        ("[[:foo]", "[:fo", "]a"),
        (r"[\W]", "é-", "a_"),
        (r"[^\x00-\x{10FFFF}]", "", "a\u{fffd}"),
        (r"[\pN\p{Greek}]", "7α", "a"),
        ("[ #]", " #", "a"),
    ] {
        let Ok(regexp) = Regexp::new(&format!("^{pattern}$")) else {
            // a range that runs backwards
            assert_eq!(pattern, "[a--b]");
            continue;
        };
        for member in members.chars() {
            assert!(regexp.is_match(member.to_string().as_bytes()), "{pattern} and {member:?}");
        }
        for other in others.chars() {
            assert!(!regexp.is_match(other.to_string().as_bytes()), "{pattern} and {other:?}");
        }
    }
}

#[test]
fn braces_that_are_no_repetition_are_literals() {
    for pattern in ["a{,3}", "{x}", "a{", "a{1", "a{01}", "a{1,2", "a{-1}", "}{"] {
        assert!(matches(&format!("^{pattern}$"), pattern), "{pattern}");
    }
    assert!(matches("^(?:a{2}){0,2}$", "aaaa"));
    assert!(matches("^(?:a{1000})$", &"a".repeat(1000)));
}

#[test]
fn a_group_that_is_repeated_zero_times_is_a_group() {
    for haystack in [&b"b"[..], b"\xffb"] {
        assert_eq!(groups("b(a){0}", haystack), Some(vec![Some(b"b".to_vec()), None]));
        let both = groups("(a){0}(b)", haystack);
        assert_eq!(both, Some(vec![Some(b"b".to_vec()), None, Some(b"b".to_vec())]));
    }
}

#[test]
fn group_names_may_repeat_and_have_two_spellings() {
    let regexp = Regexp::new(r"^(?P<dup>x)\d|^(?<dup>y)$|(z)").unwrap();
    let names: Vec<_> = regexp.group_names().iter().map(Option::as_deref).collect();
    assert_eq!(names, [None, Some("dup"), Some("dup"), None]);
    let mut locations = regexp.capture_locations();
    assert_eq!((locations.len(), locations.is_empty()), (4, false));
    assert!(regexp.captures_read(&mut locations, b"y"));
    assert_eq!((locations.get(1), locations.get(2)), (None, Some((0, 1))));
    let mut out = Vec::new();
    regexp.expand("$dup ${dup} $dup_ $2 $1 $02 $9 $$ $- $ ${dup ${} $", &locations, b"y", &mut out);
    assert_eq!(String::from_utf8(out).unwrap(), "y y  y    $ $- $ ${dup ${} $");
}

#[test]
fn every_invalid_byte_is_one_character() {
    assert_eq!(
        groups(r"^(\S+) (.)(é?)", b"a\xff\xfe \xc3\xc3\xa9").unwrap(),
        [
            Some(b"a\xff\xfe \xc3\xc3\xa9".to_vec()),
            Some(b"a\xff\xfe".to_vec()),
            Some(b"\xc3".to_vec()),
            Some("é".as_bytes().to_vec()),
        ]
    );
    assert!(Regexp::new(r"^[^a]\x{FFFD}$").unwrap().is_match(b"\xe2\x82"));
    assert!(!Regexp::new("^.$").unwrap().is_match(b"\xe2\x82"));
    assert!(!Regexp::new(r"[\w[:cntrl:]]").unwrap().is_match(b"\xff"));

    let regexp = Regexp::new("b").unwrap();
    let mut locations = regexp.capture_locations();
    assert!(regexp.captures_read_at(&mut locations, b"b\xffb", 1));
    assert_eq!(locations.get(0), Some((2, 3)));
    assert!(!regexp.captures_read_at(&mut locations, b"b\xffb", 3));
    assert!(!regexp.captures_read_at(&mut locations, b"b\xffb", 9));
    assert!(regexp.captures_read(&mut locations, b"ab"));
    assert_eq!(locations.get(0), Some((1, 2)), "offsets of the text before are gone");
}

#[test]
fn no_empty_match_lies_within_a_character() {
    assert!(!matches(r"\B", "aéa"));
    assert_eq!(Regexp::new("").unwrap().replace_all("aé", "-"), "-a-é-");
}

#[test]
fn anchored_patterns_match_whole_texts() {
    let regexp = Regexp::anchored("a|b.*").unwrap();
    assert_eq!(regexp.as_str(), "a|b.*");
    assert!(regexp.is_match(b"b\nc"));
    assert!(!regexp.is_match(b"xa"));
    assert!(!regexp.is_match(b"ax"));
    assert!(!regexp.is_match(b"a\n"));
    let error = Regexp::anchored("x(").unwrap_err().to_string();
    assert_eq!(error, "error parsing regexp: missing closing ): `x(`");
    let error = Regexp::anchored(r"a\y").unwrap_err().to_string();
    assert_eq!(error, r"error parsing regexp: invalid escape sequence: `\y` at byte 1 of `a\y`");
}

#[test]
fn replacing_follows_go() {
    let replace = |pattern: &str, text: &str, replacement: &str| {
        Regexp::new(pattern).unwrap().replace_all(text, replacement)
    };
    assert_eq!(replace("([a-z])([a-z])", "abcd-e", "${2}$1"), "badc-e");
    assert_eq!(replace("(a)b", "ab", "$1x"), "", "the name is as long as it can be");
    assert_eq!(replace("x*", "ab", "-"), "-a-b-");
    assert_eq!(replace("b*", "abb", "[$0]"), "[]a[bb]");
    assert_eq!(replace("b*", "日b", "-"), "-日-");
    assert_eq!(replace("^", "ab", "x"), "xab");
    assert_eq!(Regexp::new("(a)").unwrap().replace_all_literal("ab", "$1$"), "$1$b");
}

#[test]
fn finding_and_splitting_follow_go() {
    let find_all = |pattern: &str, count| Regexp::new(pattern).unwrap().find_all("abcbb", count);
    assert_eq!(find_all("b+", -1), ["b", "bb"]);
    assert_eq!(find_all("b+", 1), ["b"]);
    assert_eq!(find_all("b+", 0), Vec::<&str>::new());
    assert_eq!(find_all("b*", -1), ["", "b", "bb"], "none right after another match");
    assert_eq!(Regexp::new("c.").unwrap().find("abcbb"), "cb");
    assert_eq!(Regexp::new("x").unwrap().find("abcbb"), "");

    let split = |pattern: &str, text, count| Regexp::new(pattern).unwrap().split(text, count);
    assert_eq!(split(",", "a,b,c", -1), ["a", "b", "c"]);
    assert_eq!(split(",", "a,b,c", 2), ["a", "b,c"]);
    assert_eq!(split(",", "a,b,c", 1), ["a,b,c"]);
    assert_eq!(split(",", "a,b,c", 0), Vec::<&str>::new());
    assert_eq!(split(",", ",a,", -1), ["", "a", ""]);
    assert_eq!(split(",", "", -1), [""]);
    assert_eq!(split("", "", -1), Vec::<&str>::new());
    assert_eq!(split("", "abc", -1), ["a", "b", "c"]);
    assert_eq!(split("a*", "abaabaccadaaae", 5), ["", "b", "b", "c", "cadaaae"]);
}

#[test]
fn what_go_refuses_is_refused_in_its_words() {
    for (pattern, expected) in [
        ("(?P<a>x", "missing closing ): `(?P<a>x`"),
        ("(", "missing closing ): `(`"),
        ("(?i", "missing closing ): `(?i`"),
        ("a)b", "unexpected ): `a)b`"),
        ("x[a", "missing closing ]: `[a` at byte 1 of `x[a`"),
        ("[]", "missing closing ]: `[]`"),
        ("x(?=a)", "invalid or unsupported Perl syntax: `(?=` at byte 1 of `x(?=a)`"),
        ("(?!a)", "invalid or unsupported Perl syntax: `(?!` at byte 0 of `(?!a)`"),
        ("(?<!a)", "invalid or unsupported Perl syntax: `(?<!` at byte 0 of `(?<!a)`"),
        ("(?>a)", "invalid or unsupported Perl syntax: `(?>` at byte 0 of `(?>a)`"),
        ("(?P=a)", "invalid or unsupported Perl syntax: `(?P` at byte 0 of `(?P=a)`"),
        ("(?ix)a", "invalid or unsupported Perl syntax: `(?ix` at byte 0 of `(?ix)a`"),
        ("(?i-)", "invalid or unsupported Perl syntax: `(?i-)`"),
        (r"(a)\1", r"invalid escape sequence: `\1` at byte 3 of `(a)\1`"),
        (r"\8", r"invalid escape sequence: `\8`"),
        (r"\C", r"invalid escape sequence: `\C`"),
        (r"\Z", r"invalid escape sequence: `\Z`"),
        (r"\é", r"invalid escape sequence: `\é`"),
        (r"\x4", r"invalid escape sequence: `\x4`"),
        (r"\x{}", r"invalid escape sequence: `\x{}`"),
        (r"\x{110000}", r"invalid escape sequence: `\x{110000` at byte 0 of `\x{110000}`"),
        (r"[\b]", r"invalid escape sequence: `\b` at byte 1 of `[\b]`"),
        (r"a\", "trailing backslash at end of expression: `` at byte 2 of `a\\`"),
        ("a**", "invalid nested repetition operator: `**` at byte 1 of `a**`"),
        ("a+?{2}", "invalid nested repetition operator: `+?{2}` at byte 1 of `a+?{2}`"),
        ("a++", "invalid nested repetition operator: `++` at byte 1 of `a++`"),
        ("*a", "missing argument to repetition operator: `*` at byte 0 of `*a`"),
        ("a|*?", "missing argument to repetition operator: `*?` at byte 2 of `a|*?`"),
        ("({2})", "missing argument to repetition operator: `{2}` at byte 1 of `({2})`"),
        ("a{1001}", "invalid repeat count: `{1001}` at byte 1 of `a{1001}`"),
        ("a{3,2}", "invalid repeat count: `{3,2}` at byte 1 of `a{3,2}`"),
        ("a{99999999999}", "invalid repeat count: `{99999999999}` at byte 1 of `a{99999999999}`"),
        ("(?:a{40}b){26}", "invalid repeat count: `{26}` at byte 10 of `(?:a{40}b){26}`"),
        ("[z-a]", "invalid character class range: `z-a` at byte 1 of `[z-a]`"),
        (r"[a-\d]", r"invalid escape sequence: `\d` at byte 3 of `[a-\d]`"),
        ("[[:foo:]]", "invalid character class range: `[:foo:]` at byte 1 of `[[:foo:]]`"),
        (r"\p{greek}", r"invalid character class range: `\p{greek}`"),
        (r"\p{Letter}", r"invalid character class range: `\p{Letter}`"),
        (r"\pX", r"invalid character class range: `\pX`"),
        (r"\p{Lu", r"invalid character class range: `\p{Lu`"),
        ("(?P<a-b>x)", "invalid named capture: `(?P<a-b>` at byte 0 of `(?P<a-b>x)`"),
        ("(?<é>x)", "invalid named capture: `(?<é>` at byte 0 of `(?<é>x)`"),
        ("(?P<>x)", "invalid named capture: `(?P<>` at byte 0 of `(?P<>x)`"),
        ("(?P<ax)", "invalid named capture: `(?P<ax)`"),
    ] {
        let error = Regexp::new(pattern).expect_err(pattern).to_string();
        assert_eq!(error, format!("error parsing regexp: {expected}"));
    }
}

#[test]
fn memory_and_depth_of_a_pattern_are_limited() {
    let error = Regexp::new(r"(?i)\pL{500}\pL{500}\pL{500}").unwrap_err();
    assert!(matches!(error, RegexpError::TooLarge { .. }), "{error}");
    // Refused before the engine sees the ranges of all these classes, a hundred times as long.
    let classes = Regexp::new(&r"\pL".repeat(100_000)).unwrap_err();
    assert!(matches!(classes, RegexpError::TooLarge { .. }), "{classes}");
    assert!(Regexp::new(&r"\pL".repeat(20)).unwrap().is_match("ä".repeat(20).as_bytes()));
    let nested = |depth: usize| format!("{}a{}", "(".repeat(depth), ")*".repeat(depth));
    assert!(Regexp::new(&nested(250)).unwrap().is_match(b"a"));
    let error = Regexp::new(&nested(251)).unwrap_err().to_string();
    assert!(error.contains("nests too deeply"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_the_translator_accepts_the_engine_accepts(
        pattern in r"([\\\[\](){}^$.*+?|a-c0-9:<>PQEdwsbBpNxUim, &~#é-]|\\[dwspQE]|\(\?i\)|\[\[:alpha:\]){0,16}",
        haystack: Vec<u8>,
    ) {
        match Regexp::new(&pattern) {
            Ok(regexp) => {
                let mut locations = regexp.capture_locations();
                let found = regexp.captures_read(&mut locations, &haystack);
                prop_assert_eq!(found, regexp.is_match(&haystack));
                prop_assert_eq!(locations.len(), regexp.group_names().len());
            }
            Err(RegexpError::Engine { pattern, cause }) => {
                prop_assert!(false, "{} was accepted by the translator: {}", pattern, cause);
            }
            Err(_) => {}
        }
    }

    #[test]
    fn no_text_makes_the_compiler_panic(pattern: String) {
        let _ = Regexp::new(&pattern);
        let _ = Regexp::anchored(&pattern);
    }

    #[test]
    fn a_quoted_text_matches_itself_in_any_case(text in "[^\\\\]{0,20}") {
        let quoted = Regexp::anchored(&format!(r"\Q{text}\E")).unwrap();
        prop_assert!(quoted.is_match(text.as_bytes()));
        let folded = Regexp::anchored(&format!(r"(?i)\Q{}\E", text.to_ascii_uppercase())).unwrap();
        prop_assert!(folded.is_match(text.as_bytes()));
    }
}

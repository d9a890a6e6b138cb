//! Recorded replacements, Go's order of matches, and refused options.

use std::borrow::Cow;

use super::*;
use crate::pipeline::extracted::ValueRef;
use crate::pipeline::stages::testing::{entry, extract, line, run, text};

fn stage(expression: &str, replace: &str, source: Option<&str>) -> ReplaceStage {
    ReplaceStage::new(ReplaceOptions {
        expression: expression.to_owned(),
        source: source.map(str::to_owned),
        replace: replace.to_owned(),
    })
    .unwrap()
}

fn replaced(expression: &str, replace: &str, text: &str) -> String {
    let mut entry = entry(&[], text);
    assert_eq!(run(&mut stage(expression, replace, None), &mut entry), Verdict::Pass);
    line(&entry).to_owned()
}

fn value(entry: &Entry, name: &str) -> Option<String> {
    entry.extracted.get(name).and_then(ValueRef::to_text).map(Cow::into_owned)
}

#[test]
fn groups_of_all_matches_are_replaced_and_the_first_named_one_is_extracted() {
    let mut entry = entry(&[], "a 1.2 b 3.4 c");
    run(&mut stage(r"(\d+)\.(?P<q>\d+)", "<{{ .Value }}>", None), &mut entry);
    assert_eq!(line(&entry), "a <1>.<2> b <3>.<4> c");
    assert_eq!(value(&entry, "q").as_deref(), Some("<2>"));
}

#[test]
fn text_may_be_replaced_with_nothing() {
    assert_eq!(
        replaced(r"password (\S+)", "", "x password foo y password bar"),
        "x password  y password "
    );
}

#[test]
fn without_a_group_nothing_changes() {
    assert_eq!(replaced("foo", "bar", "foo"), "foo");
}

#[test]
fn of_nested_groups_the_outer_one_is_replaced() {
    assert_eq!(replaced("((a)(b))c", "[{{ .Value }}]", "xabcx abc"), "x[ab]cx [ab]c");
}

#[test]
fn a_group_right_behind_a_replaced_one_is_left_as_in_promtail() {
    assert_eq!(replaced("(a)(b)", "*", "-ab"), "-*b");
}

#[test]
fn redaction_as_promtail_recorded_it() {
    for (expression, replace, text, expected) in [
        (
            r"email=(\S+)@\S+",
            "***",
            "user=usera email=usera@example.com ip=10.1.2.3",
            "user=usera email=***@example.com ip=10.1.2.3",
        ),
        (
            r"email=(\S+)@\S+",
            "***",
            "email=userb@example.com email=userc@example.org",
            "email=***@example.com email=***@example.org",
        ),
        (
            r"(\d{12})\d{4}",
            "{{ .Value | len }} digits ",
            "card=4111111111111111",
            "card=12 digits 1111",
        ),
        (r"password=(\S+)", "", "password=hunter2 token", "password= token"),
        (
            r"Bearer ([a-z]+)\.([a-z]+)\.(?P<sig>[a-z]+)",
            "{{ .Value | ToUpper }}",
            "Bearer abc.def.ghi",
            "Bearer ABC.DEF.GHI",
        ),
        ("nothing", "no group, no change", "nothing to hide", "nothing to hide"),
    ] {
        assert_eq!(replaced(expression, replace, text), expected);
    }
}

#[test]
fn a_value_is_changed_with_a_source_and_the_line_is_not() {
    let mut path = stage(r"/(?P<id>\d+)", ":id", Some("path"));
    let mut verb = stage("(.*)", "{{ .Value | ToLower }}-{{ .missing }}-{{ .id }}", Some("verb"));
    for (input, expected, id, lower) in [
        ("/v1/users/1234/orders/77", "/v1/users/:id/orders/:id", Some(":id"), "get-<no value>-:id"),
        ("/healthz", "/healthz", None, "get-<no value>-<no value>"),
    ] {
        let mut entry = entry(&[], "the line");
        extract(&mut entry, "path", text(input));
        extract(&mut entry, "verb", text("GET"));
        run(&mut path, &mut entry);
        run(&mut verb, &mut entry);
        assert_eq!(value(&entry, "path").as_deref(), Some(expected));
        assert_eq!(value(&entry, "id").as_deref(), id);
        assert_eq!(value(&entry, "verb").as_deref(), Some(lower));
        assert_eq!(line(&entry), "the line");
    }
}

#[test]
fn the_template_sees_extracted_values_but_no_entry() {
    let mut entry = entry(&[("job", "j")], "x");
    run(&mut stage("(x)", "{{ .job }} {{ .Entry }}", None), &mut entry);
    assert_eq!(line(&entry), "j <no value>");
}

#[test]
fn a_template_that_fails_changes_nothing() {
    assert_eq!(replaced("(x)", "new {{ index .Value 99 }}", "axb"), "axb");
}

#[test]
fn a_result_that_would_be_too_long_changes_nothing() {
    let text = "x".repeat(5);
    let mut entry = entry(&[], &text);
    run(&mut stage("(x)x?", &"y".repeat(6 << 20), None), &mut entry);
    assert_eq!(line(&entry), text);
}

#[test]
fn empty_matches_are_found_where_go_finds_them() {
    // Go: regexp.MustCompile(`(a*)`).FindAllString("baaac", -1) is ["" "aaa" ""]
    let mut found = Vec::new();
    let regexp = Regexp::new("(a*)").unwrap();
    let mut locations = regexp.capture_locations();
    for_each_match(&regexp, b"baaac", &mut locations, |locations| {
        found.push(locations.get(0)?);
        Some(())
    });
    assert_eq!(found, [(0, 0), (1, 4), (5, 5)]);
}

#[test]
fn matches_move_on_by_characters() {
    let mut found = Vec::new();
    let regexp = Regexp::new("x*").unwrap();
    let mut locations = regexp.capture_locations();
    for_each_match(&regexp, "é".as_bytes(), &mut locations, |locations| {
        found.push(locations.get(0)?);
        Some(())
    });
    assert_eq!(found, [(0, 0), (2, 2)]);
}

#[test]
fn bytes_that_are_not_utf_8_stay() {
    let mut entry = entry(&[], b"\xff secret \xfe");
    run(&mut stage(r"(secret)", "***", None), &mut entry);
    assert_eq!(entry.line, b"\xff *** \xfe");
}

#[test]
fn options_that_cannot_work_are_refused() {
    let refusal = |expression: &str, replace: &str| {
        let options = ReplaceOptions {
            expression: expression.to_owned(),
            source: None,
            replace: replace.to_owned(),
        };
        ReplaceStage::new(options).unwrap_err().to_string()
    };
    assert!(refusal("", "x").contains("replace stage: expression: expression is required"));
    assert!(refusal("(", "x").contains("could not compile regular expression"));
    assert!(refusal("(x)", "{{ .Value ").contains("replace: the template does not parse"));
}

#[test]
fn an_expression_without_groups_is_warned_about() {
    let mut warnings = Vec::new();
    let node = crate::config::yaml::parse("{expression: nothing, replace: x}").unwrap();
    ReplaceStage::from_node(&node, &mut warnings).unwrap();
    assert!(warnings.len() == 1 && warnings[0].message.contains("has no group"), "{warnings:?}");
}

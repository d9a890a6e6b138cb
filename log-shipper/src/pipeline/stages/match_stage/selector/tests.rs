use super::*;
use crate::pipeline::stages::testing::entry;
use proptest::prelude::*;

fn selects(selector: &str, labels: &[(&str, &str)], line: &str) -> bool {
    Selector::parse(selector).unwrap().selects(&entry(labels, line))
}

fn refusal(selector: &str) -> String {
    Selector::parse(selector).unwrap_err().to_string()
}

#[test]
fn the_four_label_operators_compare_the_whole_value() {
    let labels = [("job", "app"), ("env", "prod-eu"), ("filename", "/x/api.log")];
    for (selector, expected) in [
        (r#"{job="app"}"#, true),
        (r#"{job="ap"}"#, false),
        (r#"{filename=~".*/api\\.log", env!="dev"}"#, true),
        (r#"{env=~"prod"}"#, false),
        (r#"{env!~"prod-.*"}"#, false),
        (r#"{env!~"prod"}"#, true),
        (r#"{job="app", env="dev"}"#, false),
    ] {
        assert_eq!(selects(selector, &labels, ""), expected, "{selector}");
    }
}

#[test]
fn a_missing_label_is_an_empty_one() {
    assert!(selects(r#"{missing=""}"#, &[], ""));
    assert!(selects(r#"{missing!="x"}"#, &[], ""));
    assert!(selects(r#"{missing=~".*"}"#, &[], ""));
    assert!(!selects(r#"{missing=~".+"}"#, &[], ""));
}

#[test]
fn line_filters_must_all_hold_and_search_anywhere() {
    let job = [("job", "st")];
    let keep = r#"{job="st"} |= "keep" != "not""#;
    assert!(selects(keep, &job, "keep one"));
    assert!(!selects(keep, &job, "keep not"));
    assert!(!selects(keep, &[("job", "other")], "keep one"));

    let all = r#"{job="st"} |= "error" != "healthz" |~ "/(v[0-9]+/)?predict" !~ "/[0-9]{2}$""#;
    assert!(selects(all, &job, "level=error path=/predict"));
    assert!(!selects(all, &job, "level=error path=/v2/predict/17"));
    assert!(selects(r#"{ job = "st" }|~"(?i)ERROR""#, &job, "an error"));
    assert!(selects(r#"{job="st"} |= """#, &job, ""));
}

#[test]
fn texts_are_go_strings() {
    assert!(selects(r#"{a="\"\u00e9\x41\n"}"#, &[("a", "\"éA\n")], ""));
    let raw = Selector::parse(r#"{a="x"} |= "\xff""#).unwrap();
    assert!(raw.selects(&entry(&[("a", "x")], b"a\xffb")));
}

#[test]
fn blanks_newlines_and_comments_separate() {
    let selector = "\n{ // the job\n\ta /* any */ =\"b\" ,c\n=~ \"d\" }\n|= \"x\" // end";
    assert!(selects(selector, &[("a", "b"), ("c", "d")], "x"));
}

#[test]
fn everything_outside_of_the_grammar_is_refused() {
    for bad in [
        "",
        "{}",
        r#"{a="b",}"#,
        "{a='b'}",
        "{a=`b`}",
        r#"{a="b"} | json"#,
        r#"{a="b"} |= "x" or "y""#,
        r#"{a.b="c"}"#,
        r#"{a="b"} |> "x""#,
        r#"{a = ~ "b"}"#,
        r#"{a="b"} {c="d"}"#,
        r#"a="b""#,
        r#"{a="b""#,
        r#"{a="b"} |= x"#,
        r#"{a="b"} |="#,
        r#"{a="b}"#,
        "{a=\"b\nc\"}",
        r#"{a="\q"}"#,
        r#"{"a"="b"}"#,
        r#"{1a="b"}"#,
        r#"{a="b"} /* open"#,
    ] {
        assert!(Selector::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn an_error_names_the_place_and_what_is_expected() {
    assert_eq!(
        refusal(r#"{a="é",}"#),
        "} at character 8 of the selector where a label name is expected"
    );
    assert_eq!(
        refusal("{a='b'}"),
        "' at character 4 of the selector where a text in double quotes is expected"
    );
    assert_eq!(
        refusal(r#"{a="b"} | json"#),
        "| at character 9 of the selector where |= != |~ !~ or the end is expected"
    );
}

#[test]
fn a_bad_regular_expression_is_an_error_on_labels_and_lines() {
    assert_eq!(refusal(r#"{a=~"["}"#), "bad regular expression at character 5 of the selector");
    assert_eq!(
        refusal(r#"{job="app"} |~ "[""#),
        "bad regular expression at character 16 of the selector"
    );
    assert!(refusal("{a=~\"\\xff\"}").contains("must be UTF-8"));
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "[{}=~!|,\"'`\\\\/* a-cé\n]{0,40}") {
        let _ = Selector::parse(&text);
    }

    #[test]
    fn any_label_value_can_be_selected(value in "\\PC{0,20}") {
        let selector = format!("{{a={}}}", go_compat::strconv::quote(&value));
        prop_assert!(selects(&selector, &[("a", &value)], ""));
    }
}

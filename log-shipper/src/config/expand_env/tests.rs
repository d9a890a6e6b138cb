use proptest::prelude::*;

use super::*;

fn lookup(name: &str) -> Option<String> {
    let value = match name {
        "SETV" => "hello",
        "EMPTY" => "",
        "TEAM" => "ML-Ops",
        "FILE" => "/var/log/app.log.gz",
        "UMLAUT" => "äöü",
        _ => return None,
    };
    Some(value.to_owned())
}

fn expanded(text: &str) -> String {
    expand(text, &lookup).unwrap_or_else(|error| panic!("{text}: {error}")).text
}

fn problem(text: &str) -> ExpansionProblem {
    expand(text, &lookup).unwrap_err().problem
}

#[test]
fn variables_and_defaults_expand_as_promtail_expands_them() {
    for (text, result) in [
        ("${SETV}", "hello"),
        ("${UNSET}", ""),
        ("${UNSET:-dash}", "dash"),
        ("${UNSET:=eq}", "eq"),
        ("${UNSET=eq2}", "eq2"),
        ("${UNSET:?err}", "err"),
        ("${UNSET:+plus}", "plus"),
        ("${SETV:+plus}", "hello"),
        ("${EMPTY:-isempty}", "isempty"),
        ("${EMPTY=isempty}", "isempty"),
        ("${SETV:-unused}", "hello"),
        ("${UNSET:-a:b}", "a:b"),
        ("${UNSET:-}", ""),
        ("${UNSET:-${SETV}}", "hello"),
        ("${UNSET:-${UNSET:-deep}}", "deep"),
        ("${UNSET:-a${SETV}b${SETV}}", "ahellobhello"),
        ("${UNSET:-fallback value}", "fallback value"),
        ("a${EMPTY:-was empty}b", "awas emptyb"),
        ("${UNSET:-$$}", "$$"),
    ] {
        assert_eq!(expanded(text), result, "{text}");
    }
}

#[test]
fn functions_change_the_value_as_promtail_changes_it() {
    for (text, result) in [
        ("${#SETV}", "5"),
        ("${#UNSET}", "0"),
        ("${#UMLAUT}", "6"),
        ("${SETV^}", "Hello"),
        ("${SETV^^}", "HELLO"),
        ("${TEAM,}", "mL-Ops"),
        ("${TEAM,,}", "ml-ops"),
        ("${TEAM,^}", "ML-Ops"),
        ("${SETV:1:2}", "el"),
        ("${TEAM:1:3}", "L-O"),
        ("${SETV:2}", "llo"),
        ("${SETV:-2}", "hello"),
        ("${SETV:9}", ""),
        ("${SETV:1:99}", "ello"),
        ("${SETV:x}", "hello"),
        ("${SETV: -2}", "hello"),
        ("${UMLAUT:2:2}", "ö"),
        ("${SETV/l/L}", "heLlo"),
        ("${SETV/e/E}", "hEllo"),
        ("${SETV//l/L}", "heLLo"),
        ("${SETV//l/}", "heo"),
        ("${SETV/#he/HE}", "HEllo"),
        ("${SETV/#lo/HE}", "hello"),
        ("${SETV/#he/}", "hello"),
        ("${SETV/%lo/LO}", "helLO"),
        ("${FILE//\\//-}", "-var-log-app.log.gz"),
        ("${SETV#he}", "llo"),
        ("${SETV%lo}", "hel"),
        ("${FILE#*/}", "var/log/app.log.gz"),
        ("${FILE##*/}", "app.log.gz"),
        ("${FILE%.*}", "/var/log/app.log"),
        ("${FILE%%.*}", "/var/log/app"),
        ("${SETV#xx}", "hello"),
        ("${SETV#[}", "hello"),
    ] {
        assert_eq!(expanded(text), result, "{text}");
    }
}

#[test]
fn a_negative_offset_counts_from_the_end() {
    // `:-` is a default, so only a nested variable can hold one
    let lookup = |name: &str| (name == "N").then(|| "-2".to_owned()).or_else(|| lookup(name));
    assert_eq!(expand("${SETV:${N}}", &lookup).unwrap().text, "lo");
    assert_eq!(expand("${SETV:${N}:1}", &lookup).unwrap().text, "l");
}

#[test]
fn what_is_no_variable_stays() {
    for (text, result) in [
        ("$SETV", "$SETV"),
        ("$$SETV", "$SETV"),
        ("$${SETV}", "${SETV}"),
        ("$$5 and $${TEAM}", "$5 and ${TEAM}"),
        ("a\\\\b", "a\\b"),
        ("a\\/b", "a/b"),
        ("a\\d", "a\\d"),
        ("$1", "$1"),
        ("}", "}"),
        ("5$", "5$"),
        ("", ""),
    ] {
        assert_eq!(expanded(text), result, "{text}");
    }
}

#[test]
fn a_group_reference_becomes_nothing_with_a_warning() {
    let result = expand("a: b\nreplacement: ${1}x${2:-d}\n", &lookup).unwrap();
    assert_eq!(result.text, "a: b\nreplacement: xd\n");
    let warning = ExpansionWarning { line: 2, column: 14, name: "1".to_owned() };
    assert_eq!(result.warnings, [warning]);
}

#[test]
fn malformed_expansions_are_refused() {
    for (text, expected) in [
        ("${UNSET-dash}", ExpansionProblem::MissingClosingBrace),
        ("${A B}", ExpansionProblem::MissingClosingBrace),
        ("${A.B}", ExpansionProblem::MissingClosingBrace),
        ("${A-}", ExpansionProblem::MissingClosingBrace),
        ("${A", ExpansionProblem::MissingClosingBrace),
        ("${", ExpansionProblem::NoName),
        ("${}", ExpansionProblem::NoName),
        ("${A:-${", ExpansionProblem::NoName),
        ("${A:-x", ExpansionProblem::BadOperand),
        ("${A:}", ExpansionProblem::BadOperand),
        ("${A#}", ExpansionProblem::BadOperand),
        ("${#}", ExpansionProblem::BadSubstitution),
        ("${A,x}", ExpansionProblem::BadSubstitution),
        ("${A/x}", ExpansionProblem::BadSubstitution),
        ("${A#x${B}}", ExpansionProblem::BadSubstitution),
        ("${UMLAUT:1}", ExpansionProblem::CutsCharacter),
    ] {
        assert_eq!(problem(text), expected, "{text}");
    }
    assert_eq!(problem(&"${A:-".repeat(10_000)), ExpansionProblem::TooDeep);
}

#[test]
fn an_error_says_where_the_variable_begins_even_in_a_comment() {
    let error = expand("a: ${SETV}\n# ä ${BROKEN\nb: c\n", &lookup).unwrap_err();
    assert_eq!((error.line, error.column), (2, 5));
    assert!(error.to_string().starts_with("line 2, column 5: missing closing brace"), "{error}");
}

#[test]
fn a_result_beyond_the_limit_is_refused() {
    let value = "x".repeat(1 << 20);
    let lookup = |_: &str| Some(value.clone());
    let error = expand(&"${A}".repeat(17), &lookup).unwrap_err();
    assert_eq!(error.problem, ExpansionProblem::TooLarge);
}

proptest! {
    #[test]
    fn no_text_makes_the_expansion_panic(text in r"(?s)[$\\{}:/#%^,=?+a*\[\]A0ä\n-]{0,40}|.{0,40}") {
        let _ = expand(&text, &lookup);
    }

    #[test]
    fn text_without_dollars_and_backslashes_stays(text in r"[^$\\]{0,60}") {
        prop_assert_eq!(expanded(&text), text);
    }

    #[test]
    fn doubled_dollars_protect_any_name(name in "[A-Za-z_]{1,8}") {
        prop_assert_eq!(expanded(&format!("$${{{name}}}")), format!("${{{name}}}"));
    }
}

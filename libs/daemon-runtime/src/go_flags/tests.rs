use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser};

use super::*;

#[derive(Debug, Parser, PartialEq)]
#[command(name = "daemon", version = "1.2.3", args_override_self = true)]
struct Flags {
    #[arg(long = "config.file", default_value = "default.yaml")]
    file: String,
    #[arg(long = "dry-run", action = ArgAction::Set, default_value = "false", value_parser = parse_bool)]
    dry_run: bool,
    #[arg(long = "stdin")]
    stdin: bool,
    #[arg(long = "inspect")]
    inspect: bool,
    #[arg(short = 'n')]
    number: Option<i32>,
    #[arg(long = "label", action = ArgAction::Append)]
    labels: Vec<String>,
}

fn parse(args: &[&str]) -> Result<Flags, clap::Error> {
    let words = std::iter::once("daemon").chain(args.iter().copied()).map(OsString::from);
    Flags::try_parse_from(normalize(words, &Flags::command(), Leftovers::Ignore))
}

#[test]
fn one_dash_and_two_and_both_ways_to_give_a_value_mean_the_same() {
    for args in [
        &["-config.file=a"][..],
        &["--config.file=a"],
        &["-config.file", "a"],
        &["--config.file", "a"],
    ] {
        assert_eq!(parse(args).unwrap().file, "a", "{args:?}");
    }
}

#[test]
fn a_value_may_begin_with_a_dash_or_hold_an_equals_sign_or_be_empty() {
    assert_eq!(parse(&["-config.file", "-stdin"]).unwrap().file, "-stdin");
    assert_eq!(parse(&["-config.file=a=b"]).unwrap().file, "a=b");
    assert_eq!(parse(&["-config.file=--"]).unwrap().file, "--");
    assert_eq!(parse(&["-config.file="]).unwrap().file, "");
    assert_eq!(parse(&["-config.file", ""]).unwrap().file, "");
}

#[test]
fn booleans_are_bare_or_take_any_of_gos_spellings_after_an_equals_sign() {
    assert!(parse(&["-dry-run"]).unwrap().dry_run);
    for yes in ["1", "t", "T", "TRUE", "true", "True"] {
        assert!(parse(&[&format!("-dry-run={yes}")]).unwrap().dry_run, "{yes}");
        assert!(parse(&[&format!("-stdin={yes}")]).unwrap().stdin, "{yes}");
    }
    for no in ["0", "f", "F", "FALSE", "false", "False"] {
        assert!(!parse(&[&format!("-dry-run={no}")]).unwrap().dry_run, "{no}");
        assert!(!parse(&[&format!("-stdin={no}")]).unwrap().stdin, "{no}");
    }
    for flag in ["-dry-run=yes", "-dry-run=", "-stdin=yes", "-stdin=tRUE"] {
        parse(&[flag]).unwrap_err();
    }
}

#[test]
fn a_boolean_never_takes_the_next_argument_which_then_ends_the_flags() {
    let flags = parse(&["-dry-run", "false", "-stdin", "-nonsense"]).unwrap();
    assert!(flags.dry_run);
    assert!(!flags.stdin);
}

#[test]
fn the_last_occurrence_wins() {
    assert_eq!(parse(&["-config.file=a", "--config.file", "b"]).unwrap().file, "b");
    assert!(!parse(&["-dry-run", "-dry-run=false"]).unwrap().dry_run);
    let flags =
        parse(&["-stdin", "-inspect", "-stdin", "-stdin=false", "-inspect=0", "-inspect"]).unwrap();
    assert!(!flags.stdin);
    assert!(flags.inspect);
    assert_eq!(parse(&["-label", "a", "-label=b"]).unwrap().labels, ["a", "b"]);
}

#[test]
fn taking_back_one_switch_leaves_the_words_behind_it_alone() {
    let flags = parse(&["-stdin", "-config.file=a", "-inspect", "-stdin=f", "-inspect=f"]).unwrap();
    assert_eq!(flags, Flags { file: "a".to_owned(), ..parse(&[]).unwrap() });
}

#[test]
fn flags_end_at_a_word_without_a_dash_and_at_two_dashes() {
    for end in ["word", "-", "--", ""] {
        assert_eq!(
            parse(&["-stdin", end, "-nonsense"]).unwrap(),
            parse(&["-stdin"]).unwrap(),
            "{end:?}"
        );
    }
}

#[test]
fn leftovers_are_kept_for_a_command_that_wants_them() {
    let typed = ["daemon", "-stdin", "run", "-stdin"].map(OsString::from);
    let words = normalize(typed, &Flags::command(), Leftovers::Keep);
    assert_eq!(words, ["daemon", "--stdin", "run", "-stdin"]);
}

#[test]
fn one_letter_flags_work_with_one_dash_and_two() {
    for args in [&["-n=-4"][..], &["--n=-4"], &["-n", "-4"], &["--n", "-4"]] {
        assert_eq!(parse(args).unwrap().number, Some(-4), "{args:?}");
    }
}

#[test]
fn help_and_version_stay_with_clap() {
    for help in ["-h", "--h", "-help", "--help"] {
        assert_eq!(parse(&[help]).unwrap_err().kind(), ErrorKind::DisplayHelp, "{help}");
    }
    for version in ["-V", "-version", "--version"] {
        assert_eq!(parse(&[version]).unwrap_err().kind(), ErrorKind::DisplayVersion, "{version}");
    }
}

#[test]
fn clap_refuses_what_it_does_not_know_by_name() {
    for unknown in ["-nonsense", "--nonsense=1", "---stdin", "-=x", "-stdinn"] {
        assert_eq!(parse(&[unknown]).unwrap_err().kind(), ErrorKind::UnknownArgument, "{unknown}");
    }
    let error = parse(&["-nonsense=1"]).unwrap_err().to_string();
    assert!(error.contains("'--nonsense'"), "{error}");
}

#[test]
fn a_flag_at_the_end_without_its_value_is_refused() {
    parse(&["-config.file"]).unwrap_err();
}

#[test]
fn bytes_that_are_not_text_reach_the_value_unchanged() {
    let path = OsString::from_vec(b"/tmp/\xff".to_vec());
    let typed = ["daemon".into(), "-config.file".into(), path];
    let words = normalize(typed, &Flags::command(), Leftovers::Ignore);
    assert_eq!(words[1].as_bytes(), b"--config.file=/tmp/\xff");
}

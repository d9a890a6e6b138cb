//! Each action on labels as they occur; values of `hashmod` and the cases were recorded from the
//! original.

use proptest::prelude::*;

use super::*;

fn config(action: Action) -> RelabelConfig {
    RelabelConfig { action, ..RelabelConfig::default() }
}

#[expect(clippy::unnecessary_wraps, reason = "most keys of a rule are optional")]
fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn sources(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn apply(config: RelabelConfig, labels: &[(&str, &str)]) -> Option<String> {
    let mut labels: LabelSet = labels.iter().copied().collect();
    RelabelRule::new(config).unwrap().apply(&mut labels).then(|| labels.to_string())
}

#[test]
fn replace_expands_groups_and_removes_with_nothing() {
    let pod = [("ns", "ml"), ("pod", "vllm-0")];
    let joined = RelabelConfig {
        source_labels: sources(&["ns", "pod"]),
        separator: text("/"),
        target_label: text("x_$2"),
        regex: text("(.+)/([a-z]+)-.*"),
        replacement: text("${2}.$1"),
        ..config(Action::Replace)
    };
    assert_eq!(apply(joined, &pod).unwrap(), r#"{ns="ml", pod="vllm-0", x_vllm="vllm.ml"}"#);
    let not_anchored = RelabelConfig {
        source_labels: sources(&["pod"]),
        regex: text("vllm"),
        target_label: text("x"),
        ..config(Action::Replace)
    };
    assert_eq!(apply(not_anchored, &pod).unwrap(), r#"{ns="ml", pod="vllm-0"}"#);
    let removed = RelabelConfig {
        source_labels: sources(&["ns"]),
        target_label: text("ns"),
        replacement: text(""),
        ..config(Action::Replace)
    };
    assert_eq!(apply(removed, &pod).unwrap(), r#"{pod="vllm-0"}"#);
}

#[test]
fn hashmod_has_the_recorded_values() {
    for (labels, names, separator, modulus, expected) in [
        ([("ns", "Ml-Größe"), ("pod", "Triton-0")], &["pod"][..], ";", 16, "10"),
        ([("ns", "Ml-Größe"), ("pod", "Triton-0")], &["ns", "pod"][..], "@", 1_000_003, "517314"),
    ] {
        let rule = RelabelConfig {
            source_labels: sources(names),
            separator: text(separator),
            modulus: Some(modulus),
            target_label: text("shard"),
            ..config(Action::HashMod)
        };
        let shard = apply(rule, &labels).unwrap();
        assert!(shard.contains(&format!("shard=\"{expected}\"")), "{shard}");
    }
    // MD5 of nothing ends in e9800998ecf8427e.
    let empty = RelabelConfig {
        source_labels: sources(&["missing"]),
        modulus: Some(u64::MAX),
        target_label: text("shard"),
        ..config(Action::HashMod)
    };
    let expected = 0xe980_0998_ecf8_427e_u64.to_string();
    assert!(apply(empty, &[]).unwrap().contains(&expected));
}

#[test]
fn keep_and_drop_look_at_the_whole_value() {
    let rule = |action, regex| RelabelConfig {
        source_labels: sources(&["env", "team"]),
        regex: text(regex),
        ..config(action)
    };
    let labels = [("env", "dev"), ("team", "ml")];
    assert!(apply(rule(Action::Keep, "dev;.*"), &labels).is_some());
    assert!(apply(rule(Action::Keep, "dev"), &labels).is_none());
    assert!(apply(rule(Action::Drop, "dev;ml"), &labels).is_none());
    assert!(apply(rule(Action::Drop, "dev"), &labels).is_some());
    assert!(apply(rule(Action::Keep, "de.;ml"), &[("env", "de\n"), ("team", "ml")]).is_some());
}

#[test]
fn equality_compares_with_the_target() {
    let rule = |action| RelabelConfig {
        source_labels: sources(&["a"]),
        target_label: text("b"),
        ..config(action)
    };
    assert!(apply(rule(Action::KeepEqual), &[("a", "1"), ("b", "1")]).is_some());
    assert!(apply(rule(Action::KeepEqual), &[("a", "1"), ("b", "2")]).is_none());
    assert!(apply(rule(Action::DropEqual), &[("a", "1"), ("b", "1")]).is_none());
    assert!(apply(rule(Action::DropEqual), &[]).is_none(), "absent equals absent");
}

#[test]
fn names_are_mapped_dropped_and_kept() {
    let rule = |action, regex| RelabelConfig { regex: text(regex), ..config(action) };
    let labels = [("__meta_app", "x"), ("old", "y")];
    let mapped = apply(rule(Action::LabelMap, "__meta_(.+)"), &labels).unwrap();
    assert_eq!(mapped, r#"{__meta_app="x", app="x", old="y"}"#);
    assert_eq!(apply(rule(Action::LabelDrop, "old|__.*"), &labels).unwrap(), "{}");
    assert_eq!(apply(rule(Action::LabelKeep, "old"), &labels).unwrap(), r#"{old="y"}"#);
}

#[test]
fn case_goes_into_the_target() {
    let rule = |action| RelabelConfig {
        source_labels: sources(&["a", "c"]),
        target_label: text("b"),
        ..config(action)
    };
    let labels = [("a", "Größe"), ("c", "X")];
    assert_eq!(
        apply(rule(Action::Uppercase), &labels).unwrap(),
        r#"{a="Größe", b="GRÖßE;X", c="X"}"#
    );
    assert_eq!(
        apply(rule(Action::Lowercase), &labels).unwrap(),
        r#"{a="Größe", b="größe;x", c="X"}"#
    );
}

#[test]
fn a_plain_copy_removes_where_the_source_is_absent() {
    let copy = |regex: Option<&str>| RelabelConfig {
        source_labels: sources(&["a"]),
        target_label: text("b"),
        regex: regex.map(str::to_owned),
        ..config(Action::Replace)
    };
    assert_eq!(apply(copy(None), &[("a", "x\ny"), ("b", "z")]).unwrap(), r#"{a="x\ny", b="x\ny"}"#);
    assert_eq!(apply(copy(Some("(.*)")), &[("b", "z")]).unwrap(), "{}");
    assert_eq!(
        apply(copy(Some("(.+)")), &[("b", "z")]).unwrap(),
        r#"{b="z"}"#,
        "no match, no change"
    );
}

#[test]
fn a_name_that_comes_out_invalid_changes_nothing() {
    let target = RelabelConfig {
        source_labels: sources(&["a"]),
        target_label: text("$1"),
        replacement: text("x"),
        ..config(Action::Replace)
    };
    assert_eq!(apply(target.clone(), &[("a", "no-name")]).unwrap(), r#"{a="no-name"}"#);
    assert_eq!(apply(target, &[("a", "name")]).unwrap(), r#"{a="name", name="x"}"#);
    let mapped = RelabelConfig { regex: text("m_(.*)"), ..config(Action::LabelMap) };
    assert_eq!(
        apply(mapped, &[("m_9", "x"), ("m_b", "y")]).unwrap(),
        r#"{b="y", m_9="x", m_b="y"}"#
    );
}

#[test]
fn rules_see_what_earlier_ones_did_and_stop_at_a_drop() {
    let rule = |source, target, replacement| RelabelConfig {
        source_labels: sources(&[source]),
        target_label: text(target),
        replacement: text(replacement),
        ..config(Action::Replace)
    };
    let drop = RelabelConfig {
        source_labels: sources(&["c"]),
        regex: text("1-2-3"),
        ..config(Action::Drop)
    };
    let rules = [rule("a", "b", "$1-2"), rule("b", "c", "$1-3"), drop, rule("a", "d", "4")];
    let rules: Vec<RelabelRule> = rules.map(|rule| RelabelRule::new(rule).unwrap()).into();
    let mut labels: LabelSet = [("a", "1")].into_iter().collect();
    assert!(!process(&rules, &mut labels));
    assert_eq!(labels.to_string(), r#"{a="1", b="1-2", c="1-2-3"}"#);
    let mut labels: LabelSet = [("a", "0")].into_iter().collect();
    assert!(process(&rules, &mut labels));
    assert_eq!(labels.get("d"), Some("4"));
}

#[test]
fn rules_that_cannot_work_are_refused_with_action_and_key() {
    let error = |config| RelabelRule::new(config).unwrap_err().to_string();
    assert!("rename".parse::<Action>().unwrap_err().to_string().contains("accepted are replace"));
    assert_eq!("KeepEqual".parse(), Ok(Action::KeepEqual));
    assert!(error(config(Action::Replace)).contains("requires target_label"));
    let target = |action, name| RelabelConfig { target_label: text(name), ..config(action) };
    assert!(error(target(Action::HashMod, "x")).contains("requires modulus"));
    assert!(error(target(Action::Replace, "a-b")).contains("invalid as target_label"));
    assert!(error(target(Action::LabelDrop, "a")).contains("does not take target_label"));
    assert!(error(target(Action::KeepEqual, "a b")).contains("invalid as target_label"));
    let map = RelabelConfig { replacement: text("a-$1"), ..config(Action::LabelMap) };
    assert!(error(map).contains("invalid as replacement"));
    let equal = |change: fn(&mut RelabelConfig)| {
        let mut config = target(Action::KeepEqual, "x");
        change(&mut config);
        RelabelRule::new(config).map(|_| ())
    };
    let surplus = |key| Err(RelabelError::Surplus { action: "keepequal", key });
    assert_eq!(equal(|config| config.regex = text("(.*)")), surplus("regex"));
    assert_eq!(equal(|config| config.separator = text(",")), surplus("separator"));
    assert_eq!(equal(|config| config.replacement = text("x")), surplus("replacement"));
    assert_eq!(equal(|config| config.modulus = Some(1)), surplus("modulus"));
    let upper = RelabelConfig { replacement: text("x"), ..target(Action::Uppercase, "a") };
    assert!(error(upper).contains("does not take replacement"));
    let regex = RelabelConfig { regex: text("("), ..target(Action::Replace, "a") };
    assert!(matches!(RelabelRule::new(regex), Err(RelabelError::Expression(_))));
}

#[test]
fn defaults_may_be_spelled_out() {
    let spelled_out = |action, target| RelabelConfig {
        separator: text(";"),
        modulus: Some(0),
        replacement: text("$1"),
        target_label: text(target),
        ..config(action)
    };
    for (action, target) in [
        (Action::KeepEqual, "x"),
        (Action::DropEqual, "x"),
        (Action::Lowercase, "x"),
        (Action::LabelDrop, ""),
        (Action::LabelKeep, ""),
        (Action::Replace, "x"),
    ] {
        assert!(RelabelRule::new(spelled_out(action, target)).is_ok(), "{action:?}");
    }
}

proptest! {
    #[test]
    fn name_templates_are_letters_and_references(template in "[a1_${}-]{0,8}") {
        let model = Regexp::new(r"^([a-zA-Z_]|\$\{\w+\}|\$\w+)(\w|\$\{\w+\}|\$\w+)*$").unwrap();
        prop_assert_eq!(is_name_template(&template), model.is_match(template.as_bytes()));
    }
}

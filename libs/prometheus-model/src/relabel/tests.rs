//! Each action on labels as they occur; values of `hashmod` and the cases were recorded from the
//! original.

use super::*;

fn config(action: Action) -> RelabelConfig {
    RelabelConfig { action, ..RelabelConfig::default() }
}

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
fn letters_change_one_by_one_as_in_go() {
    let rule = |action| RelabelConfig {
        source_labels: sources(&["a"]),
        target_label: text("b"),
        ..config(action)
    };
    let upper = apply(rule(Action::Uppercase), &[("a", "Größe")]).unwrap();
    assert!(upper.contains(r#"b="GRÖßE""#), "{upper}");
    let lower = apply(rule(Action::Lowercase), &[("a", "GRÖSSE")]).unwrap();
    assert!(lower.contains(r#"b="grösse""#), "{lower}");
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
    let regex = RelabelConfig { regex: text("("), ..target(Action::Replace, "a") };
    assert!(matches!(RelabelRule::new(regex), Err(RelabelError::Expression(_))));
}

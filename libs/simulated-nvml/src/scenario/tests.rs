use super::*;

fn error(text: &str) -> String {
    Scenario::parse(text).unwrap_err().to_string()
}

#[test]
fn one_empty_gpu_is_a_healthy_h100() {
    let scenario = Scenario::parse(r#"{"gpus": [{}]}"#).unwrap();
    assert_eq!(scenario.gpus, [GpuSpec::default()]);
    assert_eq!(scenario.gpus[0].profile.key, "h100");
    assert_eq!(scenario.field_numbering(), FieldNumbering::V13);
}

#[test]
fn field_numbers_follow_the_driver_unless_they_are_given() {
    let numbering = |more: &str| {
        Scenario::parse(&format!(r#"{{"gpus": [] {more}}}"#)).unwrap().field_numbering()
    };
    assert_eq!(numbering(r#", "driver_version": "580.65.06""#), FieldNumbering::V12);
    assert_eq!(numbering(r#", "driver_version": "580.82.07""#), FieldNumbering::V13);
    assert_eq!(numbering(r#", "driver_version": "550.163.01""#), FieldNumbering::V12);
    let given = r#", "driver_version": "550.163.01", "field_ids": "v13""#;
    assert_eq!(numbering(given), FieldNumbering::V13);
}

#[test]
fn an_error_names_the_place_and_what_is_accepted() {
    for (text, parts) in [
        (
            r#"{"gpus": [{}, {}, {"util": {"kind": "squre"}}]}"#,
            &["line 1, column 43", "gpus[2].util.kind", "`squre`", "`square`"][..],
        ),
        ("{\"gpus\": [\n  {\"utl\": 3}]}", &["line 2, column", "gpus[0].utl", "`util`"]),
        (r#"{"gpus": [{"profile": "h1000"}]}"#, &["gpus[0].profile", "a100, h100, h200"]),
        (r#"{"gpus": [{"util": {"kind": "sine", "duty": 1}}]}"#, &["gpus[0].util", "`duty`"]),
        (r#"{"gpus": [{"util": {"kind": "constant", "value": 101}}]}"#, &["util", "0 to 100"]),
        (r#"{"gpus": [{"mig": [{"gi": 1, "profile": "1g"}]}]}"#, &["mig[0].profile", "1g.10gb"]),
        (r#"{"gpus": [{"mig": [{"gi": 1, "profile": "1g.5gb"}]}]}"#, &["gpus[0]", "1g.20gb"]),
        (r#"{"gpus": [], "field_ids": "v14"}"#, &["field_ids", "`v12` or `v13`"]),
        (r#"{"gpus": [], "speed": 0}"#, &["`speed`", "0.001 to 10000"]),
        (
            r#"{"gpus": [{}], "timeline": [{"at_ms": 1, "gpu": 1, "xid": 79}]}"#,
            &["timeline[0].gpu", "accepted are 0 to 0"],
        ),
        (
            r#"{"gpus": [{}], "timeline": [{"gpu": 0, "xid": 79, "state": "lost"}]}"#,
            &["timeline[0]", "two things"],
        ),
        (r#"{"gpus": [{}], "timeline": [{"xid": 79}]}"#, &["timeline[0]", "`gpu` is missing"]),
        (r#"{"gpus": [{}], "timeline": [{"at_ms": 5}]}"#, &["nothing happens", "hotplug"]),
        (
            r#"{"gpus": [{"calls": {"nvmlDeviceGetPower": {"return": 3}}}]}"#,
            &["gpus[0].calls", "`nvmlDeviceGetPower`"],
        ),
        (
            r#"{"gpus": [{}], "timeline": [{"gpu": 0, "calls": {"nvmlX": {}}}]}"#,
            &["timeline[0].calls", "`nvmlX`"],
        ),
        (r#"{"gpus": [{}]} x"#, &["line 1, column", "trailing"]),
        ("", &["line 1", "EOF"]),
    ] {
        let error = error(text);
        for part in parts {
            assert!(error.contains(part), "`{error}` lacks `{part}`");
        }
    }
    let many = format!(r#"{{"gpus": [{}]}}"#, vec!["{}"; 33].join(","));
    assert!(error(&many).contains("at most 32"));
    let twice = r#"{"gpus": [{"uuid": "GPU-1"}, {"uuid": "GPU-1"}]}"#;
    assert!(error(twice).contains("given twice"));
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let error = Scenario::load(Path::new("/nowhere/scenario.json")).unwrap_err();
    assert_eq!(error.to_string(), "cannot read the scenario /nowhere/scenario.json");
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn the_scenarios_of_the_exporter_can_be_played() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../gpu-exporter/scenarios");
    let mut played = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let scenario =
                Scenario::load(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
            assert!(!scenario.gpus.is_empty());
            played += 1;
        }
    }
    assert_eq!(played, 5);
}

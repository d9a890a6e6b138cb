//! What Promtail's `-check-syntax` said about every recorded configuration.

use std::fs;
use std::path::Path;

use stack_tests::conformance::case::Case;

use super::flags;
use crate::config::{self, Config, ConfigError};

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/conformance/promtail");

/// As the runner of the cases replaces them.
fn fill(text: &str) -> String {
    [
        ("${INPUT_DIR}", "/input"),
        ("${POSITIONS}", "/positions.yaml"),
        ("${PUSH_URL}", "http://127.0.0.1:3100/loki/api/v1/push"),
        ("${HTTP_PORT}", "9080"),
        ("${KUBE_URL}", "http://127.0.0.1:8001"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (placeholder, value)| text.replace(placeholder, value))
}

fn load(folder: &Path) -> Result<Config, ConfigError> {
    let spec = Case::load(folder).unwrap().spec;
    let text = fill(&fs::read_to_string(folder.join("config.yaml")).unwrap());
    let arguments: Vec<String> = spec.args.iter().map(|text| fill(text)).collect();
    let flags = flags(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let lookup = |name: &str| spec.env.get(name).cloned();
    let mut config = config::parse(
        Path::new("promtail.yaml"),
        &text,
        flags.expand_env().then_some(&lookup as config::expand_env::Lookup<'_>),
    )?;
    flags.apply(&mut config);
    Ok(config)
}

#[test]
fn every_recorded_configuration_is_loaded_or_refused_as_promtail_did() {
    let mut checked = 0;
    for entry in fs::read_dir(CASES).unwrap() {
        let folder = entry.unwrap().path();
        // one case is about a file that is not there
        if !folder.join("config.yaml").is_file() {
            continue;
        }
        let expected = fs::read_to_string(folder.join("expected.json")).unwrap();
        let expected: serde_json::Value = serde_json::from_str(&expected).unwrap();
        let accepted = expected["check_syntax"]["accepted"]
            .as_bool()
            .unwrap_or_else(|| expected["accepted"].as_bool().unwrap());
        let name = folder.file_name().unwrap().to_str().unwrap();
        let loaded = load(&folder);
        assert_eq!(loaded.is_ok(), accepted, "{name}: {loaded:?}");
        if let Err(error) = &loaded {
            assert!(error.to_string().starts_with("promtail.yaml:"), "{name}: {error}");
        }
        checked += 1;
    }
    assert!(checked > 140, "only {checked} cases were found");
}

#[test]
fn what_promtail_refuses_at_start_and_is_no_stage_is_refused_by_validation() {
    for (case, problem) in [
        ("refuse-no-clients", "failed to create client manager: at least one client config"),
        ("refuse-job-without-source", "no valid target scrape config defined for \"x\""),
    ] {
        let error = load(&Path::new(CASES).join(case)).unwrap().validate_for_start().unwrap_err();
        assert!(error.to_string().starts_with(problem), "{case}: {error}");
    }
    for case in ["client-command-line", "client-two", "stdin-pipeline", "kube-pods", "file-sd"] {
        load(&Path::new(CASES).join(case)).unwrap().validate_for_start().unwrap();
    }
}

#[test]
fn refusals_name_line_and_what_is_accepted() {
    for (case, line, part) in [
        ("refuse-bad-duration", 17, "expected numbers with units, such as 1h30m or 1.5s"),
        ("refuse-bad-size", 18, "use one of B, KB, MB, GB, TB, PB, EB"),
        ("refuse-duplicate-job-names", 25, "the first on line 19"),
        ("refuse-expand-missing-brace", 23, "missing closing brace"),
        ("refuse-relabel-action", 26, "accepted are replace, keep, drop, keepequal"),
        ("refuse-relabel-regex", 26, "relabel regex: "),
        ("refuse-static-label-name", 24, "letters, digits and `_` are accepted"),
        ("refuse-unknown-client-key", 17, "did you mean batchwait?; accepted: name, url"),
        ("refuse-unknown-top-key", 26, "did you mean scrape_configs?; accepted: global"),
    ] {
        let error = load(&Path::new(CASES).join(case)).unwrap_err().to_string();
        assert!(error.starts_with(&format!("promtail.yaml:{line}:")), "{case}: {error}");
        assert!(error.contains(part), "{case}: {error}");
    }
}

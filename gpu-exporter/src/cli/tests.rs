use std::path::Path;
use std::time::Duration;

use super::*;

fn parsed(arguments: &[&str]) -> Parsed {
    let words = ["gpu-exporter"].iter().chain(arguments).map(OsString::from);
    parse(words, "node-a")
}

fn order(arguments: &[&str]) -> Order {
    match parsed(arguments) {
        Parsed::Run(order) => *order,
        Parsed::Done { text, .. } => panic!("{text}"),
    }
}

fn refusal(arguments: &[&str]) -> String {
    match parsed(arguments) {
        Parsed::Done { text, status: ExitStatus::BadFlags } => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn without_flags_everything_has_its_default() {
    let order = order(&[]);
    let mut expected = Config::default();
    expected.page.dcgm.hostname = "node-a".to_owned();
    assert_eq!(order.config, expected);
    assert!(order.warnings.is_empty());
    command().debug_assert();
}

#[test]
fn the_arguments_of_dcgm_exporters_chart_are_taken() {
    let order = order(&["-f", "/etc/dcgm-exporter/dcp-metrics-included.csv", "-k", "-a", ":9401"]);
    assert_eq!(order.config.listen_address, ":9401");
    assert!(order.config.attribution.is_required);
    let file = Path::new("/etc/dcgm-exporter/dcp-metrics-included.csv");
    assert_eq!(order.config.page.dcgm.counters_file.as_deref(), Some(file));
    assert!(!self::order(&["--kubernetes=false"]).config.attribution.is_enabled);
}

#[test]
fn a_slower_collection_does_not_slow_sampling_and_says_so() {
    let slow = order(&["-c", "30000"]);
    assert_eq!(slow.config.sampling.interval, Duration::from_secs(1));
    assert!(slow.warnings[0].contains("--collect-interval of 30000 ms has no effect"));
    let fast = order(&["--collect-interval=500"]);
    assert_eq!(fast.config.sampling.interval, Duration::from_millis(500));
    assert!(fast.warnings.is_empty());
}

#[test]
fn devices_are_chosen_as_in_dcgm_exporter() {
    let chosen = order(&["-d", "g:0,2"]).config;
    assert_eq!(chosen.sampling.devices, ["0", "2"]);
    assert!(chosen.page.dcgm.mig_parents);
    assert!(!order(&["-d", "f"]).config.page.dcgm.mig_parents);
    for wrong in ["x", "g:", "g:a", "i:1", ""] {
        assert!(refusal(&["-d", wrong]).contains("i (MIG instances)"), "{wrong}");
    }
}

#[test]
fn values_are_refused_with_what_is_accepted() {
    for (arguments, accepted) in [
        (["--sample.interval", "10ms"], "a duration from 250ms to 1m"),
        (["--sample.window", "5"], "a duration from 1s to 1h"),
        (["--naming", "dcgm,old"], Naming::ACCEPTED),
        (["--web.listen-address", "9400"], "HOST:PORT, :PORT or [IPV6]:PORT"),
        (["--dcgm.hostname-label", "1x"], "a name of letters"),
        (["--log.level", "loud"], "accepted are off, error, warn"),
        (["-x", "0"], "a number of milliseconds"),
    ] {
        let text = refusal(&arguments);
        assert!(text.contains(accepted) && text.contains(arguments[0]), "{text}");
    }
}

#[test]
fn what_would_be_silently_wrong_is_refused_with_an_alternative() {
    assert!(refusal(&["-m", "gpu:metrics"]).contains("--dcgm.counters-file"));
    assert!(refusal(&["--web-config-file=/etc/web.yaml"]).contains("a proxy with TLS"));
    assert_eq!(order(&["-m", "none"]).warnings, [""; 0]);
}

#[test]
fn flags_without_effect_are_warned_about() {
    let order = order(&["-r", "localhost:5555", "--enable-dcgm-log", "--fake-gpus"]);
    assert_eq!(order.warnings.len(), 3);
    assert!(order.warnings[0].starts_with("--remote-hostengine-info has no effect"));
}

#[test]
fn pod_labels_are_shown_when_asked_for() {
    let all = order(&["--kubernetes-enable-pod-labels"]).config;
    assert_eq!(all.attribution.pod_labels, [".*"]);
    let some = order(&[
        "--kubernetes-enable-pod-labels",
        "--kubernetes-pod-label-allowlist-regex=^app$,^team$",
        "--kubernetes-enable-pod-uid",
    ]);
    assert_eq!(some.config.attribution.pod_labels, ["^app$", "^team$"]);
    assert!(some.config.page.pod_uid);
}

#[test]
fn help_names_no_flag_twice_and_hides_what_has_no_effect() {
    let Parsed::Done { text, status } = parsed(&["--help"]) else { panic!("help") };
    assert_eq!(status, ExitStatus::Stopped);
    assert!(text.contains("--sample.interval") && text.contains("[env: DCGM_EXPORTER_LISTEN"));
    assert!(!text.contains("fake-gpus"));
}

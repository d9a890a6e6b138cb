mod recorded_cases;

use std::path::Path;

use daemon_runtime::durations::GoDuration;

use super::*;
use crate::config;

fn parsed(arguments: &[&str]) -> Parsed {
    parse(std::iter::once("log-shipper").chain(arguments.iter().copied()).map(Into::into))
}

fn flags(arguments: &[&str]) -> Flags {
    match parsed(arguments) {
        Parsed::Run(flags) => *flags,
        other => panic!("{arguments:?}: {other:?}"),
    }
}

fn done(arguments: &[&str]) -> (String, u8) {
    match parsed(arguments) {
        Parsed::Done { text, code } => (text, code),
        other => panic!("{arguments:?}: {other:?}"),
    }
}

fn applied(text: &str, arguments: &[&str]) -> Config {
    let mut config = config::parse(Path::new("p"), text, None).unwrap();
    flags(arguments).apply(&mut config);
    config
}

#[test]
fn the_flags_are_consistent_and_are_promtails_eighty_seven_and_one_of_ours() {
    command().debug_assert();
    let command = command();
    let names: Vec<&str> = command.get_arguments().filter_map(Arg::get_long).collect();
    assert_eq!(names.len(), 88, "{names:?}");
}

#[test]
fn an_address_that_is_refused_is_not_repeated() {
    for address in ["http//me:hunter2@loki:3100", "ftp://me:hunter2@loki", "http://me:hunter2@:x/"]
    {
        for arguments in [
            vec![format!("-client.url={address}")],
            vec!["--client.url".to_owned(), address.to_owned()],
            vec![format!("-client.ulr={address}")],
        ] {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let (text, code) = done(&arguments);
            assert_eq!(code, 2);
            assert!(text.contains("client.u") && !text.contains("hunter2"), "{text}");
        }
    }
}

#[test]
fn one_dash_and_two_values_behind_a_space_and_switches_are_understood() {
    let flags =
        flags(&["-config.file=a.yaml", "--config.expand-env", "-dry-run=t", "-max-streams", "5"]);
    assert_eq!(flags.config_file(), "a.yaml");
    assert!(flags.expand_env() && flags.dry_run() && !flags.check_syntax());
    let mut config = Config::default();
    flags.apply(&mut config);
    assert_eq!(config.limits_config.max_streams, 5);
}

#[test]
fn the_last_occurrence_wins_and_reading_ends_at_the_first_word() {
    let flags =
        flags(&["-dry-run", "-dry-run=false", "-config.file=a", "-config.file=b", "x", "-y"]);
    assert!(!flags.dry_run());
    assert_eq!(flags.config_file(), "b");
}

#[test]
fn a_flag_beats_the_file_and_the_file_the_default() {
    let text = "positions: {filename: /file, sync_period: 1s}\nserver: {log_level: warn}\n";
    let config = applied(text, &["-positions.file=/flag", "-log.format=text"]);
    assert_eq!(config.positions.filename, Path::new("/flag"));
    assert_eq!(config.positions.sync_period, GoDuration::from_secs(1));
    assert_eq!(config.server.log_level.to_string(), "warn");
    assert_eq!(config.server.log_format.unwrap().to_string(), "text");
    assert_eq!(config.target_config.sync_period, GoDuration::from_secs(10));
}

#[test]
fn no_flag_changes_nothing() {
    assert_eq!(applied("", &[]), Config::default());
}

#[test]
fn the_client_of_the_flags_comes_last_and_its_labels_go_to_all() {
    let text = "clients: [{url: 'http://a', external_labels: {zone: file}}]";
    let arguments = [
        "-client.url=http://b/push?client=cli",
        "-client.tenant-id=t9",
        "-client.batch-wait=200ms",
        "-client.external-labels=zone=cli,rack=r7",
    ];
    let clients = applied(text, &arguments).effective_clients();
    assert_eq!(clients.len(), 2);
    let labels: Vec<_> = clients[0].external_labels.iter().collect();
    assert_eq!(labels, [("rack", "r7"), ("zone", "file")]);
    assert_eq!(clients[0].tenant_id, "");
    assert_eq!(clients[1].url.to_string(), "http://b/push?client=cli");
    assert_eq!(clients[1].tenant_id, "t9");
    assert_eq!(clients[1].batchwait, GoDuration::from_millis(200));
    assert_eq!(clients[1].external_labels.get("zone"), Some("cli"));
    assert!(!clients[1].http.follow_redirects);
}

#[test]
fn a_number_of_attempts_given_by_flag_is_told_from_the_default() {
    let attempts = |arguments: &[&str]| {
        applied("", arguments).effective_clients()[0].backoff_config.max_attempts(true)
    };
    assert_eq!(attempts(&["-client.url=http://x/", "-client.max-retries=10"]), Some(10));
    assert_eq!(attempts(&["-client.url=http://x/"]), None);
}

#[test]
fn every_flag_reaches_the_configuration() {
    // a value of each kind that is no default
    let value = |flag: &Arg| -> String {
        let name = flag.get_long().unwrap();
        let value_name = flag.get_value_names().map_or("", |names| names[0].as_str());
        let given = match (name, value_name) {
            ("limit.readline-rate", _) => "1.5",
            ("client.url", _) => "http://x/",
            ("server.http-listen-network" | "server.grpc-listen-network", _) => "tcp6",
            (
                "server.register-instrumentation"
                | "limit.readline-rate-drop"
                | "tracing.enabled"
                | "tracing.profiling-enabled"
                | "server.grpc.stats-tracking-enabled",
                _,
            ) => "false",
            (_, "BOOL") => "true",
            (_, "DURATION") => "77s",
            (_, "LEVEL") => "warn",
            (_, "FORMAT") => "text",
            (_, "LABELS") => "a=b",
            (_, "SIZE") => "7KB",
            _ => "7",
        };
        format!("-{name}={given}")
    };
    // these say what to do, not how
    let actions = [
        "config.file",
        "config.expand-env",
        "check-syntax",
        "dry-run",
        "inspect",
        "version",
        "print-config-stderr",
        "log-config-reverse-order",
        "completion",
    ];
    for flag in command().get_arguments() {
        if actions.contains(&flag.get_long().unwrap()) {
            continue;
        }
        let argument = value(flag);
        assert_ne!(applied("", &[&argument]), Config::default(), "{argument}");
    }
}

#[test]
fn help_is_asked_for_and_still_ends_with_two() {
    for flag in ["-h", "-help", "--help"] {
        let (text, code) = done(&[flag]);
        assert_eq!(code, 2);
        assert!(text.starts_with("log-shipper: ships log lines"), "{text}");
        assert!(!text.contains("The flags that were given"), "{text}");
        assert!(text.contains("--config.file <PATH>"), "{text}");
        assert!(text.contains("--dry-run[=<BOOL>]"), "{text}");
    }
}

#[test]
fn the_version_is_a_block_and_ends_with_zero() {
    let (text, code) = done(&["-version"]);
    assert_eq!(code, 0);
    assert!(text.starts_with("log-shipper, version 0.") && text.lines().count() == 3, "{text}");
    assert!(!flags(&["-version=false"]).dry_run());
}

#[test]
fn unknown_flags_and_unusable_values_end_with_two_and_say_why() {
    for (argument, part) in [
        ("-config.fil=x", "config.file"),
        ("-client.timeout=ten", "\"ten\" is not a duration: expected numbers with units"),
        ("-dry-run=maybe", "\"maybe\" is not a boolean"),
        ("-server.http-listen-port=70000", "is not a whole number from 0 to 65535"),
        ("-log.level=loud", "unknown log level `loud`; accepted are"),
        ("-log.format=xml", "unknown log format `xml`; accepted are json, logfmt or text"),
        ("-max-line-size=1XB", "use one of B, KB"),
        ("-client.external-labels=a", "is not a list of labels"),
        ("-client.url=loki:3100", "accepted: http and https"),
        ("-client.url", "a value is required"),
    ] {
        let (text, code) = done(&[argument]);
        assert_eq!(code, 2, "{argument}");
        assert!(text.starts_with("error: ") && text.contains(part), "{argument}: {text}");
    }
}

#[test]
fn a_password_in_a_refused_address_is_not_repeated_by_our_part_of_the_message() {
    let error = "http://u:hunter2@:x/".parse::<crate::config::http_url::HttpUrl>().unwrap_err();
    assert!(!error.to_string().contains("hunter2"));
}

#[test]
fn completion_scripts_know_the_flags() {
    let (text, code) = done(&["--completion", "bash"]);
    assert_eq!(code, 0);
    assert!(text.contains("--positions.sync-period"), "{text}");
    assert_eq!(done(&["--completion", "cobol"]).1, 2);
}

#[test]
fn a_command_is_one_only_as_the_first_argument() {
    let check = Check { file: "f".to_owned(), expand_env: true, json: true };
    for words in [
        &["check", "f", "--json", "--expand-env"][..],
        &["check", "--config.expand-env=true", "--json", "f"],
    ] {
        match parsed(words) {
            Parsed::Check(read) => assert_eq!(read, check),
            other => panic!("{words:?}: {other:?}"),
        }
    }
    assert!(flags(&["-dry-run", "check", "f"]).dry_run());
    assert_eq!(flags(&["checks"]), Flags::default());
}

#[test]
fn a_line_to_explain_may_begin_with_a_dash() {
    let words = ["explain", "f", "--line", "-x=1", "--job", "j", "--labels", "a=b,c=d"];
    let Parsed::Explain(explain) = parsed(&words) else { panic!("a command") };
    assert_eq!((explain.line.as_str(), explain.job.as_deref()), ("-x=1", Some("j")));
    assert_eq!(explain.labels.get("c"), Some("d"));
}

#[test]
fn commands_have_help_and_refuse_what_they_do_not_know() {
    for command in ["check", "explain"] {
        let (help, code) = done(&[command, "--help"]);
        assert_eq!(code, 0);
        assert!(help.contains("--json") && help.contains("<FILE>"), "{help}");
        assert_eq!(done(&[command]).1, 2);
        assert_eq!(done(&[command, "f", "--dry-run"]).1, 2);
    }
    assert_eq!(done(&["explain", "f"]).1, 2);
    let (script, _) = done(&["--completion", "bash"]);
    assert!(script.contains("log__shipper__subcmd__explain"), "{script}");
}

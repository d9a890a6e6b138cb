//! Flags as Go programs take them: one dash or two, with `=` or as the next argument.

use std::fs;

use crate::fixture::{Ended, run};

/// Runs with a configuration that is valid, `-check-syntax`, and these arguments.
fn check(arguments: &[&str]) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("promtail.yaml");
    let config = "clients: [{url: \"http://127.0.0.1:1/loki/api/v1/push\"}]\n";
    fs::write(&path, config).unwrap();
    let config_file = ["-check-syntax", "-config.file", path.to_str().unwrap()];
    run(&[&config_file[..], arguments].concat())
}

#[test]
fn one_dash_is_as_good_as_two() {
    for (name, value) in [
        ("positions.sync-period", "1m30s"),
        ("file-watch.min_poll_frequency", "100ms"),
        ("client.batch-size-bytes", "1024"),
        ("client.external-labels", "a=b,c=d"),
        ("limit.readline-rate", "10.5"),
        ("max-line-size", "256kb"),
        ("log.level", "debug"),
        ("server.http-listen-port", "0"),
        ("server.grpc-listen-port", "9095"),
    ] {
        for dashes in ["-", "--"] {
            let flag = format!("{dashes}{name}");
            for arguments in [vec![format!("{flag}={value}")], vec![flag.clone(), value.to_owned()]]
            {
                let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
                let ended = check(&arguments);
                assert_eq!(ended.code, 0, "{arguments:?}: {ended:?}");
            }
            let ended = check(&[&flag]);
            assert_eq!(ended.code, 2, "{flag} without a value: {ended:?}");
        }
    }
}

#[test]
fn a_boolean_takes_no_next_argument() {
    for arguments in [
        &["-stdin=false"][..],
        &["--stdin=f"],
        &["-client.drop-rate-limited-batches", "-log.level=warn"],
        // What follows is no flag: it and all after it are left alone.
        &["-limit.readline-rate-enabled", "false", "-no-such-flag"],
        &["--", "-no-such-flag"],
    ] {
        let ended = check(arguments);
        assert_eq!(ended.code, 0, "{arguments:?}: {ended:?}");
    }
    assert_eq!(check(&["-stdin=maybe"]).code, 2);
}

#[test]
fn help_and_version_have_both_forms() {
    for (flag, code) in [("-help", 2), ("--help", 2), ("-h", 2), ("-version", 0), ("--version", 0)]
    {
        let ended = run(&[flag]);
        assert_eq!(ended.code, code, "{flag}: {ended:?}");
        assert!(!ended.stdout.is_empty(), "{flag} prints to standard ended");
    }
}

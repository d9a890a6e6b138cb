//! What is wrong is told, with its place and what is accepted; data never stops the daemon.

use std::fs;
use std::io::Write;

use crate::fixture::{Ended, Fixture, PATIENCE, Writer, run, wait};

/// Runs it with a configuration that it must refuse by itself.
fn refused(config: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("promtail.yaml");
    fs::write(&path, config).unwrap();
    let Ended { code, stdout, stderr } = run(&["--config.file", path.to_str().unwrap()]);
    assert_eq!(code, 1, "{stdout}{stderr}");
    stdout + &stderr
}

fn job(stages: &str) -> String {
    format!(
        "server: {{disable: true}}\nclients: [{{url: \"http://127.0.0.1:1/loki/api/v1/push\"}}]\n\
         positions: {{filename: /nonexistent/positions.yaml}}\n\
         scrape_configs:\n- job_name: a\n  static_configs: [{{labels: {{__path__: /nonexistent/*}}}}]\n  pipeline_stages:\n{stages}"
    )
}

#[test]
fn a_wrong_configuration_is_refused_with_its_place() {
    for (config, expected) in [
        (
            job("  - json: {expressions: {a: a}}\nclientz: []\n"),
            &["promtail.yaml:9:", "field clientz not found", "clients"][..],
        ),
        (job("  - regex: {expression: '(?P<a>x'}\n"), &["line 8", "regex", "missing closing )"]),
        (job("  - parse_json: {}\n"), &["line 8", "parse_json", "json"]),
        (job("  - drop: {value: x}\n"), &["line 8", "drop", "source"]),
        (
            "clients: [{url: http://x/, batchwait: soon}]\n".to_owned(),
            &["promtail.yaml:1:", "soon"],
        ),
        ("a: [\n".to_owned(), &["promtail.yaml:"]),
    ] {
        let message = refused(&config);
        for part in expected {
            assert!(message.contains(part), "{part} is missing in: {message}");
        }
    }
}

#[test]
fn a_missing_configuration_is_named() {
    let ended = run(&["-config.file=/does/not/exist.yaml"]);
    assert_eq!(ended.code, 1);
    assert!(ended.stdout.contains("/does/not/exist.yaml does not exist"), "{ended:?}");
}

#[test]
fn a_check_without_a_file_fails_and_says_so() {
    for arguments in [&["-check-syntax"][..], &["-check-syntax", "-config.file="]] {
        let ended = run(arguments);
        assert_eq!(ended.code, 1, "{arguments:?}");
        assert!(ended.stdout.starts_with("Invalid config file"), "{arguments:?}: {ended:?}");
    }
}

#[test]
fn the_configuration_is_logged_last_line_first_and_without_its_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("promtail.yaml");
    fs::write(
        &path,
        "server: {disable: true}\n\
         clients: [{url: \"http://127.0.0.1:1/push\", bearer_token: hunter2}]\n",
    )
    .unwrap();
    let file = path.to_str().unwrap();
    let log =
        run(&["-stdin", "-dry-run", "-log-config-reverse-order", "-config.file", file]).stderr;
    let place = |text: &str| log.find(text).unwrap_or_else(|| panic!("no {text} in: {log}"));
    assert!(place("wal:") < place("clients:") && place("clients:") < place("server:"), "{log}");
    assert!(log.contains("<secret>") && !log.contains("hunter2"), "{log}");
}

#[test]
fn flags_have_go_s_grammar_and_exit_codes() {
    assert_eq!(run(&["-no-such-flag"]).code, 2);
    assert_eq!(run(&["-positions.sync-period=soon"]).code, 2);
    let help = run(&["-help"]);
    assert_eq!(help.code, 2);
    assert!(help.stdout.contains("-client.url"), "{help:?}");
    let version = run(&["--version"]);
    assert_eq!(version.code, 0);
    assert!(version.stdout.contains(env!("CARGO_PKG_VERSION")), "{version:?}");
}

#[test]
fn positions_that_cannot_be_saved_do_not_stop_the_lines() {
    let mut fixture = Fixture::new();
    let config =
        fixture.config("", "").replace("/positions.yaml", "/no/such/folder/positions.yaml");
    fixture.start(&config);
    Writer::new(&fixture.log("app.log"), 0).write(100);
    fixture.wait_for_all(100);
    fixture.wait_for_log("positions cannot be saved");
    assert!(fixture.terminate().success());
}

#[test]
fn odd_files_do_not_keep_others_from_being_read() {
    let mut fixture = Fixture::new();
    fs::create_dir(fixture.log("folder.log")).unwrap();
    std::os::unix::fs::symlink("loop.log", fixture.log("loop.log")).unwrap();
    std::os::unix::fs::symlink("nowhere", fixture.log("dangling.log")).unwrap();
    let status = std::process::Command::new("mkfifo").arg(fixture.log("fifo.log")).status();
    assert!(status.unwrap().success());
    fixture.start(&fixture.config("", ""));
    Writer::new(&fixture.log("app.log"), 0).write(100);
    fixture.wait_for_all(100);
}

#[test]
fn bytes_that_are_no_text_go_through_unchanged() {
    let mut fixture = Fixture::new();
    fixture.start(&fixture.config("", ""));
    fs::write(fixture.log("a.log"), b"\xff\xfe seq=0 \x00 \xc3\x28\r\n").unwrap();
    fixture.wait_for_all(1);
    let line = fixture.receiver.with(|state| state.entries[0].line.clone());
    assert_eq!(line, b"\xff\xfe seq=0 \x00 \xc3\x28\r");
}

#[test]
fn a_line_without_end_is_cut_and_takes_no_memory() {
    let mut fixture = Fixture::new();
    fixture.start(&fixture.config("", ""));
    let path = fixture.log("a.log");
    let mut file = fs::File::create(&path).unwrap();
    file.write_all(b"seq=0 ").unwrap();
    let piece = vec![b'x'; 1024 * 1024];
    for _ in 0..64 {
        file.write_all(&piece).unwrap();
    }
    file.write_all(b"\nseq=1\n").unwrap();
    fixture.wait_for_all(2);
    let longest =
        fixture.receiver.with(|state| state.entries.iter().map(|entry| entry.line.len()).max());
    assert_eq!(longest, Some(4 * 1024 * 1024));
    let peak = fixture.peak_memory_bytes();
    assert!(peak < 80 * 1024 * 1024, "peak RSS {peak} bytes");
}

#[test]
fn a_file_that_comes_later_is_found() {
    let mut fixture = Fixture::new();
    fixture.start(&fixture.config("", ""));
    fixture.wait_for_log("ops server listening");
    Writer::new(&fixture.log("late.log"), 0).write(10);
    fixture.wait_for_all(10);
    let positions = fixture.path("positions.yaml");
    let is_saved = || fs::read_to_string(&positions).is_ok_and(|text| text.contains("late.log"));
    wait("its position", is_saved, || fixture.shipper_log());
    assert!(fixture.receiver.wait_for(PATIENCE, |state| state.lines() == 10));
}

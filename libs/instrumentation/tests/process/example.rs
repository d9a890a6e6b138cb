//! The example service: its lines, its endpoints, and how it takes signals.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::Signal;
use serde_json::Value;
use stack_tests::daemon_process::{DaemonCommand, DaemonProcess, HttpAnswer, http_get};
use stack_tests::patience::{PATIENCE, await_condition, wait_until};

struct Service {
    process: DaemonProcess,
    log: PathBuf,
}

fn binary() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let target = test.parent().and_then(Path::parent).unwrap();
    let example = target.join("examples/inference_service");
    assert!(example.is_file(), "not built: cargo build -p instrumentation --examples");
    example
}

/// Starts the service with its output in a folder.
fn launch(folder: &Path, log: &Path, flags: &[&str]) -> DaemonProcess {
    let args = ["--web.listen-address", "127.0.0.1:0", "--log.file", log.to_str().unwrap()];
    let command = DaemonCommand {
        binary: binary(),
        args: args.iter().chain(flags).map(Into::into).collect(),
        env: BTreeMap::new(),
        work_dir: folder.to_path_buf(),
        stdin: None,
    };
    DaemonProcess::start(&command, 0).unwrap()
}

fn start(log: PathBuf, flags: &[&str]) -> Service {
    Service { process: launch(log.parent().unwrap(), &log, flags), log }
}

impl Service {
    /// Waits until it has ended; whether that was a success.
    fn ends_well(&mut self) -> bool {
        self.process.wait_exit(PATIENCE).expect("the service ends").success()
    }

    fn get(&self, path: &str) -> HttpAnswer {
        let listening = wait_for_line(&self.log, "ops server listening");
        let port = listening["address"].as_str().unwrap().rsplit_once(':').unwrap().1;
        http_get(port.parse().unwrap(), path).unwrap()
    }
}

/// The whole lines of a file so far.
fn lines(log: &Path) -> Vec<Value> {
    let text = fs::read_to_string(log).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

fn wait_for_line(log: &Path, message: &str) -> Value {
    let mut found = None;
    await_condition(message, || {
        found = lines(log).into_iter().find(|line| line["message"] == message);
        found.is_some()
    });
    found.unwrap()
}

#[test]
fn a_request_line_has_the_fields_of_the_structured_logger() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("app.log");
    let mut service = start(log.clone(), &["--rate", "5000", "--duration", "0.5", "--seed", "7"]);
    assert!(service.ends_well());

    let requests: Vec<Value> =
        lines(&log).into_iter().filter(|line| !line["trace_id"].is_null()).collect();
    assert!(requests.len() > 500, "{} lines", requests.len());
    for line in &requests {
        for key in ["timestamp", "level", "service", "message", "trace_id", "endpoint", "method"] {
            assert!(line[key].is_string(), "{key}: {line}");
        }
        for key in ["model_name", "model_version", "request_id"] {
            assert!(line[key].is_string(), "{key}: {line}");
        }
        assert!(line["status"].is_u64() && line["duration_ms"].is_f64(), "{line}");
        assert_eq!(line["trace_id"].as_str().unwrap().len(), 32, "{line}");
    }
    let of = |level: &str| requests.iter().filter(|line| line["level"] == level).count();
    let (info, warn, error) = (of("INFO"), of("WARN"), of("ERROR"));
    assert!(
        info > 5 * warn && warn > error && error > 0,
        "{info} info, {warn} warn, {error} error"
    );
}

#[test]
fn a_seed_repeats_the_requests() {
    let dir = tempfile::tempdir().unwrap();
    let requests = |name: &str, seed: &str| -> Vec<Value> {
        let log = dir.path().join(name);
        let flags = ["--rate", "1000", "--duration", "0.2", "--seed", seed];
        assert!(start(log.clone(), &flags).ends_well());
        let requests = lines(&log).into_iter().filter(|line| !line["trace_id"].is_null());
        requests.take(50).map(|line| line["trace_id"].clone()).collect()
    };
    let first = requests("1", "7");
    assert_eq!(first.len(), 50);
    assert_eq!(first, requests("2", "7"));
    assert_ne!(first, requests("3", "8"));
}

#[test]
fn it_follows_a_rename_on_sighup_and_loses_no_line() {
    let dir = tempfile::tempdir().unwrap();
    let (log, rotated) = (dir.path().join("app.log"), dir.path().join("app.log.1"));
    let mut service = start(log.clone(), &["--rate", "1000"]);
    wait_for_line(&log, "prediction completed");
    fs::rename(&log, &rotated).unwrap();
    service.process.signal(Signal::HUP);
    wait_for_line(&log, "log file reopened");
    wait_for_line(&log, "prediction completed");
    service.process.signal(Signal::TERM);
    assert!(service.ends_well());

    assert_eq!(lines(&log).last().unwrap()["message"], "inference service stopping");
    let old = fs::read_to_string(&rotated).unwrap();
    assert!(old.ends_with("}\n"), "the old file ends in a whole line");
}

#[test]
fn it_serves_its_endpoints_and_stops_on_both_signals() {
    for signal in [Signal::TERM, Signal::INT] {
        let dir = tempfile::tempdir().unwrap();
        let mut service = start(dir.path().join("app.log"), &[]);
        wait_for_line(&service.log, "model loaded");
        for (path, body) in [
            ("/-/healthy", "\nhealthy\n"),
            ("/-/log-level", "\ninfo\n"),
            ("/metrics", "\nprocess_cpu_seconds_total "),
            ("/metrics", "\ninference_service_build_info{version="),
        ] {
            let answer = service.get(path);
            assert_eq!(answer.status, 200, "{path}: {answer:?}");
            // what stands at the start of a line
            assert!(format!("\n{}", answer.body).contains(body), "{path}: {answer:?}");
        }
        await_condition("it is ready", || service.get("/-/ready").status == 200);
        service.process.signal(signal);
        assert!(service.ends_well());
        assert_eq!(lines(&service.log).last().unwrap()["message"], "inference service stopping");
    }
}

#[test]
fn a_closed_standard_output_does_not_stop_it() {
    let mut process = Command::new(binary())
        .args(["--web.listen-address", "127.0.0.1:0", "--rate", "1000", "--duration", "0.3"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(process.stdout.take());
    let mut status = None;
    let ended = wait_until(PATIENCE, || {
        status = process.try_wait().unwrap();
        status.is_some()
    });
    process.kill().unwrap(); // does nothing to one that has ended
    assert!(ended && status.unwrap().success(), "{status:?}");
}

#[test]
fn a_log_file_that_cannot_be_opened_is_told_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let mut process = launch(dir.path(), Path::new("/missing/app.log"), &[]);
    assert_eq!(process.wait_exit(PATIENCE).and_then(|status| status.code()), Some(1));
    let line: Value = serde_json::from_str(&process.stdout()).unwrap();
    let error = line["error"].as_str().unwrap();
    assert!(error.starts_with("cannot open log file `/missing/app.log`: "), "{error}");
}

//! The example service: its lines, its endpoints, and how it takes signals.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Longest wait for what must happen.
const PATIENCE: Duration = Duration::from_mins(1);

/// Time between two looks at a condition.
const POLL: Duration = Duration::from_millis(10);

struct Service {
    process: Child,
    log: PathBuf,
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn command() -> Command {
    let test = std::env::current_exe().unwrap();
    let target = test.parent().and_then(Path::parent).unwrap();
    let example = target.join("examples/inference_service");
    assert!(example.is_file(), "not built: cargo build -p instrumentation --examples");
    let mut command = Command::new(example);
    command.args(["--web.listen-address", "127.0.0.1:0"]);
    command
}

fn start(log: PathBuf, flags: &[&str]) -> Service {
    let process = command().arg("--log.file").arg(&log).args(flags).spawn().unwrap();
    Service { process, log }
}

impl Service {
    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.process.id().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    fn wait(&mut self) -> ExitStatus {
        poll("the service ends", || self.process.try_wait().unwrap())
    }

    fn get(&self, path: &str) -> String {
        let listening = wait_for_line(&self.log, "ops server listening");
        let mut stream = TcpStream::connect(listening["address"].as_str().unwrap()).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

fn poll<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(started.elapsed() < PATIENCE, "not seen in time: {what}");
        std::thread::sleep(POLL);
    }
}

/// The whole lines of a file so far.
fn lines(log: &Path) -> Vec<Value> {
    let text = fs::read_to_string(log).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

fn wait_for_line(log: &Path, message: &str) -> Value {
    poll(message, || lines(log).into_iter().find(|line| line["message"] == message))
}

#[test]
fn a_request_line_has_the_fields_of_the_structured_logger() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("app.log");
    let mut service = start(log.clone(), &["--rate", "5000", "--duration", "0.5", "--seed", "7"]);
    assert!(service.wait().success());

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
        assert!(start(log.clone(), &flags).wait().success());
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
    service.signal(Signal::HUP);
    wait_for_line(&log, "log file reopened");
    wait_for_line(&log, "prediction completed");
    service.signal(Signal::TERM);
    assert!(service.wait().success());

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
            ("/-/healthy", "healthy\n"),
            ("/-/log-level", "info\n"),
            ("/metrics", "\nprocess_cpu_seconds_total "),
            ("/metrics", "\ninference_service_build_info{version="),
        ] {
            let answer = service.get(path);
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{path}: {answer}");
            assert!(answer.contains(body), "{path}: {answer}");
        }
        poll("ready", || service.get("/-/ready").starts_with("HTTP/1.1 200").then_some(()));
        service.signal(signal);
        assert!(service.wait().success());
        assert_eq!(lines(&service.log).last().unwrap()["message"], "inference service stopping");
    }
}

#[test]
fn a_closed_standard_output_does_not_stop_it() {
    let mut process = command()
        .args(["--rate", "1000", "--duration", "0.3"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(process.stdout.take());
    let mut service = Service { process, log: PathBuf::new() };
    assert!(service.wait().success());
}

#[test]
fn a_log_file_that_cannot_be_opened_is_told_by_name() {
    let output = command().args(["--log.file", "/missing/app.log"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let line: Value = serde_json::from_slice(&output.stdout).unwrap();
    let error = line["error"].as_str().unwrap();
    assert!(error.starts_with("cannot open log file `/missing/app.log`: "), "{error}");
}

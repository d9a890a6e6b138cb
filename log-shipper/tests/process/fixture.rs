//! A log-shipper process with its folder, its receiver, and a writer of numbered lines.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use stack_tests::daemon_process::{DaemonCommand, DaemonProcess, exit_code};
use stack_tests::loki::Receiver;
pub(crate) use stack_tests::patience::PATIENCE;
use stack_tests::patience::wait_until;
use tempfile::TempDir;

/// One test's world.
pub(crate) struct Fixture {
    pub(crate) receiver: Receiver,
    pub(crate) folder: TempDir,
    /// The last one may run; those before it have ended, and keep what they logged.
    shippers: Vec<DaemonProcess>,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("logs")).unwrap();
        Self { receiver: Receiver::local(), folder, shippers: Vec::new() }
    }

    /// A file of the folder with logs.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.folder.path().join("logs").join(name)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The usual configuration; `client` and `job` are further keys, indented by four spaces.
    pub(crate) fn config(&self, client: &str, job: &str) -> String {
        let folder = self.folder.path().display();
        format!(
            "server: {{http_listen_address: 127.0.0.1, http_listen_port: 0}}
positions: {{filename: {folder}/positions.yaml, sync_period: 50ms}}
target_config: {{sync_period: 300ms}}
clients:
  - url: {url}
    batchwait: 50ms
    backoff_config: {{min_period: 20ms, max_period: 100ms, max_retries: 0}}
{client}
scrape_configs:
  - job_name: test
    static_configs:
      - labels: {{job: test, __path__: \"{folder}/logs/*.log\"}}
{job}
",
            url = self.receiver.push_url(),
        )
    }

    /// Starts log-shipper with this configuration.
    pub(crate) fn start(&mut self, config: &str) {
        let path = self.path("promtail.yaml");
        fs::write(&path, config).unwrap();
        let command = shipper(self.folder.path(), [OsStr::new("-config.file"), path.as_os_str()]);
        self.shippers.push(start(&command, self.shippers.len()));
    }

    /// The same, with at most so many open files.
    pub(crate) fn start_with_open_files(&mut self, config: &str, limit: u32) {
        let path = self.path("promtail.yaml");
        fs::write(&path, config).unwrap();
        let mut command = shipper(self.folder.path(), [""; 0]);
        let script = format!(
            "ulimit -n {limit}; exec {} -config.file {}",
            command.binary.display(),
            path.display()
        );
        command.binary = "/bin/sh".into();
        command.args = vec!["-c".into(), script.into()];
        self.shippers.push(start(&command, self.shippers.len()));
    }

    fn shipper(&mut self) -> &mut DaemonProcess {
        self.shippers.last_mut().expect("the test has started one")
    }

    pub(crate) fn peak_memory_bytes(&mut self) -> u64 {
        self.shipper().peak_memory_bytes().expect("it runs")
    }

    /// What log-shipper logged so far, in all its runs.
    pub(crate) fn shipper_log(&self) -> String {
        self.shippers.iter().map(DaemonProcess::output).collect()
    }

    pub(crate) fn wait_for_log(&self, text: &str) {
        wait("a log line", || self.shipper_log().contains(text), || self.shipper_log());
    }

    /// A page of the process.
    pub(crate) fn page(&self, path: &str) -> String {
        let port = || {
            let log = self.shipper_log();
            let (_, rest) = log.rsplit_once("ops server listening\" address=127.0.0.1:")?;
            // a line that is still being written may end within the port
            rest.lines().next().filter(|_| rest.contains('\n'))?.split(' ').next()?.parse().ok()
        };
        wait("the server", || port().is_some(), || self.shipper_log());
        stack_tests::daemon_process::http_get(port().unwrap(), path).unwrap().body
    }

    /// SIGKILL: nothing can be saved any more.
    pub(crate) fn kill(&mut self) {
        assert!(self.shipper().is_running(), "it ended by itself\n{}", self.shipper_log());
        self.shipper().kill();
    }

    /// SIGTERM, and the wait for the end: how it ended.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        assert!(self.shipper().is_running(), "it ended by itself\n{}", self.shipper_log());
        self.shipper().signal(Signal::TERM);
        self.shipper().wait_exit(PATIENCE).expect("SIGTERM ends it")
    }

    /// Waits until the numbers 0 to `end` have arrived, each at least once.
    pub(crate) fn wait_for_all(&self, end: usize) {
        let arrived = self.receiver.wait_for(PATIENCE, |state| state.sequence.count() >= end);
        let (missing, count) =
            self.receiver.with(|state| (state.sequence.missing(end), state.sequence.count()));
        assert!(arrived, "{count} of {end} arrived, missing {missing:?}\n{}", self.shipper_log());
        assert!(missing.is_empty(), "missing {missing:?}");
    }

    pub(crate) fn duplicates(&self) -> u64 {
        self.receiver.with(|state| state.sequence.duplicates)
    }
}

/// How a run ended that nobody stopped.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs the binary with arguments with which it ends by itself.
pub(crate) fn run(arguments: &[&str]) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    let mut process = start(&shipper(folder.path(), arguments), 0);
    let status = process.wait_exit(PATIENCE).unwrap_or_else(|| panic!("{arguments:?}: it runs on"));
    Ended { code: exit_code(status), stdout: process.stdout(), stderr: process.stderr() }
}

/// The same, with this text as its standard input.
pub(crate) fn run_with_input(arguments: &[&str], input: &str) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stdin");
    fs::write(&path, input).unwrap();
    let mut command = shipper(folder.path(), arguments);
    command.stdin = Some(path);
    let mut process = start(&command, 0);
    let status = process.wait_exit(PATIENCE).unwrap_or_else(|| panic!("{arguments:?}: it runs on"));
    Ended { code: exit_code(status), stdout: process.stdout(), stderr: process.stderr() }
}

/// The binary, with an environment of its own.
fn shipper<A: AsRef<OsStr>>(folder: &Path, args: impl IntoIterator<Item = A>) -> DaemonCommand {
    DaemonCommand {
        binary: env!("CARGO_BIN_EXE_log-shipper").into(),
        args: args.into_iter().map(|arg| arg.as_ref().to_owned()).collect(),
        env: BTreeMap::from([("HOSTNAME".to_owned(), "test-node".to_owned())]),
        work_dir: folder.to_path_buf(),
        stdin: None,
    }
}

fn start(command: &DaemonCommand, generation: usize) -> DaemonProcess {
    DaemonProcess::start(command, generation.try_into().unwrap()).unwrap()
}

/// Polls a condition that no event announces.
pub(crate) fn wait(what: &str, condition: impl Fn() -> bool, context: impl Fn() -> String) {
    assert!(wait_until(PATIENCE, condition), "waited in vain for {what}\n{}", context());
}

/// Writes numbered lines in append mode, paced by the clock.
pub(crate) struct Writer {
    path: PathBuf,
    file: File,
    pub(crate) written: usize,
    started: Instant,
    per_second: usize,
}

impl Writer {
    pub(crate) fn new(path: &Path, per_second: usize) -> Self {
        Self {
            path: path.to_path_buf(),
            file: append(path),
            written: 0,
            started: Instant::now(),
            per_second,
        }
    }

    /// Lines up to the pace of `until` since the start, in bursts of a hundredth of a second.
    pub(crate) fn write_until(&mut self, until: Duration) {
        let burst = (self.per_second / 100).max(1);
        while self.started.elapsed() < until {
            let due = self.started.elapsed().as_secs_f64() * self.per_second as f64;
            if self.written as f64 > due {
                std::thread::park_timeout(Duration::from_millis(2));
                continue;
            }
            self.write(burst);
        }
    }

    /// So many lines at once.
    pub(crate) fn write(&mut self, lines: usize) {
        let mut text = String::with_capacity(lines * 100);
        for number in self.written..self.written + lines {
            text.push_str("2026-01-01T00:00:00Z level=info msg=\"a line of a service\" seq=");
            text.push_str(&format!("{number} end\n"));
        }
        self.file.write_all(text.as_bytes()).unwrap();
        self.written += lines;
    }

    /// Goes on in the file that the path names now.
    pub(crate) fn reopen(&mut self) {
        self.file = append(&self.path);
    }

    /// The file, for truncation.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }
}

fn append(path: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(path).unwrap()
}

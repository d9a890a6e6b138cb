//! A log-shipper process with its folder, its receiver, and a writer of numbered lines.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use stack_tests::loki::Receiver;
use tempfile::TempDir;

/// For what happens in a second on an idle machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// One test's world.
pub(crate) struct Fixture {
    pub(crate) receiver: Receiver,
    pub(crate) folder: TempDir,
    shipper: Option<Child>,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("logs")).unwrap();
        Self { receiver: Receiver::local(), folder, shipper: None }
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
        let log =
            OpenOptions::new().create(true).append(true).open(self.path("shipper.log")).unwrap();
        let mut command = shipper();
        command.arg("-config.file").arg(path).stdout(log.try_clone().unwrap()).stderr(log);
        self.shipper = Some(command.spawn().unwrap());
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.shipper.as_ref().unwrap().id()
    }

    /// What log-shipper logged so far.
    pub(crate) fn shipper_log(&self) -> String {
        fs::read_to_string(self.path("shipper.log")).unwrap_or_default()
    }

    pub(crate) fn wait_for_log(&self, text: &str) {
        wait("a log line", || self.shipper_log().contains(text), || self.shipper_log());
    }

    /// A page of the process.
    pub(crate) fn page(&self, path: &str) -> String {
        let port = || {
            let log = self.shipper_log();
            let (_, rest) = log.rsplit_once("ops server listening\" address=127.0.0.1:")?;
            rest.split_whitespace().next()?.parse().ok()
        };
        wait("the server", || port().is_some(), || self.shipper_log());
        stack_tests::daemon_process::http_get(port().unwrap(), path).unwrap().body
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.process_id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// SIGKILL: nothing can be saved any more.
    pub(crate) fn kill(&mut self) {
        self.signal("-KILL");
        self.shipper.take().unwrap().wait().unwrap();
    }

    /// SIGTERM, and the wait for the end: how it ended, and how long that took.
    pub(crate) fn terminate(&mut self) -> (ExitStatus, Duration) {
        self.signal("-TERM");
        let started = Instant::now();
        let mut child = self.shipper.take().unwrap();
        let status = child.wait().unwrap();
        (status, started.elapsed())
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

impl Drop for Fixture {
    fn drop(&mut self) {
        if let Some(mut child) = self.shipper.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The binary, with an environment of its own.
pub(crate) fn shipper() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_log-shipper"));
    command.env_clear().env("HOSTNAME", "test-node").stdin(Stdio::null());
    command
}

/// Polls a condition that no event announces.
pub(crate) fn wait(what: &str, condition: impl Fn() -> bool, context: impl Fn() -> String) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "waited in vain for {what}\n{}", context());
        std::thread::park_timeout(Duration::from_millis(5));
    }
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

//! A running exporter.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use stack_tests::daemon_process::{DaemonCommand, DaemonProcess, HttpAnswer, exit_code, http_get};
use stack_tests::patience::{PATIENCE, await_condition};

/// A folder and the exporter that runs in it.
#[derive(Debug)]
pub(crate) struct Exporter {
    process: DaemonProcess,
    port: u16,
    _folder: tempfile::TempDir,
}

/// The path of a scenario that comes with the exporter.
pub(crate) fn scenario(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(name);
    path.display().to_string()
}

fn command(folder: &Path, arguments: &[&str], env: &[(&str, &str)]) -> DaemonCommand {
    let own = ["--web.listen-address", "127.0.0.1:0"];
    DaemonCommand {
        binary: PathBuf::from(env!("CARGO_BIN_EXE_gpu-exporter")),
        args: own.iter().chain(arguments).map(Into::into).collect(),
        env: env
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect::<BTreeMap<_, _>>(),
        work_dir: folder.to_path_buf(),
        stdin: None,
    }
}

/// Runs it to its end: its exit code and what it wrote.
pub(crate) fn run(arguments: &[&str]) -> (i32, String) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let mut process =
        DaemonProcess::start(&command(folder.path(), arguments, &[]), 0).expect("it starts");
    let status = process.wait_exit(PATIENCE).expect("it ends");
    (exit_code(status), process.output())
}

impl Exporter {
    /// Starts it, and waits until it listens.
    pub(crate) fn start(arguments: &[&str], env: &[(&str, &str)]) -> Self {
        Self::start_in(tempfile::tempdir().expect("a folder can be made"), arguments, env)
    }

    /// The same in a folder that holds something already.
    pub(crate) fn start_in(
        folder: tempfile::TempDir,
        arguments: &[&str],
        env: &[(&str, &str)],
    ) -> Self {
        let mut process =
            DaemonProcess::start(&command(folder.path(), arguments, env), 0).expect("it starts");
        let mut port = None;
        await_condition("the exporter listens", || {
            assert!(process.is_running(), "it ended: {}", process.output());
            port = listening_port(&process.output());
            port.is_some()
        });
        Self { process, port: port.expect("it listens"), _folder: folder }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn log(&self) -> String {
        self.process.output()
    }

    pub(crate) fn get(&self, path: &str) -> HttpAnswer {
        http_get(self.port, path).unwrap_or_else(|error| panic!("{path}: {error}: {}", self.log()))
    }

    /// The page once `/-/ready` says that it is complete.
    pub(crate) fn page(&self) -> String {
        await_condition("the first page is complete", || self.get("/-/ready").status == 200);
        self.get("/metrics").body
    }

    /// Waits until the page has a line that begins like this, and returns it.
    pub(crate) fn await_line(&self, beginning: &str) -> String {
        let mut found = None;
        await_condition(beginning, || {
            let page = self.get("/metrics").body;
            found = page.lines().find(|line| line.starts_with(beginning)).map(str::to_owned);
            found.is_some()
        });
        found.unwrap_or_default()
    }

    /// Asks it to read its file of counters again.
    pub(crate) fn hang_up(&mut self) {
        self.process.signal(Signal::HUP);
    }

    /// Asks it to let go of the driver; the answer, with its head.
    pub(crate) fn post_release(&self, time: &str) -> String {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("it listens");
        write!(stream, "POST /-/release?for={time} HTTP/1.0\r\nContent-Length: 0\r\n\r\n")
            .expect("it takes a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    }

    /// Stops it as Kubernetes does; its exit code.
    pub(crate) fn stop(&mut self) -> i32 {
        self.process.signal(Signal::TERM);
        exit_code(self.process.wait_exit(PATIENCE).expect("it ends"))
    }
}

fn listening_port(log: &str) -> Option<u16> {
    let line = log.lines().find(|line| line.contains("\"ops server listening\""))?;
    let address = line.split("\"address\":\"").nth(1)?.split('"').next()?;
    address.rsplit(':').next()?.parse().ok()
}

/// Samples of a metric on a page, as label text and value.
pub(crate) fn samples<'a>(page: &'a str, metric: &str) -> Vec<(&'a str, f64)> {
    let own = |line: &&str| {
        line.strip_prefix(metric).is_some_and(|rest| rest.starts_with('{') || rest.starts_with(' '))
    };
    page.lines()
        .filter(own)
        .filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            Some((series.strip_prefix(metric)?, value.parse().ok()?))
        })
        .collect()
}

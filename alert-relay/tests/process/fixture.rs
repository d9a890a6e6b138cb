//! A running relay in a folder of its own.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use stack_tests::daemon_process::{DaemonCommand, DaemonProcess, HttpAnswer, exit_code, http_get};
use stack_tests::patience::{PATIENCE, await_condition};

/// A configuration in which one token is accepted.
pub(crate) const CONFIG: &str = "
receive: {bearer_token_files: [token], max_body_bytes: 65536}
destinations: [{name: file, webhook: {url: 'http://localhost/'}}]
routes: [{destinations: [file]}]
";

pub(crate) const TOKEN: &str = "Authorization: Bearer s3cret\r\n";

/// A folder with a configuration, and what runs in it.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) folder: tempfile::TempDir,
    binary: &'static str,
    process: Option<DaemonProcess>,
    port: u16,
    generation: u32,
}

/// A body that a real Alertmanager sent.
pub(crate) fn recording(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/conformance/alertmanager");
    std::fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A webhook with one firing critical alert of this name.
pub(crate) fn webhook(name: &str) -> Vec<u8> {
    format!(
        r#"{{"version":"4","externalURL":"http://am","alerts":[{{"status":"firing",
        "labels":{{"alertname":"{name}","severity":"critical"}},"startsAt":"2026-11-22T05:44:19Z"}}]}}"#
    )
    .into_bytes()
}

const STAND_IN: &str = env!("CARGO_BIN_EXE_storing-relay");

fn command(binary: &str, folder: &Path, arguments: &[&str], env: &[(&str, &str)]) -> DaemonCommand {
    DaemonCommand {
        binary: PathBuf::from(binary),
        args: arguments.iter().map(Into::into).collect(),
        env: env
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect::<BTreeMap<_, _>>(),
        work_dir: folder.to_path_buf(),
        stdin: None,
    }
}

impl Relay {
    /// In a new folder, not started yet.
    pub(crate) fn new() -> Self {
        Self::of(STAND_IN, CONFIG)
    }

    /// The real program with this configuration, ready.
    pub(crate) fn real(config: &str) -> Self {
        let mut relay = Self::of(env!("CARGO_BIN_EXE_alert-relay"), config);
        relay.start(&[]);
        relay
    }

    fn of(binary: &'static str, config: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        std::fs::write(folder.path().join("relay.yml"), config).expect("it can be written");
        std::fs::write(folder.path().join("token"), "s3cret\n").expect("it can be written");
        std::fs::write(folder.path().join("key"), "k".repeat(32)).expect("it can be written");
        Self { folder, binary, process: None, port: 0, generation: 0 }
    }

    /// In a new folder, ready.
    pub(crate) fn started() -> Self {
        let mut relay = Self::new();
        relay.start(&[]);
        relay
    }

    /// Starts it, and waits until it is ready.
    pub(crate) fn start(&mut self, env: &[(&str, &str)]) {
        self.spawn(env);
        self.await_listening();
        await_condition("the relay is ready", || {
            http_get(self.port, "/-/ready").is_ok_and(|answer| answer.status == 200)
        });
    }

    fn spawn(&mut self, env: &[(&str, &str)]) {
        self.generation += 1;
        let arguments = ["--config.file", "relay.yml", "--web.listen-address", "127.0.0.1:0"];
        let command = command(self.binary, self.folder.path(), &arguments, env);
        self.process = Some(DaemonProcess::start(&command, self.generation).expect("it starts"));
    }

    fn await_listening(&mut self) {
        let process = self.process.as_mut().expect("it was started");
        await_condition("the relay listens", || {
            assert!(process.is_running(), "it ended: {}", process.output());
            let log = process.output();
            let line = log.lines().find(|line| line.contains("\"ops server listening\""));
            let port = line.and_then(|line| line.split("\"address\":\"127.0.0.1:").nth(1));
            let port = port.and_then(|rest| rest.split('"').next()?.parse().ok());
            self.port = port.unwrap_or(0);
            self.port != 0
        });
    }

    /// Starts it without waiting for its readiness.
    pub(crate) fn start_unready(&mut self) {
        self.spawn(&[]);
        self.await_listening();
    }

    /// Runs a command to its end: its exit code and what it wrote.
    pub(crate) fn run(&mut self, arguments: &[&str]) -> (i32, String) {
        self.generation += 1;
        let command = command(self.binary, self.folder.path(), arguments, &[]);
        let mut process = DaemonProcess::start(&command, self.generation).expect("it starts");
        let status = process.wait_exit(PATIENCE).expect("it ends");
        (exit_code(status), process.output())
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn get(&self, path: &str) -> HttpAnswer {
        http_get(self.port, path).unwrap_or_else(|error| panic!("{path}: {error}: {}", self.log()))
    }

    /// Posts a body; the status, or why there is none.
    pub(crate) fn post(&self, path: &str, more: &str, body: &[u8]) -> io::Result<u16> {
        self.post_of_length(path, more, body, body.len())
    }

    /// The same with a length that need not be the body's.
    pub(crate) fn post_of_length(
        &self,
        path: &str,
        more: &str,
        body: &[u8],
        length: usize,
    ) -> io::Result<u16> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let head = format!("POST {path} HTTP/1.0\r\n{more}Content-Length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        if length > body.len() {
            stream.shutdown(std::net::Shutdown::Write)?;
        }
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let status = answer.get(9..12).and_then(|status| status.parse().ok());
        status.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// Posts an alert as Alertmanager would.
    pub(crate) fn alert(&self, name: &str) -> io::Result<u16> {
        self.post("/v1/alertmanager", TOKEN, &webhook(name))
    }

    pub(crate) fn log(&self) -> String {
        self.process.as_ref().map(DaemonProcess::output).unwrap_or_default()
    }

    /// Lines of a file in the folder.
    pub(crate) fn lines(&self, name: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Ends it as the kernel does when memory is short.
    pub(crate) fn kill(&mut self) {
        self.process.as_mut().expect("it was started").kill();
    }

    pub(crate) fn await_end(&mut self) -> i32 {
        let process = self.process.as_mut().expect("it was started");
        exit_code(process.wait_exit(PATIENCE).expect("it ends"))
    }

    pub(crate) fn signal(&mut self, signal: Signal) {
        self.process.as_mut().expect("it was started").signal(signal);
    }

    /// Stops it as Kubernetes does; its exit code.
    pub(crate) fn stop(&mut self) -> i32 {
        self.signal(Signal::TERM);
        self.await_end()
    }

    /// Everything in the journal, as lines of JSON.
    pub(crate) fn dump(&mut self) -> String {
        let (code, text) = self.run(&["journal", "dump"]);
        assert_eq!(code, 0, "{text}");
        text
    }
}

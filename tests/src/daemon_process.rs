//! A real binary under test: started with a clean environment, signalled, waited for, and gone when
//! the test is.
//!
//! Output goes to files, never to pipes: a pipe that nobody empties stops the process under test.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::patience::wait_until;

/// What to start, and where its output goes.
#[derive(Debug, Clone)]
pub struct DaemonCommand {
    /// The binary.
    pub binary: PathBuf,
    /// Its arguments, without the binary's name.
    pub args: Vec<OsString>,
    /// Its whole environment: nothing is inherited.
    pub env: BTreeMap<String, String>,
    /// Its working directory; `stdout-N` and `stderr-N` are written there.
    pub work_dir: PathBuf,
    /// Standard input; empty if absent.
    pub stdin: Option<PathBuf>,
}

/// Why a process could not be started or asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// The binary cannot be run.
    #[error("cannot start {}", binary.display())]
    Start {
        /// The binary.
        binary: PathBuf,
        /// What the system says.
        #[source]
        cause: io::Error,
    },
    /// A file for its input or output cannot be opened.
    #[error("cannot open {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        cause: io::Error,
    },
}

/// A running (or ended) process; killed on drop.
#[derive(Debug)]
pub struct DaemonProcess {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
    exit: Option<ExitStatus>,
}

impl DaemonProcess {
    /// Starts `command`; `generation` numbers the output files, so that a restart keeps the first
    /// run's output.
    ///
    /// # Errors
    ///
    /// [`ProcessError`] when a file cannot be opened or the binary cannot be run.
    pub fn start(command: &DaemonCommand, generation: u32) -> Result<Self, ProcessError> {
        let stdout = command.work_dir.join(format!("stdout-{generation}"));
        let stderr = command.work_dir.join(format!("stderr-{generation}"));
        let create = |path: &Path| {
            File::create(path)
                .map_err(|cause| ProcessError::Open { path: path.to_path_buf(), cause })
        };
        let stdin = match &command.stdin {
            None => Stdio::null(),
            Some(path) => File::open(path)
                .map_err(|cause| ProcessError::Open { path: path.clone(), cause })?
                .into(),
        };
        let child = Command::new(&command.binary)
            .args(&command.args)
            .env_clear()
            .envs(&command.env)
            .current_dir(&command.work_dir)
            .stdin(stdin)
            .stdout(create(&stdout)?)
            .stderr(create(&stderr)?)
            .spawn()
            .map_err(|cause| ProcessError::Start { binary: command.binary.clone(), cause })?;
        Ok(Self { child, stdout, stderr, exit: None })
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its exit status, if it has ended.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        if self.exit.is_none() {
            self.exit = self.child.try_wait().ok().flatten();
        }
        self.exit
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.exit_status().is_none()
    }

    /// Sends `signal`; nothing happens if the process has ended.
    pub fn signal(&mut self, signal: Signal) {
        if self.is_running()
            && let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
        {
            // Until it has been waited for, the id cannot belong to another process.
            let _ = kill_process(pid, signal);
        }
    }

    /// Waits for its end; `None` if it still runs after `limit`.
    pub fn wait_exit(&mut self, limit: Duration) -> Option<ExitStatus> {
        wait_until(limit, || self.exit_status().is_some());
        self.exit
    }

    /// Kills it and waits until it is gone.
    pub fn kill(&mut self) {
        if self.is_running() {
            let _ = self.child.kill();
            self.exit = self.child.wait().ok();
        }
    }

    /// What it has written to standard output so far; not UTF-8 is replaced.
    pub fn stdout(&self) -> String {
        read_lossy(&self.stdout)
    }

    /// What it has written to standard error so far; not UTF-8 is replaced.
    pub fn stderr(&self) -> String {
        read_lossy(&self.stderr)
    }

    /// Both outputs, for messages and for searching a log line wherever it went.
    pub fn output(&self) -> String {
        format!("{}{}", self.stdout(), self.stderr())
    }

    /// Largest resident size so far, in bytes (`VmHWM`); `None` once it has ended.
    pub fn peak_memory_bytes(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
    }
}

impl Drop for DaemonProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

fn read_lossy(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}

/// The exit code as a shell-independent number: 0-255, or minus the signal that ended it.
pub fn exit_code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| -status.signal().unwrap_or_default())
}

/// A TCP port that was free a moment ago, not handed out twice by this process and below the range
/// that outgoing connections take theirs from.
///
/// # Panics
///
/// When no port between 20000 and 32000 is free.
pub fn free_port() -> u16 {
    static TAKEN: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 12_000;
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    // Test processes that run at the same time start at different places.
    let start = u16::try_from(std::process::id().wrapping_mul(7919) % u32::from(COUNT))
        .expect("a remainder of 12000 fits");
    (0..COUNT)
        .map(|step| FIRST + (start + step) % COUNT)
        .find(|&port| {
            !taken.contains(&port)
                && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
                && taken.insert(port)
        })
        .expect("one of 12000 ports is free")
}

/// An HTTP answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpAnswer {
    /// Status code.
    pub status: u16,
    /// The body; not UTF-8 is replaced.
    pub body: String,
}

/// `GET http://127.0.0.1:port/path`, at most 5 s per step.
///
/// # Errors
///
/// When there is no connection, or the answer is cut off or no HTTP.
pub fn http_get(port: u16, path: &str) -> io::Result<HttpAnswer> {
    // HTTP/1.0: the server neither keeps the connection nor sends chunks.
    let head =
        format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nAccept: text/plain\r\n\r\n");
    http_ask(port, &head)
}

/// The same from a server that answers with JSON alone.
///
/// # Errors
/// As [`http_get`].
pub fn http_get_json(port: u16, path: &str) -> io::Result<HttpAnswer> {
    http_ask(port, &format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n"))
}

/// The same with JSON to post.
///
/// # Errors
/// As [`http_get`].
pub fn http_post(port: u16, path: &str, json: &str) -> io::Result<HttpAnswer> {
    let length = json.len();
    http_ask(
        port,
        &format!(
            "POST {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{json}"
        ),
    )
}

fn http_ask(port: u16, request: &str) -> io::Result<HttpAnswer> {
    let limit = Some(Duration::from_secs(5));
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(limit)?;
    stream.set_write_timeout(limit)?;
    stream.write_all(request.as_bytes())?;
    let mut raw = Vec::new();
    stream.read_to_end(&mut raw)?;
    parse_answer(&raw).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no HTTP answer"))
}

fn parse_answer(raw: &[u8]) -> Option<HttpAnswer> {
    let text = String::from_utf8_lossy(raw);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    Some(HttpAnswer { status, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patience::{PATIENCE, await_condition};

    fn shell(dir: &Path, script: &str) -> DaemonCommand {
        DaemonCommand {
            binary: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            env: BTreeMap::from([("ONLY".to_owned(), "this".to_owned())]),
            work_dir: dir.to_path_buf(),
            stdin: None,
        }
    }

    #[test]
    fn the_environment_is_only_what_was_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let mut process =
            DaemonProcess::start(&shell(dir.path(), "echo $ONLY-$HOME; exit 3"), 1).unwrap();
        assert_eq!(process.wait_exit(PATIENCE).map(exit_code), Some(3));
        assert_eq!(process.stdout(), "this-\n");
    }

    #[test]
    fn a_signal_ends_the_process_and_is_its_negative_exit_code() {
        let dir = tempfile::tempdir().unwrap();
        let mut process =
            DaemonProcess::start(&shell(dir.path(), "while :; do :; done"), 1).unwrap();
        process.signal(Signal::TERM);
        assert_eq!(process.wait_exit(PATIENCE).map(exit_code), Some(-15));
    }

    #[test]
    fn dropping_kills() {
        let dir = tempfile::tempdir().unwrap();
        let process = DaemonProcess::start(&shell(dir.path(), "while :; do :; done"), 1).unwrap();
        let proc_dir = PathBuf::from(format!("/proc/{}", process.id()));
        assert!(process.peak_memory_bytes().is_some_and(|bytes| bytes > 0));
        drop(process);
        await_condition("the process is gone", || !proc_dir.try_exists().unwrap());
    }

    #[test]
    fn ports_are_not_handed_out_twice() {
        assert_ne!(free_port(), free_port());
    }

    #[test]
    fn an_answer_is_split_into_status_and_body() {
        let answer = parse_answer(b"HTTP/1.0 404 Not Found\r\nA: b\r\n\r\nno\r\n\r\nno").unwrap();
        assert_eq!(answer, HttpAnswer { status: 404, body: "no\r\n\r\nno".to_owned() });
        assert_eq!(parse_answer(b"garbage"), None);
    }
}

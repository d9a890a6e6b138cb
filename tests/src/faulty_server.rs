//! An HTTP server for the fakes of services, and what it does wrong when a test says so.
//!
//! A fault is told apart by whether the request was processed: only then may the same request, sent
//! again, show twice.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::shared_state;

/// A longer body is no test's.
const MAX_BODY: usize = 4 << 20;

/// What goes wrong with one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// This status, `Retry-After` in seconds, and body. Nothing was processed.
    Status(u16, Option<u32>, String),
    /// The connection is closed before the request is read.
    CloseEarly,
    /// It was processed, and the connection is closed without an answer.
    CloseLate,
    /// It was processed, and half of the answer arrives.
    Truncated,
    /// It was processed, and answered so late.
    Late(Duration),
    /// It was processed, and a proxy answers with its page.
    Html,
}

impl Fault {
    /// A status without a body.
    pub fn status(status: u16) -> Self {
        Self::Status(status, None, String::new())
    }

    /// Status 200 with a body.
    pub fn body(text: &str) -> Self {
        Self::Status(200, None, text.to_owned())
    }
}

/// A request as it came.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// With its query.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

impl Request {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<u32>,
    pub(crate) media_type: &'static str,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(status: u16, body: &serde_json::Value) -> Self {
        Self { status, retry_after: None, media_type: "application/json", body: body.to_string() }
    }

    pub(crate) fn text(status: u16, body: &str) -> Self {
        Self { status, retry_after: None, media_type: "text/plain", body: body.to_owned() }
    }
}

/// A service.
pub(crate) trait Service: Default + Send + 'static {
    fn answer(&mut self, request: &Request, now: Instant) -> Answer;
}

#[derive(Debug, Default)]
struct State<S> {
    service: S,
    faults: VecDeque<Fault>,
    standing: Option<Fault>,
    requests: Vec<Request>,
    is_over: bool,
}

type Shared<S> = shared_state::Shared<State<S>, TcpStream>;

/// A running server; gone when it is dropped.
#[derive(Debug)]
pub(crate) struct Server<S> {
    address: SocketAddr,
    shared: Arc<Shared<S>>,
    accepting: Option<JoinHandle<()>>,
}

impl<S: Service> Server<S> {
    /// On a free port of the loopback interface.
    pub(crate) fn local() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::new(Shared::default());
        let accepting = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || accept(&listener, &shared)
        });
        Self { address, shared, accepting: Some(accepting) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Happens to the next requests, one each, before the standing one.
    pub(crate) fn script(&self, faults: impl IntoIterator<Item = Fault>) {
        self.shared.change(|state| state.faults.extend(faults));
    }

    pub(crate) fn set_fault(&self, fault: Option<Fault>) {
        self.shared.change(|state| state.standing = fault);
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.state().requests.clone()
    }

    pub(crate) fn look<T>(&self, look: impl FnOnce(&S) -> T) -> T {
        look(&self.shared.state().service)
    }

    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut S) -> T) -> T {
        self.shared.change(|state| change(&mut state.service))
    }

    /// Waits until a condition holds; whether it did within the time.
    pub(crate) fn wait_for(&self, patience: Duration, condition: impl Fn(&S) -> bool) -> bool {
        let state = self.shared.state();
        let waited = self
            .shared
            .changed
            .wait_timeout_while(state, patience, |state| !condition(&state.service));
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

impl<S> Drop for Server<S> {
    fn drop(&mut self) {
        self.shared.change(|state| state.is_over = true);
        // wakes the accepting thread
        let _ = TcpStream::connect(self.address);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
        for connection in self.shared.connections().drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

fn accept<S: Service>(listener: &TcpListener, shared: &Arc<Shared<S>>) {
    for stream in listener.incoming().map_while(Result::ok) {
        if shared.state().is_over {
            return;
        }
        let Ok(copy) = stream.try_clone() else { continue };
        shared.connections().push(copy);
        let shared = Arc::clone(shared);
        // It ends with its connection, which the drop closes.
        std::thread::spawn(move || {
            let _ = converse(&shared, &stream);
            let _ = stream.shutdown(Shutdown::Both);
        });
    }
}

fn converse<S: Service>(shared: &Shared<S>, stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    let mut out = stream;
    loop {
        // a byte of a request, so that a fault is not spent on an idle connection
        if reader.fill_buf()?.is_empty() {
            return Ok(());
        }
        let fault = shared.change(|state| {
            let next = state.faults.pop_front();
            next.or_else(|| state.standing.clone())
        });
        if fault == Some(Fault::CloseEarly) {
            return Ok(());
        }
        let Some(request) = read_request(&mut reader)? else { return Ok(()) };
        let answer = shared.change(|state| {
            state.requests.push(request.clone());
            match &fault {
                Some(Fault::Status(status, retry_after, body)) => {
                    let answer = Answer::text(*status, body);
                    Answer { retry_after: *retry_after, ..answer }
                }
                _ => state.service.answer(&request, Instant::now()),
            }
        });
        match fault {
            Some(Fault::CloseLate) => return Ok(()),
            Some(Fault::Late(pause)) => wait(shared, pause),
            _ => {}
        }
        let is_truncated = fault == Some(Fault::Truncated);
        let answer = if fault == Some(Fault::Html) {
            let body = "<html><body>Please log in</body></html>".to_owned();
            Answer { status: 200, retry_after: None, media_type: "text/html", body }
        } else {
            answer
        };
        let retry_after = answer.retry_after.map(|seconds| format!("Retry-After: {seconds}\r\n"));
        write!(
            out,
            "HTTP/1.1 {} Status\r\nContent-Type: {}\r\n{}Content-Length: {}\r\n\r\n",
            answer.status,
            answer.media_type,
            retry_after.unwrap_or_default(),
            answer.body.len()
        )?;
        if is_truncated {
            return out.write_all(&answer.body.as_bytes()[..answer.body.len() / 2]);
        }
        out.write_all(answer.body.as_bytes())?;
    }
}

/// This long, or until the server ends.
fn wait<S>(shared: &Shared<S>, pause: Duration) {
    let state = shared.state();
    let _ = shared.changed.wait_timeout_while(state, pause, |state| !state.is_over);
}

/// `None` at the end of the connection.
fn read_request(reader: &mut impl BufRead) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut request = Request { path, ..Request::default() };
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        request.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = request.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    if length > MAX_BODY {
        return Err(io::ErrorKind::InvalidData.into());
    }
    reader.take(length as u64).read_to_end(&mut request.body)?;
    Ok((request.body.len() == length).then_some(request))
}

/// So many requests in so long, counted over a sliding window.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    most: usize,
    within: Duration,
    seen: VecDeque<Instant>,
}

impl Window {
    pub(crate) fn new(most: usize, within: Duration) -> Self {
        Self { most, within, seen: VecDeque::new() }
    }

    /// Whether one more is too many; after how many seconds it would not be.
    pub(crate) fn exceeded(&mut self, now: Instant) -> Option<u32> {
        while self.seen.front().is_some_and(|at| now.saturating_duration_since(*at) >= self.within)
        {
            self.seen.pop_front();
        }
        if self.seen.len() < self.most {
            self.seen.push_back(now);
            return None;
        }
        let free = self.seen.front().map_or(now, |at| *at + self.within);
        let seconds = free.saturating_duration_since(now).as_secs_f64().ceil();
        Some(if seconds < 1.0 { 1 } else { format!("{seconds:.0}").parse().unwrap_or(1) })
    }
}

/// So many requests at once, and one more after each pause.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    burst: u32,
    pause: Duration,
    empty_at: Option<Instant>,
}

impl Pace {
    pub(crate) fn new(burst: u32, pause: Duration) -> Self {
        Self { burst, pause, empty_at: None }
    }

    /// Whether one more is too many.
    pub(crate) fn exceeded(&mut self, now: Instant) -> bool {
        let full = now.checked_sub(self.pause * self.burst).unwrap_or(now);
        let empty_at = self.empty_at.unwrap_or(full).max(full) + self.pause;
        if empty_at > now {
            return true;
        }
        self.empty_at = Some(empty_at);
        false
    }
}

/// A request for tests of the fakes: status and body of its answer.
#[cfg(test)]
pub(crate) fn post(url: &str, headers: &[(&str, &str)], body: &str) -> io::Result<(u16, String)> {
    let rest = url.strip_prefix("http://").unwrap_or(url);
    let (address, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut stream = TcpStream::connect(address)?;
    let mut head = format!("POST /{path} HTTP/1.1\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        head = format!("{head}{name}: {value}\r\n");
    }
    stream.write_all(format!("{head}\r\n{body}").as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.split(' ').nth(1).and_then(|text| text.parse().ok());
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    status.zip(body).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

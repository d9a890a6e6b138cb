//! A Loki push endpoint on 127.0.0.1 that remembers who sent what, and a Kubernetes API beside it.
//!
//! Unlike [`crate::loki`] it tells clients apart and keeps everything as it came: no limits, no
//! tenants by default. An answer is decided before a body is decoded, and only an accepted body is
//! recorded: what was sent into an outage must not count as delivered.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, BufReader, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use prometheus_model::label_set::LabelSet;

use super::http_exchange::{Request, read_request, write_answer};
use super::kubernetes::{Kubernetes, KubernetesAnswer};
use crate::loki::decode::{Body, PushedStream};

/// Path of the push endpoint.
const PUSH_PATH: &str = "/loki/api/v1/push";

/// Conditions may also depend on a process, which nobody signals: look again this often.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// What a sink does beyond accepting everything.
#[derive(Debug, Default)]
pub(super) struct SinkOptions {
    /// Statuses of the first pushes; afterwards 204.
    pub(super) script: Vec<u16>,
    /// Request headers to remember, under the names given here.
    pub(super) record_headers: Vec<String>,
    /// Objects of a Kubernetes API to serve beside.
    pub(super) kubernetes: Option<Kubernetes>,
}

/// An accepted entry.
#[derive(Debug, Clone)]
pub(super) struct SunkEntry {
    /// `?client=` of the push URL.
    pub(super) client: String,
    /// `X-Scope-OrgID`.
    pub(super) tenant: Option<String>,
    /// Labels of its stream.
    pub(super) labels: Arc<LabelSet>,
    /// Nanoseconds since 1970.
    pub(super) timestamp_ns: i64,
    /// The line.
    pub(super) line: Vec<u8>,
    /// Structured metadata, as sent.
    pub(super) metadata: Vec<(String, String)>,
}

/// Header values by client and name.
pub(super) type SeenHeaders = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// What has come so far.
#[derive(Debug)]
pub(super) struct SinkState {
    script: VecDeque<u16>,
    kubernetes: Option<Kubernetes>,
    /// Accepted entries, in order of arrival.
    pub(super) entries: Vec<SunkEntry>,
    /// Entries per accepted push.
    pub(super) batches: Vec<usize>,
    /// Pushes, accepted or not.
    pub(super) requests: usize,
    /// Values of the headers to remember.
    pub(super) headers: SeenHeaders,
    /// What no shipper should do: unknown paths, undecodable bodies.
    pub(super) errors: Vec<String>,
    /// When the last push came, or the sink was started.
    pub(super) last_push: Instant,
}

impl SinkState {
    /// Requests to the Kubernetes API, if there is one.
    pub(super) fn kubernetes_requests(&self) -> Option<serde_json::Value> {
        self.kubernetes.as_ref().map(Kubernetes::requests)
    }
}

#[derive(Debug)]
struct Shared {
    state: Mutex<SinkState>,
    changed: Condvar,
    closing: AtomicBool,
    connections: Mutex<Vec<TcpStream>>,
    record_headers: Vec<String>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, SinkState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connections(&self) -> MutexGuard<'_, Vec<TcpStream>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running sink; closed on drop.
#[derive(Debug)]
pub(super) struct Sink {
    shared: Arc<Shared>,
    port: u16,
    accepting: Option<JoinHandle<()>>,
}

impl Sink {
    /// Listens on a port of the system's choice.
    ///
    /// # Errors
    ///
    /// When there is no port or no thread to be had.
    pub(super) fn start(options: SinkOptions) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            state: Mutex::new(SinkState {
                script: options.script.into(),
                kubernetes: options.kubernetes,
                entries: Vec::new(),
                batches: Vec::new(),
                requests: 0,
                headers: SeenHeaders::new(),
                errors: Vec::new(),
                last_push: Instant::now(),
            }),
            changed: Condvar::new(),
            closing: AtomicBool::new(false),
            connections: Mutex::default(),
            record_headers: options.record_headers,
        });
        let accepting = {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new().name("sink".into()).spawn(move || {
                for stream in listener.incoming().map_while(Result::ok) {
                    if shared.closing.load(Ordering::SeqCst) {
                        break;
                    }
                    serve_in_background(&shared, stream);
                }
            })?
        };
        Ok(Self { shared, port, accepting: Some(accepting) })
    }

    /// The port on 127.0.0.1.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Looks at what has come so far.
    pub(super) fn read<T>(&self, look: impl FnOnce(&SinkState) -> T) -> T {
        look(&self.shared.state())
    }

    /// Waits until `condition` holds; false if it did not within `limit`.
    pub(super) fn wait(
        &self,
        limit: Duration,
        mut condition: impl FnMut(&SinkState) -> bool,
    ) -> bool {
        let end = Instant::now() + limit;
        let mut state = self.shared.state();
        loop {
            if condition(&state) {
                return true;
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.shared.changed.wait_timeout(state, left.min(LOOK_AGAIN));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        // Wakes the accepting thread, which then sees the flag.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
        for connection in self.shared.connections().drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

/// Serves one connection on a thread of its own, which ends with the connection.
fn serve_in_background(shared: &Arc<Shared>, stream: TcpStream) {
    let Ok(copy) = stream.try_clone() else { return };
    shared.connections().push(copy);
    let owned = Arc::clone(shared);
    let serving = std::thread::Builder::new().name("sink-connection".into()).spawn(move || {
        // A broken connection is the client's affair: it will push again.
        let _ = serve(&owned, &stream);
        let _ = stream.shutdown(Shutdown::Both);
    });
    if let Err(error) = serving {
        shared.state().errors.push(format!("no thread for a connection: {error}"));
    }
}

fn serve(shared: &Shared, stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::with_capacity(64 * 1024, stream);
    let mut writer = stream;
    while let Some(request) = read_request(&mut reader)? {
        let is_push = request.path == PUSH_PATH && request.method == "POST";
        if !is_push {
            answer_other(shared, &request, &mut writer)?;
            continue;
        }
        match receive_push(shared, &request) {
            204 => write_answer(&mut writer, 204, &[], b"")?,
            status => write_answer(&mut writer, status, &[], b"scripted answer\n")?,
        }
    }
    Ok(())
}

fn answer_other(shared: &Shared, request: &Request, to: &mut impl Write) -> io::Result<()> {
    let mut state = shared.state();
    let json = [("Content-Type", "application/json")];
    match &mut state.kubernetes {
        Some(kubernetes) if request.method == "GET" => match kubernetes.answer(request) {
            KubernetesAnswer::Json { status, body } => {
                drop(state);
                write_answer(to, status, &json, body.to_string().as_bytes())
            }
            KubernetesAnswer::SilentWatch => {
                drop(state);
                // The connection stays open and silent: the client's next move is to close it.
                to.write_all(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
                      Transfer-Encoding: chunked\r\n\r\n",
                )
            }
        },
        _ => {
            if request.method != "GET" {
                state.errors.push(format!("{} to {}", request.method, request.path));
                shared.changed.notify_all();
            }
            drop(state);
            write_answer(to, 404, &[], b"")
        }
    }
}

/// Decides the answer, and records the entries of an accepted push before it is given.
fn receive_push(shared: &Shared, request: &Request) -> u16 {
    let client = request.parameter("client").unwrap_or_default().to_owned();
    let status = {
        let mut state = shared.state();
        state.requests += 1;
        state.last_push = Instant::now();
        for name in &shared.record_headers {
            if let Some(value) = request.header(&name.to_ascii_lowercase()) {
                let seen = state.headers.entry(client.clone()).or_default();
                seen.entry(name.clone()).or_default().insert(value.to_owned());
            }
        }
        let status = state.script.pop_front().unwrap_or(204);
        shared.changed.notify_all();
        status
    };
    if status / 100 != 2 {
        return status;
    }
    let header = |name| request.header(name).unwrap_or_default();
    // decoded before the state is locked: nobody waits for that
    let body = Body::decompress(header("content-type"), header("content-encoding"), &request.body);
    let streams = body.as_ref().map_err(Clone::clone).and_then(Body::streams);
    let mut state = shared.state();
    let status = match streams {
        Ok(streams) => {
            let tenant = request.header("x-scope-orgid").map(str::to_owned);
            record(&mut state, streams, &client, tenant.as_ref());
            status
        }
        Err(error) => {
            state.errors.push(format!("undecodable push: {error}"));
            400
        }
    };
    state.last_push = Instant::now();
    shared.changed.notify_all();
    status
}

fn record(
    state: &mut SinkState,
    streams: Vec<PushedStream<'_>>,
    client: &str,
    tenant: Option<&String>,
) {
    let mut count = 0;
    for (labels, entries) in streams {
        let labels = Arc::new(labels);
        for entry in entries {
            count += 1;
            state.entries.push(SunkEntry {
                client: client.to_owned(),
                tenant: tenant.cloned(),
                labels: Arc::clone(&labels),
                timestamp_ns: entry.timestamp_ns,
                line: entry.line.into_owned(),
                metadata: entry.metadata,
            });
        }
    }
    state.batches.push(count);
}

#[cfg(test)]
mod tests;

//! The kubelet's gRPC APIs on a Unix socket: `PodResourcesLister/List` and `Pods/ListPods`, with
//! faults on demand.
//!
//! It speaks HTTP/2 with flow control and trailers, as the real one does, so that a client's reading
//! of large replies and of errors is tried, not assumed.

mod pod;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use self::pod::{Container, Pod};

/// How requests are answered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Answers {
    /// As they should be.
    #[default]
    Pods,
    /// Not at all, until that changes.
    Nothing,
    /// With a gRPC status that is an error, and without a message.
    Status(u32),
    /// With the whole message, and then with this status.
    StatusAfterPods(u32),
    /// With these bytes for a body, prefix included, and status 0.
    Body(Vec<u8>),
    /// With the first so many bytes of the body; then the connection ends.
    CutOff(usize),
}

#[derive(Debug)]
struct Shared {
    pods: Mutex<Vec<Pod>>,
    /// Packages of the Pods API that exist, as in `v1alpha1`.
    pods_api: Mutex<Vec<String>>,
    answers: watch::Sender<Answers>,
    calls: Mutex<Vec<String>>,
    connections: Mutex<usize>,
}

/// A running kubelet; gone when it is dropped.
#[derive(Debug)]
pub struct Kubelet {
    socket: PathBuf,
    shared: Arc<Shared>,
    running: Option<(CancellationToken, JoinHandle<()>)>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Kubelet {
    /// Listens on a socket of this path.
    ///
    /// # Panics
    /// There cannot be one.
    pub fn start(socket: impl Into<PathBuf>) -> Self {
        let shared = Arc::new(Shared {
            pods: Mutex::default(),
            pods_api: Mutex::default(),
            answers: watch::Sender::default(),
            calls: Mutex::default(),
            connections: Mutex::default(),
        });
        let mut kubelet = Self { socket: socket.into(), shared, running: None };
        kubelet.start_again();
        kubelet
    }

    /// The socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// What runs on the node from now on.
    pub fn set_pods(&self, pods: Vec<Pod>) {
        *lock(&self.shared.pods) = pods;
    }

    /// Adds pods without GPUs, of the size that they have in practice.
    pub fn add_others(&self, count: usize) {
        let others = (0..count).map(|number| {
            let container = Container::new("application-container")
                .device("example.com/network", &["0000:3b:02.1", "0000:3b:02.2"])
                .device("example.com/storage", &["volume-0123456789abcdef", "0"]);
            let sidecar = Container::new("sidecar-proxy-container");
            Pod::new("namespace-of-a-team", &format!("deployment-{number:06}-7d4b9c6f5-x2x7q"))
                .container(container)
                .container(sidecar)
        });
        lock(&self.shared.pods).extend(others);
    }

    /// Serves the Pods API under this package, for example `v1alpha1`; it is absent before.
    pub fn serve_pods_api(&self, package: &str) {
        lock(&self.shared.pods_api).push(package.to_owned());
    }

    /// How requests are answered from now on.
    pub fn answer(&self, answers: Answers) {
        self.shared.answers.send_replace(answers);
    }

    /// The paths that were called since the last look.
    pub fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.shared.calls))
    }

    /// How many calls there were since the last look.
    pub fn calls(&self) -> usize {
        lock(&self.shared.calls).len()
    }

    /// How many connections were made so far.
    pub fn connections(&self) -> usize {
        *lock(&self.shared.connections)
    }

    /// Closes all connections and removes the socket.
    pub fn stop(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            stop.cancel();
            let _ = thread.join();
            let _ = std::fs::remove_file(&self.socket);
        }
    }

    /// Listens again.
    ///
    /// # Panics
    /// The socket cannot be made.
    pub fn start_again(&mut self) {
        self.stop();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be made");
        let guard = runtime.enter();
        let listener = UnixListener::bind(&self.socket).expect("a socket can be made");
        drop(guard);
        let (stop, shared) = (CancellationToken::new(), Arc::clone(&self.shared));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = stopped.cancelled() => {}
                    _ = accept(&listener, &shared) => {}
                }
            });
        });
        self.running = Some((stop, thread));
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn accept(listener: &UnixListener, shared: &Arc<Shared>) -> io::Result<()> {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        *lock(&shared.connections) += 1;
        connections.spawn(converse(stream, Arc::clone(shared)));
    }
}

async fn converse(stream: UnixStream, shared: Arc<Shared>) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    let mut requests = JoinSet::new();
    let broken = CancellationToken::new();
    loop {
        let accepted = tokio::select! {
            accepted = connection.accept() => accepted,
            () = broken.cancelled() => return,
        };
        let Some(Ok((request, respond))) = accepted else { return };
        let (shared, broken) = (Arc::clone(&shared), broken.clone());
        requests.spawn(async move {
            // a client that has gone away is not this side's error
            let _ = answer(&shared, &broken, request, respond).await;
        });
    }
}

async fn answer(
    shared: &Shared,
    broken: &CancellationToken,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) -> Result<(), h2::Error> {
    let path = request.uri().path().to_owned();
    lock(&shared.calls).push(path.clone());
    let mut answers = shared.answers.subscribe();
    let current = answers.wait_for(|answers| *answers != Answers::Nothing).await;
    let answers = current.map(|current| current.clone()).unwrap_or_default();
    let head = Response::builder().header("content-type", "application/grpc");
    let message = if let Answers::Status(code) = answers { Err(code) } else { shared.reply(&path) };
    let message = match message {
        Ok(message) => message,
        Err(code) => {
            let head = head.header("grpc-status", code).header("grpc-message", "as was asked for");
            respond.send_response(head.body(()).expect("valid headers"), true)?;
            return Ok(());
        }
    };
    let mut stream = respond.send_response(head.body(()).expect("valid headers"), false)?;
    let length = u32::try_from(message.len()).expect("below 4 GiB");
    let mut body = [&[0], length.to_be_bytes().as_slice(), &message].concat();
    match &answers {
        Answers::Body(bytes) => body.clone_from(bytes),
        Answers::CutOff(at) => body.truncate(*at),
        _ => {}
    }
    let mut body = Bytes::from(body);
    while !body.is_empty() {
        stream.reserve_capacity(body.len());
        let capacity = std::future::poll_fn(|context| stream.poll_capacity(context)).await;
        let Some(capacity) = capacity.transpose()? else { return Ok(()) };
        stream.send_data(body.split_to(capacity.min(body.len())), false)?;
    }
    if matches!(answers, Answers::CutOff(_)) {
        broken.cancel();
        return Ok(());
    }
    let mut trailers = HeaderMap::new();
    let status = if let Answers::StatusAfterPods(code) = answers { code } else { 0 };
    trailers.insert("grpc-status", HeaderValue::from(status));
    stream.send_trailers(trailers)
}

impl Shared {
    /// The message that answers a call, or a status.
    fn reply(&self, path: &str) -> Result<Vec<u8>, u32> {
        const UNIMPLEMENTED: u32 = 12;
        let is_pods_api =
            lock(&self.pods_api).iter().any(|package| path == format!("/{package}.Pods/ListPods"));
        let message_of = match path {
            "/v1.PodResourcesLister/List" => Pod::resources_message,
            _ if is_pods_api => Pod::pod_message,
            _ => return Err(UNIMPLEMENTED),
        };
        let mut message = Vec::new();
        for pod in lock(&self.pods).iter() {
            pod::put(&mut message, 1, &message_of(pod));
        }
        Ok(message)
    }
}

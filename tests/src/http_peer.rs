//! An HTTP server whose answers a test decides, with TLS or without, and what it was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// A longer body is no test's.
const MAX_BODY: usize = 1 << 20;

/// One request.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Path and query.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: String,
    /// The name that TLS was asked for.
    pub server_name: Option<String>,
    /// The client's certificate, in DER.
    pub client_certificate: Option<Vec<u8>>,
}

impl Seen {
    /// A header's values, with commas between.
    pub fn header(&self, name: &str) -> String {
        let values = self.headers.get_all(name).iter();
        values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect::<Vec<_>>().join(",")
    }
}

/// What a test answers: status, media type, body.
pub type Answer = (u16, &'static str, String);

type Decide = Arc<dyn Fn(&Seen) -> Answer + Send + Sync>;

/// The server; it ends when this is dropped.
#[derive(Debug)]
pub struct HttpPeer {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    serving: JoinHandle<()>,
}

impl HttpPeer {
    /// Listens on a free port of the loopback interface.
    ///
    /// # Panics
    /// Outside of a tokio runtime, or when there is no port left.
    pub async fn start(
        tls: Option<Arc<ServerConfig>>,
        decide: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let serving = tokio::spawn(serve(listener, tls, Arc::new(decide), Arc::clone(&seen)));
        Self { address, seen, serving }
    }

    /// The same, which answers every request with 204.
    pub async fn contented(tls: Option<Arc<ServerConfig>>) -> Self {
        Self::start(tls, |_| (204, "text/plain", String::new())).await
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every request so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for HttpPeer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    decide: Decide,
    seen: Arc<Mutex<Vec<Seen>>>,
) {
    // dropping the set ends the connections
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, decide, seen) = (tls.clone(), Arc::clone(&decide), Arc::clone(&seen));
        connections.spawn(async move { accept(stream, tls, decide, seen).await });
    }
}

async fn accept(
    stream: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    decide: Decide,
    seen: Arc<Mutex<Vec<Seen>>>,
) {
    let Some(tls) = tls else {
        return converse(stream, Seen::default(), decide, seen).await;
    };
    // a client that refuses the certificate is what some tests are about
    let Ok(stream) = TlsAcceptor::from(tls).accept(stream).await else { return };
    let state = stream.get_ref().1;
    let certificate = state.peer_certificates().and_then(<[_]>::first);
    let start = Seen {
        server_name: state.server_name().map(ToOwned::to_owned),
        client_certificate: certificate.map(|certificate| certificate.to_vec()),
        ..Seen::default()
    };
    converse(stream, start, decide, seen).await;
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    start: Seen,
    decide: Decide,
    seen: Arc<Mutex<Vec<Seen>>>,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let (mut one, decide, seen) = (start.clone(), Arc::clone(&decide), Arc::clone(&seen));
        async move {
            let (head, body) = request.into_parts();
            let body = axum::body::to_bytes(Body::new(body), MAX_BODY).await?;
            one.path = head.uri.to_string();
            one.headers = head.headers;
            one.body = String::from_utf8_lossy(&body).into_owned();
            let (status, media_type, text) = decide(&one);
            seen.lock().unwrap_or_else(PoisonError::into_inner).push(one);
            let mut answer = Response::new(Body::from(text));
            *answer.status_mut() = status.try_into().expect("a test answers with a real status");
            answer.headers_mut().insert("content-type", media_type.parse().expect("a media type"));
            Ok::<_, axum::Error>(answer)
        }
    });
    // an error is the peer's end of the connection
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

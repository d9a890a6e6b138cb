//! Runs a router on a listener until it is told to stop.
//!
//! No peer can hold the server up: connections, the time for a request's header
//! and the time to stop are bounded, and a failing `accept` is tried again.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::transport::{Paced, Phase, Plain, Transport};
use crate::rate_limit::Repeated;

/// Bytes of a request's line and headers.
const HEADER_BYTES: usize = 16 * 1024;

/// What peers may cost a server. A time of `None` has no end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServeLimits {
    /// Connections open at the same time; others wait in the kernel's queue. Each costs at most
    /// 16 KiB while it is idle.
    pub connections: usize,
    /// From the first byte of a request to the end of its header, and for a TLS handshake.
    pub header: Option<Duration>,
    /// Without a byte between two requests.
    pub idle: Option<Duration>,
    /// Without a byte of an answer being taken.
    pub write: Option<Duration>,
    /// For requests in flight once the server is told to stop.
    pub stop: Duration,
}

impl Default for ServeLimits {
    /// 512 connections, which idle peers can make cost 8 MiB. They are kept over twice the usual
    /// scrape interval (65 s), so that a scraper need not connect each time.
    fn default() -> Self {
        let patience = Duration::from_secs(65);
        Self {
            connections: 512,
            header: Some(patience),
            idle: Some(patience),
            write: Some(patience),
            stop: Duration::from_secs(5),
        }
    }
}

/// Wait after a failed `accept`: descriptors come back with time only.
const ACCEPT_RETRY: Duration = Duration::from_millis(200);

static ACCEPT_FAILED: Repeated = Repeated::every(Duration::from_secs(10));

/// Serves `router` on `listener` until `stop` is cancelled.
///
/// Once cancelled no connection is accepted and idle ones are closed; requests in flight have five
/// seconds to end. Requests carry the peer's address as `ConnectInfo<SocketAddr>`.
///
/// ```
/// use instrumentation::ops_server::{OpsServer, serve};
/// use tokio_util::sync::CancellationToken;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// let stop = CancellationToken::new();
/// let server = tokio::spawn(serve(listener, OpsServer::builder().router(), stop.clone()));
/// stop.cancel();
/// server.await?
/// # }
/// ```
///
/// # Errors
///
/// If the listener has no address, that is, if it is none.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    stop: CancellationToken,
) -> io::Result<()> {
    tracing::info!(address = %listener.local_addr()?, "ops server listening");
    serve_with(listener, router, ServeLimits::default(), Plain, stop).await;
    Ok(())
}

/// The same under limits of one's own, over what `transport` makes of a connection, such as TLS.
pub async fn serve_with<T: Transport>(
    listener: TcpListener,
    router: Router,
    limits: ServeLimits,
    transport: T,
    stop: CancellationToken,
) {
    let permits = Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS)));
    let mut connections = JoinSet::new();
    loop {
        while let Some(ended) = connections.try_join_next() {
            report(ended);
        }
        let accepted = async {
            let permit = Arc::clone(&permits).acquire_owned().await;
            (permit, listener.accept().await)
        };
        tokio::select! {
            () = stop.cancelled() => break,
            // keeps the set small while nobody connects
            Some(ended) = connections.join_next() => report(ended),
            (permit, accepted) = accepted => match accepted {
                Ok((stream, peer)) => {
                    let (transport, router, stop) =
                        (transport.clone(), router.clone(), stop.clone());
                    connections.spawn(async move {
                        if let Some(stream) = open(&transport, stream, peer, limits, &stop).await {
                            converse(stream, peer, router, limits, stop).await;
                        }
                        drop(permit);
                    });
                }
                Err(error) => {
                    if let Some(suppressed) = ACCEPT_FAILED.admit(Instant::now()) {
                        tracing::warn!(%error, suppressed, "cannot accept a connection");
                    }
                    tokio::select! {
                        () = stop.cancelled() => break,
                        () = tokio::time::sleep(ACCEPT_RETRY) => {}
                    }
                }
            },
        }
    }
    drop(listener);
    let all_ended = async {
        while let Some(ended) = connections.join_next().await {
            report(ended);
        }
    };
    if tokio::time::timeout(limits.stop, all_ended).await.is_err() {
        tracing::warn!(connections = connections.len(), "server cut off requests in flight");
        connections.shutdown().await;
    }
}

async fn open<T: Transport>(
    transport: &T,
    stream: TcpStream,
    peer: SocketAddr,
    limits: ServeLimits,
    stop: &CancellationToken,
) -> Option<T::Stream> {
    // answers are written at once, waiting for more to send only adds to their time
    let _ = stream.set_nodelay(true);
    let opened = async {
        match limits.header {
            Some(limit) => tokio::time::timeout(limit, transport.open(stream))
                .await
                .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
            None => transport.open(stream).await,
        }
    };
    let opened = tokio::select! {
        () = stop.cancelled() => return None,
        opened = opened => opened,
    };
    opened.inspect_err(|error| tracing::debug!(%peer, %error, "connection was not opened")).ok()
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    router: Router,
    limits: ServeLimits,
    stop: CancellationToken,
) {
    let phase = Phase::default();
    let stream = Paced::new(stream, phase.clone(), limits);
    let service = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        phase.request_begins();
        request.extensions_mut().insert(ConnectInfo(peer));
        let answer = hyper::service::Service::call(&service, request.map(Body::new));
        let phase = phase.clone();
        async move {
            let answer = answer.await;
            phase.request_ends();
            answer
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // `Paced` tells waiting for a request from receiving it
        .header_read_timeout(None)
        .max_buf_size(HEADER_BYTES)
        // an answer is sent from where it lies, not copied: what it holds ends with the sending
        .writev(true)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%peer, error = &error as &dyn std::error::Error, "connection failed");
    }
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a request handler panicked");
    }
}

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
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::rate_limit::Repeated;

/// Connections open at the same time; others wait in the kernel's queue. With [`HEADER_BYTES`]
/// it bounds what idle peers cost at 8 MiB.
const CONNECTIONS: usize = 512;

/// Bytes of a request's line and headers.
const HEADER_BYTES: usize = 16 * 1024;

/// Time for the header of a request to arrive, and for which an idle connection is kept. Over
/// twice the usual scrape interval, so that a scraper need not connect each time.
const HEADER_TIME: Duration = Duration::from_secs(65);

/// Time for requests in flight once the server is told to stop.
const STOP_TIME: Duration = Duration::from_secs(5);

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
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
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
                    let connection = converse(stream, peer, router.clone(), stop.clone());
                    connections.spawn(async move {
                        connection.await;
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
    if tokio::time::timeout(STOP_TIME, all_ended).await.is_err() {
        tracing::warn!(connections = connections.len(), "ops server cut off requests in flight");
        connections.shutdown().await;
    }
    Ok(())
}

async fn converse(stream: TcpStream, peer: SocketAddr, router: Router, stop: CancellationToken) {
    // answers are written at once, waiting for more to send only adds to their time
    let _ = stream.set_nodelay(true);
    let service = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        hyper::service::Service::call(&service, request.map(Body::new))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_buf_size(HEADER_BYTES)
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

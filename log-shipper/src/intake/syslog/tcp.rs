//! Connections of syslog senders, with and without TLS.
//!
//! A connection is not read while the shipper has enough, so its sender waits. What a sender has
//! written when the shipper stops is read for a moment more: syslog has no acknowledgement.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use instrumentation::rate_limit::Repeated;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::decode::Sender;
use super::framing::{FrameError, Framer};
use super::passage::Passage;
use super::tls::ServerTls;
use crate::intake::inlet::Closed;

/// Open connections: with the default length of messages some 16 KiB each. More wait in the kernel
/// until one is closed, at the latest by its idle timeout.
const CONNECTIONS: usize = 1024;

/// Bytes that are read at once.
const READ: usize = 8 * 1024;

/// For a TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// After this time without a byte a message whose line is complete is taken for complete.
const QUIET: Duration = Duration::from_millis(500);

/// How long a new connection waits for the name of its sender.
const NAME: Duration = Duration::from_secs(1);

/// After an error of the listener, which is mostly that of too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// At a stop: for all that was sent, and for the next byte.
const LAST: Duration = Duration::from_millis(500);
const LAST_BYTE: Duration = Duration::from_millis(20);

static FULL: Repeated = Repeated::every(Duration::from_mins(1));
static FAILED: Repeated = Repeated::every(Duration::from_secs(10));
static HANDSHAKE_FAILED: Repeated = Repeated::every(Duration::from_secs(10));

/// Takes connections until the shipper stops, and ends when all of them have.
pub async fn serve(
    listener: TcpListener,
    passage: Arc<Passage>,
    tls: Option<Box<ServerTls>>,
    idle: Duration,
    stop: CancellationToken,
) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    let job = passage.inlet.job_name();
    loop {
        while connections.try_join_next().is_some() {}
        if room.available_permits() == 0
            && let Some(suppressed) = FULL.admit(std::time::Instant::now())
        {
            tracing::warn!(job, CONNECTIONS, suppressed, "no more connections until one is closed");
        }
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener, &room) => accepted,
        };
        let (stream, address, permit) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                if let Some(suppressed) = FAILED.admit(std::time::Instant::now()) {
                    tracing::warn!(job, %error, suppressed, "cannot accept a connection");
                }
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = tokio::time::sleep(PAUSE) => continue,
                }
            }
        };
        let acceptor = tls.as_ref().map(|tls| TlsAcceptor::from(tls.current()));
        let (passage, stop) = (Arc::clone(&passage), stop.clone());
        connections.spawn(async move {
            let Some(acceptor) = acceptor else {
                connection(stream, address, &passage, idle, &stop).await;
                return drop(permit);
            };
            let handshake = tokio::select! {
                () = stop.cancelled() => return,
                handshake = timeout(HANDSHAKE, acceptor.accept(stream)) => handshake,
            };
            match handshake {
                Ok(Ok(stream)) => connection(stream, address, &passage, idle, &stop).await,
                Ok(Err(error)) => refused(&passage, address, &error.to_string()),
                Err(_) => refused(&passage, address, "it took too long"),
            }
            drop(permit);
        });
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(room).acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, address) = listener.accept().await?;
    Ok((stream, address, permit))
}

fn refused(passage: &Passage, address: SocketAddr, error: &str) {
    if let Some(suppressed) = HANDSHAKE_FAILED.admit(std::time::Instant::now()) {
        let job = passage.inlet.job_name();
        tracing::warn!(job, sender = %address.ip(), error, suppressed, "TLS handshake failed");
    }
}

/// Reads a connection to its end; an error of the connection is an end too.
pub(super) async fn connection(
    stream: impl AsyncRead + Unpin,
    address: SocketAddr,
    passage: &Passage,
    idle: Duration,
    stop: &CancellationToken,
) {
    let address = address.ip().to_canonical();
    let name = passage.names.of(address, NAME).await;
    let sender = Sender { address: address.to_string().into(), name };
    // Only a shipper that is gone ends it early.
    let _: Result<(), Closed> = read(stream, passage, sender, address, idle, stop).await;
}

async fn read(
    mut stream: impl AsyncRead + Unpin,
    passage: &Passage,
    mut sender: Sender,
    address: std::net::IpAddr,
    idle: Duration,
    stop: &CancellationToken,
) -> Result<(), Closed> {
    let mut framer = Framer::new(passage.max_message_length);
    let mut last_byte = Instant::now();
    let mut end: Option<Instant> = None;
    loop {
        let until = match end {
            Some(end) => end.min(Instant::now() + LAST_BYTE),
            None if framer.holds_whole_lines() => last_byte + QUIET.min(idle),
            None => last_byte + idle,
        };
        framer.buffer().reserve(READ);
        let read = tokio::select! {
            biased;
            () = stop.cancelled(), if end.is_none() => {
                end = Some(Instant::now() + LAST);
                continue;
            }
            read = timeout_at(until, stream.read_buf(framer.buffer())) => read,
        };
        match read {
            Ok(Ok(0) | Err(_)) => break,
            Ok(Ok(_)) => {
                last_byte = Instant::now();
                if sender.name.is_empty() {
                    sender.name = passage.names.of(address, Duration::ZERO).await;
                }
                while let Some(frame) = framer.next_frame() {
                    let is_fatal = frame.as_ref().is_err_and(FrameError::is_fatal);
                    passage.frame(frame, &sender).await?;
                    if is_fatal {
                        return Ok(());
                    }
                }
                if end.is_some_and(|end| end <= Instant::now()) {
                    break;
                }
            }
            Err(_) if end.is_some() || last_byte.elapsed() >= idle => break,
            Err(_) => {
                if let Some(frame) = framer.flush(false) {
                    passage.frame(frame, &sender).await?;
                }
            }
        }
    }
    match framer.flush(true) {
        Some(frame) => passage.frame(frame, &sender).await,
        None => Ok(()),
    }
}

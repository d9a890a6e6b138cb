//! Unary gRPC calls over a Unix socket, on one connection that is kept.
//!
//! A call that failed in any way but with a status of the server's drops the connection: after a
//! time-out nobody knows what it still carries. The next call connects anew; how long to wait before
//! it is the caller's decision.

mod message;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Request, StatusCode};
use tokio::net::UnixStream;
use tokio_util::task::AbortOnDropHandle;

pub use self::message::MessageError;
use self::message::MessageReader;

/// Largest reply that is accepted, in bytes. 15,000 pods take about 5 MB.
pub const REPLY_LIMIT: usize = 64 << 20;

/// What may be under way unread, in bytes.
const WINDOW: u32 = 1 << 20;

/// Characters of a server's message that are shown.
const SHOWN_MESSAGE: usize = 200;

/// Status of a method or service that the server does not have.
const UNIMPLEMENTED: u32 = 12;

/// Why a call brought nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// Nobody listens.
    #[error("cannot connect to {}", socket.display())]
    Connect {
        /// Where.
        socket: PathBuf,
        /// Why not.
        #[source]
        cause: io::Error,
    },
    /// No whole reply in time.
    #[error("no whole reply to {method} within {limit:?}")]
    TimedOut {
        /// What was called.
        method: &'static str,
        /// The limit.
        limit: Duration,
    },
    /// The connection broke, or what came is no HTTP/2.
    #[error("the connection broke during {method}")]
    Transport {
        /// What was called.
        method: &'static str,
        /// How.
        #[source]
        cause: h2::Error,
    },
    /// An answer, but not of a gRPC server.
    #[error("{method} was answered with HTTP status {status}, not by a gRPC server")]
    NoGrpc {
        /// What was called.
        method: &'static str,
        /// The status.
        status: StatusCode,
    },
    /// The server refused, or failed.
    #[error("{method} failed with gRPC status {code}: {message:?}")]
    Status {
        /// What was called.
        method: &'static str,
        /// The status, for example 8 for too many requests. 2 (unknown) where it has none.
        code: u32,
        /// The begin of what the server says about it.
        message: String,
    },
    /// The reply cannot be read.
    #[error("cannot read the reply to {method}")]
    Reply {
        /// What was called.
        method: &'static str,
        /// Why.
        #[source]
        cause: MessageError,
    },
}

impl CallError {
    /// The value of the label `reason`.
    pub(super) const fn reason(&self) -> &'static str {
        match self {
            Self::Connect { .. } => "connect",
            Self::TimedOut { .. } => "timeout",
            Self::Transport { .. } | Self::NoGrpc { .. } => "transport",
            Self::Status { .. } => "status",
            Self::Reply { .. } => "reply",
        }
    }

    /// There is no socket: no kubelet here, or it has not started.
    pub(super) fn is_missing_socket(&self) -> bool {
        matches!(self, Self::Connect { cause, .. } if cause.kind() == io::ErrorKind::NotFound)
    }

    /// The server has no such method.
    pub(super) const fn is_unimplemented(&self) -> bool {
        matches!(self, Self::Status { code: UNIMPLEMENTED, .. })
    }
}

#[derive(Debug)]
struct Connection {
    requests: SendRequest<Bytes>,
    /// Reads and writes; ends with this struct.
    _driver: AbortOnDropHandle<()>,
}

/// Where calls go.
#[derive(Debug)]
pub(super) struct Channel {
    socket: PathBuf,
    limit: Duration,
    connection: Option<Connection>,
}

impl Channel {
    /// To a socket, with a limit for each call. Connects with the first call.
    pub(super) const fn new(socket: PathBuf, limit: Duration) -> Self {
        Self { socket, limit, connection: None }
    }

    /// The socket.
    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Calls `method` (`/package.Service/Method`). Each field of the reply that is a text, bytes or
    /// a message is given to `on_field` as soon as it is there; what it was given counts only
    /// if the call ends well.
    pub(super) async fn call(
        &mut self,
        method: &'static str,
        request: &[u8],
        mut on_field: impl FnMut(u64, &[u8]),
    ) -> Result<(), CallError> {
        // taken, so that it is gone if this future is dropped half-way
        let connection = self.connection.take();
        let exchange = async {
            let connection = match connection {
                Some(connection) => connection,
                None => self.connect(method).await?,
            };
            let result = connection.exchange(method, request, &mut on_field).await;
            Ok((connection, result))
        };
        let (connection, result) = tokio::time::timeout(self.limit, exchange)
            .await
            .map_err(|_| CallError::TimedOut { method, limit: self.limit })??;
        if matches!(result, Ok(()) | Err(CallError::Status { .. })) {
            self.connection = Some(connection);
        }
        result
    }

    async fn connect(&self, method: &'static str) -> Result<Connection, CallError> {
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|cause| CallError::Connect { socket: self.socket.clone(), cause })?;
        let (requests, connection) = h2::client::Builder::new()
            .enable_push(false)
            .initial_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .handshake(stream)
            .await
            .map_err(|cause| CallError::Transport { method, cause })?;
        let driver = tokio::spawn(async move {
            // a call in progress gets the same error
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection to the kubelet ended");
            }
        });
        Ok(Connection { requests, _driver: AbortOnDropHandle::new(driver) })
    }
}

impl Connection {
    async fn exchange(
        &self,
        method: &'static str,
        request: &[u8],
        on_field: &mut impl FnMut(u64, &[u8]),
    ) -> Result<(), CallError> {
        let transport = |cause| CallError::Transport { method, cause };
        let mut requests = self.requests.clone().ready().await.map_err(transport)?;
        let head = Request::post(format!("http://localhost{method}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())
            .expect("a method is a path");
        let (response, mut body) = requests.send_request(head, false).map_err(transport)?;
        body.send_data(frame(request), true).map_err(transport)?;
        let (head, mut body) = response.await.map_err(transport)?.into_parts();
        if head.status != StatusCode::OK {
            return Err(CallError::NoGrpc { method, status: head.status });
        }
        // without a reply there are no trailers: all is in the head
        if head.headers.contains_key("grpc-status") {
            check_status(method, &head.headers)?;
        }
        let mut reader = MessageReader::new(REPLY_LIMIT);
        while let Some(chunk) = body.data().await {
            let chunk = chunk.map_err(transport)?;
            body.flow_control().release_capacity(chunk.len()).map_err(transport)?;
            reader.push(&chunk, on_field).map_err(|cause| CallError::Reply { method, cause })?;
        }
        let trailers = body.trailers().await.map_err(transport)?.unwrap_or_default();
        check_status(method, &trailers)?;
        reader.finish().map_err(|cause| CallError::Reply { method, cause })
    }
}

fn frame(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).expect("requests are of a few bytes");
    [&[0], length.to_be_bytes().as_slice(), message].concat().into()
}

fn check_status(method: &'static str, headers: &HeaderMap) -> Result<(), CallError> {
    const UNKNOWN: u32 = 2;
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let code = text("grpc-status").and_then(|code| code.parse().ok()).unwrap_or(UNKNOWN);
    if code == 0 {
        return Ok(());
    }
    let message = text("grpc-message").unwrap_or_default().chars().take(SHOWN_MESSAGE).collect();
    Err(CallError::Status { method, code, message })
}

//! An HTTP server from a block `server` of the configuration: address, TLS, limits, path prefix.
//!
//! Everything that can be wrong with the block is found by [`HttpServer::new`]; afterwards only the
//! address may turn out to be taken.

mod address;
pub mod answer;
pub mod body;
pub mod reception;
pub mod stream_labels;
mod tls;

use std::io;
use std::time::Duration;

use axum::Router;
use daemon_runtime::durations::GoDuration;
use instrumentation::ops_server::{ServeLimits, Transport, serve_with};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;

use self::address::Address;
use self::answer::Patience;
use self::tls::TlsError;
use super::inlet::Inlet;
use super::listen::{self, ListenError};
use crate::config::server::Server;

/// Connections where the configuration has no limit: it bounds what idle peers cost at 8 MiB.
const CONNECTIONS: usize = 512;

/// The longest that a stop waits for requests, whatever `graceful_shutdown_timeout` says: the whole
/// process stops within five seconds, and clients need some of them.
const STOP_TIME: Duration = Duration::from_millis(1_500);

/// Why a server cannot be built from its block.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpServerError {
    /// `http_listen_network`
    #[error("{block}.http_listen_network: {network:?} is unknown: tcp, tcp4 and tcp6 are accepted")]
    Network {
        /// Place of the block.
        block: &'static str,
        /// As configured.
        network: String,
    },
    /// `http_path_prefix`
    #[error(
        "{block}.http_path_prefix: {prefix:?} is no path: letters, digits, `/`, `-`, `.`, `_` and \
         `~` are accepted"
    )]
    Prefix {
        /// Place of the block.
        block: &'static str,
        /// As configured.
        prefix: String,
    },
    /// TLS
    #[error("{block}")]
    Tls {
        /// Place of the block.
        block: &'static str,
        /// Which key, and why.
        #[source]
        cause: TlsError,
    },
}

/// A server that is ready to listen.
#[derive(Debug, Clone)]
pub struct HttpServer {
    address: Address,
    transport: MaybeTls,
    limits: ServeLimits,
    prefix: String,
    read: Option<Duration>,
    write: Option<Duration>,
}

impl HttpServer {
    /// Checks the block, which stands at `block`, and reads its certificates.
    ///
    /// # Errors
    /// [`HttpServerError`] names the key and what is accepted.
    pub fn new(block: &'static str, config: &Server) -> Result<Self, HttpServerError> {
        let address = Address::new(config).ok_or_else(|| HttpServerError::Network {
            block,
            network: config.http_listen_network.clone(),
        })?;
        let prefix = prefix(&config.http_path_prefix).ok_or_else(|| HttpServerError::Prefix {
            block,
            prefix: config.http_path_prefix.clone(),
        })?;
        let tls = tls::acceptor(config).map_err(|cause| HttpServerError::Tls { block, cause })?;
        let read = time(config.http_server_read_timeout);
        let write = time(config.http_server_write_timeout);
        let limits = ServeLimits {
            connections: usize::try_from(config.http_listen_conn_limit)
                .ok()
                .filter(|limit| *limit > 0)
                .unwrap_or(CONNECTIONS),
            header: time(config.http_server_read_header_timeout).or(read),
            // as Go: without an end of its own, waiting ends as reading does
            idle: time(config.http_server_idle_timeout).or(read),
            write,
            stop: config.graceful_shutdown_timeout.as_duration().min(STOP_TIME),
        };
        Ok(Self { address, transport: MaybeTls(tls), limits, prefix, read, write })
    }

    /// `http_path_prefix` with a slash at its begin and none at its end; empty for none.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Time to read a body.
    pub fn read_timeout(&self) -> Option<Duration> {
        self.read
    }

    /// When requests of a source have to be answered, whatever they wait for.
    pub fn patience(&self, stop: CancellationToken) -> Patience {
        let time = self.read.zip(self.write).map(|(read, write)| read + write);
        Patience::new(time, stop)
    }

    /// How the address is written in messages.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Binds the address.
    ///
    /// # Errors
    /// What the system says.
    pub async fn bind(&self) -> io::Result<TcpListener> {
        self.address.bind().await
    }

    /// Runs the server of a source.
    ///
    /// # Errors
    /// The address cannot be bound, and this is no reload.
    pub async fn run(
        self,
        inlet: Inlet,
        router: Router,
        stop: CancellationToken,
    ) -> Result<(), ListenError> {
        let Some(listener) = listen::bind(&inlet, &self.address(), &stop, || self.bind()).await?
        else {
            return Ok(());
        };
        if let Ok(address) = listener.local_addr() {
            tracing::info!(job = inlet.job_name(), %address, "source listening");
        }
        drop(inlet);
        self.serve(listener, router, stop).await;
        Ok(())
    }

    /// Serves until `stop` is cancelled; requests in flight are cut off soon afterwards.
    pub async fn serve(self, listener: TcpListener, router: Router, stop: CancellationToken) {
        let router =
            if self.prefix.is_empty() { router } else { Router::new().nest(&self.prefix, router) };
        serve_with(listener, router, self.limits, self.transport, stop).await;
    }
}

/// Zero stands for no limit.
fn time(configured: GoDuration) -> Option<Duration> {
    Some(configured.as_duration()).filter(|time| !time.is_zero())
}

fn prefix(configured: &str) -> Option<String> {
    let path = configured.trim_matches('/');
    let is_path = path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte));
    let slash = if path.is_empty() { "" } else { "/" };
    is_path.then(|| format!("{slash}{path}"))
}

#[derive(Clone)]
struct MaybeTls(Option<TlsAcceptor>);

impl std::fmt::Debug for MaybeTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "Tls" } else { "Plain" })
    }
}

impl Transport for MaybeTls {
    type Stream = Either<TcpStream, Box<TlsStream<TcpStream>>>;

    async fn open(&self, stream: TcpStream) -> io::Result<Self::Stream> {
        match &self.0 {
            Some(acceptor) => Ok(Either::Right(Box::new(acceptor.accept(stream).await?))),
            None => Ok(Either::Left(stream)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_gets_its_slash_and_what_a_router_would_take_for_a_pattern_is_refused() {
        let of = |prefix: &str| {
            let config = Server { http_path_prefix: prefix.to_owned(), ..Server::default() };
            HttpServer::new("server", &config).map(|server| server.prefix().to_owned())
        };
        for (configured, used) in
            [("", ""), ("/", ""), ("agent", "/agent"), ("/a/b.c/", "/a/b.c"), ("//a", "/a")]
        {
            assert_eq!(of(configured).unwrap(), used, "{configured}");
        }
        for wrong in ["/{id}", "/*all", "/:id", "/a b", "/a?b", "/ä"] {
            let error = of(wrong).unwrap_err().to_string();
            assert!(error.starts_with(&format!("server.http_path_prefix: {wrong:?}")), "{error}");
        }
    }

    #[test]
    fn limits_are_those_of_the_block() {
        let config = Server {
            http_listen_conn_limit: 3,
            http_server_idle_timeout: GoDuration::ZERO,
            http_server_read_timeout: GoDuration::from_secs(7),
            http_server_write_timeout: GoDuration::ZERO,
            ..Server::default()
        };
        let limits = HttpServer::new("server", &config).unwrap().limits;
        let seven = Some(Duration::from_secs(7));
        assert_eq!(
            limits,
            ServeLimits {
                connections: 3,
                header: seven,
                idle: seven,
                write: None,
                stop: STOP_TIME
            }
        );
    }

    #[tokio::test]
    async fn the_empty_address_is_reached_over_ipv4() {
        let config = Server { http_listen_port: 0, ..Server::default() };
        let server = HttpServer::new("server", &config).unwrap();
        let listener = server.bind().await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let stop = CancellationToken::new();
        let router = Router::new().route("/", axum::routing::get(|| async { "here" }));
        let served = tokio::spawn(server.serve(listener, router, stop.clone()));
        TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        if std::net::TcpListener::bind("[::1]:0").is_ok() {
            TcpStream::connect(("::1", port)).await.unwrap();
        }
        stop.cancel();
        served.await.unwrap();
    }

    #[tokio::test]
    async fn tcp4_is_not_reached_over_ipv6() {
        let config = Server {
            http_listen_port: 0,
            http_listen_network: "tcp4".to_owned(),
            ..Server::default()
        };
        let listener = HttpServer::new("server", &config).unwrap().bind().await.unwrap();
        assert!(listener.local_addr().unwrap().is_ipv4());
        let wrong = Server { http_listen_network: "udp".to_owned(), ..Server::default() };
        let error = HttpServer::new("server", &wrong).unwrap_err().to_string();
        assert_eq!(
            error,
            "server.http_listen_network: \"udp\" is unknown: tcp, tcp4 and tcp6 are accepted"
        );
    }
}

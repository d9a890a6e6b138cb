//! Binding the addresses of sources.
//!
//! At the start an address that cannot be bound is an error; after a reload the old source may
//! still be leaving it, so binding is tried again until it works or the shipper stops.

use std::io;
use std::time::Duration;

use tokio::net::{TcpListener, UdpSocket};
use tokio_util::sync::CancellationToken;

use super::inlet::Inlet;

/// Between two attempts.
const PAUSE: Duration = Duration::from_secs(1);

/// Why a source does not listen.
#[derive(Debug, thiserror::Error)]
#[error("scrape config {job:?}: cannot listen on {address}")]
pub struct ListenError {
    /// `job_name`
    job: String,
    /// As configured.
    address: String,
    /// What the system said.
    #[source]
    cause: io::Error,
}

/// A TCP listener; `None` when the shipper stopped first.
///
/// # Errors
/// The address cannot be bound, and this is no reload.
pub async fn tcp(
    inlet: &Inlet,
    address: &str,
    stop: &CancellationToken,
) -> Result<Option<TcpListener>, ListenError> {
    bind(inlet, address, stop, || TcpListener::bind(full(address))).await
}

/// A UDP socket; `None` when the shipper stopped first.
///
/// # Errors
/// The address cannot be bound, and this is no reload.
pub async fn udp(
    inlet: &Inlet,
    address: &str,
    stop: &CancellationToken,
) -> Result<Option<UdpSocket>, ListenError> {
    bind(inlet, address, stop, || UdpSocket::bind(full(address))).await
}

/// As in Go an address without a host, `:514`, means all of them.
fn full(address: &str) -> String {
    if address.starts_with(':') { format!("[::]{address}") } else { address.to_owned() }
}

/// Binds with `attempt`, as often as a reload needs; see [`tcp`].
pub(super) async fn bind<T, F: Future<Output = io::Result<T>>>(
    inlet: &Inlet,
    address: &str,
    stop: &CancellationToken,
    attempt: impl Fn() -> F,
) -> Result<Option<T>, ListenError> {
    loop {
        let error = match attempt().await {
            Ok(bound) => return Ok(Some(bound)),
            Err(cause) => {
                let job = inlet.job_name().to_owned();
                ListenError { job, address: address.to_owned(), cause }
            }
        };
        if !inlet.is_reload() {
            return Err(error);
        }
        let (job, cause) = (inlet.job_name(), &error.cause);
        tracing::warn!(job, address, %cause, "cannot listen yet, trying again");
        tokio::select! {
            () = stop.cancelled() => return Ok(None),
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

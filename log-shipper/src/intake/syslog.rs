//! `syslog`: messages of syslog senders over TCP, TLS and UDP.
//!
//! Everything that comes from a sender is bounded: a message by `max_message_length`, connections,
//! names, and the datagrams that wait.

pub mod decode;
pub mod framing;
pub mod host_names;
pub mod passage;
pub mod priority;
pub mod rfc3164;
pub mod rfc5424;
pub mod tcp;
pub mod timestamp;
pub mod tls;
pub mod udp;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use self::decode::{Decoder, Format};
use self::host_names::HostNames;
use self::passage::Passage;
use self::tls::{ServerTls, TlsError};
use super::datagrams::Datagrams;
use super::inlet::Inlet;
use super::listen::{self, ListenError};
use crate::config::scrape_configs::Syslog as SyslogConfig;

/// What zero means, as in Promtail.
const DEFAULT_IDLE: Duration = Duration::from_mins(2);

/// What zero means, as in Promtail.
const DEFAULT_MESSAGE_LENGTH: usize = 8192;

/// Why a syslog source cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SyslogError {
    /// Nowhere to listen.
    #[error("syslog.listen_address must be set, for example `0.0.0.0:1514`")]
    Address,
    /// An unknown protocol.
    #[error("syslog.listen_protocol {0:?} is unknown: accepted are tcp and udp")]
    Protocol(String),
    /// An unknown format.
    #[error("syslog.syslog_format {0:?} is unknown: accepted are rfc5424 and rfc3164")]
    Format(String),
    /// Certificates.
    #[error("syslog")]
    Tls(#[from] TlsError),
}

#[derive(Debug)]
enum Transport {
    Tcp(Option<Box<ServerTls>>),
    Udp,
}

/// The source.
#[derive(Debug)]
pub struct Syslog {
    address: String,
    transport: Transport,
    idle: Duration,
    max_message_length: usize,
    decoder: Decoder,
}

impl Syslog {
    /// Checks the configuration, and loads certificates.
    ///
    /// # Errors
    /// [`SyslogError`] names the key and what is accepted.
    pub fn new(config: &SyslogConfig) -> Result<Self, SyslogError> {
        if config.listen_address.is_empty() {
            return Err(SyslogError::Address);
        }
        let transport = match config.listen_protocol.as_str() {
            "tcp" | "" => Transport::Tcp(ServerTls::new(&config.tls_config)?.map(Box::new)),
            "udp" => Transport::Udp,
            other => return Err(SyslogError::Protocol(other.to_owned())),
        };
        let format = match config.syslog_format.as_str() {
            "rfc5424" | "" => Format::Rfc5424,
            "rfc3164" => Format::Rfc3164,
            other => return Err(SyslogError::Format(other.to_owned())),
        };
        let idle = config.idle_timeout.as_duration();
        let length = usize::try_from(config.max_message_length).unwrap_or_default();
        Ok(Self {
            address: config.listen_address.clone(),
            transport,
            idle: if idle.is_zero() { DEFAULT_IDLE } else { idle },
            max_message_length: if length == 0 { DEFAULT_MESSAGE_LENGTH } else { length },
            decoder: Decoder {
                format,
                labels: config.labels.iter().collect(),
                label_structured_data: config.label_structured_data,
                whole_message: config.use_rfc5424_message,
                incoming_time: config.use_incoming_timestamp,
            },
        })
    }

    /// Listens until `stop` is cancelled.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn run(self, inlet: Inlet, stop: CancellationToken) -> Result<(), ListenError> {
        let passage = |inlet| Passage {
            inlet,
            decoder: self.decoder,
            names: HostNames::of_system(),
            max_message_length: self.max_message_length,
        };
        match self.transport {
            Transport::Tcp(tls) => {
                let listener = listen::tcp(&inlet, &self.address, &stop).await?;
                let Some(listener) = listener else { return Ok(()) };
                let job = inlet.job_name();
                let address = listener.local_addr().map_or(self.address, |at| at.to_string());
                let tls_enabled = tls.is_some();
                tracing::info!(job, address, protocol = "tcp", tls_enabled, "source listening");
                tcp::serve(listener, Arc::new(passage(inlet)), tls, self.idle, stop).await;
            }
            Transport::Udp => {
                let datagrams = Datagrams::open(&inlet, &self.address, &stop).await?;
                let Some(datagrams) = datagrams else { return Ok(()) };
                udp::serve(datagrams, &passage(inlet)).await;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

//! `gelf`: messages in Graylog's format, over UDP.
//!
//! A bad message costs itself only, and what senders make this process hold is bounded.

pub mod chunks;
pub mod message;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use instrumentation::json_log::ErrorChain;
use instrumentation::rate_limit::Repeated;
use prometheus_model::label_set::LabelSet;
use tokio_util::sync::CancellationToken;

use self::chunks::{Chunks, MAGIC};
use super::datagrams::{Datagram, Datagrams};
use super::inlet::{Closed, Inlet};
use super::listen::ListenError;
use super::message::Message;
use crate::config::scrape_configs::Gelf as GelfConfig;

static MALFORMED: Repeated = Repeated::every(Duration::from_secs(10));
static INCOMPLETE: Repeated = Repeated::every(Duration::from_secs(10));

/// The source.
#[derive(Debug)]
pub struct Gelf {
    address: String,
    labels: LabelSet,
    incoming_time: bool,
}

impl Gelf {
    /// Nothing of it can fail but to listen.
    pub fn new(config: &GelfConfig) -> Self {
        Self {
            address: config.listen_address.clone(),
            labels: config.labels.iter().collect(),
            incoming_time: config.use_incoming_timestamp,
        }
    }

    /// Listens until `stop` is cancelled.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn run(self, inlet: Inlet, stop: CancellationToken) -> Result<(), ListenError> {
        let datagrams = Datagrams::open(&inlet, &self.address, &stop).await?;
        let Some(mut datagrams) = datagrams else { return Ok(()) };
        let mut chunks = Chunks::default();
        while let Some(datagram) = datagrams.next().await {
            if self.pass_on(datagram, &mut chunks, &inlet).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    async fn pass_on(
        &self,
        datagram: Datagram,
        chunks: &mut Chunks,
        inlet: &Inlet,
    ) -> Result<(), Closed> {
        let now = Instant::now();
        let from = datagram.from;
        let mut given_up = chunks.expire(now);
        let whole = if datagram.bytes.starts_with(&MAGIC) {
            match chunks.add(from, &datagram.bytes, now) {
                Ok((whole, others)) => {
                    given_up += others;
                    whole
                }
                Err(error) => {
                    malformed(inlet, from, &error);
                    None
                }
            }
        } else {
            Some(datagram.bytes)
        };
        incomplete(inlet, given_up);
        let Some(whole) = whole else { return Ok(()) };
        let message = match message::parse(&whole) {
            Ok(message) => message,
            Err(error) => {
                malformed(inlet, from, &error);
                return Ok(());
            }
        };
        let mut labels = self.labels.clone();
        message.label(&mut labels);
        let Some(labels) = inlet.relabel(labels) else { return Ok(()) };
        let timestamp_ns = message.timestamp_ns().filter(|_| self.incoming_time);
        let (labels, line) = (labels.into(), message.write());
        inlet.send(Message { labels, line, timestamp_ns, ..Message::default() }).await?;
        inlet.metrics().gelf_entries.inc();
        Ok(())
    }
}

/// Counts it. What the message says is not logged.
fn malformed(inlet: &Inlet, from: IpAddr, error: &(dyn std::error::Error + 'static)) {
    inlet.metrics().gelf_errors.inc();
    if let Some(suppressed) = MALFORMED.admit(Instant::now()) {
        let (job, error) = (inlet.job_name(), ErrorChain(error).to_string());
        tracing::warn!(job, sender = %from, error, suppressed, "GELF message cannot be read");
    }
}

fn incomplete(inlet: &Inlet, messages: u64) {
    if messages == 0 {
        return;
    }
    inlet.metrics().gelf_errors.inc_by(messages);
    if let Some(suppressed) = INCOMPLETE.admit(Instant::now()) {
        let job = inlet.job_name();
        tracing::warn!(job, messages, suppressed, "chunks of GELF messages did not come in time");
    }
}

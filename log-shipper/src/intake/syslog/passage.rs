//! What happens to a message between its frame and the queue of the shipper.
//!
//! A bad message costs itself only: it is counted, told now and then, and the next one is read.

use std::time::{Duration, Instant};

use bytes::Bytes;
use instrumentation::rate_limit::Repeated;
use jiff::Timestamp;

use super::decode::{Decoder, Sender};
use super::framing::FrameError;
use super::host_names::HostNames;
use crate::intake::inlet::{Closed, Inlet};
use crate::intake::message::Message;

static MALFORMED: Repeated = Repeated::every(Duration::from_secs(10));

/// Everything that connections of one source share.
#[derive(Debug)]
pub struct Passage {
    /// Into the shipper.
    pub inlet: Inlet,
    /// How messages are read.
    pub decoder: Decoder,
    /// Names of senders.
    pub names: HostNames,
    /// Bytes of a message at most.
    pub max_message_length: usize,
}

impl Passage {
    /// Decodes, relabels and passes on; waits while the shipper has enough.
    ///
    /// # Errors
    /// The shipper is stopping.
    pub async fn frame(
        &self,
        frame: Result<Bytes, FrameError>,
        sender: &Sender,
    ) -> Result<(), Closed> {
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => {
                self.malformed(sender, &error);
                return Ok(());
            }
        };
        let metrics = self.inlet.metrics();
        let decoded = match self.decoder.decode(&frame, sender, Timestamp::now()) {
            Ok(Some(decoded)) => decoded,
            Ok(None) => {
                metrics.syslog_empty.inc();
                return Ok(());
            }
            Err(error) => {
                self.malformed(sender, &error);
                return Ok(());
            }
        };
        let Some(labels) = self.inlet.relabel(decoded.labels) else { return Ok(()) };
        let message = Message {
            labels: labels.into(),
            line: decoded.line,
            timestamp_ns: decoded.timestamp_ns,
            ..Message::default()
        };
        self.inlet.send(message).await?;
        metrics.syslog_entries.inc();
        Ok(())
    }

    /// Counts it. What the message says is not logged.
    fn malformed(&self, sender: &Sender, error: &dyn std::error::Error) {
        self.inlet.metrics().syslog_errors.inc();
        if let Some(suppressed) = MALFORMED.admit(Instant::now()) {
            let (job, sender) = (self.inlet.job_name(), &sender.address);
            tracing::warn!(job, %sender, %error, suppressed, "syslog message cannot be read");
        }
    }
}

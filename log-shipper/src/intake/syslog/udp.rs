//! Datagrams of syslog senders: each holds whole messages.
//!
//! Nothing is kept about a sender but its name, in the bounded cache of names.

use std::time::Duration;

use super::decode::Sender;
use super::framing::Framer;
use super::passage::Passage;
use crate::intake::datagrams::{Datagram, Datagrams};
use crate::intake::inlet::Closed;

/// How long the datagrams behind it wait for the name of a new sender.
const NAME: Duration = Duration::from_millis(100);

/// Passes messages on until the shipper stops.
pub async fn serve(mut datagrams: Datagrams, passage: &Passage) {
    while let Some(datagram) = datagrams.next().await {
        if pass_on(datagram, passage).await.is_err() {
            return;
        }
    }
}

/// As in Promtail a datagram is cut to the longest message.
async fn pass_on(datagram: Datagram, passage: &Passage) -> Result<(), Closed> {
    let name = passage.names.of(datagram.from, NAME).await;
    let sender = Sender { address: datagram.from.to_string().into(), name };
    let length = datagram.bytes.len().min(passage.max_message_length);
    let mut framer = Framer::new(passage.max_message_length);
    framer.buffer().extend_from_slice(&datagram.bytes[..length]);
    while let Some(frame) = framer.next_frame() {
        passage.frame(frame, &sender).await?;
    }
    match framer.flush(true) {
        Some(frame) => passage.frame(frame, &sender).await,
        None => Ok(()),
    }
}

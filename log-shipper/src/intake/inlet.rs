//! The way from a source into the shipper: relabelling, and a bounded queue.
//!
//! The queue waits when it is full. A source passes that on: it stops reading, or says that it is
//! busy; it never buffers on its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use prometheus_model::label_set::LabelSet;
use prometheus_model::relabel::{self, RelabelRule};
use tokio::sync::mpsc;

use super::message::{Delivery, Message};
use crate::metrics::sources::SourceMetrics;
use crate::tail::cursor::Cursor;
use crate::tail::position_table::PositionTable;
use crate::tail::progress::Numbers;

/// The label that says which tenant a message is for; see [`Inlet::relabel`].
pub const TENANT_LABEL: &str = "__tenant_id__";

/// The shipper is stopping, or has failed: nothing is taken any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the shipper is stopping")]
pub struct Closed;

/// What a source gets to do its work.
#[derive(Debug, Clone)]
pub struct Inlet {
    pub(crate) job: usize,
    pub(crate) job_name: Arc<str>,
    pub(crate) rules: Arc<[RelabelRule]>,
    pub(crate) queue: mpsc::Sender<Delivery>,
    pub(crate) positions: Arc<PositionTable>,
    pub(crate) numbers: Arc<Numbers>,
    pub(crate) metrics: SourceMetrics,
    pub(crate) is_reload: bool,
}

impl Inlet {
    /// `job_name`
    pub fn job_name(&self) -> &str {
        &self.job_name
    }

    /// Counters of sources.
    pub fn metrics(&self) -> &SourceMetrics {
        &self.metrics
    }

    /// Whether another configuration ran before in this process: an address may still be in use
    /// for a moment, and an error must not end the process any more.
    pub fn is_reload(&self) -> bool {
        self.is_reload
    }

    /// Relabels; `None` when the rules drop the message. What begins with two underscores is taken
    /// out, so the result may be empty. A tenant is to be set afterwards.
    pub fn relabel(&self, mut labels: LabelSet) -> Option<LabelSet> {
        // Empty and absent are the same thing to relabelling.
        labels.retain(|_, value| !value.is_empty());
        if !relabel::process(&self.rules, &mut labels) {
            return None;
        }
        labels.retain(|name, value| !name.starts_with("__") && !value.is_empty());
        Some(labels)
    }

    /// The saved cursor under this key (`cursor-...`), which is saved from now on as messages are
    /// done.
    pub fn cursor(&self, key: &str) -> Arc<Cursor> {
        let start = self.positions.cursor(key);
        let cursor = Cursor::new(key.to_owned(), self.numbers.next(), start);
        self.positions.follow_cursor(Arc::clone(&cursor));
        cursor
    }

    /// Saved cursors, by key, as they were when this configuration began.
    pub fn saved_cursors(&self) -> BTreeMap<String, String> {
        self.positions.saved_cursors()
    }

    /// What this key stands for is gone for good: its cursor is saved no more.
    pub fn forget_cursor(&self, key: &str) {
        self.positions.forget_cursor(key);
    }

    /// Passes a message on; waits while the shipper has enough.
    ///
    /// # Errors
    /// The shipper is stopping.
    pub async fn send(&self, message: Message) -> Result<(), Closed> {
        self.queue.send(Delivery { job: self.job, message }).await.map_err(|_| Closed)
    }

    /// The same from a thread that may block.
    ///
    /// # Errors
    /// The shipper is stopping.
    pub fn blocking_send(&self, message: Message) -> Result<(), Closed> {
        self.queue.blocking_send(Delivery { job: self.job, message }).map_err(|_| Closed)
    }
}

/// The messages of one request on their way into the queue: as many as the queue has room for go in
/// together, or none of them.
///
/// So a sender that is told to come again, because it was left waiting, repeats nothing if its
/// request is no larger than that; of a larger one it may repeat what went in before.
#[derive(Debug)]
pub struct Group<'a> {
    inlet: &'a Inlet,
    waiting: Vec<Delivery>,
}

impl<'a> Group<'a> {
    /// An empty one.
    pub fn new(inlet: &'a Inlet) -> Self {
        Self { inlet, waiting: Vec::new() }
    }

    /// Adds a message, and queues those before it if they are as many as the queue can hold: how
    /// many were queued. Waits while the shipper has enough.
    ///
    /// # Errors
    /// The shipper is stopping.
    pub async fn add(&mut self, message: Message) -> Result<u64, Closed> {
        let is_full = self.waiting.len() >= self.inlet.queue.max_capacity();
        let queued = if is_full { self.flush().await? } else { 0 };
        self.waiting.push(Delivery { job: self.inlet.job, message });
        Ok(queued)
    }

    /// Queues what is left, and says how many that were.
    ///
    /// # Errors
    /// The shipper is stopping.
    pub async fn finish(mut self) -> Result<u64, Closed> {
        self.flush().await
    }

    async fn flush(&mut self) -> Result<u64, Closed> {
        let count = self.waiting.len();
        let room = self.inlet.queue.reserve_many(count).await.map_err(|_| Closed)?;
        for (permit, delivery) in room.zip(self.waiting.drain(..)) {
            permit.send(delivery);
        }
        Ok(count as u64)
    }
}

/// A way whose other end is in the test's hands.
#[cfg(test)]
pub(crate) fn for_tests(rules: Vec<RelabelRule>) -> (Inlet, mpsc::Receiver<Delivery>) {
    with_queue(rules, 1024)
}

/// The same with a queue for so many messages.
#[cfg(test)]
pub(crate) fn with_queue(
    rules: Vec<RelabelRule>,
    length: usize,
) -> (Inlet, mpsc::Receiver<Delivery>) {
    let (queue, deliveries) = mpsc::channel(length);
    let inlet = Inlet {
        job: 0,
        job_name: Arc::from("test"),
        rules: rules.into(),
        queue,
        positions: Arc::new(PositionTable::new(
            std::path::PathBuf::new(),
            crate::tail::position_table::Saved::default(),
        )),
        numbers: Arc::default(),
        metrics: SourceMetrics::new(),
        is_reload: false,
    };
    (inlet, deliveries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(number: u8) -> Message {
        Message { line: vec![number], ..Message::default() }
    }

    /// Whether `work` is given up at the first point at which it waits.
    async fn waits(work: impl Future) -> bool {
        tokio::select! {
            biased;
            _ = work => false,
            () = std::future::ready(()) => true,
        }
    }

    #[tokio::test]
    async fn a_group_that_the_queue_can_hold_goes_in_whole_or_not_at_all() {
        let (inlet, mut deliveries) = with_queue(vec![], 4);
        inlet.send(numbered(0)).await.unwrap();
        let mut group = Group::new(&inlet);
        for number in 1..=4 {
            assert_eq!(group.add(numbered(number)).await, Ok(0));
        }
        assert!(waits(group.finish()).await, "the queue has room for three");
        assert_eq!(deliveries.try_recv().unwrap().message.line, [0]);
        assert!(deliveries.try_recv().is_err(), "what was given up is not queued in part");

        let mut group = Group::new(&inlet);
        for number in 1..=4 {
            assert_eq!(group.add(numbered(number)).await, Ok(0));
        }
        assert_eq!(
            group.add(numbered(5)).await,
            Ok(4),
            "more than the queue can hold goes in parts"
        );
        assert!(waits(group.finish()).await);
        let lines: Vec<_> = std::iter::from_fn(|| deliveries.try_recv().ok())
            .map(|delivery| delivery.message.line[0])
            .collect();
        assert_eq!(lines, [1, 2, 3, 4]);
        drop(deliveries);
        let mut group = Group::new(&inlet);
        group.add(numbered(6)).await.unwrap();
        assert_eq!(group.finish().await, Err(Closed));
    }

    #[test]
    fn hidden_and_empty_labels_go_and_a_drop_is_told_from_no_labels() {
        let rule = relabel::RelabelConfig {
            source_labels: vec!["__in".to_owned()],
            regex: Some("noisy".to_owned()),
            action: relabel::Action::Drop,
            ..Default::default()
        };
        let (inlet, _deliveries) = for_tests(vec![RelabelRule::new(rule).unwrap()]);
        let labels =
            |value: &str| -> LabelSet { [("__in", value), ("empty", "")].into_iter().collect() };
        assert_eq!(inlet.relabel(labels("good")).unwrap().len(), 0);
        assert!(inlet.relabel(labels("noisy")).is_none());
    }
}

//! Sends messages: a worker for each destination, at the pace that the destination allows.
//!
//! A worker keeps nothing: what it is doing is a row of the queue. A call whose repetition somebody
//! would see is written down before it is made; whatever it came to is written down before the next.

mod bucket;
mod credentials;
mod http;
mod mail;
mod pagerduty;
mod slack;
mod slack_webhook;
#[cfg(test)]
mod tests;
mod verdict;
mod webhook;
mod worker;

use std::sync::Arc;

pub use self::worker::{DeliverError, Worker};

use self::bucket::Buckets;
use self::credentials::Credentials;
use crate::config::Config;
use crate::incident::{Answer, Delivery, DeliveryId, Incident};

/// A message that is due.
#[derive(Debug, Clone)]
pub struct Job {
    /// The message.
    pub delivery: Delivery,
    /// What it is about, as it is now.
    pub incidents: Vec<Incident>,
}

/// Where workers get their work, and where they tell what became of it.
pub trait Work: Send + Sync + 'static {
    /// The next message for a destination; waits until there is one. `None` when there will be no
    /// more.
    fn next(&self, destination: &str) -> impl Future<Output = Option<Job>> + Send;

    /// An attempt begins. Returns when that is durable; false if it cannot be: then nothing is sent
    /// and nothing answered, and the message is to be given out again.
    fn started(&self, delivery: DeliveryId) -> impl Future<Output = bool> + Send;

    /// What an attempt came to. Returns when that is durable, so that the next message about the same
    /// incident knows of it.
    fn answered(&self, delivery: DeliveryId, answer: Answer) -> impl Future<Output = ()> + Send;
}

/// What all workers share: limits of accounts and channels, and credentials that were used.
#[derive(Debug, Clone, Default)]
pub struct Shared {
    buckets: Arc<Buckets>,
    credentials: Arc<Credentials>,
}

impl Shared {
    /// A worker for each destination of a configuration. Blocks on the disk.
    ///
    /// # Errors
    /// A destination cannot be used as it is configured.
    pub fn workers(&self, config: &Config) -> Result<Vec<Worker>, DeliverError> {
        let destinations = config.destinations.iter();
        destinations.map(|destination| Worker::new(destination, config, self)).collect()
    }
}

//! The sign of life that goes out to a dead man's switch elsewhere.
//!
//! It is given only while the relay could tell a page: what stops it must be seen from outside.

use std::sync::Arc;
use std::time::Duration;

use daemon_runtime::secret::{SecretFile, SecretFileError};
use instrumentation::json_log::ErrorChain;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::client::{Authorities, Client, ClientError, Method};
use crate::config::inputs::OutgoingHeartbeat;

/// Bytes of an answer; nothing of it is used.
const MAX_ANSWER: usize = 64 << 10;

/// Why no sign can be given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutgoingError {
    /// The file with the URL.
    #[error("outgoing_heartbeat.url_file: no URL")]
    File(#[source] SecretFileError),
    /// The URL.
    #[error("outgoing_heartbeat")]
    Client(#[source] ClientError),
}

/// Gives the sign.
#[derive(Debug)]
pub struct Outgoing {
    client: Client,
    /// May be a secret, as the path.
    query: String,
    interval: Duration,
}

impl Outgoing {
    /// Reads the file with the URL. Blocks on the disk.
    ///
    /// # Errors
    /// The URL cannot be used; it is not shown.
    pub fn new(keys: &OutgoingHeartbeat) -> Result<Self, OutgoingError> {
        let url = match (&keys.url, &keys.url_file) {
            (Some(url), _) => url.clone(),
            (None, Some(file)) => {
                let file = SecretFile::open(file).map_err(OutgoingError::File)?;
                file.read().secret.expose().clone()
            }
            // refused with the configuration
            (None, None) => String::new(),
        };
        let client = Client::new(&url, None, Authorities::System).map_err(OutgoingError::Client)?;
        let query =
            Url::parse(&url).ok().and_then(|url| url.query().map(|query| format!("?{query}")));
        Ok(Self { client, query: query.unwrap_or_default(), interval: keys.interval })
    }

    /// Gives it whenever it is due and `is_healthy` says so, until it is stopped.
    pub async fn run(
        self,
        is_healthy: Arc<dyn Fn() -> bool + Send + Sync>,
        stop: CancellationToken,
    ) {
        let mut due = tokio::time::interval(self.interval);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_failing = false;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = due.tick() => {}
            }
            if !is_healthy() {
                continue;
            }
            let given = tokio::select! {
                () = stop.cancelled() => return,
                given = self.give() => given,
            };
            match &given {
                Err(error) if !is_failing => {
                    tracing::warn!(error = %ErrorChain(error), "outgoing heartbeat is not accepted");
                }
                Ok(()) if is_failing => tracing::info!("outgoing heartbeat is accepted again"),
                _ => {}
            }
            is_failing = given.is_err();
        }
    }

    async fn give(&self) -> Result<(), ClientError> {
        let answer = self.client.send(Method::POST, &self.query, None, MAX_ANSWER).await?;
        answer.success().map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use stack_tests::http_peer::HttpPeer;
    use stack_tests::patience::await_condition_of_tasks;

    use super::*;

    #[tokio::test]
    async fn it_is_given_while_the_relay_is_healthy_and_no_longer() {
        let peer = HttpPeer::contented(None).await;
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), format!("http://{}/ping/s3cr3t?a=b\n", peer.address()))
            .unwrap();
        let keys = OutgoingHeartbeat {
            url: None,
            url_file: Some(file.path().to_owned()),
            interval: Duration::from_millis(5),
        };
        let (healthy, asked) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
        let is_healthy = {
            let (healthy, asked) = (Arc::clone(&healthy), Arc::clone(&asked));
            move || {
                asked.store(true, Ordering::SeqCst);
                healthy.load(Ordering::SeqCst)
            }
        };
        let stop = CancellationToken::new();
        let running =
            tokio::spawn(Outgoing::new(&keys).unwrap().run(Arc::new(is_healthy), stop.clone()));
        await_condition_of_tasks("it is given", || peer.seen().len() > 1).await;
        assert_eq!(peer.seen()[0].path, "/ping/s3cr3t?a=b");
        healthy.store(false, Ordering::SeqCst);
        // the one that was under way may still come; after two more looks nothing does
        for _ in 0..2 {
            asked.store(false, Ordering::SeqCst);
            await_condition_of_tasks("it looks", || asked.load(Ordering::SeqCst)).await;
        }
        let given = peer.seen().len();
        asked.store(false, Ordering::SeqCst);
        await_condition_of_tasks("it looks", || asked.load(Ordering::SeqCst)).await;
        assert_eq!(peer.seen().len(), given);
        stop.cancel();
        running.await.unwrap();
    }

    #[test]
    fn a_url_that_cannot_be_used_is_not_shown() {
        let keys = OutgoingHeartbeat {
            url: Some("hunter2".to_owned()),
            url_file: None,
            interval: Duration::from_secs(30),
        };
        let error = Outgoing::new(&keys).unwrap_err();
        assert!(!ErrorChain(&error).to_string().contains("hunter2"));
    }
}

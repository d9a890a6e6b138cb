//! The thread that samples, which a call of the driver may hold for ever.
//!
//! It is none of the runtime's and none of the supervisor's: the end of either would wait for it. A
//! hung driver is not a failure of the exporter, so a stop that was asked for ends well all the same.

use std::io;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::sample::driver::{Driver, SampleError};

/// Threads and NVML have 2.5 s to end.
const ENDING: Duration = Duration::from_secs(3);

/// A thread at work.
#[derive(Debug)]
pub(super) struct Sampling {
    ended: oneshot::Receiver<Result<(), SampleError>>,
}

impl Sampling {
    /// Starts it; it ends with `stop`.
    ///
    /// # Errors
    /// The operating system starts no thread.
    pub(super) fn start(driver: Driver, stop: CancellationToken) -> Result<Self, SampleError> {
        let (report, ended) = oneshot::channel();
        std::thread::Builder::new()
            .name("sample".to_owned())
            .spawn(move || report.send(driver.run(&stop)))
            .map_err(|cause| SampleError::Thread { cause })?;
        Ok(Self { ended })
    }

    /// Waits until it ends by itself.
    pub(super) async fn ended(&mut self) -> Result<(), SampleError> {
        (&mut self.ended).await.unwrap_or_else(|_| {
            let cause = io::Error::other("the thread that samples has vanished");
            Err(SampleError::Thread { cause })
        })
    }

    /// Waits for its end after the stop, but no longer than a driver that works would take.
    pub(super) async fn end(mut self) -> Result<(), SampleError> {
        let ended = tokio::time::timeout(ENDING, self.ended()).await;
        ended.unwrap_or_else(|_| {
            tracing::warn!("a call of NVML does not come back, so it is left without its shutdown");
            Ok(())
        })
    }

    /// Runs until the stop.
    pub(super) async fn run(mut self, stop: CancellationToken) -> Result<(), SampleError> {
        match stop.run_until_cancelled(self.ended()).await {
            Some(early) => early,
            None => self.end().await,
        }
    }
}

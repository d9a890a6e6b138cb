//! A body, read as far as it fits.
//!
//! What all requests hold together is bounded: who comes when it is used up is told to come again.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// For the whole of a body.
const READ_WITHIN: Duration = Duration::from_secs(30);

/// Bytes are counted in units, so that any budget fits into permits.
const UNIT: usize = 1024;

/// Bodies of the largest size that may be held at the same time.
const LARGEST_AT_ONCE: usize = 4;

/// Why a body was not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    #[error("the request did not arrive in time")]
    Slow,
    #[error("the request did not arrive whole")]
    Broken,
    #[error("too much is being received")]
    Busy,
}

/// A body, or its beginning.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) bytes: Vec<u8>,
    /// What came behind is not there.
    pub(super) is_cut: bool,
    held: Option<OwnedSemaphorePermit>,
}

/// How much may be held.
#[derive(Debug)]
pub(super) struct Budget {
    limit: usize,
    left: Arc<Semaphore>,
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

impl Budget {
    /// For bodies of at most `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        let all = units(limit.saturating_mul(LARGEST_AT_ONCE)) as usize;
        Self { limit, left: Arc::new(Semaphore::new(all.clamp(1, Semaphore::MAX_PERMITS))) }
    }

    /// Reads a body. What is over the limit is read too, and thrown away: a sender that cannot
    /// finish does not read the answer.
    pub(super) async fn read(&self, body: Body) -> Result<Received, BodyError> {
        let end = Instant::now() + READ_WITHIN;
        let mut body = std::pin::pin!(body);
        let mut received = Received { bytes: Vec::new(), is_cut: false, held: None };
        let mut reserved = 0;
        loop {
            let frame = std::future::poll_fn(|context| body.as_mut().poll_frame(context));
            let frame = match timeout_at(end, frame).await {
                Ok(None) => return Ok(received),
                Ok(Some(frame)) => frame.map_err(|_| BodyError::Broken)?,
                // What fits is here, its rest is not wanted anyway.
                Err(_) if received.is_cut => return Ok(received),
                Err(_) => return Err(BodyError::Slow),
            };
            let Ok(data) = frame.into_data() else { continue };
            let fits = data.len().min(self.limit - received.bytes.len());
            received.is_cut |= fits < data.len();
            // A vector grows by doubling.
            let length = received.bytes.len() + fits;
            let wanted = units(length.next_power_of_two().min(self.limit));
            if wanted > reserved {
                let more = Arc::clone(&self.left).try_acquire_many_owned(wanted - reserved);
                let more = more.map_err(|_| BodyError::Busy)?;
                match &mut received.held {
                    Some(held) => held.merge(more),
                    None => received.held = Some(more),
                }
                reserved = wanted;
            }
            received.bytes.extend_from_slice(&data[..fits]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_over_the_limit_is_cut_and_its_memory_goes_back() {
        let budget = Budget::new(3_000);
        for (length, is_cut) in [(0, false), (3_000, false), (3_001, true), (9_000, true)] {
            let received = budget.read(Body::from(vec![7; length])).await.unwrap();
            assert_eq!((received.bytes.len(), received.is_cut), (length.min(3_000), is_cut));
        }
        assert_eq!(budget.left.available_permits(), 12);
    }

    #[tokio::test]
    async fn who_comes_when_the_memory_is_used_up_is_refused() {
        let budget = Budget::new(2_048);
        let mut held = Vec::new();
        for _ in 0..LARGEST_AT_ONCE {
            held.push(budget.read(Body::from(vec![7; 2_048])).await.unwrap());
        }
        let refused = budget.read(Body::from(vec![7; 10])).await;
        assert!(matches!(refused, Err(BodyError::Busy)), "{refused:?}");
        held.pop();
        budget.read(Body::from(vec![7; 10])).await.unwrap();
    }
}

//! How fast an account or a channel may be written to: a bucket of tokens that fills with time, and
//! sleeps when the other side says so.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Tokens, one for each call.
#[derive(Debug)]
pub(super) struct Bucket {
    /// Between two new tokens.
    pause: Duration,
    /// As many as fit.
    burst: u32,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// When the bucket would have been empty, had it had no bound: a token is there from `pause`
    /// after it on.
    empty_at: Instant,
    asleep_until: Instant,
}

impl Bucket {
    pub(super) fn new(pause: Duration, burst: u32) -> Self {
        let now = Instant::now();
        let full = now.checked_sub(pause * burst).unwrap_or(now);
        Self { pause, burst, state: Mutex::new(State { empty_at: full, asleep_until: now }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // a panic while the lock was held cannot have left a half-made state: fields are set whole
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ready_at(&self, state: &State) -> Instant {
        (state.empty_at + self.pause).max(state.asleep_until)
    }

    /// Waits for a token and takes it.
    pub(super) async fn take(&self) {
        loop {
            let ready = {
                let (mut state, now) = (self.state(), Instant::now());
                let ready = self.ready_at(&state);
                if ready <= now {
                    let full = now.checked_sub(self.pause * self.burst).unwrap_or(now);
                    state.empty_at = state.empty_at.max(full) + self.pause;
                    return;
                }
                ready
            };
            sleep_until(ready).await;
        }
    }

    /// Waits until there is a token, and leaves it.
    pub(super) async fn ready(&self) {
        loop {
            let ready = self.ready_at(&self.state());
            if ready <= Instant::now() {
                return;
            }
            sleep_until(ready).await;
        }
    }

    /// Gives no token for this long.
    pub(super) fn sleep(&self, pause: Duration) {
        let mut state = self.state();
        state.asleep_until = state.asleep_until.max(Instant::now() + pause);
    }
}

/// Buckets by what they limit. There is one for each key, channel and token of the configuration;
/// rotated ones add to them, so those that nobody holds are removed.
#[derive(Debug, Default)]
pub(super) struct Buckets(Mutex<HashMap<String, Arc<Bucket>>>);

impl Buckets {
    pub(super) fn of(&self, name: String, pause: Duration, burst: u32) -> Arc<Bucket> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() > 1_000 {
            buckets.retain(|_, bucket| Arc::strong_count(bucket) > 1);
        }
        let bucket = buckets.entry(name).or_insert_with(|| Arc::new(Bucket::new(pause, burst)));
        Arc::clone(bucket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_burst_goes_at_once_and_then_one_after_each_pause() {
        let bucket = Bucket::new(SECOND, 3);
        let start = Instant::now();
        let mut taken = Vec::new();
        for _ in 0..5 {
            bucket.take().await;
            taken.push(Instant::now().duration_since(start).as_secs());
        }
        assert_eq!(taken, [0, 0, 0, 1, 2]);
        tokio::time::advance(SECOND * 60).await;
        let later = Instant::now();
        for _ in 0..4 {
            bucket.take().await;
        }
        assert_eq!(later.elapsed().as_secs(), 1, "no more than three were saved");
    }

    #[tokio::test(start_paused = true)]
    async fn a_bucket_that_sleeps_gives_nothing() {
        let bucket = Bucket::new(SECOND, 3);
        let start = Instant::now();
        bucket.sleep(SECOND * 30);
        bucket.sleep(SECOND * 5);
        bucket.ready().await;
        assert_eq!(Instant::now().duration_since(start), SECOND * 30);
    }

    #[test]
    fn one_name_has_one_bucket() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let _entered = runtime.enter();
        let buckets = Buckets::default();
        let first = buckets.of("a".to_owned(), SECOND, 1);
        assert!(Arc::ptr_eq(&first, &buckets.of("a".to_owned(), SECOND, 1)));
        assert!(!Arc::ptr_eq(&first, &buckets.of("b".to_owned(), SECOND, 1)));
    }
}

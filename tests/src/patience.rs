//! Waiting in tests: a condition and an end, never a bare pause.
//!
//! Nothing here may be used to give something "enough time": a test that has to wait names what it
//! waits for, so that it is as fast as the machine and still right on a slow one.

use std::time::{Duration, Instant};

/// How long a condition that must come true may take. Far above what an idle machine needs: it is
/// only spent in full by a test that fails.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Pause between two looks at a condition that nobody signals.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Looks at `condition` until it holds; false if it did not within `limit`.
///
/// The condition is looked at at least once, also with a limit of zero.
pub fn wait_until(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    loop {
        if condition() {
            return true;
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        std::thread::park_timeout(left.min(LOOK_AGAIN));
    }
}

/// Panics with `what` if `condition` does not hold within [`PATIENCE`].
///
/// # Panics
///
/// When the condition did not come true in time; the message says which.
#[track_caller]
pub fn await_condition(what: &str, condition: impl FnMut() -> bool) {
    assert!(wait_until(PATIENCE, condition), "gave up waiting until {what}");
}

/// As [`await_condition`], for tests whose tasks run on the thread that waits.
///
/// # Panics
///
/// As [`await_condition`].
pub async fn await_condition_of_tasks(what: &str, mut condition: impl FnMut() -> bool) {
    let look = async {
        while !condition() {
            // nobody signals it
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    let came = tokio::time::timeout(PATIENCE, look).await;
    assert!(came.is_ok(), "gave up waiting until {what}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_that_holds_needs_no_time() {
        assert!(wait_until(Duration::ZERO, || true));
    }

    #[test]
    fn a_condition_is_looked_at_until_it_holds() {
        let mut looks = 0;
        assert!(wait_until(PATIENCE, || {
            looks += 1;
            looks == 3
        }));
        assert_eq!(looks, 3);
    }

    #[test]
    fn waiting_ends_when_the_condition_never_holds() {
        assert!(!wait_until(Duration::from_millis(1), || false));
    }
}

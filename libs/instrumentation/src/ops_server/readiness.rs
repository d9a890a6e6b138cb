//! Whether a service may be sent work.
//!
//! Ready means that nobody holds a latch and nobody drains. A latch that is
//! dropped without being released is never released: a start-up step that failed
//! must not make the service look ready.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Readiness of a service, shared by all that have a say in it.
///
/// ```
/// use instrumentation::ops_server::Readiness;
///
/// let readiness = Readiness::default();
/// assert!(readiness.is_ready());
///
/// let (config, positions) = (readiness.latch("config"), readiness.latch("positions"));
/// config.release();
/// assert_eq!(readiness.obstacle().as_deref(), Some("awaiting positions"));
/// positions.release();
/// assert!(readiness.is_ready());
///
/// readiness.drain();
/// assert_eq!(readiness.obstacle().as_deref(), Some("draining"));
/// ```
#[derive(Clone, Default)]
pub struct Readiness {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// Latches held, in the order they were taken.
    awaited: Vec<(u64, String)>,
    taken: u64,
    is_draining: bool,
}

/// Keeps a service from being ready until [`Latch::release`].
#[derive(Debug)]
#[must_use = "a latch that is dropped keeps the service from ever being ready"]
pub struct Latch {
    readiness: Readiness,
    id: u64,
}

impl Readiness {
    /// Takes a latch: not ready until it is released. `/-/ready` names it.
    pub fn latch(&self, name: &str) -> Latch {
        let id = self.with(|state| {
            state.taken += 1;
            state.awaited.push((state.taken, name.to_owned()));
            state.taken
        });
        Latch { readiness: self.clone(), id }
    }

    /// Not ready from now on: the service is stopping and wants no new work.
    pub fn drain(&self) {
        self.with(|state| state.is_draining = true);
    }

    /// Whether the service may be sent work.
    pub fn is_ready(&self) -> bool {
        self.with(|state| !state.is_draining && state.awaited.is_empty())
    }

    /// Why the service is not ready, for people; `None` if it is.
    pub fn obstacle(&self) -> Option<String> {
        self.with(|state| {
            if state.is_draining {
                return Some("draining".to_owned());
            }
            let names: Vec<&str> = state.awaited.iter().map(|(_, name)| name.as_str()).collect();
            (!names.is_empty()).then(|| format!("awaiting {}", names.join(", ")))
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Latch {
    /// What the latch stood for is done.
    pub fn release(self) {
        self.readiness.with(|state| state.awaited.retain(|(id, _)| *id != self.id));
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let obstacle = self.obstacle();
        write!(out, "Readiness({})", obstacle.as_deref().unwrap_or("ready"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_latch_makes_ready_whatever_the_order() {
        let readiness = Readiness::default();
        let [a, b, c] = ["a", "b", "a"].map(|name| readiness.latch(name));
        assert_eq!(readiness.obstacle().unwrap(), "awaiting a, b, a");
        c.release();
        assert_eq!(readiness.obstacle().unwrap(), "awaiting a, b");
        a.release();
        b.release();
        assert!(readiness.is_ready());
        assert_eq!(readiness.obstacle(), None);
    }

    #[test]
    fn a_dropped_latch_is_not_a_released_one() {
        let readiness = Readiness::default();
        drop(readiness.latch("model"));
        assert_eq!(readiness.obstacle().unwrap(), "awaiting model");
    }

    #[test]
    fn draining_cannot_be_undone_by_a_latch() {
        let readiness = Readiness::default();
        let latch = readiness.latch("model");
        readiness.drain();
        latch.release();
        assert!(!readiness.is_ready());
        assert_eq!(readiness.obstacle().unwrap(), "draining");
    }
}

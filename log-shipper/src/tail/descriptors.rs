//! How many files may be open at once: sockets, the positions file and the pages need descriptors
//! too, and a shipper without one can neither deliver nor stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Kept free for everything but log files; a quarter of them where the limit is low.
const RESERVE: usize = 256;

/// Counts log files that are open.
#[derive(Debug)]
pub struct Descriptors {
    open: AtomicUsize,
    limit: usize,
}

/// One open file; gives its place back when it is dropped.
#[derive(Debug)]
pub struct Permit(Arc<Descriptors>);

impl Descriptors {
    /// At most this many.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { open: AtomicUsize::new(0), limit })
    }

    /// What this process may have: its soft limit is raised to the hard one.
    pub fn of_process() -> Arc<Self> {
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        let raised = Rlimit { current: maximum, maximum };
        let limit = if setrlimit(Resource::Nofile, raised).is_ok() { maximum } else { current };
        let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        Self::new(limit - RESERVE.min(limit / 4))
    }

    /// A place for one more file, if there is one.
    pub fn take(self: &Arc<Self>) -> Option<Permit> {
        let taken = self.open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |open| {
            (open < self.limit).then_some(open + 1)
        });
        taken.is_ok().then(|| Permit(Arc::clone(self)))
    }

    /// Whether files that are not needed now should be closed.
    pub fn is_scarce(&self) -> bool {
        self.open.load(Ordering::Relaxed) >= self.limit / 5 * 4
    }

    /// The limit.
    pub fn limit(&self) -> usize {
        self.limit
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_file_makes_room_for_another() {
        let descriptors = Descriptors::new(2);
        let first = descriptors.take();
        let second = descriptors.take();
        assert!(first.is_some() && second.is_some());
        assert!(descriptors.take().is_none());
        drop(first);
        assert!(descriptors.take().is_some());
    }

    #[test]
    fn some_are_kept_for_the_rest_of_the_process() {
        let limit = Descriptors::of_process().limit();
        let soft = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        assert!((limit as u64) < soft, "{limit} of {soft}");
    }
}

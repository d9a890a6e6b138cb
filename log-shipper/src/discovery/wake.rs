//! How the watcher is woken: its targets have changed, or it is to stop.
//!
//! Ringing never blocks and says nothing: whoever is woken looks for itself. Any number of rings
//! before that look are one.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{EventfdFlags, eventfd};

/// An event counter of the kernel, so that it can be waited for together with file events.
#[derive(Debug, Clone)]
pub struct Wake(Arc<OwnedFd>);

impl Wake {
    /// One that has not been rung.
    ///
    /// # Errors
    /// `EMFILE` when the process has no descriptor left.
    pub fn new() -> io::Result<Self> {
        Ok(Self(Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)))
    }

    /// Makes the descriptor readable.
    pub fn ring(&self) {
        // It fails only when the counter is full, and then it has been rung.
        let _ = rustix::io::write(&*self.0, &1_u64.to_ne_bytes());
    }

    /// Whether it was rung since the last call.
    pub fn take(&self) -> bool {
        rustix::io::read(&*self.0, &mut [0; size_of::<u64>()]).is_ok()
    }
}

impl AsFd for Wake {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_rings_is_one() {
        let wake = Wake::new().unwrap();
        assert!(!wake.take());
        let other = wake.clone();
        other.ring();
        other.ring();
        assert!(wake.take());
        assert!(!wake.take());
    }
}

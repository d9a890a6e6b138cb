//! What the sampler is asked to do while it runs.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

/// Asked for since it was last looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Let go of NVML for so long.
    pub release: Option<Duration>,
    /// Look which GPUs there are.
    pub rescan: bool,
}

/// Where it is asked.
#[derive(Debug, Default)]
pub struct Control {
    wishes: Mutex<Wishes>,
    notify: Notify,
}

impl Control {
    /// Asks to shut NVML down for so long, so that a GPU can be reset or MIG be switched: both fail
    /// while somebody has it open. A day at most.
    /// Asked again, the time begins anew; zero ends it at once.
    pub fn release(&self, time: Duration) {
        self.wish(|wishes| wishes.release = Some(time));
    }

    /// Asks to look which GPUs there are.
    pub fn rescan(&self) {
        self.wish(|wishes| wishes.rescan = true);
    }

    /// Something has changed that has to be looked at.
    pub fn wake(&self) {
        self.notify.notify_one();
    }

    fn wish(&self, change: impl FnOnce(&mut Wishes)) {
        change(&mut self.wishes.lock().unwrap_or_else(PoisonError::into_inner));
        self.notify.notify_one();
    }

    /// What was asked for, which is over with that.
    pub fn take(&self) -> Wishes {
        std::mem::take(&mut *self.wishes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until something is asked for or has changed.
    pub async fn woken(&self) {
        self.notify.notified().await;
    }
}

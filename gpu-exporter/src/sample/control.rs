//! What the sampler is asked to do while it runs.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

/// Asked for since it was last looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Let go of NVML for so long.
    pub release: Option<Duration>,
    /// Look which GPUs there are.
    pub rescan: bool,
}

/// How letting go of NVML ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Released {
    /// NVML is shut down.
    ShutDown,
    /// A call does not come back, or the shutdown failed: the driver still has this process as a
    /// client.
    StillOpen,
}

/// Where it is asked.
#[derive(Debug, Default)]
pub struct Control {
    wishes: Mutex<Wishes>,
    /// Who wants to know how the release ended.
    asking: Mutex<Vec<oneshot::Sender<Released>>>,
    notify: Notify,
}

impl Control {
    /// Asks to shut NVML down for so long, so that a GPU can be reset or MIG be switched: both fail
    /// while somebody has it open. A day at most.
    /// Asked again, the time begins anew; zero ends it at once. The receiver gets the outcome, which
    /// takes 2 s when a call of the driver hangs, and longer when it is the sampler's own.
    pub fn release(&self, time: Duration) -> oneshot::Receiver<Released> {
        let (sender, outcome) = oneshot::channel();
        let mut asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        // those that did not want to wait any longer
        asking.retain(|one| !one.is_closed());
        asking.push(sender);
        drop(asking);
        self.wish(|wishes| wishes.release = Some(time));
        outcome
    }

    /// NVML was let go of, which ended like this.
    pub fn released(&self, outcome: Released) {
        let asking =
            std::mem::take(&mut *self.asking.lock().unwrap_or_else(PoisonError::into_inner));
        for one in asking {
            // it may have gone
            let _ = one.send(outcome);
        }
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

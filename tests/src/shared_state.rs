//! What the threads of a fake server share: its state, news of it, and the connections that end with
//! it.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// The state `S` of a server whose connections are `C`.
#[derive(Debug)]
pub(crate) struct Shared<S, C> {
    state: Mutex<S>,
    /// Told at every change.
    pub(crate) changed: Condvar,
    connections: Mutex<Vec<C>>,
}

impl<S: Default, C> Default for Shared<S, C> {
    fn default() -> Self {
        Self { state: Mutex::default(), changed: Condvar::new(), connections: Mutex::default() }
    }
}

impl<S, C> Shared<S, C> {
    pub(crate) fn state(&self) -> MutexGuard<'_, S> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn connections(&self) -> MutexGuard<'_, Vec<C>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and wakes those who wait for news.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut S) -> T) -> T {
        let changed = change(&mut self.state());
        self.changed.notify_all();
        changed
    }
}

//! What Alertmanagers know is held against what is known here.
//!
//! Nothing is closed unless every Alertmanager could have known better: closing too early loses a
//! page, closing too late costs an open incident. Whoever does not answer, or has just begun, ends
//! nothing.

mod judge;
mod poll;
#[cfg(test)]
mod real_peer;
#[cfg(test)]
mod tests;

pub use judge::{Judge, Poll};
pub use poll::{ReconcileError, Reconciliation};

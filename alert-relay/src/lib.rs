//! Few useful notifications from many alerts, and no page lost.
//!
//! Flow: `time -> calendar -> alert -> incident -> config -> journal -> correlate -> simulate -> route -> ledger -> render -> deliver -> reconcile -> receive -> run`

pub mod alert;
pub mod calendar;
pub mod config;
pub mod correlate;
pub mod incident;
pub mod simulate;
pub mod time;

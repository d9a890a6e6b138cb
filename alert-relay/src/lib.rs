//! Few useful notifications from many alerts, and no page lost.
//!
//! Flow: `time -> alert -> incident -> config -> journal -> correlate -> route -> ledger -> render -> deliver -> reconcile -> receive -> cli -> run`

pub mod alert;
pub mod cli;
pub mod config;
pub mod incident;
pub mod journal;
pub mod ledger;
pub mod receive;
pub mod run;
pub mod time;

//! Few useful notifications from many alerts, and no page lost.
//!
//! Flow: `time -> alert -> incident -> config -> journal -> correlate -> route -> ledger -> render -> deliver -> reconcile -> receive -> run`

pub mod alert;
pub mod config;
pub mod deliver;
pub mod incident;
pub mod render;
pub mod route;
pub mod time;

//! Few useful notifications from many alerts, and no page lost.
//!
//! Flow: `time -> alert -> incident -> config -> journal -> correlate -> route -> ledger -> render -> deliver -> access -> client -> alertmanagers -> reconcile -> heartbeat -> silence -> feedback -> lease -> report -> receive -> run`

pub mod access;
pub mod alert;
pub mod alertmanagers;
pub mod client;
pub mod config;
pub mod feedback;
pub mod heartbeat;
pub mod incident;
pub mod lease;
pub mod reconcile;
pub mod report;

pub mod silence;
pub mod time;

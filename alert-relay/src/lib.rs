//! Few useful notifications from many alerts, and no page lost.
//!
//! Flow: `time -> calendar -> alert -> incident -> config -> journal -> correlate -> simulate -> route -> ledger -> render -> deliver -> access -> decide -> dispatch -> client -> alertmanagers -> reconcile -> heartbeat -> silence -> feedback -> lease -> report -> receive -> cli -> run -> wiring`

pub mod access;
pub mod alert;
pub mod alertmanagers;
pub mod calendar;
pub mod cli;
pub mod client;
pub mod config;
pub mod correlate;
pub mod decide;
pub mod deliver;
pub mod dispatch;
pub mod feedback;
pub mod heartbeat;
pub mod incident;
pub mod journal;
pub mod lease;
pub mod ledger;
pub mod receive;
pub mod reconcile;
pub mod render;
pub mod report;
pub mod route;
pub mod run;
pub mod silence;
pub mod simulate;
pub mod time;
pub mod wiring;

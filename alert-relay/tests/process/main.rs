//! The durable path of the real program: what was answered with 200 is there after any crash.
//!
//! What decides and what sends is a stand-in, see `storing_relay.rs`.

mod commands;
mod crashes;
mod fixture;
mod intake;

//! The durable path of the real program: what was answered with 200 is there after any crash.
//!
//! But for `pages`, what decides and what sends is a stand-in, see `storing_relay.rs`.

mod commands;
mod crashes;
mod fixture;
mod intake;
mod pages;

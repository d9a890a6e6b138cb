//! What people and programs read: an incident as it is now, in the form of each destination.
//!
//! Pure functions. Whatever labels and annotations hold, a message keeps the limits of its
//! destination, and nothing of it is markup, a mention, a link that was not meant, or a header.

pub mod facts;
pub mod mail;
pub mod pagerduty;
pub mod slack;
pub mod text;
pub mod webhook;

#[cfg(test)]
mod tests;

use crate::incident::Kind;
use crate::time::Moment;

/// What a message says besides its incident.
#[derive(Debug, Clone, Copy)]
pub struct Occasion<'a> {
    /// What for.
    pub kind: Kind,
    /// What changed, or empty.
    pub text: &'a str,
    /// The time at which it is sent.
    pub now: Moment,
    /// Where the relay's page is, for a link; none without it.
    pub external_url: Option<&'a str>,
    /// It was sent before, perhaps, and whether it arrived is not known.
    pub is_repeat: bool,
    /// With buttons to acknowledge and to judge.
    pub has_buttons: bool,
}

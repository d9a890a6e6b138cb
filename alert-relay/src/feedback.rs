//! What people say with buttons in Slack and in PagerDuty: acknowledged, useful, not actionable,
//! silence.
//!
//! Nothing is believed without a signature over the raw bytes, and of a signed request only which
//! incident it is about: labels are those known here. What is said is stored before it is answered.

mod pagerduty;
mod serve;
mod signature;
mod slack;
#[cfg(test)]
mod tests;

pub use serve::{Feedback, SilenceOrder, SilenceWorker, router};
pub use signature::SignatureError;
pub use slack::action;

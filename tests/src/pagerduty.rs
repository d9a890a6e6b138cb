//! PagerDuty's Events API, versions 2 and 1: keys, alerts, who was woken, limits and faults.
//!
//! It counts what a person hears: a trigger on an open key wakes nobody.

mod rules;
mod state;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use self::rules::{problems_of_v1, problems_of_v2};
use self::state::Account;
pub use self::state::{Alert, Status};
use crate::faulty_server::{Fault, Request, Server};

/// A running account; gone when it is dropped.
///
/// ```
/// use stack_tests::pagerduty::PagerDuty;
///
/// let pager = PagerDuty::local();
/// // start what follows pager.url(), then pager.wait_for(patience, |alerts| ...)
/// assert_eq!(pager.woken(), 0);
/// ```
#[derive(Debug)]
pub struct PagerDuty(Server<Account>);

impl PagerDuty {
    /// Accepts any key of 32 characters, on a free port of the loopback interface.
    pub fn local() -> Self {
        Self(Server::local())
    }

    /// Base of the API.
    pub fn url(&self) -> String {
        self.0.url()
    }

    /// All alerts so far, in the order in which they were opened; one for each opening.
    pub fn alerts(&self) -> Vec<Alert> {
        self.0.look(|account| account.alerts.clone())
    }

    /// How often somebody was woken.
    pub fn woken(&self) -> usize {
        self.alerts().len()
    }

    /// Those that are not resolved.
    pub fn open(&self) -> Vec<Alert> {
        let mut alerts = self.alerts();
        alerts.retain(|alert| alert.status != Status::Resolved);
        alerts
    }

    /// Accepts events with these keys only.
    pub fn accept_only(&self, keys: &[&str]) {
        let keys = keys.iter().map(ToString::to_string).collect();
        self.0.change(|account| account.keys = Some(keys));
    }

    /// How many events a key may have in a minute; 120 without.
    pub fn limit(&self, events: usize) {
        self.0.change(|account| account.limit = events);
    }

    /// What happens to the next requests, one each.
    pub fn script(&self, faults: impl IntoIterator<Item = Fault>) {
        self.0.script(faults);
    }

    /// What happens to all requests, until `None`.
    pub fn set_fault(&self, fault: Option<Fault>) {
        self.0.set_fault(fault);
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<Request> {
        self.0.requests()
    }

    /// Waits until the alerts are so; whether they were within the time.
    pub fn wait_for(&self, patience: Duration, condition: impl Fn(&[Alert]) -> bool) -> bool {
        self.0.wait_for(patience, |account| condition(&account.alerts))
    }
}

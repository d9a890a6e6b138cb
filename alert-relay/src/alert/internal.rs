//! Alerts that the relay raises about what it depends on.
//!
//! They take the way of every other alert: correlated, routed, recorded, ended. An end may be told
//! although nobody knows the alert, since after a restart nobody knows whether it was raised.

use prometheus_model::label_set::LabelSet;

use super::Alert;
use super::webhook::build;
use crate::time::Moment;

/// What is the matter with something that the relay depends on, or was.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    labels: LabelSet,
    summary: String,
}

impl Condition {
    /// `name` becomes `alertname`, `about` a label and its value that tell it from others of the
    /// name.
    pub fn new(name: &str, severity: &str, about: (&str, &str), summary: String) -> Self {
        let labels =
            [("alertname", name), ("severity", severity), ("source", "alert-relay"), about];
        Self { labels: labels.into_iter().collect(), summary }
    }

    /// It holds since then.
    pub fn begun(&self, at: Moment) -> Alert {
        self.alert(at, None)
    }

    /// It does not hold any more.
    pub fn ended(&self, at: Moment) -> Alert {
        self.alert(at, Some(at))
    }

    fn alert(&self, starts_at: Moment, ends_at: Option<Moment>) -> Alert {
        let annotations = [("summary", self.summary.as_str())].into_iter().collect();
        build(self.labels.clone(), annotations, starts_at, ends_at, String::new(), &[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn begin_and_end_are_of_one_alert_whatever_is_said_of_it() {
        let condition = |summary: &str| {
            Condition::new("Blind", "critical", ("heartbeat", "a"), summary.to_owned())
        };
        let begun = condition("for 90 s").begun(Moment::EPOCH);
        let ended = condition("again").ended(Moment::from_millis(5));
        assert_eq!(begun.identity, ended.identity);
        assert!(begun.is_firing() && !ended.is_firing());
        assert_eq!((begun.name(), begun.labels.get("heartbeat")), ("Blind", Some("a")));
    }
}

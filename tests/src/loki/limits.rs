//! Entries and streams that Loki refuses one by one while it takes the rest of a request.
//!
//! Such a request is answered with 400 although a part of it is stored; a sender that takes this for
//! the loss of all of it counts too many.

use std::time::Duration;

use prometheus_model::label_set::LabelSet;

use super::decode::PushedEntry;

/// Limits of a tenant; the defaults are those of Loki 3's `limits_config`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// `reject_old_samples_max_age`.
    pub max_age: Duration,
    /// `creation_grace_period`: how far ahead of our clock an entry may be.
    pub max_ahead: Duration,
    /// `max_line_size` in bytes.
    pub max_line_bytes: usize,
    /// `max_label_names_per_series`.
    pub max_labels: usize,
    /// `max_label_name_length` in bytes.
    pub max_label_name_bytes: usize,
    /// `max_label_value_length` in bytes.
    pub max_label_value_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_age: Duration::from_hours(7 * 24),
            max_ahead: Duration::from_mins(10),
            max_line_bytes: 256 * 1024,
            max_labels: 15,
            max_label_name_bytes: 1024,
            max_label_value_bytes: 2048,
        }
    }
}

/// Why something was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The label `reason` of `loki_discarded_samples_total`.
    pub(super) reason: &'static str,
    /// For the answer.
    pub(super) message: String,
}

impl Limits {
    /// Checks what all entries of a stream share.
    pub(super) fn check_stream(&self, labels: &LabelSet) -> Result<(), Refusal> {
        let refuse = |reason, what: String| {
            Err(Refusal { reason, message: format!("stream '{labels}' {what}") })
        };
        if labels.is_empty() {
            return refuse("missing_labels", "needs at least one label".to_owned());
        }
        if labels.len() > self.max_labels {
            let what = format!("has {} label names; limit {}", labels.len(), self.max_labels);
            return refuse("max_label_names_per_series", what);
        }
        for (name, value) in labels.iter() {
            if name.len() > self.max_label_name_bytes {
                let what = format!("has a label name that is too long: '{name}'");
                return refuse("label_name_too_long", what);
            }
            if value.len() > self.max_label_value_bytes {
                let what = format!("has a label value that is too long: '{name}'");
                return refuse("label_value_too_long", what);
            }
        }
        Ok(())
    }

    /// Checks one entry against our clock and the limit of lines.
    pub(super) fn check_entry(
        &self,
        labels: &LabelSet,
        entry: &PushedEntry<'_>,
        now_ns: i64,
    ) -> Result<(), Refusal> {
        let refuse = |reason, what: String| {
            Err(Refusal { reason, message: format!("entry for stream '{labels}' {what}") })
        };
        let nanoseconds = |time: Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
        let oldest = now_ns.saturating_sub(nanoseconds(self.max_age));
        if entry.timestamp_ns < oldest {
            let what = format!("has timestamp too old: {}, oldest is {oldest}", entry.timestamp_ns);
            return refuse("greater_than_max_sample_age", what);
        }
        if entry.timestamp_ns > now_ns.saturating_add(nanoseconds(self.max_ahead)) {
            let what = format!("has timestamp too new: {}", entry.timestamp_ns);
            return refuse("too_far_in_future", what);
        }
        if entry.line.len() > self.max_line_bytes {
            let (length, limit) = (entry.line.len(), self.max_line_bytes);
            return refuse("line_too_long", format!("has {length} bytes; limit {limit}"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000_000_000_000;

    #[test]
    fn entries_out_of_time_or_too_long_are_refused() {
        let labels: LabelSet = [("a", "b")].into_iter().collect();
        let limits = Limits::default();
        let check = |timestamp_ns, length| {
            let line = vec![b'x'; length].into();
            let entry = PushedEntry { timestamp_ns, line, metadata: Vec::new() };
            limits.check_entry(&labels, &entry, NOW).map_err(|refusal| refusal.reason)
        };
        let second = 1_000_000_000;
        let (week, minutes) = (7 * 24 * 3600 * second, 600 * second);
        assert_eq!(check(NOW - week, limits.max_line_bytes), Ok(()));
        assert_eq!(check(NOW + minutes, 0), Ok(()));
        assert_eq!(check(NOW - week - 1, 0), Err("greater_than_max_sample_age"));
        assert_eq!(check(NOW + minutes + 1, 0), Err("too_far_in_future"));
        assert_eq!(check(NOW, limits.max_line_bytes + 1), Err("line_too_long"));
    }

    #[test]
    fn labels_have_a_number_and_lengths() {
        let limits = Limits {
            max_labels: 2,
            max_label_name_bytes: 2,
            max_label_value_bytes: 3,
            ..Limits::default()
        };
        let check = |labels: &[(&str, &str)]| {
            let labels: LabelSet = labels.iter().copied().collect();
            limits.check_stream(&labels).map_err(|refusal| refusal.reason)
        };
        assert_eq!(check(&[("ab", "abc"), ("b", "")]), Ok(()));
        assert_eq!(check(&[]), Err("missing_labels"));
        assert_eq!(check(&[("a", ""), ("b", ""), ("c", "")]), Err("max_label_names_per_series"));
        assert_eq!(check(&[("abc", "")]), Err("label_name_too_long"));
        assert_eq!(check(&[("a", "abcd")]), Err("label_value_too_long"));
    }
}

//! Labels in the form in which they stand on a page.
//!
//! They are escaped once and written many times. What changes from sample to sample does not belong
//! here: it is given beside them.

use super::escape;

/// Escaped labels, without their braces.
///
/// ```
/// use prometheus_model::exposition::{Format, MetricType, PreparedLabels, Writer};
///
/// let labels = PreparedLabels::new([("gpu", "0"), ("name", "a \"b\"")]);
/// let mut writer = Writer::new(Format::Text004);
/// writer.family("fan_rpm", MetricType::Gauge, "Revolutions per minute");
/// writer.prepared_sample(&labels, &[("fan", "1")], 900_u64);
/// let page = String::from_utf8(writer.finish()).unwrap();
/// assert!(page.ends_with("fan_rpm{gpu=\"0\",name=\"a \\\"b\\\"\",fan=\"1\"} 900\n"));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PreparedLabels(String);

impl PreparedLabels {
    /// The labels in this order. Names have to be valid and different from each other.
    pub fn new<'a>(labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut prepared = Self::default();
        for (name, value) in labels {
            prepared.push(name, value);
        }
        prepared
    }

    /// Adds a label after those that are there.
    pub fn push(&mut self, name: &str, value: &str) {
        if !self.0.is_empty() {
            self.0.push(',');
        }
        push_label(&mut self.0, name, value);
    }

    /// As they stand on a page.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

pub(super) fn push_label(out: &mut String, name: &str, value: &str) {
    out.push_str(name);
    out.push_str("=\"");
    out.push_str(&escape(value, true));
    out.push('"');
}

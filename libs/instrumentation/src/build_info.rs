//! Which build is running: `<prefix>_build_info`, a gauge that is always 1.
//!
//! The facts are in the labels, so a query can join them to any other metric;
//! they must not change while the process runs.

use prometheus_model::exposition::{Collect, MetricType, Writer};

/// Revision this crate was built from: `BELLWETHER_REVISION` of the build's environment, else
/// `unknown`.
///
/// ```
/// assert!(!instrumentation::build_info::REVISION.is_empty());
/// ```
pub const REVISION: &str = match option_env!("BELLWETHER_REVISION") {
    Some(revision) if !revision.is_empty() => revision,
    _ => "unknown",
};

/// Collects `<prefix>_build_info`.
///
/// Name and labels are written as given: a daemon that stands in for another gives the ones its
/// users have in their queries.
///
/// ```
/// use instrumentation::build_info::{BuildInfo, REVISION};
/// use prometheus_model::exposition::{Collect, Format, Writer};
///
/// let info = BuildInfo::new("gpu_exporter")
///     .label("version", "1.2.0")
///     .label("revision", REVISION);
/// let mut writer = Writer::new(Format::negotiate(None));
/// info.collect(&mut writer);
/// let page = String::from_utf8(writer.finish()).unwrap();
/// assert!(page.contains("\ngpu_exporter_build_info{version=\"1.2.0\",revision=\""));
/// ```
#[derive(Debug, Clone)]
pub struct BuildInfo {
    name: String,
    help: String,
    labels: Vec<(&'static str, String)>,
}

impl BuildInfo {
    /// The metric `<prefix>_build_info` without labels. `prefix` is the start of a metric name.
    pub fn new(prefix: &str) -> Self {
        Self {
            name: format!("{prefix}_build_info"),
            help: format!("Build that {prefix} runs, in the labels; the value is always 1."),
            labels: Vec::new(),
        }
    }

    /// Adds a label. A label that is there already gets the new value.
    #[must_use]
    pub fn label(mut self, name: &'static str, value: &str) -> Self {
        match self.labels.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => value.clone_into(known),
            None => self.labels.push((name, value.to_owned())),
        }
        self
    }
}

impl Collect for BuildInfo {
    fn collect(&self, writer: &mut Writer) {
        let labels: Vec<(&str, &str)> =
            self.labels.iter().map(|(name, value)| (*name, value.as_str())).collect();
        writer.family(&self.name, MetricType::Gauge, &self.help);
        writer.sample(&labels, 1.0);
    }
}

#[cfg(test)]
mod tests {
    use prometheus_model::exposition::Format;

    use super::*;

    #[test]
    fn the_labels_are_written_once_and_in_order_and_escaped() {
        let info = BuildInfo::new("promtail")
            .label("branch", "old")
            .label("version", "3.4.6")
            .label("branch", "a\"b");
        let mut writer = Writer::new(Format::Text004);
        info.collect(&mut writer);
        let page = String::from_utf8(writer.finish()).unwrap();
        assert!(
            page.ends_with("promtail_build_info{branch=\"a\\\"b\",version=\"3.4.6\"} 1\n"),
            "{page}"
        );
        assert!(page.contains("# TYPE promtail_build_info gauge\n"), "{page}");
    }
}

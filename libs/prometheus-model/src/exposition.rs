//! Text exposition: names stay as given, whatever the format would like them to be.
//!
//! Samples of one family stand together, families are sorted by name, and what would make a page
//! unreadable for the scraper (a second type under one name, a name that is none) is left out.

mod format;
mod prepared;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::fmt::{self, Write as _};
use std::sync::Arc;

pub use self::format::Format;
pub use self::prepared::PreparedLabels;
use self::prepared::push_label;

/// Anything that can write its metrics to a page.
pub trait Collect {
    /// Writes families and samples.
    fn collect(&self, writer: &mut Writer);
}

impl<T: Collect + ?Sized> Collect for Arc<T> {
    fn collect(&self, writer: &mut Writer) {
        (**self).collect(writer);
    }
}

/// What a family measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricType {
    /// Only grows, or starts again at 0.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts of observations in buckets.
    Histogram,
    /// Quantiles of observations.
    Summary,
    /// Nothing is known of it.
    Untyped,
}

impl MetricType {
    fn as_str(self, format: Format) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Summary => "summary",
            Self::Untyped if format == Format::OpenMetrics100 => "unknown",
            Self::Untyped => "untyped",
        }
    }
}

/// The value of a sample: integers stay exact.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// A whole number.
    Integer(u64),
    /// Any other.
    Float(f64),
    /// Any other, with this number of decimals, as C's `%.*f` writes it.
    Fixed(f64, u8),
}

impl From<u64> for Number {
    fn from(number: u64) -> Self {
        Self::Integer(number)
    }
}

impl From<u32> for Number {
    fn from(number: u32) -> Self {
        Self::Integer(number.into())
    }
}

impl From<f64> for Number {
    fn from(number: f64) -> Self {
        Self::Float(number)
    }
}

/// Floats as Go writes them: `1`, `0.25`, `1e+06`, `+Inf`, `NaN`.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Integer(number) => number.fmt(f),
            Self::Fixed(number, decimals) if number.is_finite() => {
                write!(f, "{number:.*}", usize::from(decimals))
            }
            Self::Float(number) | Self::Fixed(number, _) => {
                f.write_str(&go_compat::strconv::format_float_g(number))
            }
        }
    }
}

/// Whether a text can name a metric: a letter, underscore or colon, then also digits.
pub fn is_valid_metric_name(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || byte == b':';
    name.bytes().next().is_some_and(is_letter)
        && name.bytes().all(|byte| is_letter(byte) || byte.is_ascii_digit())
}

/// Labels of a sample: the prepared ones first.
#[derive(Debug, Clone, Copy)]
struct Labels<'a> {
    prepared: &'a str,
    pairs: &'a [(&'a str, &'a str)],
}

impl<'a> Labels<'a> {
    fn of(pairs: &'a [(&'a str, &'a str)]) -> Self {
        Self { prepared: "", pairs }
    }
}

#[derive(Debug)]
struct Family {
    kind: MetricType,
    help: String,
    samples: String,
}

/// Writes one page.
///
/// ```
/// use prometheus_model::exposition::{Format, MetricType, Writer};
///
/// let mut writer = Writer::new(Format::Text004);
/// writer.family("lines_total", MetricType::Counter, "Lines read");
/// writer.sample(&[("path", "/var/log/a.log")], 3_u64);
/// let page = String::from_utf8(writer.finish()).unwrap();
/// assert!(page.ends_with("lines_total{path=\"/var/log/a.log\"} 3\n"));
/// ```
#[derive(Debug)]
pub struct Writer {
    format: Format,
    families: BTreeMap<String, Family>,
    /// Not among `families` while samples are added to it. `None` while those of a refused family
    /// are passed over.
    current: Option<(String, Family)>,
}

impl Writer {
    /// An empty page.
    pub fn new(format: Format) -> Self {
        Self { format, families: BTreeMap::new(), current: None }
    }

    /// Begins a family, or goes on with one of the same name and type. The help text of the first
    /// one counts. A family whose type differs is left out, and so is one whose name is none.
    ///
    /// `OpenMetrics` names counters without their `_total`; a counter that has no such suffix is
    /// written as `unknown` there, because any other line would be refused.
    pub fn family(&mut self, name: &str, kind: MetricType, help: &str) {
        self.put_back();
        let known = self.families.get(name).map(|family| family.kind);
        if known.is_some_and(|known| known != kind) || !is_valid_metric_name(name) {
            return;
        }
        self.current = Some(self.families.remove_entry(name).unwrap_or_else(|| {
            let family = Family { kind, help: help.to_owned(), samples: String::new() };
            (name.to_owned(), family)
        }));
    }

    fn put_back(&mut self) {
        self.families.extend(self.current.take());
    }

    /// Writes a sample of the current family, under the family's own name.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: impl Into<Number>) {
        self.write_sample("", Labels::of(labels), None, value.into());
    }

    /// Writes a sample of the current family whose first labels are prepared.
    pub fn prepared_sample(
        &mut self,
        prepared: &PreparedLabels,
        labels: &[(&str, &str)],
        value: impl Into<Number>,
    ) {
        let labels = Labels { prepared: prepared.as_str(), pairs: labels };
        self.write_sample("", labels, None, value.into());
    }

    /// Writes a histogram: `counts` are those of single buckets, one more than there are `bounds`
    /// (the last is the count of what lies above all of them).
    pub fn histogram(&mut self, labels: &[(&str, &str)], bounds: &[f64], counts: &[u64], sum: f64) {
        self.write_histogram(Labels::of(labels), bounds, counts, sum);
    }

    /// As [`Writer::histogram`], with prepared labels.
    pub fn prepared_histogram(
        &mut self,
        prepared: &PreparedLabels,
        bounds: &[f64],
        counts: &[u64],
        sum: f64,
    ) {
        let labels = Labels { prepared: prepared.as_str(), pairs: &[] };
        self.write_histogram(labels, bounds, counts, sum);
    }

    fn write_histogram(&mut self, labels: Labels<'_>, bounds: &[f64], counts: &[u64], sum: f64) {
        let mut total = 0;
        for (index, count) in counts.iter().enumerate() {
            total += count;
            let bound = bounds.get(index).copied().unwrap_or(f64::INFINITY);
            let le = self.label_number(bound);
            self.write_sample("_bucket", labels, Some(("le", &le)), Number::Integer(total));
        }
        self.write_sample("_sum", labels, None, Number::Float(sum));
        self.write_sample("_count", labels, None, Number::Integer(total));
    }

    /// Writes a summary: quantiles between 0 and 1 with their values, then sum and count of all
    /// observations.
    pub fn summary(
        &mut self,
        labels: &[(&str, &str)],
        quantiles: &[(f64, f64)],
        sum: f64,
        count: u64,
    ) {
        let labels = Labels::of(labels);
        for (quantile, value) in quantiles {
            let quantile = self.label_number(*quantile);
            let extra = Some(("quantile", quantile.as_str()));
            self.write_sample("", labels, extra, Number::Float(*value));
        }
        self.write_sample("_sum", labels, None, Number::Float(sum));
        self.write_sample("_count", labels, None, Number::Integer(count));
    }

    /// `le` and `quantile`: `OpenMetrics` wants them to look like floats, so that they are the same
    /// label values whoever writes them.
    fn label_number(&self, number: f64) -> String {
        let mut text = Number::Float(number).to_string();
        if self.format == Format::OpenMetrics100 && number.is_finite() && !text.contains(['.', 'e'])
        {
            text.push_str(".0");
        }
        text
    }

    fn write_sample(
        &mut self,
        suffix: &str,
        labels: Labels<'_>,
        extra: Option<(&str, &str)>,
        value: Number,
    ) {
        let Some((name, family)) = &mut self.current else { return };
        let out = &mut family.samples;
        out.push_str(name);
        out.push_str(suffix);
        let mut separator = '{';
        if !labels.prepared.is_empty() {
            out.push(separator);
            separator = ',';
            out.push_str(labels.prepared);
        }
        for (name, value) in labels.pairs.iter().copied().chain(extra) {
            out.push(separator);
            separator = ',';
            push_label(out, name, value);
        }
        if separator == ',' {
            out.push('}');
        }
        let _ = writeln!(out, " {value}");
    }

    /// The page; families without samples are not on it.
    pub fn finish(mut self) -> Vec<u8> {
        self.put_back();
        let open_metrics = self.format == Format::OpenMetrics100;
        let names: HashSet<&str> = self.families.keys().map(String::as_str).collect();
        let mut page = String::new();
        for (name, family) in &self.families {
            if family.samples.is_empty() {
                continue;
            }
            let (mut shown, mut kind) = (name.as_str(), family.kind);
            if open_metrics && kind == MetricType::Counter {
                match name.strip_suffix("_total") {
                    // two families of one name would make the page unreadable
                    Some(stem) if !stem.is_empty() && !names.contains(stem) => shown = stem,
                    _ => kind = MetricType::Untyped,
                }
            }
            // an empty help text has its line too, as in Go's client library
            let _ = writeln!(page, "# HELP {shown} {}", escape(&family.help, open_metrics));
            let _ = writeln!(page, "# TYPE {shown} {}", kind.as_str(self.format));
            page.push_str(&family.samples);
        }
        if open_metrics {
            page.push_str("# EOF\n");
        }
        page.into_bytes()
    }
}

/// Backslash and newline, and the quote where the format wants that.
fn escape(text: &str, quotes: bool) -> Cow<'_, str> {
    if !text.contains(['\\', '\n', '"']) {
        return text.into();
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for char in text.chars() {
        match char {
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            '"' if quotes => escaped.push_str("\\\""),
            char => escaped.push(char),
        }
    }
    escaped.into()
}

#[cfg(test)]
mod tests;

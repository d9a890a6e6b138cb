//! Text exposition: names stay as given, whatever the format would like them to be.
//!
//! Samples of one family stand together; a family that is begun a second time goes on where it was,
//! and a family of another type under the same name is left out rather than breaking the page.

use std::collections::HashMap;
use std::fmt::Write as _;

/// Anything that can write its metrics to a page.
pub trait Collect {
    /// Writes families and samples.
    fn collect(&self, writer: &mut Writer);
}

impl<T: Collect + ?Sized> Collect for std::sync::Arc<T> {
    fn collect(&self, writer: &mut Writer) {
        (**self).collect(writer);
    }
}

/// The format of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Prometheus text format 0.0.4.
    #[default]
    Text004,
    /// OpenMetrics text format 1.0.0.
    OpenMetrics100,
}

impl Format {
    /// The format that an `Accept` header prefers; text 0.0.4 where it names none of ours.
    ///
    /// ```
    /// use prometheus_model::exposition::Format;
    /// let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.1";
    /// assert_eq!(Format::negotiate(Some(prometheus)), Format::OpenMetrics100);
    /// assert_eq!(Format::negotiate(Some("*/*")), Format::Text004);
    /// ```
    pub fn negotiate(accept: Option<&str>) -> Self {
        let mut best = (Self::Text004, 0.0_f64);
        for range in accept.unwrap_or_default().split(',') {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
            let (mut quality, mut version) = (1.0, None);
            for parameter in parts {
                match parameter.split_once('=') {
                    Some(("q", value)) => quality = value.trim().parse().unwrap_or(0.0),
                    Some(("version", value)) => version = Some(value.trim().trim_matches('"')),
                    _ => {}
                }
            }
            let format = match (kind.as_str(), version) {
                ("application/openmetrics-text", None | Some("1.0.0" | "0.0.1")) => {
                    Self::OpenMetrics100
                }
                ("text/plain", None | Some("0.0.4")) | ("text/*" | "*/*", None) => Self::Text004,
                _ => continue,
            };
            if quality > best.1 {
                best = (format, quality);
            }
        }
        best.0
    }

    /// Value of the `Content-Type` header.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text004 => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics100 => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
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
}

impl From<u64> for Number {
    fn from(number: u64) -> Self {
        Self::Integer(number)
    }
}

impl From<f64> for Number {
    fn from(number: f64) -> Self {
        Self::Float(number)
    }
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Self::Integer(number) => write!(f, "{number}"),
            Self::Float(number) if number.is_nan() => f.write_str("NaN"),
            Self::Float(number) if number.is_infinite() => {
                f.write_str(if number > 0.0 { "+Inf" } else { "-Inf" })
            }
            // As Go's 'g' format: plain digits up to 21 places, an exponent beyond.
            Self::Float(number) => {
                f.write_str(&go_compat::strconv::format_float_g(number))
            }
        }
    }
}

#[derive(Debug)]
struct Family {
    kind: MetricType,
    /// Sample name without suffixes.
    name: String,
    head: String,
    samples: String,
}

/// Writes one page.
#[derive(Debug)]
pub struct Writer {
    format: Format,
    families: Vec<Family>,
    by_name: HashMap<String, usize>,
    /// `None` while the samples of a refused family are passed over.
    current: Option<usize>,
}

impl Writer {
    /// An empty page.
    pub fn new(format: Format) -> Self {
        Self { format, families: Vec::new(), by_name: HashMap::new(), current: None }
    }

    /// Begins a family, or goes on with one of the same name and type. The help text of the first
    /// one counts. A family whose type differs is left out.
    ///
    /// OpenMetrics names counters without their `_total`; a counter that has no such suffix is
    /// written as `unknown` there, because any other line would be refused.
    pub fn family(&mut self, name: &str, kind: MetricType, help: &str) {
        if let Some(index) = self.by_name.get(name) {
            self.current = (self.families[*index].kind == kind).then_some(*index);
            return;
        }
        let (mut shown, mut shown_kind) = (name, kind.as_str(self.format));
        if self.format == Format::OpenMetrics100 && kind == MetricType::Counter {
            match name.strip_suffix("_total") {
                Some(stem) => shown = stem,
                None => shown_kind = MetricType::Untyped.as_str(self.format),
            }
        }
        let help = escape(help, self.format == Format::OpenMetrics100);
        let head = format!("# HELP {shown} {help}\n# TYPE {shown} {shown_kind}\n");
        let index = self.families.len();
        self.families.push(Family { kind, name: name.to_owned(), head, samples: String::new() });
        self.by_name.insert(name.to_owned(), index);
        self.current = Some(index);
    }

    /// Writes a sample of the current family.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: impl Into<Number>) {
        self.write_sample("", labels, None, value.into());
    }

    /// Writes a histogram: `counts` are those of single buckets, one more than there are `bounds`
    /// (the last is the count of what lies above all of them).
    pub fn histogram(&mut self, labels: &[(&str, &str)], bounds: &[f64], counts: &[u64], sum: f64) {
        let mut total = 0;
        for (index, count) in counts.iter().enumerate() {
            total += count;
            let bound = bounds.get(index).copied().unwrap_or(f64::INFINITY);
            let mut le = Number::Float(bound).to_string();
            if self.format == Format::OpenMetrics100 && bound.is_finite() && !le.contains(['.', 'e']) {
                le.push_str(".0");
            }
            self.write_sample("_bucket", labels, Some(&le), Number::Integer(total));
        }
        self.write_sample("_sum", labels, None, Number::Float(sum));
        self.write_sample("_count", labels, None, Number::Integer(total));
    }

    fn write_sample(&mut self, suffix: &str, labels: &[(&str, &str)], le: Option<&str>, value: Number) {
        let Some(index) = self.current else { return };
        let family = &mut self.families[index];
        let out = &mut family.samples;
        out.push_str(&family.name);
        out.push_str(suffix);
        let labels = labels.iter().copied().chain(le.map(|le| ("le", le)));
        let mut separator = '{';
        for (name, value) in labels {
            out.push(separator);
            separator = ',';
            let _ = write!(out, "{name}=\"{}\"", escape(value, true));
        }
        if separator == ',' {
            out.push('}');
        }
        let _ = writeln!(out, " {value}");
    }

    /// The page.
    pub fn finish(self) -> Vec<u8> {
        let mut page = String::new();
        for family in self.families {
            page.push_str(&family.head);
            page.push_str(&family.samples);
        }
        if self.format == Format::OpenMetrics100 {
            page.push_str("# EOF\n");
        }
        page.into_bytes()
    }
}

/// Backslash and newline, and the quote where the format wants that.
fn escape(text: &str, quotes: bool) -> std::borrow::Cow<'_, str> {
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
mod tests {
    use super::*;

    fn page(format: Format, fill: impl Fn(&mut Writer)) -> String {
        let mut writer = Writer::new(format);
        fill(&mut writer);
        String::from_utf8(writer.finish()).unwrap()
    }

    #[test]
    fn prometheus_gets_what_it_prefers() {
        let prometheus_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
             application/openmetrics-text;version=0.0.1;q=0.5,\
             text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        assert_eq!(Format::negotiate(Some(prometheus_3)), Format::OpenMetrics100);
        let text_first = "text/plain;version=0.0.4;q=0.9,application/openmetrics-text;version=1.0.0;q=0.3";
        assert_eq!(Format::negotiate(Some(text_first)), Format::Text004);
        for other in [None, Some(""), Some("*/*"), Some("application/json"), Some("application/openmetrics-text;version=9")] {
            assert_eq!(Format::negotiate(other), Format::Text004, "{other:?}");
        }
    }

    #[test]
    fn names_stay_as_given_in_the_text_format() {
        let text = page(Format::Text004, |writer| {
            writer.family("read_bytes_total", MetricType::Gauge, "a \"gauge\"\nwith \\");
            writer.sample(&[("path", "/a \"b\"\\\n")], 1.5);
            writer.family("reclaimed_space", MetricType::Counter, "a counter");
            writer.sample(&[], u64::MAX);
        });
        let expected = "# HELP read_bytes_total a \"gauge\"\\nwith \\\\\n# TYPE read_bytes_total gauge\n\
             read_bytes_total{path=\"/a \\\"b\\\"\\\\\\n\"} 1.5\n\
             # HELP reclaimed_space a counter\n# TYPE reclaimed_space counter\n\
             reclaimed_space 18446744073709551615\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn open_metrics_has_its_own_rules_for_counters_and_bounds() {
        let text = page(Format::OpenMetrics100, |writer| {
            writer.family("lines_total", MetricType::Counter, "lines");
            writer.sample(&[], 3_u64);
            writer.family("space", MetricType::Counter, "no suffix");
            writer.sample(&[], 1_u64);
            writer.family("took_seconds", MetricType::Histogram, "time");
            writer.histogram(&[("a", "b")], &[0.5, 1.0], &[1, 0, 2], 4.25);
        });
        let expected = "# HELP lines lines\n# TYPE lines counter\nlines_total 3\n\
             # HELP space no suffix\n# TYPE space unknown\nspace 1\n\
             # HELP took_seconds time\n# TYPE took_seconds histogram\n\
             took_seconds_bucket{a=\"b\",le=\"0.5\"} 1\ntook_seconds_bucket{a=\"b\",le=\"1.0\"} 1\n\
             took_seconds_bucket{a=\"b\",le=\"+Inf\"} 3\ntook_seconds_sum{a=\"b\"} 4.25\n\
             took_seconds_count{a=\"b\"} 3\n# EOF\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_family_begun_twice_stays_together_and_another_type_is_left_out() {
        let text = page(Format::Text004, |writer| {
            writer.family("a", MetricType::Counter, "first");
            writer.sample(&[("n", "1")], 1_u64);
            writer.family("b", MetricType::Gauge, "b");
            writer.sample(&[], f64::NAN);
            writer.family("a", MetricType::Counter, "second");
            writer.sample(&[("n", "2")], 2_u64);
            writer.family("a", MetricType::Gauge, "other");
            writer.sample(&[("n", "3")], 3_u64);
        });
        let expected = "# HELP a first\n# TYPE a counter\na{n=\"1\"} 1\na{n=\"2\"} 2\n\
             # HELP b b\n# TYPE b gauge\nb NaN\n";
        assert_eq!(text, expected);
    }
}

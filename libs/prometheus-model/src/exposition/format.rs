//! The format of a page, and which one a scraper prefers.
//!
//! Names on our pages fit Prometheus' first rules, so `escaping=` in an `Accept` header is of no
//! consequence.

/// The format of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Prometheus text format 0.0.4.
    #[default]
    Text004,
    /// `OpenMetrics` text format 1.0.0.
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
        let mut best = (Self::Text004, 0.0);
        for (format, quality) in accept.unwrap_or_default().split(',').filter_map(range) {
            // of equals the first one, as in Go's negotiation
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

/// One media range: the format that it asks for, and how much it is wanted.
fn range(range: &str) -> Option<(Format, f64)> {
    let mut parts = range.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default();
    let (mut quality, mut version) = (1.0, None);
    for (name, value) in parts.filter_map(|parameter| parameter.split_once('=')) {
        let (name, value) = (name.trim(), value.trim().trim_matches('"'));
        if name.eq_ignore_ascii_case("q") {
            quality = value.parse().unwrap_or(0.0);
        } else if name.eq_ignore_ascii_case("version") {
            version = Some(value);
        }
    }
    let is = |known: &str| kind.eq_ignore_ascii_case(known);
    let format = match version {
        None | Some("1.0.0" | "0.0.1") if is("application/openmetrics-text") => {
            Format::OpenMetrics100
        }
        None | Some("0.0.4") if is("text/plain") => Format::Text004,
        None if is("text/*") || is("*/*") => Format::Text004,
        _ => return None,
    };
    Some((format, quality))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn negotiate(accept: &str) -> Format {
        Format::negotiate(Some(accept))
    }

    #[test]
    fn prometheus_gets_what_it_prefers() {
        let prometheus_2 = "application/openmetrics-text;version=1.0.0,\
             application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        assert_eq!(negotiate(prometheus_2), Format::OpenMetrics100);
        let prometheus_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
             application/openmetrics-text;version=0.0.1;q=0.5,\
             text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        assert_eq!(negotiate(prometheus_3), Format::OpenMetrics100);
        let protobuf_first = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;\
             encoding=delimited;q=0.7,text/plain;version=0.0.4;q=0.4,*/*;q=0.2";
        assert_eq!(negotiate(protobuf_first), Format::Text004);
    }

    #[test]
    fn the_higher_quality_wins_and_of_equals_the_first() {
        let text = "text/plain;version=0.0.4";
        let open = "application/openmetrics-text; version=1.0.0";
        assert_eq!(negotiate(&format!("{open};q=0.3, {text};q=0.9")), Format::Text004);
        assert_eq!(
            negotiate(&format!("{text} ; Q = 0.3, {open}; q=\"0.9\"")),
            Format::OpenMetrics100
        );
        assert_eq!(negotiate(&format!("{text},{open}")), Format::Text004);
        assert_eq!(negotiate(&format!("{open},{text}")), Format::OpenMetrics100);
        assert_eq!(negotiate(&format!("{open};q=0")), Format::Text004, "0 is a refusal");
        assert_eq!(negotiate("Application/OpenMetrics-Text"), Format::OpenMetrics100);
    }

    #[test]
    fn who_asks_for_nothing_of_ours_gets_text() {
        let open_metrics_9 = "application/openmetrics-text;version=9";
        for other in [None, Some(""), Some("*/*"), Some("application/json"), Some(open_metrics_9)] {
            assert_eq!(Format::negotiate(other), Format::Text004, "{other:?}");
        }
    }
}

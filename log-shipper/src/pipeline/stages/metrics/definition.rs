//! One metric of a `metrics` stage, checked.

use std::time::Duration;

use super::registry::{Family, Kind};
use crate::pipeline::stages::error::StageError;

/// Prefix of names for which the configuration gives none.
const DEFAULT_PREFIX: &str = "promtail_custom_";

/// How long a series stays without a change unless the configuration says otherwise.
const DEFAULT_IDLE: Duration = Duration::from_mins(5);

/// `client_golang`'s `DefBuckets`, for histograms without `buckets`.
const DEFAULT_BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Options of one metric as in the configuration.
#[derive(Debug, Clone, Default)]
pub struct MetricOptions {
    /// Key of the metric, its name without prefix.
    pub name: String,
    /// `counter`, `gauge` or `histogram`, in any case.
    pub kind: String,
    /// Help text.
    pub description: String,
    /// Extracted key; default the name.
    pub source: Option<String>,
    /// Replaces `promtail_custom_`.
    pub prefix: String,
    /// At least a second; default five minutes.
    pub max_idle: Option<Duration>,
    /// `inc`, `add`, `set`, `dec`, `sub`, in any case.
    pub action: String,
    /// The extracted value must be this text.
    pub value: Option<String>,
    /// Counters: every line counts, whatever was extracted.
    pub match_all: bool,
    /// Counters: add the bytes of the line.
    pub count_entry_bytes: bool,
    /// Histograms: upper bounds.
    pub buckets: Vec<f64>,
}

/// Which entries change the metric.
#[derive(Debug)]
pub(super) enum When {
    Always,
    /// The source is there (null counts) and, where a value is given, equals it.
    Present {
        source: String,
        value: Option<String>,
    },
}

/// What they do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Increase,
    Decrease,
    Set,
    Add,
    Subtract,
    Observe,
    AddBytes,
}

/// See the module.
#[derive(Debug)]
pub struct Definition {
    pub(super) family: Family,
    pub(super) when: When,
    pub(super) operation: Operation,
}

impl Definition {
    /// Checks the options of one metric.
    ///
    /// # Errors
    ///
    /// An unknown type or action, options of counters that exclude each other, buckets that do not
    /// rise, an idle time below a second.
    pub fn new(options: MetricOptions) -> Result<Self, StageError> {
        let name = options.name;
        let fail = |problem: String| StageError::new("metrics", problem).key(&name);
        let action = options.action.to_lowercase();
        let (kind, operation) = match options.kind.to_lowercase().as_str() {
            "counter" => {
                let operation = match action.as_str() {
                    "inc" => Operation::Increase,
                    "add" if options.count_entry_bytes => Operation::AddBytes,
                    "add" => Operation::Add,
                    other => return Err(unknown_action(&name, "counter", other, "inc, add")),
                };
                (Kind::Counter, operation)
            }
            "gauge" => {
                let operation = match action.as_str() {
                    "inc" => Operation::Increase,
                    "dec" => Operation::Decrease,
                    "set" => Operation::Set,
                    "add" => Operation::Add,
                    "sub" => Operation::Subtract,
                    other => {
                        return Err(unknown_action(
                            &name,
                            "gauge",
                            other,
                            "set, inc, dec, add, sub",
                        ));
                    }
                };
                (Kind::Gauge, operation)
            }
            "histogram" => {
                let bounds = upper_bounds(options.buckets).map_err(|problem| {
                    fail(problem).accepted("buckets as a list of rising numbers, or none")
                })?;
                (Kind::Histogram { bounds: bounds.into() }, Operation::Observe)
            }
            other => {
                return Err(fail(format!("invalid metric type {other:?}"))
                    .accepted("counter, gauge, histogram"));
            }
        };
        let counter = kind == Kind::Counter;
        if counter && options.match_all && options.value.is_some() {
            return Err(fail("match_all and value exclude each other".to_owned())
                .accepted("one of match_all: true, value"));
        }
        if counter && options.count_entry_bytes && !options.match_all {
            return Err(fail("count_entry_bytes needs match_all".to_owned())
                .accepted("match_all: true beside count_entry_bytes: true"));
        }
        if counter && options.count_entry_bytes && operation != Operation::AddBytes {
            return Err(fail("bytes can only be added".to_owned())
                .accepted("action: add beside count_entry_bytes: true"));
        }
        let max_idle = options.max_idle.unwrap_or(DEFAULT_IDLE);
        if max_idle < Duration::from_secs(1) {
            return Err(fail("max_idle_duration is less than 1s".to_owned())
                .accepted("a Go duration of at least 1s"));
        }
        let prefix = if options.prefix.is_empty() { DEFAULT_PREFIX } else { &options.prefix };
        let family =
            Family { name: format!("{prefix}{name}"), help: options.description, kind, max_idle };
        let when = if counter && options.match_all {
            When::Always
        } else {
            When::Present { source: options.source.unwrap_or(name), value: options.value }
        };
        Ok(Self { family, when, operation })
    }
}

fn unknown_action(name: &str, kind: &str, action: &str, accepted: &str) -> StageError {
    let problem = if action.is_empty() {
        format!("a {kind} needs an action")
    } else {
        format!("unknown action {action:?} of a {kind}")
    };
    StageError::new("metrics", problem).key(name).accepted(format!("action: {accepted}"))
}

/// Without the last bound if that is infinite: it is there anyway.
fn upper_bounds(mut bounds: Vec<f64>) -> Result<Vec<f64>, String> {
    if bounds.is_empty() {
        return Ok(DEFAULT_BUCKETS.to_vec());
    }
    if bounds.iter().any(|bound| bound.is_nan()) {
        return Err("a bucket is not a number".to_owned());
    }
    if let Some([lower, upper]) = bounds.array_windows().find(|[lower, upper]| lower >= upper) {
        return Err(format!("bucket {lower} does not come before {upper}"));
    }
    bounds.pop_if(|bound| *bound == f64::INFINITY);
    Ok(bounds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(kind: &str, action: &str) -> MetricOptions {
        MetricOptions {
            name: "m".to_owned(),
            kind: kind.to_owned(),
            action: action.to_owned(),
            ..MetricOptions::default()
        }
    }

    fn refusal(options: MetricOptions) -> String {
        Definition::new(options).unwrap_err().to_string()
    }

    #[test]
    fn name_source_and_idle_time_have_defaults() {
        let definition = Definition::new(options("Counter", "INC")).unwrap();

        assert_eq!(definition.family.name, "promtail_custom_m");
        assert_eq!(definition.family.max_idle, Duration::from_mins(5));
        assert!(matches!(definition.when, When::Present { source, value: None } if source == "m"));
    }

    #[test]
    fn types_and_actions_are_checked() {
        assert_eq!(
            refusal(options("summary", "inc")),
            "metrics stage: m: invalid metric type \"summary\"; accepted: counter, gauge, histogram"
        );
        assert_eq!(
            refusal(options("counter", "set")),
            "metrics stage: m: unknown action \"set\" of a counter; accepted: action: inc, add"
        );
        assert_eq!(
            refusal(options("gauge", "")),
            "metrics stage: m: a gauge needs an action; accepted: action: set, inc, dec, add, sub"
        );
        assert!(Definition::new(options("histogram", "")).is_ok());
    }

    #[test]
    fn options_of_counters_that_exclude_each_other_are_refused() {
        let all = MetricOptions { match_all: true, ..options("counter", "add") };
        let with_value = MetricOptions { value: Some("x".to_owned()), ..all.clone() };
        assert!(refusal(with_value).contains("match_all and value"));

        let bytes = MetricOptions { count_entry_bytes: true, ..options("counter", "add") };
        assert!(refusal(bytes).contains("needs match_all"));

        let increased = MetricOptions { count_entry_bytes: true, action: "inc".to_owned(), ..all };
        assert!(refusal(increased).contains("only be added"));
    }

    #[test]
    fn idle_times_below_a_second_are_refused() {
        let brief =
            MetricOptions { max_idle: Some(Duration::from_millis(999)), ..options("gauge", "set") };
        assert!(refusal(brief).contains("less than 1s"));
    }

    #[test]
    fn buckets_must_rise_and_the_infinite_one_is_implied() {
        assert_eq!(upper_bounds(vec![]).unwrap(), DEFAULT_BUCKETS);
        assert_eq!(upper_bounds(vec![1.0, 2.0, f64::INFINITY]).unwrap(), [1.0, 2.0]);
        for bad in [vec![2.0, 1.0], vec![1.0, 1.0], vec![f64::NAN], vec![f64::NAN, 1.0]] {
            assert!(upper_bounds(bad).is_err());
        }
        let falling = MetricOptions { buckets: vec![2.0, 1.0], ..options("histogram", "") };
        assert!(refusal(falling).contains("bucket 2 does not come before 1"));
    }
}

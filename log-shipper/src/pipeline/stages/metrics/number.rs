//! Numbers in log lines: JSON numbers, text that is a number, and Go durations as seconds.

use go_compat::strconv::parse_float;

use crate::pipeline::extracted::ValueRef;

/// The number that a value stands for, as Promtail reads it; booleans are 1 and 0.
pub(super) fn to_number(value: ValueRef<'_>) -> Option<f64> {
    match value {
        ValueRef::Number(number) => Some(number),
        ValueRef::Bool(flag) => Some(f64::from(u8::from(flag))),
        ValueRef::Null => None,
        ValueRef::Text(bytes) => {
            let text = std::str::from_utf8(bytes).ok()?;
            parse_float(text).or_else(|| seconds(text))
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "Go's Duration.Seconds rounds at the same place")]
fn seconds(text: &str) -> Option<f64> {
    const SECOND: i64 = 1_000_000_000;
    let ns = text.parse::<daemon_runtime::durations::GoDuration>().ok()?.as_nanos();
    Some((ns / SECOND) as f64 + (ns % SECOND) as f64 / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Option<f64> {
        to_number(ValueRef::Text(text.as_bytes()))
    }

    #[test]
    fn text_is_a_number_or_a_duration_in_seconds() {
        assert_eq!(text("1.5"), Some(1.5));
        assert_eq!(text("-2.5"), Some(-2.5));
        assert_eq!(text("50ms"), Some(0.05));
        assert_eq!(text("1m30s"), Some(90.0));
        assert_eq!(text("oops"), None);
        assert_eq!(text(""), None);
        assert_eq!(to_number(ValueRef::Text(b"1\xff")), None);
    }

    #[test]
    fn booleans_are_one_and_zero_and_null_is_nothing() {
        assert_eq!(to_number(ValueRef::Bool(true)), Some(1.0));
        assert_eq!(to_number(ValueRef::Bool(false)), Some(0.0));
        assert_eq!(to_number(ValueRef::Number(3.5)), Some(3.5));
        assert_eq!(to_number(ValueRef::Null), None);
    }
}

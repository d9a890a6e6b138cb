//! Go's number constants and the lenient conversions of sprig.

use super::value::Value;
use crate::strconv::{parse_float, parse_int};

/// A number as it may stand in a Go source text; `None` where it is none.
///
/// Integers beyond 64 bits become floats.
pub(super) fn constant(text: &str) -> Option<Value> {
    if let Some(number) = parse_int(text, 0) {
        return Some(Value::Int(number));
    }
    let digits = text.trim_start_matches(['+', '-']);
    if !digits.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return None;
    }
    if digits.contains("__") || digits.ends_with('_') {
        return None;
    }
    let plain: String = text.chars().filter(|character| *character != '_').collect();
    parse_float(&plain).map(Value::Float)
}

/// sprig's `int64`: what cannot be converted is 0.
pub(super) fn to_int(value: &Value) -> i64 {
    match value {
        Value::Int(number) => *number,
        #[expect(clippy::cast_possible_truncation, reason = "Go truncates toward zero here")]
        Value::Float(number) => *number as i64,
        Value::Bool(flag) => i64::from(*flag),
        Value::Text(bytes) => std::str::from_utf8(bytes)
            .ok()
            .and_then(|text| parse_int(trim_zero_decimals(text), 0))
            .unwrap_or(0),
        _ => 0,
    }
}

/// `12.000` is an integer, `12.5` is not.
fn trim_zero_decimals(text: &str) -> &str {
    match text.split_once('.') {
        Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|byte| byte == b'0') => {
            whole
        }
        _ => text,
    }
}

/// sprig's `float64`: what cannot be converted is 0.
pub(super) fn to_float(value: &Value) -> f64 {
    match value {
        Value::Float(number) => *number,
        #[expect(clippy::cast_precision_loss, reason = "Go rounds to the nearest float64 too")]
        Value::Int(number) => *number as f64,
        Value::Bool(flag) => f64::from(u8::from(*flag)),
        Value::Text(bytes) => std::str::from_utf8(bytes).ok().and_then(parse_float).unwrap_or(0.0),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_integers_where_they_can_be() {
        for (text, value) in [
            ("42", Some(Value::Int(42))),
            ("0b101", Some(Value::Int(5))),
            ("017", Some(Value::Int(15))),
            ("1_0.5", Some(Value::Float(10.5))),
            ("1e3", Some(Value::Float(1000.0))),
            ("99999999999999999999", Some(Value::Float(1e20))),
            ("1x", None),
            ("1__0.5", None),
            ("inf", None),
        ] {
            assert_eq!(constant(text), value, "{text:?}");
        }
    }

    #[test]
    fn text_converts_leniently() {
        assert_eq!(to_int(&Value::text("12.00")), 12);
        assert_eq!(to_int(&Value::text("12.5")), 0);
        assert_eq!(to_int(&Value::text("x")), 0);
        assert_eq!(to_int(&Value::Float(-1.9)), -1);
        assert!((to_float(&Value::text("1.5")) - 1.5).abs() < f64::EPSILON);
    }
}

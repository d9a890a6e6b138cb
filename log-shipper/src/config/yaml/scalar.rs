//! The type of an unquoted scalar.
//!
//! The table is yaml.v2's: booleans in the three spellings of YAML 1.1, no sexagesimal numbers, and
//! dates are text.

use go_compat::strconv;

/// A scalar with its type.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scalar<'a> {
    /// Nothing.
    Null,
    /// `true`, `yes`, `on`, `y` and their opposites.
    Bool(bool),
    /// A whole number of 64 bits.
    Int(i64),
    /// Any other number, also a whole one beyond 64 bits.
    Float(f64),
    /// Everything else.
    Text(&'a str),
}

impl<'a> Scalar<'a> {
    /// What a scalar without quotes means.
    pub(super) fn resolve(text: &'a str) -> Self {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => return Self::Null,
            "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
                return Self::Bool(true);
            }
            "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off"
            | "OFF" => return Self::Bool(false),
            ".nan" | ".NaN" | ".NAN" => return Self::Float(f64::NAN),
            ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
                return Self::Float(f64::INFINITY);
            }
            "-.inf" | "-.Inf" | "-.INF" => return Self::Float(f64::NEG_INFINITY),
            _ => {}
        }
        number(text).unwrap_or(Self::Text(text))
    }
}

fn number<'a>(text: &str) -> Option<Scalar<'a>> {
    if !text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first)) {
        return None;
    }
    let stripped;
    let digits = if text.contains('_') {
        stripped = text.replace('_', "");
        &stripped
    } else {
        text
    };
    if let Some(number) = strconv::parse_int(digits, 0) {
        return Some(Scalar::Int(number));
    }
    // yaml.v2 keeps whole numbers up to u64::MAX; nobody configures one
    if is_float(digits) { strconv::parse_float(digits).map(Scalar::Float) } else { None }
}

/// `[-+]? (. digits | digits (. digits?)?) ([eE] [-+]? digits)?`
fn is_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent = exponent.map(|text| text.strip_prefix(['-', '+']).unwrap_or(text));
    digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|text| !text.is_empty() && digits(text))
}

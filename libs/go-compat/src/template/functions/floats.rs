//! Floats as `printf` writes them with a precision.

use crate::strconv::format_float_g;
use crate::template::value::exponent_text;

/// Most digits after the point that are written; more are only zeros in practice.
const MOST_DIGITS: usize = 1_000;

/// The magnitude of a finite number under one of the verbs `e f g` and their capitals.
pub(super) fn magnitude(number: f64, verb: char, precision: Option<usize>) -> String {
    let number = number.abs();
    let digits = precision.unwrap_or(6).min(MOST_DIGITS);
    let text = match verb {
        'e' | 'E' => with_exponent(&format!("{number:.digits$e}")),
        'f' | 'F' => format!("{number:.digits$}"),
        _ => match precision {
            None => format_float_g(number),
            Some(_) => general(number, digits.max(1)),
        },
    };
    if verb.is_ascii_uppercase() { text.to_ascii_uppercase() } else { text }
}

fn with_exponent(scientific: &str) -> String {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    exponent_text(mantissa, exponent.parse().unwrap_or(0))
}

/// `%.3g`: that many significant digits without trailing zeros, whichever form is due.
fn general(number: f64, digits: usize) -> String {
    let after_point = digits - 1;
    let scientific = format!("{number:.after_point$e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let mantissa = without_zeros(mantissa);
    let significant = mantissa.bytes().filter(u8::is_ascii_digit).count();
    let whole = usize::try_from(exponent + 1).unwrap_or(0);
    let threshold = if digits > significant && significant >= whole { significant } else { digits };
    if exponent < -4 || exponent >= i32::try_from(threshold).unwrap_or(i32::MAX) {
        return exponent_text(mantissa, exponent);
    }
    let places = usize::try_from(i32::try_from(after_point).unwrap_or(0) - exponent).unwrap_or(0);
    without_zeros(&format!("{number:.places$}")).to_owned()
}

fn without_zeros(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_follow_go() {
        for (number, verb, precision, text) in [
            (1234.5678, 'e', None, "1.234568e+03"),
            (1234.5678, 'f', Some(2), "1234.57"),
            (1234.5678, 'f', None, "1234.567800"),
            (1234.5678, 'g', None, "1234.5678"),
            (1234.5678, 'g', Some(3), "1.23e+03"),
            (1234.5678, 'g', Some(6), "1234.57"),
            (100_000.0, 'g', Some(3), "1e+05"),
            (100.0, 'g', Some(5), "100"),
            (0.000_012_3, 'G', Some(3), "1.23E-05"),
            (0.0, 'g', Some(3), "0"),
        ] {
            assert_eq!(magnitude(number, verb, precision), text, "%{verb} {precision:?} {number}");
        }
    }
}

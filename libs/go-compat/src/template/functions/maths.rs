//! Arithmetic. Whatever is no number counts as 0, as in sprig.

use super::{Arguments, Builtin, Outcome, at_least, exactly};
use crate::strconv::parse_int;
use crate::template::limits::{Fault, failed};
use crate::template::numbers::{to_float, to_int};
use crate::template::value::Value;

pub(super) const TABLE: &[Builtin] = &[
    exactly("atoi", 1, |call| {
        let number = std::str::from_utf8(call.bytes(0)?).ok().and_then(|text| parse_int(text, 10));
        Ok(Value::Int(number.unwrap_or(0)))
    }),
    exactly("int", 1, |call| Ok(Value::Int(to_int(call.get(0))))),
    exactly("int64", 1, |call| Ok(Value::Int(to_int(call.get(0))))),
    exactly("float64", 1, |call| Ok(Value::Float(to_float(call.get(0))))),
    exactly("toDecimal", 1, |call| {
        let printed = call.printed(0);
        let number = std::str::from_utf8(&printed).ok().and_then(|text| parse_int(text, 8));
        Ok(Value::Int(number.unwrap_or(0)))
    }),
    at_least("add", 0, |call| Ok(ints(call, 0, i64::wrapping_add))),
    exactly("add1", 1, |call| Ok(Value::Int(to_int(call.get(0)).wrapping_add(1)))),
    exactly("sub", 2, |call| Ok(Value::Int(to_int(call.get(0)).wrapping_sub(to_int(call.get(1)))))),
    at_least("mul", 1, |call| Ok(ints(call, 1, i64::wrapping_mul))),
    exactly("div", 2, |call| divided(call, i64::wrapping_div)),
    exactly("mod", 2, |call| divided(call, i64::wrapping_rem)),
    at_least("max", 1, |call| Ok(ints(call, i64::MIN, i64::max))),
    at_least("biggest", 1, |call| Ok(ints(call, i64::MIN, i64::max))),
    at_least("min", 1, |call| Ok(ints(call, i64::MAX, i64::min))),
    at_least("addf", 0, |call| Ok(decimals(call, |left, right| left + right))),
    exactly("add1f", 1, |call| Ok(Value::Float(decimal(to_float(call.get(0)) + 1.0)))),
    at_least("subf", 1, |call| Ok(decimals(call, |left, right| left - right))),
    at_least("mulf", 1, |call| Ok(decimals(call, |left, right| left * right))),
    at_least("divf", 1, divf),
    at_least("maxf", 1, |call| Ok(floats(call, f64::max))),
    at_least("minf", 1, |call| Ok(floats(call, f64::min))),
    exactly("ceil", 1, |call| Ok(Value::Float(to_float(call.get(0)).ceil()))),
    exactly("floor", 1, |call| Ok(Value::Float(to_float(call.get(0)).floor()))),
    Builtin { name: "round", least: 2, most: 3, run: round },
];

fn ints(call: &Arguments<'_>, start: i64, fold: fn(i64, i64) -> i64) -> Value {
    Value::Int(call.values.iter().map(to_int).fold(start, fold))
}

fn divided(call: &Arguments<'_>, divide: fn(i64, i64) -> i64) -> Outcome {
    match to_int(call.get(1)) {
        0 => failed("integer divide by zero"),
        divisor => Ok(Value::Int(divide(to_int(call.get(0)), divisor))),
    }
}

fn reduced(call: &Arguments<'_>, fold: impl Fn(f64, f64) -> f64) -> f64 {
    call.values.iter().map(to_float).reduce(fold).unwrap_or(0.0)
}

fn floats(call: &Arguments<'_>, fold: fn(f64, f64) -> f64) -> Value {
    Value::Float(reduced(call, fold))
}

fn decimals(call: &Arguments<'_>, fold: fn(f64, f64) -> f64) -> Value {
    Value::Float(decimal(reduced(call, fold)))
}

/// sprig computes these in decimal: 0.1 + 0.2 is 0.3. Fifteen digits are what a float64 holds of
/// any decimal, so rounding to them gives the same number.
fn decimal(number: f64) -> f64 {
    if !number.is_finite() {
        return number;
    }
    format!("{number:.14e}").parse().unwrap_or(number)
}

/// Rounded to 16 decimal places, as sprig's decimal library divides.
fn divf(call: &mut Arguments<'_>) -> Outcome {
    let mut quotient = to_float(call.get(0));
    for divisor in call.values.iter().skip(1).map(to_float) {
        if divisor == 0.0 {
            return Err(Fault::Failed("decimal division by 0".to_owned()));
        }
        quotient /= divisor;
    }
    Ok(Value::Float(format!("{quotient:.16}").parse().unwrap_or(quotient)))
}

/// `round number places [threshold]`, the threshold being 0.5.
fn round(call: &mut Arguments<'_>) -> Outcome {
    let threshold = if call.len() > 2 { to_float(call.get(2)) } else { 0.5 };
    let places = i32::try_from(call.int(1)?).unwrap_or(0);
    let scale = 10_f64.powi(places);
    let scaled = to_float(call.get(0)) * scale;
    let rounded = if scaled.fract() >= threshold { scaled.ceil() } else { scaled.floor() };
    Ok(Value::Float(rounded / scale))
}

//! Numbers and booleans as Go writes and reads them.
//!
//! A parser returns `None` wherever Go returns an error, so an overflow is `None` too, although Go
//! hands out the nearest value beside its error.

/// From this decimal exponent on [`format_float_g`] writes an exponent: when `strconv` looks for the
/// shortest digits, it decides as if the precision were six.
const EXPONENT_LIMIT: i32 = 6;

/// Largest binary or decimal exponent that is still counted; anything beyond over- or underflows.
const EXPONENT_CAP: i32 = 10_000;

/// Formats as `strconv.FormatFloat(number, 'f', -1, 64)`: the shortest digits that read back as the
/// same number, never with an exponent.
pub fn format_float(number: f64) -> String {
    if number.is_infinite() {
        return if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    number.to_string()
}

/// Formats as `strconv.FormatFloat(number, 'g', -1, 64)`, which is also what `%v` prints: `1e+06`
/// and above, and below `0.0001`, with an exponent of at least two digits.
pub fn format_float_g(number: f64) -> String {
    if !number.is_finite() || number == 0.0 {
        return format_float(number);
    }
    let scientific = format!("{number:e}");
    let (mantissa, exponent) = scientific.split_once('e').expect("LowerExp writes an exponent");
    let exponent: i32 = exponent.parse().expect("LowerExp writes a decimal exponent");
    if (-4..EXPONENT_LIMIT).contains(&exponent) {
        return format_float(number);
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
}

/// Reads a boolean as `strconv.ParseBool`: one of `1 t T true TRUE True` or `0 f F false FALSE
/// False`.
pub fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Reads an integer as `strconv.ParseInt(text, base, 64)`.
///
/// Base 0 takes the base from the prefix (`0x`, `0o`, `0b`, or a bare `0` for octal) and is the
/// only one that allows underscores between digits. Other bases run from 2 to 36.
pub fn parse_int(text: &str, base: u32) -> Option<i64> {
    let (negative, unsigned) = split_sign(text);
    let magnitude = if base == 0 {
        if !underscores_separate_digits(text) {
            return None;
        }
        let (base, digits) = base_of_literal(unsigned);
        parse_digits(&digits.replace('_', ""), base)?
    } else {
        parse_digits(unsigned, base)?
    };
    if negative { 0_i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
}

/// Reads a number as `strconv.ParseFloat(text, 64)`.
///
/// Accepted are decimal and hexadecimal (`0x1.8p3`) floats with underscores between digits, and in
/// any case `nan`, `inf` and `infinity`, the latter two with a sign.
pub fn parse_float(text: &str) -> Option<f64> {
    let (negative, unsigned) = split_sign(text);
    if let Some(special) = parse_special(unsigned, unsigned.len() != text.len()) {
        return Some(if negative { -special } else { special });
    }
    let cleaned;
    let mut digits = unsigned;
    if unsigned.contains('_') {
        if !underscores_separate_digits(text) {
            return None;
        }
        cleaned = unsigned.replace('_', "");
        digits = &cleaned;
    }
    let magnitude = match strip_prefix_ignoring_case(digits, "0x") {
        Some(hexadecimal) => parse_hexadecimal(hexadecimal)?,
        None => parse_decimal(digits)?,
    };
    Some(if negative { -magnitude } else { magnitude })
}

fn split_sign(text: &str) -> (bool, &str) {
    match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    }
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

fn base_of_literal(unsigned: &str) -> (u32, &str) {
    for (prefix, base) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = strip_prefix_ignoring_case(unsigned, prefix) {
            return (base, digits);
        }
    }
    if unsigned.len() > 1 && unsigned.starts_with('0') { (8, unsigned) } else { (10, unsigned) }
}

fn parse_digits(digits: &str, base: u32) -> Option<u64> {
    // `from_str_radix` would take a second sign, and panics on a base out of range
    if !(2..=36).contains(&base) || digits.starts_with(['+', '-']) {
        return None;
    }
    u64::from_str_radix(digits, base).ok()
}

/// Whether every underscore stands between two digits, or between a base prefix and a digit.
fn underscores_separate_digits(text: &str) -> bool {
    let (_, unsigned) = split_sign(text);
    let prefixed = ["0x", "0o", "0b"]
        .iter()
        .find(|prefix| strip_prefix_ignoring_case(unsigned, prefix).is_some());
    let is_hexadecimal = prefixed == Some(&"0x");
    let number = &unsigned.as_bytes()[prefixed.map_or(0, |prefix| prefix.len())..];
    let is_digit =
        |byte: &u8| byte.is_ascii_digit() || (is_hexadecimal && byte.is_ascii_hexdigit());
    number.iter().enumerate().filter(|(_, byte)| **byte == b'_').all(|(at, _)| {
        let follows_digit = match at.checked_sub(1) {
            Some(before) => is_digit(&number[before]),
            None => prefixed.is_some(),
        };
        follows_digit && number.get(at + 1).is_some_and(is_digit)
    })
}

fn parse_special(unsigned: &str, signed: bool) -> Option<f64> {
    if unsigned.eq_ignore_ascii_case("inf") || unsigned.eq_ignore_ascii_case("infinity") {
        Some(f64::INFINITY)
    } else if !signed && unsigned.eq_ignore_ascii_case("nan") {
        Some(f64::NAN)
    } else {
        None
    }
}

fn parse_decimal(digits: &str) -> Option<f64> {
    // what is left for Rust's parser to accept is what Go accepts: no words, no second sign
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte));
    if !plain || digits.starts_with(['+', '-']) {
        return None;
    }
    digits.parse().ok().filter(|number: &f64| number.is_finite())
}

/// Reads what follows `0x` of a hexadecimal float; the exponent, a power of two, is required.
fn parse_hexadecimal(text: &str) -> Option<f64> {
    let (digits, exponent) = text.split_once(['p', 'P'])?;
    let (negative, exponent) = split_sign(exponent);
    if exponent.is_empty() || !exponent.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let exponent = exponent.parse().unwrap_or(EXPONENT_CAP).min(EXPONENT_CAP);
    let mut exponent = if negative { -exponent } else { exponent };

    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut mantissa = 0_u64;
    for (digit, is_fraction) in
        whole.chars().map(|digit| (digit, false)).chain(fraction.chars().map(|digit| (digit, true)))
    {
        let digit = u64::from(digit.to_digit(16)?);
        let mut scale: i32 = if is_fraction { -4 } else { 0 };
        if mantissa >> 60 == 0 {
            mantissa = mantissa << 4 | digit;
        } else {
            // no room: the lowest bit remembers that something followed, which decides halves
            mantissa |= u64::from(digit != 0);
            scale += 4;
        }
        exponent = exponent.saturating_add(scale);
    }
    from_binary(mantissa, exponent)
}

/// `mantissa * 2^exponent`, rounded half to even; `None` on overflow.
fn from_binary(mantissa: u64, exponent: i32) -> Option<f64> {
    const FRACTION_BITS: i32 = 52;
    const LOWEST_NORMAL: i32 = -1022;
    if mantissa == 0 {
        return Some(0.0);
    }
    let shift_up = mantissa.leading_zeros();
    let mantissa = mantissa << shift_up;
    // value = 1.xxx * 2^leading
    let leading = exponent.saturating_sub(shift_up.cast_signed()).saturating_add(63);
    if leading > 1023 {
        return None;
    }
    let missing = (LOWEST_NORMAL - leading.max(-EXPONENT_CAP)).max(0);
    let dropped = 63 - FRACTION_BITS + missing;
    if dropped > 64 {
        return Some(0.0);
    }
    let wide = u128::from(mantissa);
    let half = 1_u128 << (dropped - 1);
    let kept = wide >> dropped;
    let remainder = wide & ((half << 1) - 1);
    let round_up = remainder > half || (remainder == half && kept & 1 == 1);
    let kept = u64::try_from(kept + u128::from(round_up)).ok()?;
    // the implicit bit of a normal number adds one to the exponent field, a carry one more
    let field = u64::try_from(leading.max(LOWEST_NORMAL) - LOWEST_NORMAL).ok()?;
    let number = f64::from_bits((field << FRACTION_BITS) + kept);
    number.is_finite().then_some(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn floats_are_written_without_an_exponent() {
        for (number, expected) in [
            (1.0, "1"),
            (1.5, "1.5"),
            (-0.0001, "-0.0001"),
            (1e21, "1000000000000000000000"),
            (12_345_678_901_234_567_890.0, "12345678901234567000"),
            (9_007_199_254_740_993.0, "9007199254740992"),
            (1e-7, "0.0000001"),
            (-0.0, "-0"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(format_float(number), expected);
        }
    }

    #[test]
    fn large_and_small_floats_get_an_exponent_in_general_format() {
        for (number, expected) in [
            (0.0, "0"),
            (1.5, "1.5"),
            (0.0001, "0.0001"),
            (0.000_01, "1e-05"),
            (123_456.0, "123456"),
            (1e6, "1e+06"),
            (-123_456_789.0, "-1.23456789e+08"),
            (1.25e-7, "1.25e-07"),
            (1e100, "1e+100"),
            (f64::INFINITY, "+Inf"),
        ] {
            assert_eq!(format_float_g(number), expected);
        }
    }

    #[test]
    fn booleans_are_read_in_the_spellings_of_go_only() {
        assert_eq!(parse_bool("True"), Some(true));
        assert_eq!(parse_bool("f"), Some(false));
        for text in ["", "tRUE", "yes", "2", " true"] {
            assert_eq!(parse_bool(text), None, "{text}");
        }
    }

    #[test]
    fn integers_follow_the_base() {
        assert_eq!(parse_int("-42", 10), Some(-42));
        assert_eq!(parse_int("+42", 10), Some(42));
        assert_eq!(parse_int("ff", 16), Some(255));
        assert_eq!(parse_int("0x_1F", 0), Some(31));
        assert_eq!(parse_int("-0b101", 0), Some(-5));
        assert_eq!(parse_int("0o17", 0), Some(15));
        assert_eq!(parse_int("017", 0), Some(15));
        assert_eq!(parse_int("0_17", 0), Some(15));
        assert_eq!(parse_int("0", 0), Some(0));
        assert_eq!(parse_int("1_000", 0), Some(1000));
        assert_eq!(parse_int("9223372036854775807", 10), Some(i64::MAX));
        assert_eq!(parse_int("-9223372036854775808", 10), Some(i64::MIN));
        for (text, base) in [
            ("", 10),
            ("-", 10),
            ("1_000", 10),
            ("0x1f", 10),
            ("0x1f", 16),
            ("--1", 10),
            ("9223372036854775808", 10),
            ("_1", 0),
            ("1_", 0),
            ("1__0", 0),
            ("09", 0),
            ("0x", 0),
            (" 1", 10),
            ("1.0", 10),
            ("1", 1),
            ("1", 37),
        ] {
            assert_eq!(parse_int(text, base), None, "{text} in base {base}");
        }
    }

    #[test]
    fn floats_are_read_in_the_spellings_of_go_only() {
        for (text, expected) in [
            ("1", 1.0),
            ("-1.5e3", -1500.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("1_23.50_0_0e+1_2", 1.235e14),
            ("0x1.8p1", 3.0),
            ("0x_1_2.3_4_5p+1_2", 74565.0),
            ("-0X.8P0", -0.5),
            ("0x1p-1074", 5e-324),
            ("0x1p-1075", 0.0),
            ("0x1.8p-1075", 5e-324),
            ("0x1.00000000000008p0", 1.0),
            ("0x1.000000000000080000000000000001p0", 1.000_000_000_000_000_2),
            ("0x1.fffffffffffffp1023", f64::MAX),
            ("inf", f64::INFINITY),
            ("-InFiNiTy", f64::NEG_INFINITY),
            ("1e-400", 0.0),
        ] {
            assert_eq!(parse_float(text), Some(expected), "{text}");
        }
        assert!(parse_float("nAn").unwrap().is_nan());
        for text in [
            "",
            "+",
            ".",
            "e5",
            "1e",
            "1e400",
            "+nan",
            "infin",
            "1x",
            " 1",
            "1 ",
            "++1",
            "_1",
            "1__0",
            "123_.5",
            "123._5",
            "1e_5",
            "0x1",
            "0x",
            "0xp1",
            "0x1p",
            "0x1p+-1",
            "0x1p1024",
            "0x1.fffffffffffff8p1023",
            "0_x1p0",
        ] {
            assert_eq!(parse_float(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_formatted_float_reads_back_as_itself(bits: u64) {
            let number = f64::from_bits(bits);
            prop_assume!(number.is_finite());
            prop_assert_eq!(parse_float(&format_float(number)).unwrap().to_bits(), bits);
            prop_assert_eq!(parse_float(&format_float_g(number)).unwrap().to_bits(), bits);
        }

        #[test]
        fn hexadecimal_floats_scale_by_powers_of_two(mantissa in 0_u64..1 << 53, exponent in -900_i32..900) {
            let text = format!("0x{mantissa:x}p{exponent}");
            #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
            let expected = mantissa as f64 * 2_f64.powi(exponent);
            prop_assert_eq!(parse_float(&text), Some(expected));
        }

        #[test]
        fn number_parsers_never_panic(text in "[-+]?[0-9a-fA-FxXpP_.eobinf+-]{0,12}", base in 0_u32..40) {
            let _ = (parse_float(&text), parse_int(&text, base));
        }
    }
}

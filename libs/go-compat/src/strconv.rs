//! Go's `strconv`.

/// `strconv.Quote`.
pub fn quote(text: &str) -> String {
    format!("{text:?}")
}

/// `strconv.FormatFloat(number, 'f', -1, 64)`.
pub fn format_float(number: f64) -> String {
    number.to_string()
}

//! Go's `strconv`: quoted strings, numbers and booleans as Go writes and reads them.
//!
//! Every function accepts exactly what Go accepts: a value that Go refuses must not slip through
//! because Rust's own parser is more liberal (`nan` with a sign, for instance).

mod number;
mod quoted;

pub use number::{format_float, format_float_g, parse_bool, parse_float, parse_int};
pub use quoted::{is_print, quote, quote_bytes, unquote};

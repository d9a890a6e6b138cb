//! Sizes in bytes as Promtail's configuration writes them.
//!
//! Every prefix is a power of 1024, with or without the `b`: `1k` and `1KB` are both 1024 bytes.

use std::fmt;
use std::str::FromStr;

const KIB: u64 = 1 << 10;

/// Names of the powers of 1024; 64 bits hold no seventh.
const UNITS: [&str; 7] = ["B", "KB", "MB", "GB", "TB", "PB", "EB"];

/// A number of bytes, read from texts such as `256kb` or `1 MB` and written as `256KB`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteCount(pub u64);

/// Why a text is not a number of bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseByteCountError {
    /// No whole number at the start.
    #[error("{text:?} is not a size: expected a whole number and a unit, such as 256KB")]
    Malformed {
        /// What was read.
        text: String,
    },
    /// A unit that is not one of the accepted ones.
    #[error("size {text:?} has an unknown unit: use one of B, KB, MB, GB, TB, PB, EB")]
    UnknownUnit {
        /// What was read.
        text: String,
    },
    /// More bytes than 64 bits count.
    #[error("size {text:?} is out of range: at most 18446744073709551615 bytes")]
    OutOfRange {
        /// What was read.
        text: String,
    },
}

impl FromStr for ByteCount {
    type Err = ParseByteCountError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        if number.is_empty() {
            return Err(ParseByteCountError::Malformed { text: text.to_owned() });
        }
        let factor = factor_of(unit.trim())
            .ok_or_else(|| ParseByteCountError::UnknownUnit { text: text.to_owned() })?;
        number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(factor))
            .map(Self)
            .ok_or_else(|| ParseByteCountError::OutOfRange { text: text.to_owned() })
    }
}

fn factor_of(unit: &str) -> Option<u64> {
    let exponent = match unit.to_ascii_lowercase().as_str() {
        "" | "b" | "byte" => 0,
        "k" | "kb" | "kilo" | "kilobyte" | "kilobytes" => 1,
        "m" | "mb" | "mega" | "megabyte" | "megabytes" => 2,
        "g" | "gb" | "giga" | "gigabyte" | "gigabytes" => 3,
        "t" | "tb" | "tera" | "terabyte" | "terabytes" => 4,
        "p" | "pb" | "peta" | "petabyte" | "petabytes" => 5,
        "e" | "eb" | "exa" | "exabyte" | "exabytes" => 6,
        _ => return None,
    };
    Some(KIB.pow(exponent))
}

impl fmt::Display for ByteCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut count, mut unit) = (self.0, 0);
        // the largest unit that leaves no remainder
        while count > 0 && count.is_multiple_of(KIB) {
            count /= KIB;
            unit += 1;
        }
        write!(f, "{count}{}", UNITS.get(unit).copied().unwrap_or("EB"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn units_are_powers_of_1024_in_any_case_with_or_without_a_space() {
        for (text, bytes) in [
            ("0", 0),
            ("12", 12),
            ("12b", 12),
            ("1 Byte", 1),
            ("256kb", 256 << 10),
            ("256KB", 256 << 10),
            ("1 kilobytes", 1 << 10),
            ("1M", 1 << 20),
            ("2 gb", 2 << 30),
            ("1t", 1 << 40),
            ("1p", 1 << 50),
            ("15e", 15 << 60),
        ] {
            assert_eq!(text.parse(), Ok(ByteCount(bytes)), "{text}");
        }
    }

    #[test]
    fn fractions_signs_unknown_units_and_overflow_are_refused() {
        for text in ["", "kb", "-1", "+1", " 1"] {
            let error = text.parse::<ByteCount>().unwrap_err();
            assert!(matches!(error, ParseByteCountError::Malformed { .. }), "{text}: {error}");
        }
        for text in ["1.5kb", "1kib", "1x", "1é"] {
            let error = text.parse::<ByteCount>().unwrap_err();
            assert!(matches!(error, ParseByteCountError::UnknownUnit { .. }), "{text}: {error}");
        }
        for text in ["16e", "18446744073709551616"] {
            let error = text.parse::<ByteCount>().unwrap_err();
            assert!(matches!(error, ParseByteCountError::OutOfRange { .. }), "{text}: {error}");
        }
    }

    #[test]
    fn sizes_print_in_the_largest_unit_that_divides_them() {
        for (bytes, text) in [
            (0, "0B"),
            (1_000, "1000B"),
            (262_144, "256KB"),
            (1_048_577, "1048577B"),
            (1 << 60, "1EB"),
        ] {
            assert_eq!(ByteCount(bytes).to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back_as_the_same_size(bytes: u64, shift in 0_u32..60) {
            let size = ByteCount(bytes << shift);
            prop_assert_eq!(size.to_string().parse(), Ok(size));
        }
    }
}

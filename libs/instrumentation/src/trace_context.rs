//! W3C Trace Context: the `traceparent` header and the ids in it.
//!
//! An id that exists is valid: the all-zero ids the specification forbids
//! cannot be represented, so whoever holds a [`TraceId`] may log it as it is.

use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};
use std::str::FromStr;

/// Length of a version 00 header, and of the part of every later version that
/// is laid out like it: `2 + 1 + 32 + 1 + 16 + 1 + 2`.
const HEADER_LEN: usize = 55;

/// Flag bits that Trace Context Level 2 defines; a sender leaves the others 0.
const KNOWN_FLAGS: u8 = TraceFlags::SAMPLED | TraceFlags::RANDOM_TRACE_ID;

/// Why a text is not a `traceparent` or an id in one.
///
/// The specification's answer to each of them is the same: ignore the header,
/// and `tracestate` with it, and start a new trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TraceContextError {
    /// The header is shorter than 55 bytes, or longer in a way its version does not allow.
    #[error("traceparent has {found} bytes; version 00 has 55")]
    HeaderLength {
        /// Length of the header in bytes.
        found: usize,
    },
    /// A dash is missing between two parts.
    #[error("traceparent has no `-` at byte {at}")]
    Separator {
        /// Offset of the byte that should be a dash.
        at: usize,
    },
    /// Version `ff` is reserved so that it never becomes valid.
    #[error("traceparent version ff is forbidden")]
    ForbiddenVersion,
    /// A part holds something else than lower-case hexadecimal digits.
    #[error("{part} is not {digits} lower-case hexadecimal digits")]
    Hex {
        /// Part of the header.
        part: &'static str,
        /// Digits the part has.
        digits: usize,
    },
    /// An id of zeroes only means "no id".
    #[error("{part} is all zeroes")]
    AllZero {
        /// Part of the header.
        part: &'static str,
    },
}

/// Id of a whole trace: 16 bytes, not all zero.
///
/// ```
/// use instrumentation::trace_context::TraceId;
///
/// let id: TraceId = "4bf92f3577b34da6a3ce929d0e0e4736".parse().unwrap();
/// assert_eq!(id.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
/// assert_eq!(TraceId::new(0), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceId(NonZeroU128);

/// Id of one span: 8 bytes, not all zero.
///
/// ```
/// use instrumentation::trace_context::SpanId;
///
/// assert_eq!(SpanId::new(0xf067_aa0b_a902_b7).unwrap().to_string(), "00f067aa0ba902b7");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpanId(NonZeroU64);

/// The flags byte of a `traceparent`.
///
/// ```
/// use instrumentation::trace_context::TraceFlags;
///
/// assert!(TraceFlags(0x03).is_sampled());
/// assert!(!TraceFlags(0x02).is_sampled());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct TraceFlags(pub u8);

/// A parsed `traceparent` header.
///
/// `Display` writes version 00, whatever version was read, and clears the flag
/// bits that version does not define, as the specification asks of a sender.
///
/// ```
/// use instrumentation::trace_context::TraceParent;
///
/// let header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// let parent: TraceParent = header.parse().unwrap();
/// assert!(parent.flags.is_sampled());
/// assert_eq!(parent.to_string(), header);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceParent {
    /// The trace the request belongs to.
    pub trace_id: TraceId,
    /// The caller's span: parent of the span that handles the request.
    pub parent_id: SpanId,
    /// What the caller recorded.
    pub flags: TraceFlags,
}

impl TraceId {
    /// The id with this value, `None` for zero. A generator feeds 128 random bits.
    pub fn new(value: u128) -> Option<Self> {
        NonZeroU128::new(value).map(Self)
    }

    /// The value as a number.
    pub fn get(self) -> u128 {
        self.0.get()
    }
}

impl SpanId {
    /// The id with this value, `None` for zero. A generator feeds 64 random bits.
    pub fn new(value: u64) -> Option<Self> {
        NonZeroU64::new(value).map(Self)
    }

    /// The value as a number.
    pub fn get(self) -> u64 {
        self.0.get()
    }
}

impl TraceFlags {
    /// Bit 0: the caller may have recorded its spans.
    pub const SAMPLED: u8 = 0x01;

    /// Bit 1: the right-most 7 bytes of the trace id are random (Level 2).
    pub const RANDOM_TRACE_ID: u8 = 0x02;

    /// Whether the caller may have recorded its spans.
    pub fn is_sampled(self) -> bool {
        self.0 & Self::SAMPLED != 0
    }

    /// Whether the trace id was generated at random, and so may be sampled by its bits.
    pub fn has_random_trace_id(self) -> bool {
        self.0 & Self::RANDOM_TRACE_ID != 0
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:032x}", self.0)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:016x}", self.0)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "00-{}-{}-{:02x}", self.trace_id, self.parent_id, self.flags.0 & KNOWN_FLAGS)
    }
}

impl FromStr for TraceId {
    type Err = TraceContextError;

    fn from_str(text: &str) -> Result<Self, TraceContextError> {
        let value = lower_hex(text.as_bytes(), "trace id", 32)?;
        Self::new(value).ok_or(TraceContextError::AllZero { part: "trace id" })
    }
}

impl FromStr for SpanId {
    type Err = TraceContextError;

    fn from_str(text: &str) -> Result<Self, TraceContextError> {
        span_id(text.as_bytes(), "span id")
    }
}

impl FromStr for TraceParent {
    type Err = TraceContextError;

    fn from_str(header: &str) -> Result<Self, TraceContextError> {
        let bytes = header.as_bytes();
        let wrong_length = TraceContextError::HeaderLength { found: bytes.len() };
        let (fixed, rest) = bytes.split_at_checked(HEADER_LEN).ok_or(wrong_length)?;
        for at in [2, 35, 52] {
            if fixed[at] != b'-' {
                return Err(TraceContextError::Separator { at });
            }
        }
        match lower_hex(&fixed[..2], "version", 2)? {
            0xff => return Err(TraceContextError::ForbiddenVersion),
            0 if !rest.is_empty() => return Err(wrong_length),
            // a later version may append parts, but only after a dash
            _ if rest.first().is_some_and(|&next| next != b'-') => {
                return Err(TraceContextError::Separator { at: HEADER_LEN });
            }
            _ => {}
        }
        let trace_id = lower_hex(&fixed[3..35], "trace id", 32)?;
        let trace_id =
            TraceId::new(trace_id).ok_or(TraceContextError::AllZero { part: "trace id" })?;
        let parent_id = span_id(&fixed[36..52], "parent id")?;
        let flags = u8::try_from(lower_hex(&fixed[53..], "trace flags", 2)?)
            .expect("two hexadecimal digits fit a byte");
        Ok(Self { trace_id, parent_id, flags: TraceFlags(flags) })
    }
}

fn span_id(text: &[u8], part: &'static str) -> Result<SpanId, TraceContextError> {
    let value =
        u64::try_from(lower_hex(text, part, 16)?).expect("16 hexadecimal digits fit 64 bits");
    SpanId::new(value).ok_or(TraceContextError::AllZero { part })
}

/// `u128::from_str_radix` would also take a sign and upper case.
fn lower_hex(text: &[u8], part: &'static str, digits: usize) -> Result<u128, TraceContextError> {
    if text.len() != digits {
        return Err(TraceContextError::Hex { part, digits });
    }
    text.iter().try_fold(0, |value: u128, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return Err(TraceContextError::Hex { part, digits }),
        };
        Ok(value << 4 | u128::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn refused(header: &str) -> TraceContextError {
        header.parse::<TraceParent>().unwrap_err()
    }

    #[test]
    fn a_valid_header_gives_its_parts() {
        let parent: TraceParent = VALID.parse().unwrap();
        assert_eq!(parent.trace_id.get(), 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert_eq!(parent.parent_id.get(), 0x00f0_67aa_0ba9_02b7);
        assert_eq!(parent.flags, TraceFlags(1));
    }

    #[test]
    fn version_ff_is_refused() {
        assert_eq!(refused(&VALID.replacen("00", "ff", 1)), TraceContextError::ForbiddenVersion);
    }

    #[test]
    fn all_zero_ids_are_refused() {
        let no_trace = "00-00000000000000000000000000000000-00f067aa0ba902b7-01";
        assert_eq!(refused(no_trace), TraceContextError::AllZero { part: "trace id" });
        let no_parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01";
        assert_eq!(refused(no_parent), TraceContextError::AllZero { part: "parent id" });
    }

    #[test]
    fn upper_case_and_signs_are_refused() {
        assert!(matches!(refused(&VALID.replace('b', "B")), TraceContextError::Hex { .. }));
        assert!(matches!(refused(&VALID.replace("-01", "-+1")), TraceContextError::Hex { .. }));
    }

    #[test]
    fn version_00_has_exactly_55_bytes() {
        for header in [&VALID[..54], &format!("{VALID}-more"), &format!(" {VALID}"), ""] {
            assert!(header.parse::<TraceParent>().is_err(), "{header:?}");
        }
        assert_eq!(refused(&format!("{VALID}-x")), TraceContextError::HeaderLength { found: 57 });
    }

    #[test]
    fn a_later_version_may_append_parts_after_a_dash() {
        let later = VALID.replacen("00", "cc", 1);
        for header in [later.clone(), format!("{later}-what-the-future-brings")] {
            assert_eq!(header.parse::<TraceParent>(), VALID.parse(), "{header}");
        }
        assert_eq!(refused(&format!("{later}.x")), TraceContextError::Separator { at: 55 });
    }

    #[test]
    fn unknown_flags_are_read_but_not_passed_on() {
        let parent: TraceParent = VALID.replace("-01", "-ff").parse().unwrap();
        assert_eq!(parent.flags, TraceFlags(0xff));
        assert_eq!(parent.to_string(), VALID.replace("-01", "-03"));
    }

    proptest! {
        #[test]
        fn every_parent_survives_its_own_header(
            trace in 1_u128.., span in 1_u64.., flags in 0_u8..=3,
        ) {
            let parent = TraceParent {
                trace_id: TraceId::new(trace).unwrap(),
                parent_id: SpanId::new(span).unwrap(),
                flags: TraceFlags(flags),
            };
            prop_assert_eq!(parent.to_string().parse(), Ok(parent));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "[0-9a-f-]{50,60}|.{0,60}") {
            let _ = text.parse::<TraceParent>();
        }
    }
}

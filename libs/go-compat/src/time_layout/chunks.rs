//! A layout cut into the parts of Go's reference time, Mon Jan 2 15:04:05 MST 2006.

/// One part of a layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Chunk {
    Literal(Box<[u8]>),
    LongMonth,
    Month,
    /// `fixed`: `01`
    NumMonth {
        fixed: bool,
    },
    LongWeekday,
    Weekday,
    Day,
    /// `_2`
    SpaceDay,
    /// `02`
    ZeroDay,
    /// `__2`
    SpaceYearDay,
    /// `002`
    ZeroYearDay,
    Hour,
    Hour12 {
        fixed: bool,
    },
    Minute {
        fixed: bool,
    },
    Second {
        fixed: bool,
    },
    LongYear,
    Year,
    Pm {
        upper: bool,
    },
    /// `MST`
    ZoneName,
    /// Numeric offset; `z`: `Z` stands for UTC.
    Offset {
        z: bool,
        minutes: bool,
        seconds: bool,
        colon: bool,
    },
    /// `.000`: that many digits; `separator` for formatting.
    Fraction {
        digits: u8,
        separator: u8,
    },
    /// `.999`: as many as there are; trailing zeros are left out when formatting.
    TrimmedFraction {
        digits: u8,
        separator: u8,
    },
}

impl Chunk {
    /// How the chunk is written in a layout, for errors.
    pub(super) fn as_written(&self) -> &'static str {
        match self {
            Self::Literal(_) => "the layout's own text",
            Self::LongMonth => "\"January\"",
            Self::Month => "\"Jan\"",
            Self::NumMonth { fixed: false } => "\"1\"",
            Self::NumMonth { fixed: true } => "\"01\"",
            Self::LongWeekday => "\"Monday\"",
            Self::Weekday => "\"Mon\"",
            Self::Day => "\"2\"",
            Self::SpaceDay => "\"_2\"",
            Self::ZeroDay => "\"02\"",
            Self::SpaceYearDay => "\"__2\"",
            Self::ZeroYearDay => "\"002\"",
            Self::Hour => "\"15\"",
            Self::Hour12 { fixed: false } => "\"3\"",
            Self::Hour12 { fixed: true } => "\"03\"",
            Self::Minute { fixed: false } => "\"4\"",
            Self::Minute { fixed: true } => "\"04\"",
            Self::Second { fixed: false } => "\"5\"",
            Self::Second { fixed: true } => "\"05\"",
            Self::LongYear => "\"2006\"",
            Self::Year => "\"06\"",
            Self::Pm { upper: true } => "\"PM\"",
            Self::Pm { upper: false } => "\"pm\"",
            Self::ZoneName => "\"MST\"",
            Self::Offset { .. } => "an offset such as \"-0700\" in the layout's form",
            Self::Fraction { .. } => "a fraction of the layout's length",
            Self::TrimmedFraction { .. } => "a fraction",
        }
    }
}

/// Offsets, the longer ones first.
const OFFSETS: [(&str, bool, bool, bool); 5] = [
    ("070000", true, true, false),
    ("07:00:00", true, true, true),
    ("0700", true, false, false),
    ("07:00", true, false, true),
    ("07", false, false, false),
];

/// Cuts a layout.
pub(super) fn split(layout: &str) -> Vec<Chunk> {
    let bytes = layout.as_bytes();
    let (mut chunks, mut literal, mut at) = (Vec::new(), 0, 0);
    while at < bytes.len() {
        let Some((chunk, skip, length)) = chunk_at(&bytes[at..]) else {
            at += 1;
            continue;
        };
        if literal < at + skip {
            chunks.push(Chunk::Literal(bytes[literal..at + skip].into()));
        }
        chunks.push(chunk);
        at += skip + length;
        literal = at;
    }
    if literal < bytes.len() {
        chunks.push(Chunk::Literal(bytes[literal..].into()));
    }
    chunks
}

/// The part that begins here: with how many literal bytes before it, and its length.
fn chunk_at(rest: &[u8]) -> Option<(Chunk, usize, usize)> {
    let starts = |text: &str| rest.starts_with(text.as_bytes());
    let ends_word = |length: usize| !rest.get(length).is_some_and(u8::is_ascii_lowercase);
    let chunk = match rest[0] {
        b'J' if starts("January") => (Chunk::LongMonth, 7),
        b'J' if starts("Jan") && ends_word(3) => (Chunk::Month, 3),
        b'M' if starts("Monday") => (Chunk::LongWeekday, 6),
        b'M' if starts("Mon") && ends_word(3) => (Chunk::Weekday, 3),
        b'M' if starts("MST") => (Chunk::ZoneName, 3),
        b'0' if starts("01") => (Chunk::NumMonth { fixed: true }, 2),
        b'0' if starts("02") => (Chunk::ZeroDay, 2),
        b'0' if starts("03") => (Chunk::Hour12 { fixed: true }, 2),
        b'0' if starts("04") => (Chunk::Minute { fixed: true }, 2),
        b'0' if starts("05") => (Chunk::Second { fixed: true }, 2),
        b'0' if starts("06") => (Chunk::Year, 2),
        b'0' if starts("002") => (Chunk::ZeroYearDay, 3),
        b'1' if starts("15") => (Chunk::Hour, 2),
        b'1' => (Chunk::NumMonth { fixed: false }, 1),
        b'2' if starts("2006") => (Chunk::LongYear, 4),
        b'2' => (Chunk::Day, 1),
        b'_' if starts("_2006") => return Some((Chunk::LongYear, 1, 4)),
        b'_' if starts("_2") => (Chunk::SpaceDay, 2),
        b'_' if starts("__2") => (Chunk::SpaceYearDay, 3),
        b'3' => (Chunk::Hour12 { fixed: false }, 1),
        b'4' => (Chunk::Minute { fixed: false }, 1),
        b'5' => (Chunk::Second { fixed: false }, 1),
        b'P' if starts("PM") => (Chunk::Pm { upper: true }, 2),
        b'p' if starts("pm") => (Chunk::Pm { upper: false }, 2),
        b'-' | b'Z' => {
            let found = OFFSETS.iter().find(|(text, ..)| rest[1..].starts_with(text.as_bytes()))?;
            let (text, minutes, seconds, colon) = *found;
            (Chunk::Offset { z: rest[0] == b'Z', minutes, seconds, colon }, 1 + text.len())
        }
        separator @ (b'.' | b',') => {
            let digit = *rest.get(1).filter(|digit| matches!(digit, b'0' | b'9'))?;
            let digits = rest[1..].iter().take_while(|byte| **byte == digit).count();
            // More digits of another kind: not a fraction.
            if rest.get(1 + digits).is_some_and(u8::is_ascii_digit) {
                return None;
            }
            let length = 1 + digits;
            let digits = u8::try_from(digits).ok()?;
            if digit == b'0' {
                (Chunk::Fraction { digits, separator }, length)
            } else {
                (Chunk::TrimmedFraction { digits, separator }, length)
            }
        }
        _ => return None,
    };
    Some((chunk.0, 0, chunk.1))
}

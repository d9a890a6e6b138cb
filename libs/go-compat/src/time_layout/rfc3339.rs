//! `2006-01-02T15:04:05[.fraction](Z|±07:00)` without the detour through chunks.
//!
//! It may only accept what the chunks accept with the same result, and answers `None` for anything
//! else, so that the general parser decides and words the error.

use super::Time;
use super::civil::{Civil, days_in};
use super::parse::{fraction, time_at_offset};
use super::zone::Zone;

pub(super) fn parse(text: &[u8], zone: &Zone) -> Option<Time> {
    let (head, rest) = text.split_first_chunk::<19>()?;
    let separators = [head[4], head[7], head[10], head[13], head[16]];
    if separators != *b"--T::" {
        return None;
    }
    let civil = Civil {
        year: i64::from(two(head[0], head[1])? * 100 + two(head[2], head[3])?),
        month: two(head[5], head[6])?,
        day: two(head[8], head[9])?,
        hour: two(head[11], head[12])?,
        minute: two(head[14], head[15])?,
        second: two(head[17], head[18])?,
    };
    let exists = (1..=12).contains(&civil.month)
        && civil.day >= 1
        && civil.day <= days_in(civil.month, civil.year)
        && civil.hour < 24
        && civil.minute < 60
        && civil.second < 60;
    if !exists {
        return None;
    }
    let (nanoseconds, rest) = match rest {
        [b'.', digits @ ..] => {
            let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if count == 0 {
                return None;
            }
            let (digits, rest) = digits.split_at(count);
            (fraction(digits), rest)
        }
        _ => (0, rest),
    };
    match *rest {
        [b'Z'] => Some(Time::on_clock(&civil, nanoseconds, Zone::utc())),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (two(h1, h2)?, two(m1, m2)?);
            if hours > 24 || minutes > 60 {
                return None;
            }
            let offset = (hours * 3_600 + minutes * 60).cast_signed();
            let offset = if sign == b'-' { -offset } else { offset };
            Some(time_at_offset(&civil, nanoseconds, offset, zone))
        }
        _ => None,
    }
}

fn two(tens: u8, ones: u8) -> Option<u32> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| u32::from(tens) * 10 + u32::from(ones))
}

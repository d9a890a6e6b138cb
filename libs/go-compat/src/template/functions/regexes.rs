//! Regular expressions. Promtail's `regexReplaceAll` and sprig's take the same arguments.
//!
//! A constant pattern was compiled by the parser; any other is compiled at each call, which costs
//! so much that the budget charges for it.

use std::borrow::Cow;

use super::{Arguments, Builtin, Outcome, check_length, exactly, usize_of};
use crate::regexp::{Haystack, Regexp};
use crate::template::limits::{Fault, failed};
use crate::template::value::Value;

/// What compiling a small pattern costs at most, in units of work.
const COMPILE_COST: usize = 1 << 20;

pub(super) const TABLE: &[Builtin] = &[
    exactly("regexMatch", 2, is_match),
    exactly("mustRegexMatch", 2, is_match),
    exactly("regexFind", 2, find),
    exactly("mustRegexFind", 2, find),
    exactly("regexFindAll", 3, find_all),
    exactly("mustRegexFindAll", 3, find_all),
    exactly("regexReplaceAll", 3, |call| replace_all(call, true)),
    exactly("mustRegexReplaceAll", 3, |call| replace_all(call, true)),
    exactly("regexReplaceAllLiteral", 3, |call| replace_all(call, false)),
    exactly("mustRegexReplaceAllLiteral", 3, |call| replace_all(call, false)),
    exactly("regexSplit", 3, split),
    exactly("mustRegexSplit", 3, split),
    exactly("regexQuoteMeta", 1, |call| {
        let mut out = Vec::new();
        for byte in call.bytes(0)? {
            if b"\\.+*?()|[]{}^$".contains(byte) {
                out.push(b'\\');
            }
            out.push(*byte);
        }
        Ok(Value::Text(out))
    }),
];

fn compiled<'a>(call: &mut Arguments<'a>) -> Result<Cow<'a, Regexp>, Fault> {
    if let Some(pattern) = call.pattern {
        return Ok(Cow::Borrowed(pattern));
    }
    call.budget.spend(COMPILE_COST)?;
    let pattern = call.bytes(0)?;
    let Ok(pattern) = std::str::from_utf8(pattern) else {
        return failed("the regex is not valid UTF-8");
    };
    match Regexp::small(pattern) {
        Ok(regexp) => Ok(Cow::Owned(regexp)),
        Err(error) => failed(error.to_string()),
    }
}

fn is_match(call: &mut Arguments<'_>) -> Outcome {
    let regexp = compiled(call)?;
    Ok(Value::Bool(regexp.is_match(call.bytes(1)?)))
}

fn find(call: &mut Arguments<'_>) -> Outcome {
    let regexp = compiled(call)?;
    let text = call.bytes(1)?;
    let mut locations = regexp.capture_locations();
    let found = regexp.captures_read(&mut locations, text).then(|| locations.get(0)).flatten();
    Ok(Value::text(found.map_or(b"".as_slice(), |(start, end)| &text[start..end])))
}

fn find_all(call: &mut Arguments<'_>) -> Outcome {
    let regexp = compiled(call)?;
    let limit = call.int(2)?;
    let text = call.text(1)?;
    let found = matches(call, &regexp, &text, limit)?;
    Ok(Value::list(found.into_iter().map(|(start, end)| Value::text(&text[start..end])).collect()))
}

/// All matches that do not overlap, at most `limit` unless it is negative. An empty match right
/// after another match does not count.
fn matches(
    call: &mut Arguments<'_>,
    regexp: &Regexp,
    text: &[u8],
    limit: i64,
) -> Result<Vec<(usize, usize)>, Fault> {
    let limit = if limit < 0 { usize::MAX } else { usize_of(limit) };
    let mut found = Vec::new();
    let haystack = Haystack::new(text);
    let mut locations = regexp.capture_locations();
    let (mut position, mut previous_end) = (0, None);
    while found.len() < limit
        && position <= text.len()
        && regexp.captures_read_in(&mut locations, &haystack, position)
        && let Some((start, end)) = locations.get(0)
    {
        call.budget.spend(32)?;
        let empty_after_match = start == end && previous_end == Some(start);
        if !empty_after_match {
            found.push((start, end));
        }
        position = if end > position { end } else { end + width(text, end) };
        previous_end = Some(end);
    }
    Ok(found)
}

/// How many bytes the character at `position` has; one past the end.
fn width(text: &[u8], position: usize) -> usize {
    super::characters::first(&text[position..]).map_or(1, |(_, length)| length)
}

fn replace_all(call: &mut Arguments<'_>, expand: bool) -> Outcome {
    let regexp = compiled(call)?;
    let replacement = call.text(2)?;
    let text = call.text(1)?;
    // only a template with `$` needs to be expanded, and those are text
    let expanded = if expand && replacement.contains(&b'$') {
        std::str::from_utf8(&replacement).ok()
    } else {
        None
    };
    let mut out = Vec::with_capacity(text.len());
    let haystack = Haystack::new(&text);
    let mut locations = regexp.capture_locations();
    let (mut position, mut copied) = (0, 0);
    while position <= text.len()
        && regexp.captures_read_in(&mut locations, &haystack, position)
        && let Some((start, end)) = locations.get(0)
    {
        out.extend_from_slice(&text[copied..start]);
        if end > copied || start == 0 {
            match expanded {
                Some(template) => regexp.expand(template, &locations, &text, &mut out),
                None => out.extend_from_slice(&replacement),
            }
        }
        check_length(out.len())?;
        copied = end;
        position = if end > position { end } else { position + width(&text, position) };
    }
    out.extend_from_slice(&text[copied.min(text.len())..]);
    Ok(Value::Text(out))
}

fn split(call: &mut Arguments<'_>) -> Outcome {
    let regexp = compiled(call)?;
    let limit = call.int(2)?;
    let text = call.text(1)?;
    if limit == 0 {
        return Ok(Value::list(Vec::new()));
    }
    if text.is_empty() && !regexp.as_str().is_empty() {
        return Ok(Value::list(vec![Value::text("")]));
    }
    let most = if limit < 0 { usize::MAX } else { usize_of(limit) };
    let mut parts = Vec::new();
    let (mut start, mut end) = (0, 0);
    for (match_start, match_end) in matches(call, &regexp, &text, limit)? {
        if parts.len() + 1 == most {
            break;
        }
        end = match_start;
        if match_end != 0 {
            parts.push(Value::text(&text[start..end]));
        }
        start = match_end;
    }
    if end != text.len() {
        parts.push(Value::text(&text[start..]));
    }
    Ok(Value::list(parts))
}

//! Lists: making, splitting, joining, cutting and searching them, and Go's `len` and `index`.
//!
//! No function changes a list in place, so lists can be shared freely.

use super::text::{find, strings};
use super::{Arguments, Builtin, Outcome, at_least, exactly, int_of, usize_of, wrong_type};
use crate::template::limits::{Fault, failed};
use crate::template::numbers::to_int;
use crate::template::value::Value;

pub(super) const TABLE: &[Builtin] = &[
    exactly("len", 1, len),
    at_least("index", 1, index),
    at_least("slice", 1, slice),
    at_least("mustSlice", 1, slice),
    at_least("list", 0, |call| Ok(Value::list(call.take_from(0)))),
    at_least("tuple", 0, |call| Ok(Value::list(call.take_from(0)))),
    exactly("splitList", 2, |call| {
        let parts = pieces(call, usize::MAX, 1)?;
        Ok(Value::list(parts))
    }),
    exactly("split", 2, |call| {
        let parts = pieces(call, usize::MAX, 1)?;
        Ok(numbered(parts))
    }),
    exactly("splitn", 3, |call| {
        let limit = call.int(1)?;
        let limit = if limit < 0 { usize::MAX } else { usize_of(limit) };
        let parts = pieces(call, limit, 2)?;
        Ok(numbered(parts))
    }),
    exactly("join", 2, |call| {
        let separator = call.text(0)?;
        Ok(Value::Text(strings(call.take(1)).join(separator.as_slice())))
    }),
    exactly("sortAlpha", 1, |call| {
        let mut sorted = strings(call.take(0));
        sorted.sort();
        Ok(texts(sorted))
    }),
    exactly("toStrings", 1, |call| Ok(texts(strings(call.take(0))))),
    exactly("until", 1, |call| {
        let end = call.int(0)?;
        steps(call, 0, end, if end < 0 { -1 } else { 1 }).map(Value::list)
    }),
    exactly("untilStep", 3, |call| {
        let (start, end, step) = (call.int(0)?, call.int(1)?, call.int(2)?);
        steps(call, start, end, step).map(Value::list)
    }),
    at_least("seq", 0, seq),
    exactly("append", 2, append),
    exactly("mustAppend", 2, append),
    exactly("push", 2, append),
    exactly("mustPush", 2, append),
    exactly("prepend", 2, prepend),
    exactly("mustPrepend", 2, prepend),
    exactly("first", 1, first),
    exactly("mustFirst", 1, first),
    exactly("last", 1, last),
    exactly("mustLast", 1, last),
    exactly("rest", 1, |call| part(call, |items| items.get(1..))),
    exactly("mustRest", 1, |call| part(call, |items| items.get(1..))),
    exactly("initial", 1, |call| part(call, |items| items.split_last().map(|(_, rest)| rest))),
    exactly("mustInitial", 1, |call| part(call, |items| items.split_last().map(|(_, rest)| rest))),
    exactly("reverse", 1, reverse),
    exactly("mustReverse", 1, reverse),
    exactly("uniq", 1, uniq),
    exactly("mustUniq", 1, uniq),
    exactly("compact", 1, compact),
    exactly("mustCompact", 1, compact),
    at_least("without", 1, without),
    at_least("mustWithout", 1, without),
    exactly("has", 2, has),
    exactly("mustHas", 2, has),
    at_least("concat", 0, concat),
    exactly("chunk", 2, chunk),
    exactly("mustChunk", 2, chunk),
];

fn texts(items: Vec<Vec<u8>>) -> Value {
    Value::list(items.into_iter().map(Value::Text).collect())
}

fn len(call: &mut Arguments<'_>) -> Outcome {
    match call.get(0) {
        Value::Text(bytes) => Ok(int_of(bytes.len())),
        Value::List(items) => Ok(int_of(items.len())),
        Value::Map(entries) => Ok(int_of(entries.len())),
        Value::Nil => failed("len of untyped nil"),
        other => failed(format!("len of type {}", other.type_name())),
    }
}

fn index(call: &mut Arguments<'_>) -> Outcome {
    let mut value = call.take(0);
    for position in 1..call.len() {
        value = match (&value, call.get(position)) {
            (Value::Map(entries), Value::Text(key)) => {
                entries.get(key.as_slice()).cloned().unwrap_or_default()
            }
            (Value::Map(_), key) => return wrong_type("string", key),
            (Value::List(items), key) => items[offset(key, items.len())?].clone(),
            (Value::Text(bytes), key) => Value::Int(i64::from(bytes[offset(key, bytes.len())?])),
            (Value::Nil, _) => return failed("index of untyped nil"),
            (other, _) => {
                return failed(format!("can't index item of type {}", other.type_name()));
            }
        };
    }
    Ok(value)
}

/// An index below `length`.
fn offset(index: &Value, length: usize) -> Result<usize, Fault> {
    match index {
        Value::Int(number) => match usize::try_from(*number) {
            Ok(offset) if offset < length => Ok(offset),
            _ => failed(format!("index out of range: {number}")),
        },
        Value::Nil => failed("cannot index slice/array with nil"),
        other => failed(format!("cannot index slice/array with type {}", other.type_name())),
    }
}

/// sprig's `slice`, which in Promtail hides Go's; text is cut as Go's would.
fn slice(call: &mut Arguments<'_>) -> Outcome {
    let value = call.take(0);
    let length = match &value {
        Value::Text(bytes) => bytes.len(),
        Value::List(items) => items.len(),
        other => return failed(format!("cannot slice type {}", other.type_name())),
    };
    let start = if call.len() > 1 { to_int(call.get(1)) } else { 0 };
    let end = if call.len() > 2 {
        to_int(call.get(2))
    } else {
        i64::try_from(length).unwrap_or(i64::MAX)
    };
    let out_of_range = || Fault::Failed(format!("slice bounds {start} to {end} out of range"));
    let range = usize::try_from(start).map_err(|_| out_of_range())?
        ..usize::try_from(end).map_err(|_| out_of_range())?;
    match &value {
        Value::Text(bytes) => bytes.get(range).map(Value::text).ok_or_else(out_of_range),
        Value::List(items) => {
            items.get(range).map(|part| Value::list(part.to_vec())).ok_or_else(out_of_range)
        }
        _ => Err(out_of_range()),
    }
}

/// The text at argument `text` split at the separator, which is argument 0, into at most `limit`.
fn pieces(call: &mut Arguments<'_>, limit: usize, text: usize) -> Result<Vec<Value>, Fault> {
    let separator = call.text(0)?;
    let text = call.text(text)?;
    let mut rest = text.as_slice();
    let mut parts = Vec::new();
    if limit == 0 {
        return Ok(parts);
    }
    while parts.len() + 1 < limit {
        // an empty separator splits after every character
        let cut = if separator.is_empty() {
            let first = super::characters::first(rest).map(|(_, length)| length);
            first.filter(|length| *length < rest.len())
        } else {
            find(rest, &separator)
        };
        let Some(at) = cut else { break };
        call.budget.spend(32)?;
        parts.push(Value::text(&rest[..at]));
        rest = &rest[at + separator.len()..];
    }
    if !(separator.is_empty() && rest.is_empty()) {
        parts.push(Value::text(rest));
    }
    Ok(parts)
}

/// `_0`, `_1` and so on to the parts.
fn numbered(parts: Vec<Value>) -> Value {
    let name = |index: usize| format!("_{index}").into_bytes();
    Value::map(parts.into_iter().enumerate().map(|(index, part)| (name(index), part)).collect())
}

fn steps(call: &mut Arguments<'_>, start: i64, end: i64, step: i64) -> Result<Vec<Value>, Fault> {
    let mut numbers = Vec::new();
    let upward = start <= end;
    if step == 0 || upward != (step > 0) {
        return Ok(numbers);
    }
    let mut number = start;
    while if upward { number < end } else { number > end } {
        call.budget.spend(32)?;
        numbers.push(Value::Int(number));
        let Some(next) = number.checked_add(step) else { break };
        number = next;
    }
    Ok(numbers)
}

/// The numbers that the `seq` command prints, on one line.
fn seq(call: &mut Arguments<'_>) -> Outcome {
    let mut given = Vec::new();
    for index in 0..call.len() {
        given.push(call.int(index)?);
    }
    let (start, step, end) = match *given.as_slice() {
        [end] => (1, if end < 1 { -1 } else { 1 }, end),
        [start, end] => (start, if end < start { -1 } else { 1 }, end),
        [start, step, end] => (start, step, end),
        _ => return Ok(Value::text("")),
    };
    let past = end.saturating_add(if end < start { -1 } else { 1 });
    let numbers = steps(call, start, past, step)?;
    Ok(Value::Text(strings(Value::list(numbers)).join(b" ".as_slice())))
}

fn items(call: &mut Arguments<'_>, index: usize) -> Result<Vec<Value>, Fault> {
    call.list(index).map(|items| items.to_vec())
}

fn append(call: &mut Arguments<'_>) -> Outcome {
    let mut list = items(call, 0)?;
    list.push(call.take(1));
    Ok(Value::list(list))
}

fn prepend(call: &mut Arguments<'_>) -> Outcome {
    let mut list = items(call, 0)?;
    list.insert(0, call.take(1));
    Ok(Value::list(list))
}

fn first(call: &mut Arguments<'_>) -> Outcome {
    Ok(call.list(0)?.first().cloned().unwrap_or_default())
}

fn last(call: &mut Arguments<'_>) -> Outcome {
    Ok(call.list(0)?.last().cloned().unwrap_or_default())
}

/// A part of the list, nil for an empty list.
fn part(call: &mut Arguments<'_>, cut: impl Fn(&[Value]) -> Option<&[Value]>) -> Outcome {
    Ok(cut(call.list(0)?).map(|part| Value::list(part.to_vec())).unwrap_or_default())
}

fn reverse(call: &mut Arguments<'_>) -> Outcome {
    let mut list = items(call, 0)?;
    list.reverse();
    Ok(Value::list(list))
}

/// Whether `wanted` is among `items`, charged by what may have to be compared.
fn is_among(call: &mut Arguments<'_>, wanted: &Value, items: &[Value]) -> Result<bool, Fault> {
    call.budget.spend(items.len())?;
    for item in items {
        // texts of different length differ at once; anything nested is charged as it is walked
        if matches!(item, Value::List(_) | Value::Map(_)) {
            call.budget.check(item)?;
        }
        if item == wanted {
            return Ok(true);
        }
    }
    Ok(false)
}

fn uniq(call: &mut Arguments<'_>) -> Outcome {
    let mut kept: Vec<Value> = Vec::new();
    for item in items(call, 0)? {
        if !is_among(call, &item, &kept)? {
            kept.push(item);
        }
    }
    Ok(Value::list(kept))
}

fn compact(call: &mut Arguments<'_>) -> Outcome {
    let mut list = items(call, 0)?;
    list.retain(Value::is_true);
    Ok(Value::list(list))
}

fn without(call: &mut Arguments<'_>) -> Outcome {
    let list = items(call, 0)?;
    let omitted = call.take_from(1);
    let mut kept = Vec::new();
    for item in list {
        if !is_among(call, &item, &omitted)? {
            kept.push(item);
        }
    }
    Ok(Value::list(kept))
}

fn has(call: &mut Arguments<'_>) -> Outcome {
    let needle = call.take(0);
    if matches!(call.get(1), Value::Nil) {
        return Ok(Value::Bool(false));
    }
    let list = call.list(1)?.clone();
    is_among(call, &needle, &list).map(Value::Bool)
}

fn concat(call: &mut Arguments<'_>) -> Outcome {
    let mut all = Vec::new();
    for index in 0..call.len() {
        all.extend(call.list(index)?.iter().cloned());
    }
    Ok(Value::list(all))
}

fn chunk(call: &mut Arguments<'_>) -> Outcome {
    let size = call.int(0)?;
    if size < 1 {
        return failed("the size of a chunk must be at least 1");
    }
    let chunks = call.list(1)?.chunks(usize_of(size));
    Ok(Value::list(chunks.map(|part| Value::list(part.to_vec())).collect()))
}

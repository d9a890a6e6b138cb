//! Text functions: Promtail's own, sprig's, and the escaping functions of Go.
//!
//! Promtail's take the text first, sprig's last: `TrimPrefix s prefix`, `trimPrefix prefix s`.

use super::characters::{self, trim_end, trim_start};
use super::{Arguments, Builtin, MANY, Outcome, at_least, check_length, exactly, usize_of};
use crate::strconv::quote_bytes;
use crate::template::limits::{Fault, failed};
use crate::template::value::Value;

pub(super) const TABLE: &[Builtin] = &[
    exactly("Replace", 4, replace_n),
    exactly("Trim", 2, |call| trim_set(call, 0, 1, true, true)),
    exactly("TrimLeft", 2, |call| trim_set(call, 0, 1, true, false)),
    exactly("TrimRight", 2, |call| trim_set(call, 0, 1, false, true)),
    exactly("TrimPrefix", 2, |call| trim_prefix(call, 0, 1)),
    exactly("TrimSuffix", 2, |call| trim_suffix(call, 0, 1)),
    exactly("TrimSpace", 1, trim_space),
    exactly("trim", 1, trim_space),
    exactly("trimAll", 2, |call| trim_set(call, 1, 0, true, true)),
    exactly("trimall", 2, |call| trim_set(call, 1, 0, true, true)),
    exactly("trimPrefix", 2, |call| trim_prefix(call, 1, 0)),
    exactly("trimSuffix", 2, |call| trim_suffix(call, 1, 0)),
    exactly("replace", 3, replace_all),
    exactly("contains", 2, |call| {
        let found = find(call.bytes(1)?, call.bytes(0)?).is_some();
        Ok(Value::Bool(found))
    }),
    exactly("hasPrefix", 2, |call| Ok(Value::Bool(call.bytes(1)?.starts_with(call.bytes(0)?)))),
    exactly("hasSuffix", 2, |call| Ok(Value::Bool(call.bytes(1)?.ends_with(call.bytes(0)?)))),
    exactly("repeat", 2, repeat),
    exactly("substr", 3, substr),
    exactly("trunc", 2, trunc),
    exactly("nospace", 1, |call| {
        let kept = characters::characters(call.bytes(0)?).filter(|c| !c.is_whitespace());
        Ok(Value::text(kept.collect::<String>()))
    }),
    at_least("cat", 0, cat),
    at_least("quote", 0, |call| Ok(quoted(call, quote_bytes))),
    at_least("squote", 0, |call| {
        Ok(quoted(call, |bytes| format!("'{}'", String::from_utf8_lossy(bytes))))
    }),
    exactly("indent", 2, |call| indent(call, "")),
    exactly("nindent", 2, |call| indent(call, "\n")),
    exactly("plural", 3, |call| {
        let chosen = usize::from(call.int(2)? != 1);
        Ok(Value::Text(call.text(chosen)?))
    }),
    exactly("toString", 1, |call| Ok(Value::Text(call.printed(0)))),
    exactly("fail", 1, |call| {
        let reason = call.characters(0)?.into_owned();
        failed(reason)
    }),
    Builtin { name: "hello", least: 0, most: 0, run: |_| Ok(Value::text("Hello!")) },
    Builtin { name: "html", least: 0, most: MANY, run: |call| escaped(call, html) },
    Builtin { name: "js", least: 0, most: MANY, run: |call| escaped(call, js) },
];

/// Where `needle` first stands in `haystack`.
pub(super) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    match needle {
        [] => Some(0),
        [byte] => haystack.iter().position(|candidate| candidate == byte),
        // the first byte is searched for, so that common haystacks take one fast pass
        [first, ..] => {
            let last_start = haystack.len().checked_sub(needle.len())?;
            let mut start = 0;
            while start <= last_start {
                start += haystack[start..=last_start].iter().position(|byte| byte == first)?;
                if haystack[start..].starts_with(needle) {
                    return Some(start);
                }
                start += 1;
            }
            None
        }
    }
}

fn trim_set(call: &mut Arguments<'_>, text: usize, set: usize, start: bool, end: bool) -> Outcome {
    let set = call.text(set)?;
    let mut kept = call.bytes(text)?;
    call_cost(kept.len(), set.len())?;
    let cut = |character| characters::characters(&set).any(|member| member == character);
    if start {
        kept = trim_start(kept, cut);
    }
    if end {
        kept = trim_end(kept, cut);
    }
    Ok(Value::text(kept))
}

/// Refuses pairs of texts that take quadratic time and cannot be meant.
fn call_cost(text: usize, set: usize) -> Result<(), Fault> {
    check_length(text.saturating_mul(set) / 64)
}

fn trim_prefix(call: &mut Arguments<'_>, text: usize, prefix: usize) -> Outcome {
    let prefix = call.text(prefix)?;
    let text = call.bytes(text)?;
    Ok(Value::text(text.strip_prefix(prefix.as_slice()).unwrap_or(text)))
}

fn trim_suffix(call: &mut Arguments<'_>, text: usize, suffix: usize) -> Outcome {
    let suffix = call.text(suffix)?;
    let mut text = call.text(text)?;
    if text.ends_with(&suffix) {
        text.truncate(text.len() - suffix.len());
    }
    Ok(Value::Text(text))
}

fn trim_space(call: &mut Arguments<'_>) -> Outcome {
    let text = call.bytes(0)?;
    Ok(Value::text(trim_end(trim_start(text, char::is_whitespace), char::is_whitespace)))
}

fn replace_n(call: &mut Arguments<'_>) -> Outcome {
    let limit = call.int(3)?;
    let limit = if limit < 0 { usize::MAX } else { usize_of(limit) };
    replaced(call.bytes(0)?, call.bytes(1)?, call.bytes(2)?, limit)
}

fn replace_all(call: &mut Arguments<'_>) -> Outcome {
    replaced(call.bytes(2)?, call.bytes(0)?, call.bytes(1)?, usize::MAX)
}

/// Go's `strings.Replace`: an empty `old` matches before every character and at the end.
fn replaced(text: &[u8], old: &[u8], new: &[u8], limit: usize) -> Outcome {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    for count in 0..limit {
        if old.is_empty() {
            if count > 0 {
                let Some((_, length)) = characters::first(rest) else { break };
                out.extend_from_slice(&rest[..length]);
                rest = &rest[length..];
            }
        } else {
            let Some(at) = find(rest, old) else { break };
            out.extend_from_slice(&rest[..at]);
            rest = &rest[at + old.len()..];
        }
        check_length(out.len() + new.len())?;
        out.extend_from_slice(new);
    }
    out.extend_from_slice(rest);
    Ok(Value::Text(out))
}

fn repeat(call: &mut Arguments<'_>) -> Outcome {
    let count = call.int(0)?;
    if count < 0 {
        return failed("negative repeat count");
    }
    let text = call.bytes(1)?;
    check_length(text.len().saturating_mul(usize_of(count)))?;
    if text.is_empty() {
        return Ok(Value::text(""));
    }
    Ok(Value::Text(text.repeat(usize_of(count))))
}

fn substr(call: &mut Arguments<'_>) -> Outcome {
    let (start, end) = (call.int(0)?, call.int(1)?);
    let text = call.bytes(2)?;
    let range = if start < 0 {
        0..usize_of(end)
    } else if end < 0 || usize_of(end) > text.len() {
        usize_of(start)..text.len()
    } else {
        usize_of(start)..usize_of(end)
    };
    match text.get(range) {
        Some(part) => Ok(Value::text(part)),
        None => failed(format!(
            "slice bounds {start} to {end} out of range of a text of {} bytes",
            text.len()
        )),
    }
}

fn trunc(call: &mut Arguments<'_>) -> Outcome {
    let length = call.int(0)?;
    let text = call.bytes(1)?;
    let wanted = usize::try_from(length.unsigned_abs()).unwrap_or(usize::MAX);
    if wanted >= text.len() {
        return Ok(Value::text(text));
    }
    Ok(Value::text(if length < 0 { &text[text.len() - wanted..] } else { &text[..wanted] }))
}

fn cat(call: &mut Arguments<'_>) -> Outcome {
    let mut out = Vec::new();
    for value in call.take_from(0).into_iter().filter(|value| !matches!(value, Value::Nil)) {
        if !out.is_empty() {
            out.push(b' ');
        }
        value.print(&mut out);
        check_length(out.len())?;
    }
    Ok(Value::Text(out))
}

fn quoted(call: &mut Arguments<'_>, quote: impl Fn(&[u8]) -> String) -> Value {
    let quoted: Vec<String> = call
        .take_from(0)
        .into_iter()
        .filter(|value| !matches!(value, Value::Nil))
        .map(|value| quote(&value.into_printed()))
        .collect();
    Value::text(quoted.join(" "))
}

fn indent(call: &mut Arguments<'_>, before: &str) -> Outcome {
    let spaces = call.int(0)?;
    if spaces < 0 {
        return failed("negative indentation");
    }
    let spaces = usize_of(spaces);
    let text = call.bytes(1)?;
    let lines = text.split(|byte| *byte == b'\n').count();
    check_length(lines.saturating_mul(spaces).saturating_add(text.len()))?;
    let padding = " ".repeat(spaces);
    let mut out = before.as_bytes().to_vec();
    for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
        if index > 0 {
            out.push(b'\n');
        }
        out.extend_from_slice(padding.as_bytes());
        out.extend_from_slice(line);
    }
    Ok(Value::Text(out))
}

fn escaped(call: &mut Arguments<'_>, escape: impl Fn(&[u8]) -> Vec<u8>) -> Outcome {
    let joined = super::format::joined(&call.take_from(0))?;
    Ok(Value::Text(escape(&joined)))
}

fn html(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        match byte {
            b'"' => out.extend_from_slice(b"&#34;"),
            b'\'' => out.extend_from_slice(b"&#39;"),
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            0 => out.extend_from_slice("\u{fffd}".as_bytes()),
            other => out.push(*other),
        }
    }
    out
}

fn js(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut utf8 = [0; 4];
    for character in characters::characters(text) {
        match character {
            '\\' | '\'' | '"' => out.extend([b'\\', character as u8]),
            _ if !"<>&=".contains(character) && crate::strconv::is_print(character) => {
                out.extend_from_slice(character.encode_utf8(&mut utf8).as_bytes());
            }
            _ => out.extend_from_slice(format!("\\u{:04X}", u32::from(character)).as_bytes()),
        }
    }
    out
}

/// sprig's `toStrings` and what `join` and `sortAlpha` begin with: every element printed, nil left
/// out, a value that is no list as its only element.
pub(super) fn strings(value: Value) -> Vec<Vec<u8>> {
    match value {
        Value::Nil => Vec::new(),
        Value::List(items) => items
            .iter()
            .filter(|item| !matches!(item, Value::Nil))
            .map(|item| item.clone().into_printed())
            .collect(),
        other => vec![other.into_printed()],
    }
}

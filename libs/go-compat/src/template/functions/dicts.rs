//! Maps with text keys.
//!
//! sprig's `set`, `unset` and the merges change the map they are given. Maps here are values, so
//! these return the changed map and the evaluator stores it back when the argument was a variable.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Arguments, Builtin, Outcome, at_least, exactly, wrong_type};
use crate::template::limits::{Fault, failed};
use crate::template::value::Value;

pub(super) const TABLE: &[Builtin] = &[
    at_least("dict", 0, |call| Ok(Value::map(dict(call)))),
    exactly("get", 2, |call| {
        let found = entries(call.get(0))?.get(call.bytes(1)?).cloned();
        Ok(found.unwrap_or_else(|| Value::text("")))
    }),
    exactly("set", 3, |call| {
        let mut map = call.map(0)?;
        map.insert(call.text(1)?, call.take(2));
        Ok(Value::map(map))
    }),
    exactly("unset", 2, |call| {
        let mut map = call.map(0)?;
        map.remove(call.bytes(1)?);
        Ok(Value::map(map))
    }),
    exactly("hasKey", 2, |call| {
        let known = entries(call.get(0))?.contains_key(call.bytes(1)?);
        Ok(Value::Bool(known))
    }),
    at_least("pluck", 1, pluck),
    at_least("keys", 0, |call| {
        let mut keys = Vec::new();
        for value in call.values.iter() {
            keys.extend(entries(value)?.keys().cloned().map(Value::Text));
        }
        Ok(Value::list(keys))
    }),
    exactly("values", 1, |call| Ok(Value::list(entries(call.get(0))?.values().cloned().collect()))),
    at_least("pick", 1, |call| filtered(call, true)),
    at_least("omit", 1, |call| filtered(call, false)),
    at_least("merge", 1, |call| merged(call, false)),
    at_least("mustMerge", 1, |call| merged(call, false)),
    at_least("mergeOverwrite", 1, |call| merged(call, true)),
    at_least("mustMergeOverwrite", 1, |call| merged(call, true)),
    exactly("deepCopy", 1, |call| Ok(call.take(0))),
    exactly("mustDeepCopy", 1, |call| Ok(call.take(0))),
    at_least("dig", 3, dig),
];

/// The functions whose result replaces the variable that they were given.
pub(super) const CHANGING: [&str; 6] =
    ["set", "unset", "merge", "mustMerge", "mergeOverwrite", "mustMergeOverwrite"];

fn entries(value: &Value) -> Result<&BTreeMap<Vec<u8>, Value>, Fault> {
    match value {
        Value::Map(entries) => Ok(entries),
        other => wrong_type("map[string]interface {}", other),
    }
}

fn dict(call: &mut Arguments<'_>) -> BTreeMap<Vec<u8>, Value> {
    let mut map = BTreeMap::new();
    let mut arguments = call.take_from(0).into_iter();
    while let Some(key) = arguments.next() {
        // a key without a value gets an empty text
        map.insert(key.into_printed(), arguments.next().unwrap_or_else(|| Value::text("")));
    }
    map
}

fn pluck(call: &mut Arguments<'_>) -> Outcome {
    let key = call.bytes(0)?;
    let mut found = Vec::new();
    for value in call.values.iter().skip(1) {
        found.extend(entries(value)?.get(key).cloned());
    }
    Ok(Value::list(found))
}

fn filtered(call: &mut Arguments<'_>, keep: bool) -> Outcome {
    let mut named = Vec::new();
    for index in 1..call.len() {
        named.push(call.text(index)?);
    }
    named.sort();
    let mut map = call.map(0)?;
    map.retain(|key, _| named.binary_search(key).is_ok() == keep);
    Ok(Value::map(map))
}

fn merged(call: &mut Arguments<'_>, overwrite: bool) -> Outcome {
    let mut map = call.map(0)?;
    for source in call.take_from(1) {
        merge(&mut map, entries(&source)?, overwrite);
    }
    Ok(Value::map(map))
}

/// Nested maps are merged in turn. An empty value counts as absent in the target, and is never
/// copied over another one.
fn merge(
    target: &mut BTreeMap<Vec<u8>, Value>,
    source: &BTreeMap<Vec<u8>, Value>,
    overwrite: bool,
) {
    for (key, value) in source {
        match (target.get_mut(key), value) {
            (Some(Value::Map(inner)), Value::Map(more)) => {
                merge(Arc::make_mut(inner), more, overwrite);
            }
            (Some(present), _) => {
                if !present.is_true() || (overwrite && value.is_true()) {
                    *present = value.clone();
                }
            }
            (None, _) => {
                target.insert(key.clone(), value.clone());
            }
        }
    }
}

/// `dig "a" "b" default map`: the value at `a.b`, or the default where a key is missing.
fn dig(call: &mut Arguments<'_>) -> Outcome {
    let keys = call.len() - 2;
    let mut value = call.take(keys + 1);
    for index in 0..keys {
        let key = call.bytes(index)?;
        let found = match &value {
            Value::Map(map) => map.get(key).cloned(),
            other => {
                return failed(format!("cannot dig into a value of type {}", other.type_name()));
            }
        };
        match found {
            Some(found) => value = found,
            None => return Ok(call.take(keys)),
        }
    }
    Ok(value)
}

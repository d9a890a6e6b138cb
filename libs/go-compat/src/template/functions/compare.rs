//! Comparison, and the functions that choose by the truth of a value.

use std::cmp::Ordering;

use super::{Arguments, Builtin, Outcome, at_least, exactly};
use crate::template::limits::{Fault, failed};
use crate::template::value::Value;

// `and` and `or` stand here for the parser only: the evaluator stops at the first argument that
// decides and never calls them.
pub(super) const TABLE: &[Builtin] = &[
    at_least("and", 1, |call| Ok(call.take(call.len() - 1))),
    at_least("or", 1, |call| Ok(call.take(call.len() - 1))),
    exactly("not", 1, |call| Ok(Value::Bool(!call.get(0).is_true()))),
    at_least("eq", 1, |call| eq(call).map(Value::Bool)),
    exactly("ne", 2, |call| Ok(Value::Bool(!equal(call.get(0), call.get(1))?))),
    exactly("lt", 2, |call| ordered(call, Ordering::is_lt)),
    exactly("le", 2, |call| ordered(call, Ordering::is_le)),
    exactly("gt", 2, |call| ordered(call, Ordering::is_gt)),
    exactly("ge", 2, |call| ordered(call, Ordering::is_ge)),
    at_least("default", 1, |call| {
        let chosen = usize::from(call.len() > 1 && call.get(1).is_true());
        Ok(call.take(chosen))
    }),
    at_least("empty", 1, |call| Ok(Value::Bool(!call.get(0).is_true()))),
    at_least("coalesce", 0, |call| {
        Ok(call.take_from(0).into_iter().find(Value::is_true).unwrap_or_default())
    }),
    at_least("all", 0, |call| Ok(Value::Bool(call.values.iter().all(Value::is_true)))),
    at_least("any", 0, |call| Ok(Value::Bool(call.values.iter().any(Value::is_true)))),
    exactly("ternary", 3, |call| match call.get(2) {
        Value::Bool(flag) => {
            let chosen = usize::from(!flag);
            Ok(call.take(chosen))
        }
        other => super::wrong_type("bool", other),
    }),
];

fn eq(call: &Arguments<'_>) -> Result<bool, Fault> {
    if call.len() < 2 {
        return failed("missing argument for comparison");
    }
    for index in 1..call.len() {
        if equal(call.get(0), call.get(index))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Go refuses to compare values of different kinds, but not with nil.
fn equal(left: &Value, right: &Value) -> Result<bool, Fault> {
    match (left, right) {
        (Value::Nil, _)
        | (_, Value::Nil)
        | (Value::Bool(_), Value::Bool(_))
        | (Value::Int(_), Value::Int(_))
        | (Value::Float(_), Value::Float(_))
        | (Value::Text(_), Value::Text(_))
        | (Value::Time(_), Value::Time(_)) => Ok(left == right),
        (Value::List(_) | Value::Map(_), _) | (_, Value::List(_) | Value::Map(_)) => {
            let container =
                if matches!(left, Value::List(_) | Value::Map(_)) { left } else { right };
            failed(format!("non-comparable type {}", container.type_name()))
        }
        _ => failed(incompatible(left, right)),
    }
}

fn incompatible(left: &Value, right: &Value) -> String {
    format!("incompatible types for comparison: {} and {}", left.type_name(), right.type_name())
}

fn ordered(call: &Arguments<'_>, accept: fn(Ordering) -> bool) -> Outcome {
    let order = match (call.get(0), call.get(1)) {
        (Value::Int(left), Value::Int(right)) => Some(left.cmp(right)),
        (Value::Float(left), Value::Float(right)) => left.partial_cmp(right),
        (Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
        (left @ (Value::Int(_) | Value::Float(_) | Value::Text(_)), right)
            if matches!(right, Value::Int(_) | Value::Float(_) | Value::Text(_)) =>
        {
            return failed(incompatible(left, right));
        }
        (left, right) => {
            return failed(format!(
                "invalid type for comparison: {} and {}",
                left.type_name(),
                right.type_name()
            ));
        }
    };
    Ok(Value::Bool(order.is_some_and(accept)))
}

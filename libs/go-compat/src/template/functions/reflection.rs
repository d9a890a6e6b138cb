//! What a value is, and `call`, which has nothing to call.

use super::{Builtin, at_least, exactly};
use crate::template::limits::failed;
use crate::template::value::Value;

pub(super) const TABLE: &[Builtin] = &[
    exactly("typeOf", 1, |call| Ok(Value::text(call.get(0).type_name()))),
    exactly("kindOf", 1, |call| Ok(Value::text(call.get(0).kind_name()))),
    exactly("typeIs", 2, |call| {
        Ok(Value::Bool(call.bytes(0)? == call.get(1).type_name().as_bytes()))
    }),
    exactly("typeIsLike", 2, |call| {
        let wanted = call.bytes(0)?;
        let wanted = wanted.strip_prefix(b"*").unwrap_or(wanted);
        Ok(Value::Bool(wanted == call.get(1).type_name().as_bytes()))
    }),
    exactly("kindIs", 2, |call| {
        Ok(Value::Bool(call.bytes(0)? == call.get(1).kind_name().as_bytes()))
    }),
    exactly("deepEqual", 2, |call| {
        // both are walked to their end in the worst case
        for value in call.values.iter() {
            call.budget.check(value)?;
        }
        Ok(Value::Bool(call.get(0) == call.get(1)))
    }),
    at_least("call", 1, |call| failed(format!("non-function of type {}", call.get(0).type_name()))),
];

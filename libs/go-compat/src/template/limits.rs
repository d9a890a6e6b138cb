//! What one rendering may cost, and the faults that end it.
//!
//! Every evaluation step and every byte copied is charged: a template cannot loop, grow or nest
//! without [`Budget::spend`] or [`Budget::check`] seeing it.

use super::value::Value;

/// Most bytes that one rendering may write.
pub(super) const MAX_OUTPUT_BYTES: usize = 4 << 20;
/// Most units of work of one rendering: a byte is one unit, a step [`STEP_COST`] units. Well under
/// a second.
pub(super) const MAX_WORK: usize = 64 << 20;
/// What one function call or loop iteration costs.
pub(super) const STEP_COST: usize = 64;
/// How deep templates, blocks and parentheses may nest while they run. With the frames of a debug
/// build this fits a 2 MiB thread.
pub(super) const MAX_DEPTH: usize = 150;
/// How deep lists and maps may nest in each other; the JSON parser's limit too.
pub(super) const MAX_VALUE_DEPTH: usize = 128;

/// Which bound a rendering ran into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Limit {
    /// The output, or one text inside, is too large.
    #[error("more than {MAX_OUTPUT_BYTES} bytes of text")]
    Output,
    /// Too many steps, or too much copied.
    #[error("more work than a template may do for one line (a loop over too much?)")]
    Work,
    /// Templates call each other, or blocks nest, too deep.
    #[error("templates or blocks nested deeper than {MAX_DEPTH}")]
    Depth,
    /// Lists or maps nested too deep.
    #[error("lists or maps nested deeper than {MAX_VALUE_DEPTH}")]
    ValueDepth,
}

/// Why a function or an operation failed, before the evaluator adds where.
#[derive(Debug)]
pub(super) enum Fault {
    /// A bound was reached.
    Limit(Limit),
    /// Anything else, in words.
    Failed(String),
}

impl From<Limit> for Fault {
    fn from(limit: Limit) -> Self {
        Self::Limit(limit)
    }
}

/// A [`Fault::Failed`].
pub(super) fn failed<T>(reason: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Failed(reason.into()))
}

/// What is left of one rendering's allowance.
#[derive(Debug)]
pub(super) struct Budget {
    left: usize,
}

impl Budget {
    pub(super) fn new() -> Self {
        Self { left: MAX_WORK }
    }

    /// Charges `units` of work.
    pub(super) fn spend(&mut self, units: usize) -> Result<(), Fault> {
        match self.left.checked_sub(units) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(Limit::Work.into()),
        }
    }

    /// Charges a computed value by its size and refuses one that is too large or too deep to be
    /// walked recursively.
    pub(super) fn check(&mut self, value: &Value) -> Result<(), Fault> {
        self.check_nested(value, 0)
    }

    fn check_nested(&mut self, value: &Value, depth: usize) -> Result<(), Fault> {
        if depth > MAX_VALUE_DEPTH {
            return Err(Limit::ValueDepth.into());
        }
        match value {
            Value::Text(bytes) if bytes.len() > MAX_OUTPUT_BYTES => Err(Limit::Output.into()),
            Value::Text(bytes) => self.spend(1 + bytes.len()),
            Value::List(items) => {
                self.spend(1)?;
                items.iter().try_for_each(|item| self.check_nested(item, depth + 1))
            }
            Value::Map(entries) => {
                self.spend(1)?;
                entries.iter().try_for_each(|(key, item)| {
                    self.spend(key.len())?;
                    self.check_nested(item, depth + 1)
                })
            }
            _ => self.spend(1),
        }
    }
}

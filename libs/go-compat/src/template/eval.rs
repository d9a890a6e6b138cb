//! Walks the syntax tree and writes the output.
//!
//! Every loop, call and nesting goes through the budget or the depth count; the recursion of this
//! module is bounded by them and by the parser's own limit.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::RenderError;
use super::fields::Fields;
use super::functions::{Arguments, changes_its_map};
use super::limits::{Budget, Fault, Limit, MAX_DEPTH, MAX_OUTPUT_BYTES, STEP_COST, failed};
use super::syntax::{Body, Call, Definition, Expression, Node, Pipeline, Program, Range};
use super::value::Value;

/// Renders `program` into `out`, whose present content does not count.
pub(super) fn run(
    program: &Program,
    fields: &dyn Fields,
    out: &mut Vec<u8>,
) -> Result<(), RenderError> {
    let limit = out.len() + MAX_OUTPUT_BYTES;
    let mut evaluator = Evaluator {
        program,
        fields,
        out,
        limit,
        budget: Budget::new(),
        arguments: Vec::new(),
        depth: 0,
        line: 1,
    };
    evaluator.definition(&program.main, &Cell::Data)
}

/// What `.` or a variable stands for. The data is fetched piece by piece and made a map only when
/// it is used as one.
#[derive(Debug, Clone)]
enum Cell {
    Data,
    Value(Value),
}

/// How a body ended.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Flow {
    Next,
    Break,
    Continue,
}

struct Evaluator<'p> {
    program: &'p Program,
    fields: &'p dyn Fields,
    out: &'p mut Vec<u8>,
    /// Most bytes that `out` may hold.
    limit: usize,
    budget: Budget,
    /// Arguments of the calls under way, innermost last.
    arguments: Vec<Value>,
    depth: usize,
    /// Line of the pipeline under way, for faults outside of calls.
    line: usize,
}

/// The variables of one template.
struct Frame {
    slots: Vec<Cell>,
}

impl Evaluator<'_> {
    fn fault(&self, place: &str, fault: Fault) -> RenderError {
        RenderError::new(self.line, place, fault)
    }

    fn nested<T>(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<T, RenderError>,
    ) -> Result<T, RenderError> {
        if self.depth == MAX_DEPTH {
            return Err(self.fault("nesting", Limit::Depth.into()));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn step(&mut self) -> Result<(), RenderError> {
        self.budget.spend(STEP_COST).map_err(|fault| self.fault("rendering", fault))
    }

    fn definition(&mut self, definition: &Definition, dot: &Cell) -> Result<(), RenderError> {
        let mut frame = Frame { slots: vec![Cell::Value(Value::Nil); definition.slots] };
        frame.slots[0] = dot.clone();
        self.body(&definition.body, dot, &mut frame).map(drop)
    }

    fn body(&mut self, body: &Body, dot: &Cell, frame: &mut Frame) -> Result<Flow, RenderError> {
        for node in body {
            let flow = match node {
                Node::Text(text) => {
                    self.write(text)?;
                    Flow::Next
                }
                Node::Action(pipeline) => {
                    self.action(pipeline, dot, frame)?;
                    Flow::Next
                }
                Node::If { branches, otherwise } => {
                    self.nested(|this| this.branch(branches, otherwise, dot, frame, false))?
                }
                Node::With { branches, otherwise } => {
                    self.nested(|this| this.branch(branches, otherwise, dot, frame, true))?
                }
                Node::Range(range) => self.nested(|this| this.range(range, dot, frame))?,
                Node::Template { line, name, argument } => {
                    self.nested(|this| this.template(*line, name, argument.as_ref(), dot, frame))?;
                    Flow::Next
                }
                Node::Break => Flow::Break,
                Node::Continue => Flow::Continue,
            };
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn write(&mut self, text: &[u8]) -> Result<(), RenderError> {
        if self.out.len() + text.len() > self.limit {
            return Err(self.fault("output", Limit::Output.into()));
        }
        self.out.extend_from_slice(text);
        Ok(())
    }

    fn action(
        &mut self,
        pipeline: &Pipeline,
        dot: &Cell,
        frame: &mut Frame,
    ) -> Result<(), RenderError> {
        let cell = self.pipeline(pipeline, dot, frame)?;
        if pipeline.target.is_some() {
            return Ok(());
        }
        match self.whole(cell)? {
            Value::Nil => self.write(b"<no value>"),
            Value::Text(text) => self.write(&text),
            other => self.write(&other.into_printed()),
        }
    }

    fn branch(
        &mut self,
        branches: &[(Pipeline, Body)],
        otherwise: &Body,
        dot: &Cell,
        frame: &mut Frame,
        moves_dot: bool,
    ) -> Result<Flow, RenderError> {
        for (condition, body) in branches {
            let cell = self.pipeline(condition, dot, frame)?;
            let holds = match &cell {
                Cell::Data => !self.fields.all().is_empty(),
                Cell::Value(value) => value.is_true(),
            };
            if holds {
                return self.body(body, if moves_dot { &cell } else { dot }, frame);
            }
        }
        self.body(otherwise, dot, frame)
    }

    fn range(&mut self, range: &Range, dot: &Cell, frame: &mut Frame) -> Result<Flow, RenderError> {
        let cell = self.pipeline(&range.over, dot, frame)?;
        let value = self.whole(cell)?;
        let mut rounds = 0_usize;
        let mut round = |this: &mut Self, key: Value, item: Value| {
            rounds += 1;
            this.step()?;
            if let Some(slot) = range.key {
                frame.slots[slot] = Cell::Value(key);
            }
            if let Some(slot) = range.item {
                frame.slots[slot] = Cell::Value(item.clone());
            }
            this.body(&range.body, &Cell::Value(item), frame)
        };
        match value {
            Value::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    let index = Value::Int(i64::try_from(index).unwrap_or(i64::MAX));
                    if round(self, index, item.clone())? == Flow::Break {
                        break;
                    }
                }
            }
            Value::Map(entries) => {
                for (key, item) in entries.iter() {
                    if round(self, Value::Text(key.clone()), item.clone())? == Flow::Break {
                        break;
                    }
                }
            }
            Value::Int(end) => {
                for number in 0..end {
                    if round(self, Value::Int(number), Value::Int(number))? == Flow::Break {
                        break;
                    }
                }
            }
            // Go ranges over nil as over an empty list
            Value::Nil => {}
            other => {
                let reason = format!("can't iterate over a value of type {}", other.type_name());
                return Err(self.fault("range", Fault::Failed(reason)));
            }
        }
        if rounds == 0 {
            return self.body(&range.otherwise, dot, frame);
        }
        Ok(Flow::Next)
    }

    fn template(
        &mut self,
        line: usize,
        name: &str,
        argument: Option<&Pipeline>,
        dot: &Cell,
        frame: &mut Frame,
    ) -> Result<(), RenderError> {
        self.step()?;
        let argument = match argument {
            Some(pipeline) => self.pipeline(pipeline, dot, frame)?,
            None => Cell::Value(Value::Nil),
        };
        self.line = line;
        let program = self.program;
        let Some(definition) = program.defined.get(name) else {
            let reason = format!("template {name:?} not defined");
            return Err(self.fault("template", Fault::Failed(reason)));
        };
        self.definition(definition, &argument)
    }

    fn pipeline(
        &mut self,
        pipeline: &Pipeline,
        dot: &Cell,
        frame: &mut Frame,
    ) -> Result<Cell, RenderError> {
        self.line = pipeline.line;
        let cell = self.cell(&pipeline.value, dot, frame)?;
        if let Some(slot) = pipeline.target {
            frame.slots[slot] = cell.clone();
        }
        Ok(cell)
    }

    fn cell(
        &mut self,
        expression: &Expression,
        dot: &Cell,
        frame: &mut Frame,
    ) -> Result<Cell, RenderError> {
        let found = match expression {
            Expression::Dot => self.copied(dot),
            Expression::Constant(value) => self.copied_value(value),
            Expression::Field(path) => self.chain(dot, path),
            Expression::Variable(slot, path) if path.is_empty() => self.copied(&frame.slots[*slot]),
            Expression::Variable(slot, path) => self.chain(&frame.slots[*slot], path),
            Expression::Chain(inner, path) => {
                let inner = self.nested(|this| this.cell(inner, dot, frame))?;
                self.chain(&inner, path)
            }
            Expression::Call(call) => {
                return self.nested(|this| this.call(call, dot, frame)).map(Cell::Value);
            }
            Expression::NotCallable(name) => {
                failed(format!("can't give argument to non-function {name}"))
            }
        };
        found.map_err(|fault| self.fault("value", fault))
    }

    fn copied(&mut self, cell: &Cell) -> Result<Cell, Fault> {
        match cell {
            Cell::Data => Ok(Cell::Data),
            Cell::Value(value) => self.copied_value(value),
        }
    }

    /// Copying text costs; everything else is shared.
    fn copied_value(&mut self, value: &Value) -> Result<Cell, Fault> {
        if let Value::Text(text) = value {
            self.budget.spend(text.len())?;
        }
        Ok(Cell::Value(value.clone()))
    }

    /// The value at the end of a chain of fields; what is missing is nil and has any field.
    fn chain(&mut self, start: &Cell, path: &[Box<str>]) -> Result<Cell, Fault> {
        let Some((first, rest)) = path.split_first() else {
            return self.copied(start);
        };
        let fetched;
        let mut found = match start {
            Cell::Data => {
                fetched = self.fields.get(first);
                fetched.as_ref()
            }
            Cell::Value(value) => field(value, first)?,
        };
        for name in rest {
            found = match found {
                Some(value) => field(value, name)?,
                None => None,
            };
        }
        match found {
            Some(value) => self.copied_value(value),
            None => Ok(Cell::Value(Value::Nil)),
        }
    }

    /// The value of a cell, the data as a map.
    fn whole(&mut self, cell: Cell) -> Result<Value, RenderError> {
        match cell {
            Cell::Value(value) => Ok(value),
            Cell::Data => {
                let all = self.fields.all().into_iter();
                let map = all.map(|(name, value)| (name.into_bytes(), value));
                let value = Value::Map(Arc::new(map.collect::<BTreeMap<_, _>>()));
                self.budget.check(&value).map_err(|fault| self.fault("value", fault))?;
                Ok(value)
            }
        }
    }

    fn call(&mut self, call: &Call, dot: &Cell, frame: &mut Frame) -> Result<Value, RenderError> {
        self.step()?;
        let name = call.function.name;
        let count = call.arguments.len();
        if count < call.function.least || count > call.function.most {
            let (least, most) = (call.function.least, call.function.most);
            let wanted =
                if least == most { least.to_string() } else { format!("at least {least}") };
            let reason = format!("wrong number of args: want {wanted} got {count}");
            return Err(RenderError::new(call.line, name, Fault::Failed(reason)));
        }
        if let "and" | "or" = name {
            return self.first_that_decides(call, dot, frame);
        }
        let base = self.arguments.len();
        for argument in &call.arguments {
            let cell = self.cell(argument, dot, frame)?;
            let value = self.whole(cell)?;
            self.arguments.push(value);
        }
        let mut arguments = Arguments {
            values: &mut self.arguments[base..],
            budget: &mut self.budget,
            fields: self.fields,
            pattern: call.pattern.as_ref(),
        };
        let result = (call.function.run)(&mut arguments).and_then(|value| {
            self.budget.check(&value)?;
            Ok(value)
        });
        self.arguments.truncate(base);
        let value = result.map_err(|fault| RenderError::new(call.line, name, fault))?;
        if let Some(Expression::Variable(slot, path)) = call.arguments.first()
            && path.is_empty()
            && changes_its_map(name)
        {
            frame.slots[*slot] = Cell::Value(value.clone());
        }
        Ok(value)
    }

    /// `and` gives the first argument that is false, `or` the first that is true, else the last;
    /// what stands after it is not evaluated.
    fn first_that_decides(
        &mut self,
        call: &Call,
        dot: &Cell,
        frame: &mut Frame,
    ) -> Result<Value, RenderError> {
        let decides = call.function.name == "or";
        let mut last = Value::Nil;
        for argument in &call.arguments {
            let cell = self.cell(argument, dot, frame)?;
            last = self.whole(cell)?;
            if last.is_true() == decides {
                break;
            }
        }
        Ok(last)
    }
}

/// A field of a value: an entry of a map.
fn field<'v>(value: &'v Value, name: &str) -> Result<Option<&'v Value>, Fault> {
    match value {
        Value::Map(entries) => Ok(entries.get(name.as_bytes())),
        Value::Nil => Ok(None),
        other => failed(format!("can't evaluate field {name} in type {}", other.type_name())),
    }
}

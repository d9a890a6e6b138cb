//! A template as the evaluator walks it: names of variables are slots, functions are found.
//!
//! Pipelines are calls already: `a | f b` is `f b a`.

use std::collections::BTreeMap;

use super::functions::Builtin;
use super::value::Value;
use crate::regexp::Regexp;

/// Everything between two delimiters of a block.
pub(super) type Body = Vec<Node>;

/// A parsed template with the templates that it defines.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) main: Definition,
    pub(super) defined: BTreeMap<String, Definition>,
    /// First names of all field chains that may start at the top-level data.
    pub(super) names: Vec<String>,
    /// The top-level data is used as a value of its own.
    pub(super) uses_all: bool,
}

/// One template body; variables of blocks that do not overlap share their slots.
#[derive(Debug)]
pub(super) struct Definition {
    pub(super) body: Body,
    pub(super) slots: usize,
}

/// One piece of a body.
#[derive(Debug)]
pub(super) enum Node {
    Text(Box<[u8]>),
    /// Prints its value, unless it sets a variable.
    Action(Pipeline),
    If {
        branches: Vec<(Pipeline, Body)>,
        otherwise: Body,
    },
    With {
        branches: Vec<(Pipeline, Body)>,
        otherwise: Body,
    },
    Range(Box<Range>),
    Template {
        line: usize,
        name: String,
        argument: Option<Pipeline>,
    },
    Break,
    Continue,
}

/// A `range` block.
#[derive(Debug)]
pub(super) struct Range {
    /// Its target is not set by the pipeline but by each iteration.
    pub(super) over: Pipeline,
    pub(super) key: Option<usize>,
    pub(super) item: Option<usize>,
    pub(super) body: Body,
    pub(super) otherwise: Body,
}

/// A value, and the variable that takes it.
#[derive(Debug)]
pub(super) struct Pipeline {
    pub(super) line: usize,
    pub(super) target: Option<usize>,
    pub(super) value: Expression,
}

/// Names after dots, outermost first.
pub(super) type Path = Box<[Box<str>]>;

/// What gives a value.
#[derive(Debug)]
pub(super) enum Expression {
    Dot,
    Constant(Value),
    /// `.a.b`
    Field(Path),
    /// `$x` and `$x.a`; slot 0 is `$`.
    Variable(usize, Path),
    /// `(...).a`
    Chain(Box<Expression>, Path),
    Call(Box<Call>),
    /// Something that is no function got arguments. Go finds out only when the template runs, and a
    /// configuration that Promtail starts with must start here.
    NotCallable(String),
}

/// A function and its arguments.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) function: &'static Builtin,
    pub(super) line: usize,
    pub(super) arguments: Vec<Expression>,
    /// The first argument of a regex function, compiled, where it is a constant and a valid regex.
    pub(super) pattern: Option<Regexp>,
}

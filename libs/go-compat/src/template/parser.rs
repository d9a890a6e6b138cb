//! Builds the syntax tree from the tokens: blocks here, pipelines and operands in `pipelines`.
//!
//! Each recursion goes through [`Parser::nested`], or a hostile template would exhaust the stack.

mod pipelines;

use std::collections::BTreeMap;

use super::error::TemplateError;
use super::lexer::{Kind, Token, tokens};
use super::syntax::{Body, Definition, Expression, Node, Pipeline, Program, Range};

/// How deep blocks, parentheses and pipelines may nest.
const MAX_NESTING: usize = 100;

/// Words that cannot name a function.
const KEYWORDS: [&str; 10] =
    ["block", "break", "continue", "define", "else", "end", "if", "range", "template", "with"];

/// Parses a whole template.
pub(super) fn parse(source: &str) -> Result<Program, TemplateError> {
    let mut parser = Parser {
        tokens: tokens(source)?,
        at: 0,
        variables: vec!["$".to_owned()],
        slots: 1,
        nesting: 0,
        loops: 0,
        dot_is_data: true,
        names: Vec::new(),
        uses_all: false,
        defined: BTreeMap::new(),
    };
    let (body, end) = parser.body()?;
    if !matches!(end, Terminator::Source) {
        return parser.unexpected_before("a block that it belongs to (if, range, with, define)");
    }
    Ok(Program {
        main: Definition { body, slots: parser.slots },
        defined: parser.defined,
        names: parser.names,
        uses_all: parser.uses_all,
    })
}

/// What ended a body. All but `Source` have consumed their keyword; `Else` not its delimiter.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Terminator {
    Source,
    End,
    Else,
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    /// Names in scope; the index is the slot.
    variables: Vec<String>,
    /// Most slots in use at once.
    slots: usize,
    nesting: usize,
    loops: usize,
    /// `.` is the data that the template was given, as far as can be told.
    dot_is_data: bool,
    names: Vec<String>,
    uses_all: bool,
    defined: BTreeMap<String, Definition>,
}

impl Parser {
    fn peek(&self) -> &Token {
        // the last token is `End` and is never passed
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    fn peek_second(&self) -> &Kind {
        &self.tokens[(self.at + 1).min(self.tokens.len() - 1)].kind
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn line(&self) -> usize {
        self.peek().line
    }

    fn unexpected<T>(&self, accepted: &'static str) -> Result<T, TemplateError> {
        let token = self.peek();
        Err(TemplateError::Unexpected { line: token.line, found: token.kind.describe(), accepted })
    }

    /// Complains about the token before this one.
    fn unexpected_before<T>(&mut self, accepted: &'static str) -> Result<T, TemplateError> {
        self.at = self.at.saturating_sub(1);
        while self.at > 0 && matches!(self.peek().kind, Kind::Close) {
            self.at -= 1;
        }
        self.unexpected(accepted)
    }

    fn close(&mut self) -> Result<(), TemplateError> {
        if self.peek().kind != Kind::Close {
            return self.unexpected("\"}}\"");
        }
        self.at += 1;
        Ok(())
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = matches!(&self.peek().kind, Kind::Word(found) if found == word);
        self.at += usize::from(found);
        found
    }

    fn nested<T>(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<T, TemplateError>,
    ) -> Result<T, TemplateError> {
        if self.nesting == MAX_NESTING {
            return Err(TemplateError::TooDeep { line: self.line(), limit: MAX_NESTING });
        }
        self.nesting += 1;
        let result = inner(self);
        self.nesting -= 1;
        result
    }

    /// Runs `inner` and forgets the variables that it declared.
    fn scoped<T>(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<T, TemplateError>,
    ) -> Result<T, TemplateError> {
        let known = self.variables.len();
        let dot_is_data = self.dot_is_data;
        let result = self.nested(inner);
        self.variables.truncate(known);
        self.dot_is_data = dot_is_data;
        result
    }

    fn body(&mut self) -> Result<(Body, Terminator), TemplateError> {
        let mut body = Vec::new();
        loop {
            match self.next().kind {
                Kind::Text(text) => body.push(Node::Text(text.into_bytes().into())),
                Kind::End => return Ok((body, Terminator::Source)),
                _ => {
                    if self.take_word("end") {
                        self.close()?;
                        return Ok((body, Terminator::End));
                    }
                    if self.take_word("else") {
                        return Ok((body, Terminator::Else));
                    }
                    body.extend(self.action()?);
                }
            }
        }
    }

    /// What follows an opening delimiter; `None` for a definition, which prints nothing.
    fn action(&mut self) -> Result<Option<Node>, TemplateError> {
        let word = match &self.peek().kind {
            Kind::Word(word) => word.clone(),
            _ => String::new(),
        };
        if KEYWORDS.contains(&word.as_str()) {
            self.at += 1;
        }
        let node = match word.as_str() {
            "if" => {
                let (branches, otherwise) = self.scoped(|parser| parser.branches("if"))?;
                Node::If { branches, otherwise }
            }
            "with" => {
                let (branches, otherwise) = self.scoped(|parser| parser.branches("with"))?;
                Node::With { branches, otherwise }
            }
            "range" => self.scoped(Self::range)?,
            "template" => self.template()?,
            "block" => self.block()?,
            "define" => {
                self.define()?;
                return Ok(None);
            }
            "break" | "continue" => {
                if self.loops == 0 {
                    return self.unexpected_before("it inside a range block");
                }
                self.close()?;
                if word == "break" { Node::Break } else { Node::Continue }
            }
            _ => {
                let pipeline = self.pipeline()?;
                self.close()?;
                Node::Action(pipeline)
            }
        };
        Ok(Some(node))
    }

    /// `if` and `with`, which differ in what `.` is inside.
    fn branches(
        &mut self,
        keyword: &'static str,
    ) -> Result<(Vec<(Pipeline, Body)>, Body), TemplateError> {
        let mut branches = Vec::new();
        let outer_dot = self.dot_is_data;
        loop {
            self.dot_is_data = outer_dot;
            let condition = self.pipeline()?;
            self.close()?;
            if keyword == "with" {
                self.dot_is_data = match &condition.value {
                    Expression::Dot => outer_dot,
                    Expression::Variable(0, path) => path.is_empty(),
                    _ => false,
                };
            }
            let (body, end) = self.body()?;
            branches.push((condition, body));
            self.dot_is_data = outer_dot;
            match end {
                Terminator::End => return Ok((branches, Vec::new())),
                Terminator::Source => return self.missing_end(),
                Terminator::Else if self.take_word(keyword) => {}
                Terminator::Else => return Ok((branches, self.last_branch()?)),
            }
        }
    }

    /// The body after a plain `else`.
    fn last_branch(&mut self) -> Result<Body, TemplateError> {
        self.close()?;
        match self.body()? {
            (body, Terminator::End) => Ok(body),
            (_, Terminator::Source) => self.missing_end(),
            (_, Terminator::Else) => self.unexpected_before("end after the last else"),
        }
    }

    fn missing_end<T>(&mut self) -> Result<T, TemplateError> {
        self.at = self.tokens.len() - 1;
        self.unexpected("{{ end }}")
    }

    fn range(&mut self) -> Result<Node, TemplateError> {
        let (key, item) = self.range_variables()?;
        let value = self.value()?;
        let over = Pipeline { line: self.line(), target: None, value };
        self.close()?;
        self.loops += 1;
        let outer_dot = std::mem::replace(&mut self.dot_is_data, false);
        let parsed = self.body();
        self.dot_is_data = outer_dot;
        self.loops -= 1;
        let (body, end) = parsed?;
        let otherwise = match end {
            Terminator::End => Vec::new(),
            Terminator::Source => return self.missing_end(),
            Terminator::Else => self.last_branch()?,
        };
        Ok(Node::Range(Box::new(Range { over, key, item, body, otherwise })))
    }

    fn template_name(&mut self) -> Result<String, TemplateError> {
        if let Kind::Literal(super::value::Value::Text(name)) = &self.peek().kind {
            let name = String::from_utf8_lossy(name).into_owned();
            self.at += 1;
            return Ok(name);
        }
        self.unexpected("the template's name as a string")
    }

    fn template(&mut self) -> Result<Node, TemplateError> {
        let line = self.line();
        let name = self.template_name()?;
        let argument = if self.peek().kind == Kind::Close { None } else { Some(self.pipeline()?) };
        self.close()?;
        Ok(Node::Template { line, name, argument })
    }

    fn block(&mut self) -> Result<Node, TemplateError> {
        let line = self.line();
        let name = self.template_name()?;
        let argument = self.pipeline()?;
        self.close()?;
        self.definition(name.clone())?;
        Ok(Node::Template { line, name, argument: Some(argument) })
    }

    fn define(&mut self) -> Result<(), TemplateError> {
        if self.nesting > 0 {
            return self.unexpected_before("define outside of other blocks");
        }
        let name = self.template_name()?;
        self.close()?;
        self.definition(name)
    }

    /// The body of a named template, in a scope of its own.
    fn definition(&mut self, name: String) -> Result<(), TemplateError> {
        let variables = std::mem::replace(&mut self.variables, vec!["$".to_owned()]);
        let slots = std::mem::replace(&mut self.slots, 1);
        let loops = std::mem::take(&mut self.loops);
        let dot_is_data = std::mem::replace(&mut self.dot_is_data, true);
        let parsed = self.nested(Self::body);
        let inner_slots = std::mem::replace(&mut self.slots, slots);
        self.variables = variables;
        self.loops = loops;
        self.dot_is_data = dot_is_data;
        match parsed? {
            (body, Terminator::End) => {
                self.defined.insert(name, Definition { body, slots: inner_slots });
                Ok(())
            }
            (_, Terminator::Source) => self.missing_end(),
            (_, Terminator::Else) => self.unexpected_before("end, a definition has no else"),
        }
    }
}

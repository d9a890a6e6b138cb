//! Pipelines, commands and operands.

use super::super::error::TemplateError;
use super::super::functions::{self, Lookup};
use super::super::lexer::Kind;
use super::super::syntax::{Call, Expression, Path, Pipeline};
use super::super::value::Value;
use super::{KEYWORDS, Parser};
use crate::regexp::Regexp;

impl Parser {
    /// A pipeline with an optional variable before it.
    pub(super) fn pipeline(&mut self) -> Result<Pipeline, TemplateError> {
        let line = self.line();
        let Kind::Variable(name) = self.peek().kind.clone() else {
            return Ok(Pipeline { line, target: None, value: self.value()? });
        };
        match self.peek_second() {
            Kind::Declare => {
                self.at += 2;
                let value = self.value()?;
                // in scope only after its own value
                Ok(Pipeline { line, target: Some(self.declare(name)), value })
            }
            Kind::Assign => {
                let target = self.slot(&name)?;
                self.at += 2;
                Ok(Pipeline { line, target: Some(target), value: self.value()? })
            }
            _ => Ok(Pipeline { line, target: None, value: self.value()? }),
        }
    }

    /// `$item :=`, `$key, $item :=` and the same with `=`, as slots of key and item.
    pub(super) fn range_variables(
        &mut self,
    ) -> Result<(Option<usize>, Option<usize>), TemplateError> {
        let Kind::Variable(first) = self.peek().kind.clone() else {
            return Ok((None, None));
        };
        let mut names = vec![first];
        match self.peek_second() {
            Kind::Declare | Kind::Assign => self.at += 1,
            Kind::Comma => {
                self.at += 2;
                let Kind::Variable(second) = self.next().kind else {
                    return self.unexpected_before("a second variable");
                };
                names.push(second);
            }
            _ => return Ok((None, None)),
        }
        let mut slots = Vec::new();
        match self.next().kind {
            Kind::Declare => slots.extend(names.into_iter().map(|name| self.declare(name))),
            Kind::Assign => {
                for name in names {
                    slots.push(self.slot(&name)?);
                }
            }
            _ => return self.unexpected_before("\":=\" or \"=\""),
        }
        let item = slots.pop();
        Ok((slots.pop(), item))
    }

    fn declare(&mut self, name: String) -> usize {
        self.variables.push(name);
        self.slots = self.slots.max(self.variables.len());
        self.variables.len() - 1
    }

    fn slot(&self, name: &str) -> Result<usize, TemplateError> {
        match self.variables.iter().rposition(|known| known == name) {
            Some(slot) => Ok(slot),
            None => {
                Err(TemplateError::UndefinedVariable { line: self.line(), name: name.to_owned() })
            }
        }
    }

    /// Commands joined by `|`.
    pub(super) fn value(&mut self) -> Result<Expression, TemplateError> {
        let outer = self.nesting;
        let parsed = self.stages();
        self.nesting = outer;
        parsed
    }

    fn stages(&mut self) -> Result<Expression, TemplateError> {
        let mut value = self.nested(|parser| parser.command(None))?;
        while self.peek().kind == Kind::Pipe {
            self.at += 1;
            // every stage is a call around the one before, so it counts as nesting
            self.nested(|_| Ok(()))?;
            self.nesting += 1;
            value = self.command(Some(value))?;
        }
        Ok(value)
    }

    /// One command; `piped` becomes its last argument.
    fn command(&mut self, piped: Option<Expression>) -> Result<Expression, TemplateError> {
        let line = self.line();
        if let Kind::Word(name) = self.peek().kind.clone()
            && !matches!(name.as_str(), "true" | "false" | "nil")
            && !self.field_follows()
        {
            self.at += 1;
            let mut arguments = self.operands()?;
            arguments.extend(piped);
            return self.call(&name, line, arguments);
        }
        if piped.is_some()
            && matches!(&self.peek().kind, Kind::Literal(_) | Kind::Dot | Kind::Word(_))
            && !self.field_follows()
        {
            return self.unexpected("a function after \"|\"");
        }
        if matches!(&self.peek().kind, Kind::Word(word) if word == "nil") {
            return self.unexpected("a command, which nil is not");
        }
        let started = self.peek().kind.describe();
        let Some(first) = self.operand()? else {
            return self.unexpected("a value or a function");
        };
        let more = self.operands()?;
        if more.is_empty() && piped.is_none() {
            return Ok(first);
        }
        Ok(Expression::NotCallable(started))
    }

    /// The next token is followed by a field without white space between.
    fn field_follows(&self) -> bool {
        self.tokens
            .get(self.at + 1)
            .is_some_and(|next| !next.spaced && matches!(next.kind, Kind::Field(_)))
    }

    fn operands(&mut self) -> Result<Vec<Expression>, TemplateError> {
        let mut operands = Vec::new();
        loop {
            match self.peek().kind {
                Kind::Pipe | Kind::Close | Kind::RightParen => return Ok(operands),
                _ if !self.peek().spaced => return self.unexpected("white space before it"),
                _ => {}
            }
            match self.operand()? {
                Some(operand) => operands.push(operand),
                None => return self.unexpected("an argument, \"|\" or the end of the command"),
            }
        }
    }

    /// A term with the field names after it; `None` where no term stands.
    fn operand(&mut self) -> Result<Option<Expression>, TemplateError> {
        let line = self.line();
        let term = match self.peek().kind.clone() {
            Kind::Dot => {
                self.uses_all |= self.dot_is_data;
                self.at += 1;
                Expression::Dot
            }
            Kind::Literal(value) => {
                self.at += 1;
                Expression::Constant(value)
            }
            Kind::Field(_) => {
                let path = self.path();
                self.note(&path);
                return Ok(Some(Expression::Field(path)));
            }
            Kind::Variable(name) => {
                let slot = self.slot(&name)?;
                self.at += 1;
                let path = if self.peek().spaced { Path::default() } else { self.path() };
                match (slot, path.is_empty()) {
                    (0, true) => self.uses_all = true,
                    (0, false) => self.note(&path),
                    _ => {}
                }
                return Ok(Some(Expression::Variable(slot, path)));
            }
            Kind::LeftParen => {
                self.at += 1;
                let inner = self.parenthesised()?;
                if self.peek().kind != Kind::RightParen {
                    return self.unexpected("\")\"");
                }
                self.at += 1;
                inner
            }
            Kind::Word(word) => {
                self.at += 1;
                match word.as_str() {
                    "true" => Expression::Constant(Value::Bool(true)),
                    "false" => Expression::Constant(Value::Bool(false)),
                    "nil" => Expression::Constant(Value::Nil),
                    _ => self.call(&word, line, Vec::new())?,
                }
            }
            _ => return Ok(None),
        };
        if self.peek().spaced || !matches!(self.peek().kind, Kind::Field(_)) {
            return Ok(Some(term));
        }
        if matches!(term, Expression::Constant(_) | Expression::Dot) {
            return self.unexpected("white space, a constant has no fields");
        }
        Ok(Some(Expression::Chain(Box::new(term), self.path())))
    }

    /// A pipeline in parentheses. One that sets a variable is not accepted by any template seen in
    /// practice, and would need a node of its own.
    fn parenthesised(&mut self) -> Result<Expression, TemplateError> {
        if matches!(self.peek().kind, Kind::Variable(_))
            && matches!(self.peek_second(), Kind::Declare | Kind::Assign)
        {
            self.at += 1;
            return self.unexpected("a value, variables are set outside of parentheses");
        }
        self.nested(Self::value)
    }

    /// Field names that follow each other without white space.
    fn path(&mut self) -> Path {
        let mut names = Vec::new();
        while let Kind::Field(name) = &self.peek().kind {
            if !names.is_empty() && self.peek().spaced {
                break;
            }
            names.push(name.as_str().into());
            self.at += 1;
        }
        names.into()
    }

    /// Remembers the first name of a chain that may start at the data.
    fn note(&mut self, path: &Path) {
        if let Some(first) = path.first()
            && !self.names.iter().any(|known| **known == **first)
        {
            self.names.push(first.to_string());
        }
    }

    fn call(
        &mut self,
        name: &str,
        line: usize,
        arguments: Vec<Expression>,
    ) -> Result<Expression, TemplateError> {
        if KEYWORDS.contains(&name) {
            return self.unexpected_before("a function or a value, not a keyword");
        }
        let function = match functions::lookup(name) {
            Lookup::Found(function) => function,
            Lookup::Refused(reason) => {
                return Err(TemplateError::RefusedFunction { line, name: name.to_owned(), reason });
            }
            Lookup::Unknown => {
                return Err(TemplateError::UnknownFunction { line, name: name.to_owned() });
            }
        };
        let pattern = match arguments.first() {
            Some(Expression::Constant(Value::Text(pattern))) if functions::takes_pattern(name) => {
                std::str::from_utf8(pattern).ok().and_then(|pattern| Regexp::new(pattern).ok())
            }
            _ => None,
        };
        Ok(Expression::Call(Box::new(Call { function, line, arguments, pattern })))
    }
}

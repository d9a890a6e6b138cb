//! Go's `text/template` with the functions that Promtail adds, for its `template` and `replace`
//! stages.
//!
//! Flow: value -> limits -> error -> numbers -> fields -> functions -> syntax -> lexer -> parser
//! -> eval
//!
//! A template is parsed once and rendered for every log line, so whatever does not depend on the
//! line happens in [`Template::parse`]. What a template cannot do anywhere but in Go is missing on
//! purpose: methods, channels, complex numbers, functions as values.

mod error;
mod eval;
mod fields;
mod functions;
mod lexer;
mod limits;
mod numbers;
mod parser;
mod syntax;
#[cfg(test)]
mod tests;
mod value;

use std::sync::Arc;

pub use error::{RenderError, TemplateError};
pub use fields::Fields;
pub use limits::Limit;
pub use value::Value;

use syntax::Program;

/// A parsed template. Copying it is cheap.
///
/// ```
/// use go_compat::template::{Fields, Template, Value};
///
/// struct Level;
///
/// impl Fields for Level {
///     fn get(&self, name: &str) -> Option<Value> {
///         (name == "Value").then(|| Value::text("warn"))
///     }
///     fn all(&self) -> Vec<(String, Value)> {
///         vec![("Value".to_owned(), Value::text("warn"))]
///     }
///     fn now_unix_ns(&self) -> i64 {
///         0
///     }
/// }
///
/// let template = Template::parse("{{ .Value | ToUpper }} {{ .missing }}")?;
/// let mut out = Vec::new();
/// template.render(&Level, &mut out)?;
/// assert_eq!(out, b"WARN <no value>");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Template {
    program: Arc<Program>,
}

impl Template {
    /// Parses a template.
    ///
    /// Refused is what Go refuses when it parses, and the functions that are left out. What Go
    /// notices only while it executes (a wrong number of arguments, an undefined template, a bad
    /// regex) is an error of [`Self::render`] too.
    ///
    /// # Errors
    ///
    /// With the line, what stands there and what is accepted.
    pub fn parse(source: &str) -> Result<Self, TemplateError> {
        Ok(Self { program: Arc::new(parser::parse(source)?) })
    }

    /// Appends the rendered template to `out`.
    ///
    /// # Errors
    ///
    /// When a function does not accept its arguments, and when the template would write more than
    /// 4 MiB, do more work than any line deserves or nest too deep. `out` then holds what was
    /// written before.
    pub fn render(&self, fields: &dyn Fields, out: &mut Vec<u8>) -> Result<(), RenderError> {
        eval::run(&self.program, fields, out)
    }

    /// The names that the template may read from its data, each once. May name more than is read,
    /// never less, unless [`Self::uses_all_fields`].
    pub fn fields(&self) -> Vec<String> {
        self.program.names.clone()
    }

    /// Whether the template uses its data as a whole, as in `toJson .` or `range $k, $v := .`, and
    /// so may read names that [`Self::fields`] does not list.
    pub fn uses_all_fields(&self) -> bool {
        self.program.uses_all
    }
}

//! Tests of whole templates; the helpers at the top serve the functions' own tests too.

mod bounds;
mod functions;
mod language;
mod names;
mod recorded;

use super::{Fields, RenderError, Template, Value};

/// Named values at 2023-07-08T09:10:11Z.
pub(super) struct Data(pub(super) Vec<(&'static str, Value)>);

impl Fields for Data {
    fn get(&self, name: &str) -> Option<Value> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
    }

    fn all(&self) -> Vec<(String, Value)> {
        self.0.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    fn now_unix_ns(&self) -> i64 {
        1_688_807_411_000_000_000
    }
}

pub(super) fn render_with(
    source: &str,
    data: &[(&'static str, &str)],
) -> Result<String, RenderError> {
    let data = Data(data.iter().map(|(name, text)| (*name, Value::text(*text))).collect());
    let mut out = Vec::new();
    Template::parse(source).unwrap().render(&data, &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

/// The template rendered without data.
pub(super) fn rendered(source: &str) -> String {
    render_with(source, &[]).unwrap_or_else(|error| panic!("{source}: {error}"))
}

/// Why the template cannot be rendered without data.
fn failure(source: &str) -> String {
    render_with(source, &[]).unwrap_err().to_string()
}

/// Why the template is refused.
fn refusal(source: &str) -> String {
    Template::parse(source).unwrap_err().to_string()
}

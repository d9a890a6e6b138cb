//! From the tree to typed structs and back, with one list of fields for both.
//!
//! A [`Block`] names each of its keys once: the list reads a file, refuses what is not on it with
//! the accepted keys in the message, and writes the effective configuration. A key that is absent or
//! null keeps the value that the struct had before: its default.

mod nearest;
mod values;

pub(crate) use values::read_parsed;

use std::fmt::Write as _;

use super::finding::{FindingName, Findings};
use super::yaml::{Kind, Node, Scalar};

/// Something that stands under a key.
pub(crate) trait Value {
    /// Takes the value of `node`, which is not null. After an error the old value stays.
    fn read(&mut self, node: &Node, findings: &mut Findings);

    /// The value as it would stand in a file, secrets masked; `Kind::Null` where the key may be
    /// left out. By `&mut` because a block lists its fields that way.
    fn write(&mut self) -> Kind;
}

/// A map with a fixed set of keys.
pub(crate) trait Block {
    /// Promtail's name for the type, as its errors have it.
    const TYPE: &'static str;

    /// Names every key with the field that it sets.
    fn fields(&mut self, fields: &mut Fields<'_>);

    /// Checks the fields against each other after they were read.
    fn complete(&mut self, _node: &Node, _findings: &mut Findings) {}
}

/// Goes through the fields of a block, reading or writing each.
pub(crate) struct Fields<'a> {
    mode: Mode<'a>,
}

enum Mode<'a> {
    Read { node: &'a Node, known: Vec<&'static str>, findings: &'a mut Findings },
    Write(Vec<(Node, Node)>),
}

impl Fields<'_> {
    /// Whether the fields are being read, not written.
    pub(crate) fn are_read(&self) -> bool {
        matches!(self.mode, Mode::Read { .. })
    }

    /// A key and its value.
    pub(crate) fn field(&mut self, key: &'static str, value: &mut impl Value) {
        match &mut self.mode {
            Mode::Read { node, known, findings } => {
                known.push(key);
                if let Some(node) = node.get(key).filter(|node| !node.is_null()) {
                    findings.under_key(key, |findings| value.read(node, findings));
                }
            }
            Mode::Write(pairs) => match value.write() {
                Kind::Null => {}
                kind => pairs.push((Node::new(Kind::plain(key)), Node::new(kind))),
            },
        }
    }

    /// A key of an older or newer Promtail: accepted without effect, with one warning for the whole file.
    pub(crate) fn ignored_field(&mut self, key: &'static str, why: &str) {
        if let Mode::Read { node, known, findings } = &mut self.mode {
            known.push(key);
            if let Some(node) = node.get(key) {
                let message = format!("{key} has no effect: {why}");
                findings.warn_once(FindingName::KeyWithoutEffect, node, &message);
            }
        }
    }
}

impl<T: Block> Value for T {
    fn read(&mut self, node: &Node, findings: &mut Findings) {
        let Kind::Mapping(pairs) = &node.kind else {
            findings.error(node, format!("{} where a map is wanted", kind_of(node)));
            return;
        };
        let mut fields = Fields { mode: Mode::Read { node, known: Vec::new(), findings } };
        self.fields(&mut fields);
        let Mode::Read { known, findings, .. } = fields.mode else { return };
        for (key, _) in pairs {
            let name = key.raw_text().unwrap_or("null");
            if !known.contains(&name) {
                findings.error(key, unknown_key(key.line, name, T::TYPE, &known));
            }
        }
        self.complete(node, findings);
    }

    fn write(&mut self) -> Kind {
        let mut fields = Fields { mode: Mode::Write(Vec::new()) };
        self.fields(&mut fields);
        match fields.mode {
            Mode::Write(pairs) => Kind::Mapping(pairs),
            Mode::Read { .. } => Kind::Null,
        }
    }
}

/// Promtail's own words first: scripts look for them.
fn unknown_key(line: usize, name: &str, type_name: &str, known: &[&str]) -> String {
    let mut message = format!("line {line}: field {name} not found in type {type_name}");
    if let Some(near) = nearest::nearest(name, known) {
        let _infallible = write!(message, "; did you mean {near}?");
    }
    if known.is_empty() {
        message.push_str("; no key is accepted here");
    } else {
        let _infallible = write!(message, "; accepted: {}", known.join(", "));
    }
    message
}

/// What a node is, in the words of an error.
pub(crate) fn describe(node: &Node) -> String {
    match (&node.kind, node.scalar()) {
        (Kind::Mapping(_), _) => "a map".to_owned(),
        (Kind::Sequence(_), _) => "a list".to_owned(),
        (_, None | Some(Scalar::Null)) => "nothing".to_owned(),
        (_, Some(Scalar::Bool(_))) => {
            format!("the boolean {}", node.raw_text().unwrap_or_default())
        }
        (_, Some(Scalar::Int(_) | Scalar::Float(_))) => {
            format!("the number {}", node.raw_text().unwrap_or_default())
        }
        (_, Some(Scalar::Text(text))) => format!("the text {text:?}"),
    }
}

/// Like [`describe`], without the value: where a list or map is wanted it may be a secret that
/// belongs one level deeper.
fn kind_of(node: &Node) -> &'static str {
    match (&node.kind, node.scalar()) {
        (Kind::Mapping(_), _) => "a map",
        (Kind::Sequence(_), _) => "a list",
        (_, None | Some(Scalar::Null)) => "nothing",
        (_, Some(Scalar::Bool(_))) => "a boolean",
        (_, Some(Scalar::Int(_) | Scalar::Float(_))) => "a number",
        (_, Some(Scalar::Text(_))) => "a text",
    }
}

#[cfg(test)]
pub(crate) mod tests;

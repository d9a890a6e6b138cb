//! The functions that a template can call, by subject, and how a call reaches them.
//!
//! A name is looked up from the first table to the last: Promtail's own functions win over sprig's,
//! and those over Go's. A function never blocks, reads no clock and no environment, and charges the
//! budget for work that exceeds the size of its arguments and result.

mod casing;
mod characters;
mod compare;
mod dates;
mod dicts;
mod durations;
mod encoding;
mod floats;
mod format;
mod hash;
mod json;
mod lists;
mod maths;
mod paths;
mod random;
mod reflection;
mod regexes;
mod text;
mod urls;
mod versions;
mod wrapping;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::fields::Fields;
use super::limits::{Budget, Fault, MAX_OUTPUT_BYTES, failed};
use super::value::Value;
use crate::regexp::Regexp;

/// A function as the parser finds it.
#[derive(Debug)]
pub(super) struct Builtin {
    pub(super) name: &'static str,
    /// Fewest arguments.
    pub(super) least: usize,
    /// Most arguments.
    pub(super) most: usize,
    pub(super) run: fn(&mut Arguments<'_>) -> Outcome,
}

/// What a function gives.
pub(super) type Outcome = Result<Value, Fault>;

/// No upper bound on arguments.
const MANY: usize = usize::MAX;

const fn exactly(
    name: &'static str,
    arguments: usize,
    run: fn(&mut Arguments<'_>) -> Outcome,
) -> Builtin {
    Builtin { name, least: arguments, most: arguments, run }
}

const fn at_least(
    name: &'static str,
    least: usize,
    run: fn(&mut Arguments<'_>) -> Outcome,
) -> Builtin {
    Builtin { name, least, most: MANY, run }
}

const TABLES: [&[Builtin]; 18] = [
    text::TABLE,
    casing::TABLE,
    hash::TABLE,
    regexes::TABLE,
    compare::TABLE,
    lists::TABLE,
    dicts::TABLE,
    maths::TABLE,
    encoding::TABLE,
    json::TABLE,
    dates::TABLE,
    format::TABLE,
    paths::TABLE,
    reflection::TABLE,
    random::TABLE,
    urls::TABLE,
    versions::TABLE,
    wrapping::TABLE,
];

const KEYS: &str = "keys, certificates and passwords have no place in a log pipeline";
const HOST: &str = "a template may not read the environment or the network";
const VERSIONS: &str = "a version as a value is not implemented: semverCompare compares";

/// Functions of sprig that are left out, and why.
const REFUSED: [(&str, &str); 18] = [
    ("bcrypt", KEYS),
    ("buildCustomCert", KEYS),
    ("decryptAES", KEYS),
    ("derivePassword", KEYS),
    ("encryptAES", KEYS),
    ("genCA", KEYS),
    ("genCAWithKey", KEYS),
    ("genPrivateKey", KEYS),
    ("genSelfSignedCert", KEYS),
    ("genSelfSignedCertWithKey", KEYS),
    ("genSignedCert", KEYS),
    ("genSignedCertWithKey", KEYS),
    ("htpasswd", KEYS),
    ("randBytes", KEYS),
    ("env", HOST),
    ("expandenv", HOST),
    ("getHostByName", HOST),
    ("semver", VERSIONS),
];

/// What [`lookup`] found.
#[derive(Debug)]
pub(super) enum Lookup {
    Found(&'static Builtin),
    Refused(&'static str),
    Unknown,
}

/// The function of this name.
pub(super) fn lookup(name: &str) -> Lookup {
    if let Some(function) = TABLES.iter().copied().flatten().find(|known| known.name == name) {
        return Lookup::Found(function);
    }
    match REFUSED.iter().find(|(known, _)| *known == name) {
        Some((_, reason)) => Lookup::Refused(reason),
        None => Lookup::Unknown,
    }
}

/// Whether the first argument of the function is a regex.
pub(super) fn takes_pattern(name: &str) -> bool {
    regexes::TABLE.iter().any(|known| known.name == name) && name != "regexQuoteMeta"
}

/// Whether the function gives a changed copy of the map that is its first argument.
pub(super) fn changes_its_map(name: &str) -> bool {
    dicts::CHANGING.contains(&name)
}

/// The arguments of one call and what else it may use.
pub(super) struct Arguments<'a> {
    pub(super) values: &'a mut [Value],
    pub(super) budget: &'a mut Budget,
    pub(super) fields: &'a dyn Fields,
    /// The first argument, compiled, where the parser could do that.
    pub(super) pattern: Option<&'a Regexp>,
}

impl Arguments<'_> {
    fn len(&self) -> usize {
        self.values.len()
    }

    /// The argument, which is nil afterwards.
    fn take(&mut self, index: usize) -> Value {
        self.values.get_mut(index).map(std::mem::take).unwrap_or_default()
    }

    /// All arguments from `index` on.
    fn take_from(&mut self, index: usize) -> Vec<Value> {
        self.values.iter_mut().skip(index).map(std::mem::take).collect()
    }

    fn get(&self, index: usize) -> &Value {
        const NIL: &Value = &Value::Nil;
        self.values.get(index).unwrap_or(NIL)
    }

    /// A parameter of Go type `string`, borrowed.
    fn bytes(&self, index: usize) -> Result<&[u8], Fault> {
        match self.get(index) {
            Value::Text(bytes) => Ok(bytes),
            other => wrong_type("string", other),
        }
    }

    /// A parameter of Go type `string`.
    fn text(&mut self, index: usize) -> Result<Vec<u8>, Fault> {
        match self.take(index) {
            Value::Text(bytes) => Ok(bytes),
            other => wrong_type("string", &other),
        }
    }

    /// A parameter of Go type `string` as characters, what is no UTF-8 replaced by U+FFFD.
    fn characters(&self, index: usize) -> Result<Cow<'_, str>, Fault> {
        Ok(String::from_utf8_lossy(self.bytes(index)?))
    }

    /// A parameter of Go type `int`.
    fn int(&self, index: usize) -> Result<i64, Fault> {
        match self.get(index) {
            Value::Int(number) => Ok(*number),
            #[expect(
                clippy::cast_possible_truncation,
                reason = "whole and within the range of i64"
            )]
            Value::Float(number) if number.fract() == 0.0 && number.abs() < 9e18 => {
                Ok(*number as i64)
            }
            other => wrong_type("int", other),
        }
    }

    /// A parameter that must be a list.
    fn list(&self, index: usize) -> Result<&Arc<Vec<Value>>, Fault> {
        match self.get(index) {
            Value::List(items) => Ok(items),
            other => wrong_type("a list", other),
        }
    }

    /// A parameter that must be a map, for functions that change a copy of it.
    fn map(&mut self, index: usize) -> Result<BTreeMap<Vec<u8>, Value>, Fault> {
        match self.take(index) {
            Value::Map(entries) => Ok(Arc::unwrap_or_clone(entries)),
            other => wrong_type("map[string]interface {}", &other),
        }
    }

    /// The argument as sprig's `toString` writes it.
    fn printed(&mut self, index: usize) -> Vec<u8> {
        self.take(index).into_printed()
    }
}

fn wrong_type<T>(expected: &str, found: &Value) -> Result<T, Fault> {
    match found {
        Value::Nil => failed(format!("invalid value; expected {expected}")),
        other => {
            failed(format!("wrong type for value; expected {expected}; got {}", other.type_name()))
        }
    }
}

/// Refuses a text that is about to be made when it would be too long.
fn check_length(length: usize) -> Result<(), Fault> {
    if length > MAX_OUTPUT_BYTES { Err(super::limits::Limit::Output.into()) } else { Ok(()) }
}

fn usize_of(number: i64) -> usize {
    usize::try_from(number).unwrap_or(0)
}

fn int_of(number: usize) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

/// The names of all functions.
#[cfg(test)]
pub(super) fn names() -> Vec<&'static str> {
    TABLES.iter().copied().flatten().map(|known| known.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_stands_twice() {
        let mut names: Vec<_> = TABLES.iter().copied().flatten().map(|known| known.name).collect();
        names.extend(REFUSED.iter().map(|(name, _)| *name));
        names.sort_unstable();
        let twice: Vec<_> = names.windows(2).filter(|pair| pair[0] == pair[1]).collect();
        assert!(twice.is_empty(), "{twice:?}");
    }
}

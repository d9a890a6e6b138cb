//! Single values, lists and maps, with yaml.v2's conversions.
//!
//! Text takes any scalar by its spelling. A number with a fraction is cut where a whole one is
//! wanted. Nothing else converts.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;

use daemon_runtime::byte_counts::ByteCount;
use daemon_runtime::durations::{GoDuration, PrometheusDuration};
use daemon_runtime::secret::Secret;
use instrumentation::json_log::{Format, Level};

use super::{Value, describe, kind_of};
use crate::config::finding::{FindingName, Findings};
use crate::config::yaml::{Kind, Node, Scalar};

/// A bare number of nanoseconds below this was meant as another unit: 1 ms.
const SUSPICIOUS_NANOS: u64 = 1_000_000;

impl Value for bool {
    fn read(&mut self, node: &Node, findings: &mut Findings) {
        match node.scalar() {
            Some(Scalar::Bool(flag)) => *self = flag,
            _ => findings.error(node, format!("{} where true or false is wanted", describe(node))),
        }
    }

    fn write(&mut self) -> Kind {
        Kind::plain(*self)
    }
}

impl Value for String {
    fn read(&mut self, node: &Node, findings: &mut Findings) {
        match node.raw_text() {
            Some(text) => text.clone_into(self),
            None => findings.error(node, format!("{} where a text is wanted", describe(node))),
        }
    }

    fn write(&mut self) -> Kind {
        Kind::text(self.as_str())
    }
}

impl Value for PathBuf {
    fn read(&mut self, node: &Node, findings: &mut Findings) {
        match node.raw_text() {
            Some(text) => *self = Self::from(text),
            None => findings.error(node, format!("{} where a path is wanted", describe(node))),
        }
    }

    fn write(&mut self) -> Kind {
        Kind::text(self.to_string_lossy())
    }
}

impl Value for Secret<String> {
    fn read(&mut self, node: &Node, findings: &mut Findings) {
        match node.raw_text() {
            Some(text) => *self = Secret::new(text.to_owned()),
            None => findings.error(node, "a list or map where a text is wanted"),
        }
    }

    fn write(&mut self) -> Kind {
        if self.expose().is_empty() { Kind::Null } else { Kind::text("<secret>") }
    }
}

macro_rules! whole_numbers {
    ($($number:ty),+) => {$(
        impl Value for $number {
            fn read(&mut self, node: &Node, findings: &mut Findings) {
                let number = match node.scalar() {
                    Some(Scalar::Int(number)) => Some(number),
                    #[expect(clippy::cast_possible_truncation, reason = "the fraction is cut")]
                    Some(Scalar::Float(number)) if number.is_finite() => Some(number as i64),
                    _ => None,
                };
                match number.map(Self::try_from) {
                    Some(Ok(number)) => *self = number,
                    Some(Err(_)) => findings.error(
                        node,
                        format!("{} is out of range: {} to {}", describe(node), Self::MIN, Self::MAX),
                    ),
                    None => findings
                        .error(node, format!("{} where a whole number is wanted", describe(node))),
                }
            }

            fn write(&mut self) -> Kind {
                Kind::plain(*self)
            }
        }
    )+};
}

whole_numbers!(i64, u64, u32, u16, usize);

impl Value for f64 {
    fn read(&mut self, node: &Node, findings: &mut Findings) {
        match node.scalar() {
            Some(Scalar::Float(number)) => *self = number,
            #[expect(clippy::cast_precision_loss, reason = "as Go converts")]
            Some(Scalar::Int(number)) => *self = number as f64,
            _ => findings.error(node, format!("{} where a number is wanted", describe(node))),
        }
    }

    fn write(&mut self) -> Kind {
        Kind::plain(go_compat::strconv::format_float_g(*self))
    }
}

impl Value for GoDuration {
    fn read(&mut self, node: &Node, findings: &mut Findings) {
        let nanos = match node.scalar() {
            Some(Scalar::Int(nanos)) => nanos,
            #[expect(clippy::cast_possible_truncation, reason = "the fraction is cut")]
            Some(Scalar::Float(nanos)) if nanos.is_finite() => nanos as i64,
            Some(Scalar::Text(text)) => {
                match text.parse() {
                    Ok(duration) => *self = duration,
                    Err(error) => findings.error(node, error_line(&error)),
                }
                return;
            }
            _ => {
                let found = describe(node);
                findings.error(node, format!("{found} where a duration such as 1m30s is wanted"));
                return;
            }
        };
        *self = Self::from_nanos(nanos);
        if nanos != 0 && nanos.unsigned_abs() < SUSPICIOUS_NANOS {
            let spelling = node.raw_text().unwrap_or_default();
            findings.warn(
                FindingName::DurationWithoutUnit,
                node,
                format!(
                    "{spelling} without a unit means nanoseconds; write {spelling}s for seconds"
                ),
            );
        }
    }

    fn write(&mut self) -> Kind {
        Kind::plain(self)
    }
}

macro_rules! parsed_texts {
    ($($parsed:ty),+) => {$(
        impl Value for $parsed {
            fn read(&mut self, node: &Node, findings: &mut Findings) {
                read_parsed(self, node, findings);
            }

            fn write(&mut self) -> Kind {
                Kind::text(self.to_string())
            }
        }
    )+};
}

parsed_texts!(PrometheusDuration, ByteCount, Level, Format);

/// A value whose type reads its own text.
pub(crate) fn read_parsed<T: FromStr<Err: Display>>(
    value: &mut T,
    node: &Node,
    findings: &mut Findings,
) {
    match node.raw_text().map(T::from_str) {
        Some(Ok(parsed)) => *value = parsed,
        Some(Err(error)) => findings.error(node, error_line(&error)),
        None => findings.error(node, format!("{} where a text is wanted", describe(node))),
    }
}

/// A finding is one line.
fn error_line(error: &impl Display) -> String {
    error.to_string().replace('\n', " ")
}

impl<T: Value + Default> Value for Option<T> {
    fn read(&mut self, node: &Node, findings: &mut Findings) {
        self.get_or_insert_with(T::default).read(node, findings);
    }

    fn write(&mut self) -> Kind {
        self.as_mut().map_or(Kind::Null, Value::write)
    }
}

impl<T: Value + Default> Value for Vec<T> {
    fn read(&mut self, node: &Node, findings: &mut Findings) {
        let Kind::Sequence(items) = &node.kind else {
            findings.error(node, format!("{} where a list is wanted", kind_of(node)));
            return;
        };
        self.clear();
        for (index, item) in items.iter().enumerate() {
            let mut value = T::default();
            if !item.is_null() {
                findings.under_index(index, |findings| value.read(item, findings));
            }
            self.push(value);
        }
    }

    fn write(&mut self) -> Kind {
        if self.is_empty() {
            return Kind::Null;
        }
        Kind::Sequence(self.iter_mut().map(|item| Node::new(item.write())).collect())
    }
}

impl<T: Value + Default> Value for BTreeMap<String, T> {
    fn read(&mut self, node: &Node, findings: &mut Findings) {
        let Kind::Mapping(pairs) = &node.kind else {
            findings.error(node, format!("{} where a map is wanted", kind_of(node)));
            return;
        };
        for (key, node) in pairs {
            let name = key.raw_text().unwrap_or_default();
            let mut value = T::default();
            if !node.is_null() {
                findings.under_key(name, |findings| value.read(node, findings));
            }
            self.insert(name.to_owned(), value);
        }
    }

    fn write(&mut self) -> Kind {
        if self.is_empty() {
            return Kind::Null;
        }
        let pair = |(name, value): (&String, &mut T)| {
            (Node::new(Kind::text(name.as_str())), Node::new(value.write()))
        };
        Kind::Mapping(self.iter_mut().map(pair).collect())
    }
}

/// Kept as it stands, for a reader elsewhere.
impl Value for Node {
    fn read(&mut self, node: &Node, _findings: &mut Findings) {
        node.clone_into(self);
    }

    fn write(&mut self) -> Kind {
        self.kind.clone()
    }
}

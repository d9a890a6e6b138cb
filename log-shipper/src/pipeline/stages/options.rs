//! Typed options of a stage out of the YAML tree, converted as Promtail's decoder converts them.
//!
//! Strict: a value must have the type that is wanted (an integer is no text, a bare `yes` is a
//! boolean). Weak: texts, numbers and booleans stand for each other. Unknown keys are ignored with
//! a warning; the key's position goes into every error.

use daemon_runtime::byte_counts::ByteCount;
use daemon_runtime::durations::GoDuration;

use super::error::StageError;
use super::labels::NameMap;
use crate::config::describe;
use crate::config::yaml::{Kind, Node, Scalar};
use crate::config::{Finding, FindingName};
use crate::pipeline::stage_metrics::{DropCounter, StageMetrics};

/// Options of one stage. Every key that is asked for is a known one.
pub(super) struct Options<'a> {
    stage: &'static str,
    node: &'a Node,
    weak: bool,
    known: Vec<&'static str>,
    warnings: Vec<Finding>,
}

impl<'a> Options<'a> {
    /// Without conversions.
    pub(super) fn strict(stage: &'static str, node: &'a Node) -> Result<Self, StageError> {
        Self::new(stage, node, false)
    }

    /// With conversions between texts, numbers and booleans.
    pub(super) fn weak(stage: &'static str, node: &'a Node) -> Result<Self, StageError> {
        Self::new(stage, node, true)
    }

    fn new(stage: &'static str, node: &'a Node, weak: bool) -> Result<Self, StageError> {
        // Refuses what is neither a map nor null.
        entries(stage, node)?;
        Ok(Self { stage, node, weak, known: Vec::new(), warnings: Vec::new() })
    }

    /// The value under a key; null is none.
    pub(super) fn node(&mut self, key: &'static str) -> Option<&'a Node> {
        self.known.push(key);
        self.node.get(key).filter(|node| !node.is_null())
    }

    pub(super) fn text(&mut self, key: &'static str) -> Result<Option<String>, StageError> {
        let Some(node) = self.node(key) else { return Ok(None) };
        text(node, self.weak).map(Some).ok_or_else(|| self.wrong(key, node, "text"))
    }

    pub(super) fn flag(&mut self, key: &'static str) -> Result<Option<bool>, StageError> {
        let Some(node) = self.node(key) else { return Ok(None) };
        let flag = match node.scalar() {
            Some(Scalar::Bool(flag)) => Some(flag),
            Some(Scalar::Int(number)) if self.weak => Some(number != 0),
            Some(Scalar::Float(number)) if self.weak => Some(number != 0.0),
            Some(Scalar::Text("")) if self.weak => Some(false),
            Some(Scalar::Text(text)) if self.weak => go_compat::strconv::parse_bool(text),
            _ => None,
        };
        flag.map(Some).ok_or_else(|| self.wrong(key, node, "true or false"))
    }

    /// Fractions are cut off.
    pub(super) fn int(&mut self, key: &'static str) -> Result<Option<i64>, StageError> {
        let Some(node) = self.node(key) else { return Ok(None) };
        let number = match node.scalar() {
            Some(Scalar::Int(number)) => Some(number),
            #[expect(
                clippy::cast_possible_truncation,
                reason = "as Go converts: the fraction goes"
            )]
            Some(Scalar::Float(number)) => Some(number as i64),
            Some(Scalar::Bool(flag)) if self.weak => Some(i64::from(flag)),
            Some(Scalar::Text("")) if self.weak => Some(0),
            Some(Scalar::Text(text)) if self.weak => go_compat::strconv::parse_int(text, 0),
            _ => None,
        };
        number.map(Some).ok_or_else(|| self.wrong(key, node, "an integer"))
    }

    pub(super) fn float(&mut self, key: &'static str) -> Result<Option<f64>, StageError> {
        let Some(node) = self.node(key) else { return Ok(None) };
        float(node, self.weak).map(Some).ok_or_else(|| self.wrong(key, node, "a number"))
    }

    pub(super) fn floats(&mut self, key: &'static str) -> Result<Option<Vec<f64>>, StageError> {
        let Some(node) = self.node(key) else { return Ok(None) };
        let numbers = match &node.kind {
            Kind::Sequence(items) => items.iter().map(|item| float(item, self.weak)).collect(),
            _ => None,
        };
        numbers.map(Some).ok_or_else(|| self.wrong(key, node, "a list of numbers"))
    }

    /// A Go duration, in nanoseconds.
    pub(super) fn duration_ns(&mut self, key: &'static str) -> Result<Option<i64>, StageError> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        let duration = text.parse::<GoDuration>().map_err(|cause| {
            self.error(key, format!("invalid duration {text:?}"))
                .accepted("a Go duration such as 24h or 1h30m")
                .cause(cause)
        })?;
        Ok(Some(duration.as_nanos()))
    }

    pub(super) fn byte_count(&mut self, key: &'static str) -> Result<Option<u64>, StageError> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        let count = text.parse::<ByteCount>().map_err(|cause| {
            self.error(key, format!("invalid size {text:?}"))
                .accepted("bytes, or a whole number with a unit such as 8KB")
                .cause(cause)
        })?;
        Ok(Some(count.0))
    }

    /// A list of texts, or one text.
    pub(super) fn text_or_list(
        &mut self,
        key: &'static str,
    ) -> Result<Option<Vec<String>>, StageError> {
        let Some(node) = self.node(key) else { return Ok(None) };
        let texts = match &node.kind {
            Kind::Sequence(items) => items.iter().map(|item| text(item, self.weak)).collect(),
            _ => text(node, self.weak).map(|text| vec![text]),
        };
        texts.map(Some).ok_or_else(|| self.wrong(key, node, "a text or a list of texts"))
    }

    /// A list of anything.
    pub(super) fn list(&mut self, key: &'static str) -> Result<Option<&'a [Node]>, StageError> {
        let Some(node) = self.node(key) else { return Ok(None) };
        match &node.kind {
            Kind::Sequence(items) => Ok(Some(items)),
            _ => Err(self.wrong(key, node, "a list")),
        }
    }

    /// The counter for `drop_counter_reason`; an empty reason is none.
    pub(super) fn drop_counter(
        &mut self,
        metrics: &StageMetrics,
        default_reason: &str,
    ) -> Result<DropCounter, StageError> {
        let reason = self.text("drop_counter_reason")?.filter(|reason| !reason.is_empty());
        Ok(metrics.drop_counter(reason.as_deref().unwrap_or(default_reason)))
    }

    /// Adds a warning about the stage.
    pub(super) fn warn(&mut self, text: &str) {
        let text = format!("{} stage: {text}", self.stage);
        self.warnings.push(Finding::new(FindingName::DoubtfulStage, self.node, text));
    }

    /// Hands over all warnings; each key that was not asked for is one.
    pub(super) fn finish(mut self, warnings: &mut Vec<Finding>) {
        if let Kind::Mapping(pairs) = &self.node.kind {
            for (key, _) in pairs {
                let name = key.raw_text().unwrap_or_default();
                if !self.known.contains(&name) {
                    let text = format!(
                        "{} stage: unknown key {name} is ignored; known: {}",
                        self.stage,
                        self.known.join(", ")
                    );
                    self.warnings.push(Finding::new(FindingName::UnknownStageKey, key, text));
                }
            }
        }
        warnings.append(&mut self.warnings);
    }

    fn wrong(&self, key: &str, node: &Node, accepted: &str) -> StageError {
        StageError::new(self.stage, format!("wrong type: {}", describe(node)))
            .key(key)
            .accepted(accepted)
            .at(node.line, node.column)
    }

    fn error(&self, key: &str, problem: String) -> StageError {
        locate(StageError::new(self.stage, problem).key(key), self.node)
    }
}

/// The pairs of a map; none for null.
pub(super) fn entries<'a>(
    stage: &'static str,
    node: &'a Node,
) -> Result<Vec<(String, &'a Node)>, StageError> {
    let pairs = match &node.kind {
        Kind::Null => return Ok(Vec::new()),
        Kind::Mapping(pairs) => pairs,
        _ => {
            return Err(StageError::new(stage, format!("wrong type: {}", describe(node)))
                .accepted("a map of options")
                .at(node.line, node.column));
        }
    };
    pairs
        .iter()
        .map(|(key, value)| {
            let name = text(key, false).ok_or_else(|| {
                StageError::new(stage, format!("a key is {}", describe(key)))
                    .accepted("a text; quote what YAML takes for something else")
                    .at(key.line, key.column)
            })?;
            Ok((name, value))
        })
        .collect()
}

/// A map from names to texts or nothing.
pub(super) fn name_map(stage: &'static str, node: &Node) -> Result<NameMap, StageError> {
    entries(stage, node)?
        .into_iter()
        .map(|(name, value)| {
            if value.is_null() {
                return Ok((name, None));
            }
            match text(value, false) {
                Some(text) => Ok((name, Some(text))),
                None => Err(StageError::new(stage, format!("wrong type: {}", describe(value)))
                    .key(&name)
                    .accepted("a text; quote what YAML takes for something else")
                    .at(value.line, value.column)),
            }
        })
        .collect()
}

/// A list of texts; none for null.
pub(super) fn name_list(stage: &'static str, node: &Node) -> Result<Vec<String>, StageError> {
    let wrong = |node: &Node, accepted| {
        StageError::new(stage, format!("wrong type: {}", describe(node)))
            .accepted(accepted)
            .at(node.line, node.column)
    };
    match &node.kind {
        Kind::Null => Ok(Vec::new()),
        Kind::Sequence(items) => items
            .iter()
            .map(|item| {
                text(item, false)
                    .ok_or_else(|| wrong(item, "a text; quote what YAML takes for something else"))
            })
            .collect(),
        _ => Err(wrong(node, "a list of texts")),
    }
}

/// Gives an error the position of its key, or where that is not in the file, of the stage.
pub(super) fn locate(error: StageError, stage: &Node) -> StageError {
    let key = error.key.as_deref().and_then(|key| key.split('.').try_fold(stage, Node::get));
    let node = key.unwrap_or(stage);
    error.at(node.line, node.column)
}

fn text(node: &Node, weak: bool) -> Option<String> {
    match node.scalar()? {
        Scalar::Text(text) => Some(text.to_owned()),
        // Go's mapstructure writes booleans as digits.
        Scalar::Bool(flag) if weak => Some(u8::from(flag).to_string()),
        Scalar::Int(number) if weak => Some(number.to_string()),
        Scalar::Float(number) if weak => Some(go_compat::strconv::format_float(number)),
        _ => None,
    }
}

fn float(node: &Node, weak: bool) -> Option<f64> {
    match node.scalar()? {
        Scalar::Float(number) => Some(number),
        #[expect(clippy::cast_precision_loss, reason = "as Go converts")]
        Scalar::Int(number) => Some(number as f64),
        Scalar::Bool(flag) if weak => Some(f64::from(u8::from(flag))),
        Scalar::Text("") if weak => Some(0.0),
        Scalar::Text(text) if weak => go_compat::strconv::parse_float(text),
        _ => None,
    }
}

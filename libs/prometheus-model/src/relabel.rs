//! Relabelling: the eleven actions, as Prometheus has them.
//!
//! Empty and absent are the same thing: setting a label to nothing removes it.

mod letter_case;

use std::borrow::Cow;

use go_compat::regexp::{Locations, Regexp, RegexpError};
use md5::{Digest, Md5};

use crate::label_set::{LabelSet, is_valid_label_name};

const DEFAULT_REGEX: &str = "(.*)";
const DEFAULT_REPLACEMENT: &str = "$1";
const DEFAULT_SEPARATOR: &str = ";";

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Action {
    /// Sets `target_label` to the expanded `replacement` where the expression matches.
    #[default]
    Replace,
    /// Drops what does not match.
    Keep,
    /// Drops what matches.
    Drop,
    /// Drops where the sources differ from `target_label`.
    KeepEqual,
    /// Drops where the sources equal `target_label`.
    DropEqual,
    /// Sets `target_label` to a hash of the sources, modulo `modulus`.
    HashMod,
    /// Copies labels whose name matches to the name that `replacement` expands to.
    LabelMap,
    /// Removes labels whose name matches.
    LabelDrop,
    /// Removes labels whose name does not match.
    LabelKeep,
    /// Sets `target_label` to the sources in lower case.
    Lowercase,
    /// Sets `target_label` to the sources in upper case.
    Uppercase,
}

impl Action {
    /// Every action with its name.
    pub const ALL: [(&'static str, Self); 11] = [
        ("replace", Self::Replace),
        ("keep", Self::Keep),
        ("drop", Self::Drop),
        ("keepequal", Self::KeepEqual),
        ("dropequal", Self::DropEqual),
        ("hashmod", Self::HashMod),
        ("labelmap", Self::LabelMap),
        ("labeldrop", Self::LabelDrop),
        ("labelkeep", Self::LabelKeep),
        ("lowercase", Self::Lowercase),
        ("uppercase", Self::Uppercase),
    ];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, action)| *action == self).map_or("replace", |(name, _)| name)
    }
}

impl std::str::FromStr for Action {
    type Err = RelabelError;

    /// Case does not matter.
    fn from_str(text: &str) -> Result<Self, RelabelError> {
        let lower = text.to_lowercase();
        let found = Self::ALL.iter().find(|(name, _)| *name == lower);
        found
            .map(|(_, action)| *action)
            .ok_or_else(|| RelabelError::UnknownAction { action: text.to_owned() })
    }
}

/// Why a rule is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RelabelError {
    /// No such action.
    #[error(
        "unknown relabel action {action:?}; accepted are replace, keep, drop, keepequal, dropequal, \
             hashmod, labelmap, labeldrop, labelkeep, lowercase, uppercase"
    )]
    UnknownAction {
        /// As configured.
        action: String,
    },
    /// The expression does not compile.
    #[error("relabel regex")]
    Expression(#[source] RegexpError),
    /// The action needs a key that is missing.
    #[error("relabel action {action} requires {key}")]
    Missing {
        /// The action.
        action: &'static str,
        /// The key.
        key: &'static str,
    },
    /// The action does not take a key that is there.
    #[error("relabel action {action} does not take {key}")]
    Surplus {
        /// The action.
        action: &'static str,
        /// The key.
        key: &'static str,
    },
    /// A value that the action cannot use.
    #[error("{value:?} is invalid as {key} of relabel action {action}")]
    Invalid {
        /// The action.
        action: &'static str,
        /// The key.
        key: &'static str,
        /// The value.
        value: String,
    },
}

/// A rule as it is configured: absent keys have Prometheus' defaults.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RelabelConfig {
    /// Labels whose values are joined.
    pub source_labels: Vec<String>,
    /// Between them; default `;`.
    pub separator: Option<String>,
    /// Anchored expression; default `(.*)`.
    pub regex: Option<String>,
    /// For `hashmod`.
    pub modulus: Option<u64>,
    /// Where the result goes.
    pub target_label: Option<String>,
    /// Default `$1`.
    pub replacement: Option<String>,
    /// Default `replace`.
    pub action: Action,
}

/// A rule that can be applied.
#[derive(Debug, Clone)]
pub struct RelabelRule {
    config: RelabelConfig,
    regex: Regexp,
    separator: String,
    target: String,
    replacement: String,
    modulus: u64,
    /// What matches is replaced by itself as a whole: no need to run the expression.
    is_copy: bool,
}

impl RelabelRule {
    /// Checks and compiles a rule.
    ///
    /// # Errors
    /// [`RelabelError`] names the action and the key.
    pub fn new(config: RelabelConfig) -> Result<Self, RelabelError> {
        check(&config)?;
        let regex = config.regex.as_deref().unwrap_or(DEFAULT_REGEX);
        let replacement = config.replacement.as_deref().unwrap_or(DEFAULT_REPLACEMENT);
        let target = config.target_label.clone().unwrap_or_default();
        Ok(Self {
            regex: Regexp::anchored(regex).map_err(RelabelError::Expression)?,
            separator: config.separator.as_deref().unwrap_or(DEFAULT_SEPARATOR).to_owned(),
            replacement: replacement.to_owned(),
            modulus: config.modulus.unwrap_or_default(),
            is_copy: regex == DEFAULT_REGEX
                && replacement == DEFAULT_REPLACEMENT
                && !target.contains('$'),
            target,
            config,
        })
    }

    /// The rule as it is configured.
    pub fn config(&self) -> &RelabelConfig {
        &self.config
    }

    /// Applies the rule; false = dropped.
    pub fn apply(&self, labels: &mut LabelSet) -> bool {
        let matches = |value: &str| self.regex.is_match(value.as_bytes());
        match self.config.action {
            Action::Keep => return matches(&self.joined(labels)),
            Action::Drop => return !matches(&self.joined(labels)),
            Action::KeepEqual => return self.joined(labels) == self.target_value(labels),
            Action::DropEqual => return self.joined(labels) != self.target_value(labels),
            Action::Replace => self.replace(labels),
            Action::HashMod => {
                let hash = self.hash_mod(&self.joined(labels)).to_string();
                set(labels, &self.target, &hash);
            }
            Action::Lowercase => {
                let value = letter_case::lower(&self.joined(labels));
                set(labels, &self.target, &value);
            }
            Action::Uppercase => {
                let value = letter_case::upper(&self.joined(labels));
                set(labels, &self.target, &value);
            }
            Action::LabelDrop => labels.retain(|name, _| !matches(name)),
            Action::LabelKeep => labels.retain(|name, _| matches(name)),
            Action::LabelMap => self.map_names(labels),
        }
        true
    }

    fn joined<'a>(&self, labels: &'a LabelSet) -> Cow<'a, str> {
        let value = |name: &String| labels.get(name).unwrap_or_default();
        match &self.config.source_labels[..] {
            [] => Cow::Borrowed(""),
            [name] => Cow::Borrowed(value(name)),
            [first, rest @ ..] => {
                let mut joined = value(first).to_owned();
                for name in rest {
                    joined.push_str(&self.separator);
                    joined.push_str(value(name));
                }
                Cow::Owned(joined)
            }
        }
    }

    fn target_value<'a>(&self, labels: &'a LabelSet) -> &'a str {
        labels.get(&self.target).unwrap_or_default()
    }

    fn replace(&self, labels: &mut LabelSet) {
        let value = self.joined(labels);
        if self.is_copy {
            let value = value.into_owned();
            return set(labels, &self.target, &value);
        }
        let mut locations = self.regex.capture_locations();
        if !self.regex.captures_read(&mut locations, value.as_bytes()) {
            return;
        }
        let target = self.expand(&self.target, &locations, &value);
        if is_valid_label_name(&target) {
            let replacement = self.expand(&self.replacement, &locations, &value);
            set(labels, &target, &replacement);
        }
    }

    fn expand<'a>(&self, template: &'a str, locations: &Locations, value: &str) -> Cow<'a, str> {
        if !template.contains('$') {
            return Cow::Borrowed(template);
        }
        let mut out = Vec::new();
        self.regex.expand(template, locations, value.as_bytes(), &mut out);
        Cow::Owned(String::from_utf8_lossy(&out).into_owned())
    }

    /// The last 8 of the 16 bytes of MD5, big-endian.
    fn hash_mod(&self, value: &str) -> u64 {
        let digest = Md5::digest(value.as_bytes());
        let mut last = [0; 8];
        last.copy_from_slice(&digest[8..16]);
        u64::from_be_bytes(last) % self.modulus
    }

    /// A name that comes out invalid (`__meta_x_9lives` to `9lives`) is passed over, as by
    /// `replace`: Loki would refuse the whole stream because of it.
    fn map_names(&self, labels: &mut LabelSet) {
        let mut locations = self.regex.capture_locations();
        let mut copies = Vec::new();
        for (name, value) in labels.iter() {
            if self.regex.captures_read(&mut locations, name.as_bytes()) {
                let target = self.expand(&self.replacement, &locations, name);
                if is_valid_label_name(&target) {
                    copies.push((target.into_owned(), value.to_owned()));
                }
            }
        }
        for (name, value) in copies {
            set(labels, &name, &value);
        }
    }
}

/// Applies rules in order; false = dropped, and the rest was not applied.
///
/// ```
/// use prometheus_model::label_set::LabelSet;
/// use prometheus_model::relabel::{RelabelConfig, RelabelRule, process};
///
/// let rule = RelabelRule::new(RelabelConfig {
///     source_labels: vec!["namespace".to_owned(), "app".to_owned()],
///     separator: Some("/".to_owned()),
///     target_label: Some("job".to_owned()),
///     ..RelabelConfig::default()
/// })?;
/// let mut labels: LabelSet = [("namespace", "ml"), ("app", "api")].into_iter().collect();
/// assert!(process(&[rule], &mut labels));
/// assert_eq!(labels.get("job"), Some("ml/api"));
/// # Ok::<(), prometheus_model::relabel::RelabelError>(())
/// ```
pub fn process(rules: &[RelabelRule], labels: &mut LabelSet) -> bool {
    rules.iter().all(|rule| rule.apply(labels))
}

fn set(labels: &mut LabelSet, name: &str, value: &str) {
    if value.is_empty() {
        labels.remove(name);
    } else {
        labels.set(name, value);
    }
}

/// Keys that equal their default count as absent, as in Prometheus; an expression is compared by
/// identity there, so that it counts even where it is the default one.
fn check(config: &RelabelConfig) -> Result<(), RelabelError> {
    let action = config.action.as_str();
    let missing = |key| RelabelError::Missing { action, key };
    let invalid = |key, value: &str| RelabelError::Invalid { action, key, value: value.to_owned() };
    let surplus = |taken: &[&str]| {
        let not_default = |value: &Option<String>, default| {
            value.as_deref().is_some_and(|value| value != default)
        };
        let given = [
            ("source_labels", !config.source_labels.is_empty()),
            ("target_label", not_default(&config.target_label, "")),
            ("regex", config.regex.is_some()),
            ("modulus", config.modulus.is_some_and(|modulus| modulus != 0)),
            ("separator", not_default(&config.separator, DEFAULT_SEPARATOR)),
            ("replacement", not_default(&config.replacement, DEFAULT_REPLACEMENT)),
        ];
        let found = given.into_iter().find(|(key, given)| *given && !taken.contains(key));
        found.map_or(Ok(()), |(key, _)| Err(RelabelError::Surplus { action, key }))
    };
    let target = config.target_label.as_deref().unwrap_or_default();
    match config.action {
        Action::Keep | Action::Drop => Ok(()),
        Action::LabelDrop | Action::LabelKeep => surplus(&["regex"]),
        Action::LabelMap => {
            let replacement = config.replacement.as_deref().unwrap_or(DEFAULT_REPLACEMENT);
            if is_name_template(replacement) {
                Ok(())
            } else {
                Err(invalid("replacement", replacement))
            }
        }
        _ if target.is_empty() => Err(missing("target_label")),
        Action::Replace if is_name_template(target) => Ok(()),
        _ if !is_valid_label_name(target) => Err(invalid("target_label", target)),
        Action::HashMod if config.modulus.unwrap_or_default() == 0 => Err(missing("modulus")),
        Action::Replace | Action::HashMod => Ok(()),
        Action::Lowercase | Action::Uppercase => {
            surplus(&["source_labels", "target_label", "regex", "modulus", "separator"])
        }
        Action::KeepEqual | Action::DropEqual => surplus(&["source_labels", "target_label"]),
    }
}

/// Whether a text can become a label name: letters, digits, underscores and `$1`, `${1}`, `${name}`.
fn is_name_template(text: &str) -> bool {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('$') {
        plain.push_str(&rest[..start]);
        rest = &rest[start + 1..];
        let is_word = |char: char| char.is_ascii_alphanumeric() || char == '_';
        let reference = if let Some(inner) = rest.strip_prefix('{') {
            inner.find('}').map(|end| (&inner[..end], &inner[end + 1..]))
        } else {
            let end = rest.find(|char| !is_word(char)).unwrap_or(rest.len());
            Some((&rest[..end], &rest[end..]))
        };
        let Some((name, after)) = reference else { return false };
        if name.is_empty() || !name.chars().all(is_word) {
            return false;
        }
        plain.push('_');
        rest = after;
    }
    plain.push_str(rest);
    is_valid_label_name(&plain)
}

#[cfg(test)]
mod tests;

//! Relabelling: the eleven actions, as Prometheus has them.
//!
//! Empty and absent are the same thing: setting a label to nothing removes it.

use std::fmt::Write as _;

use go_compat::regexp::{Regexp, RegexpError};
use md5::{Digest, Md5};

use crate::label_set::{LabelSet, is_valid_label_name};

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
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RelabelError {
    /// No such action.
    #[error("unknown relabel action {action:?}; accepted are replace, keep, drop, keepequal, dropequal, \
             hashmod, labelmap, labeldrop, labelkeep, lowercase, uppercase")]
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
}

impl RelabelRule {
    /// Checks and compiles a rule.
    ///
    /// # Errors
    /// [`RelabelError`] names the action and the key.
    pub fn new(config: RelabelConfig) -> Result<Self, RelabelError> {
        check(&config)?;
        let regex = config.regex.as_deref().unwrap_or("(.*)");
        Ok(Self {
            regex: Regexp::anchored(regex).map_err(RelabelError::Expression)?,
            separator: config.separator.clone().unwrap_or_else(|| ";".to_owned()),
            target: config.target_label.clone().unwrap_or_default(),
            replacement: config.replacement.clone().unwrap_or_else(|| "$1".to_owned()),
            modulus: config.modulus.unwrap_or_default(),
            config,
        })
    }

    /// The rule as it is configured.
    pub fn config(&self) -> &RelabelConfig {
        &self.config
    }

    /// Applies the rule; false = dropped.
    pub fn apply(&self, labels: &mut LabelSet) -> bool {
        let value = self.joined(labels);
        let matches = || self.regex.is_match(value.as_bytes());
        match self.config.action {
            Action::Keep => return matches(),
            Action::Drop => return !matches(),
            Action::KeepEqual => return labels.get(&self.target).unwrap_or_default() == value,
            Action::DropEqual => return labels.get(&self.target).unwrap_or_default() != value,
            Action::Replace => self.replace(&value, labels),
            Action::HashMod => set(labels, &self.target, &self.hash_mod(&value).to_string()),
            Action::Lowercase => set(labels, &self.target, &go_lowercase(&value)),
            Action::Uppercase => set(labels, &self.target, &go_uppercase(&value)),
            Action::LabelDrop => labels.retain(|name, _| !self.regex.is_match(name.as_bytes())),
            Action::LabelKeep => labels.retain(|name, _| self.regex.is_match(name.as_bytes())),
            Action::LabelMap => self.map_names(labels),
        }
        true
    }

    fn joined(&self, labels: &LabelSet) -> String {
        let mut joined = String::new();
        for (index, name) in self.config.source_labels.iter().enumerate() {
            let separator = if index == 0 { "" } else { &self.separator };
            let _ = write!(joined, "{separator}{}", labels.get(name).unwrap_or_default());
        }
        joined
    }

    fn replace(&self, value: &str, labels: &mut LabelSet) {
        let mut locations = self.regex.capture_locations();
        if !self.regex.captures_read(&mut locations, value.as_bytes()) {
            return;
        }
        let expand = |template: &str| {
            let mut out = Vec::new();
            self.regex.expand(template, &locations, value.as_bytes(), &mut out);
            String::from_utf8_lossy(&out).into_owned()
        };
        let target = expand(&self.target);
        if is_valid_label_name(&target) {
            set(labels, &target, &expand(&self.replacement));
        }
    }

    /// The last 8 of the 16 bytes of MD5, big-endian.
    fn hash_mod(&self, value: &str) -> u64 {
        let digest = Md5::digest(value.as_bytes());
        let mut last = [0; 8];
        last.copy_from_slice(&digest[8..16]);
        u64::from_be_bytes(last) % self.modulus
    }

    fn map_names(&self, labels: &mut LabelSet) {
        let mut locations = self.regex.capture_locations();
        let mut copies = Vec::new();
        for (name, value) in labels.iter() {
            if self.regex.captures_read(&mut locations, name.as_bytes()) {
                let mut target = Vec::new();
                self.regex.expand(&self.replacement, &locations, name.as_bytes(), &mut target);
                copies.push((String::from_utf8_lossy(&target).into_owned(), value.to_owned()));
            }
        }
        for (name, value) in copies {
            set(labels, &name, &value);
        }
    }
}

/// Applies rules in order; false = dropped, and the rest was not applied.
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

/// Go maps rune by rune: what has no single lower-case letter stays.
fn go_lowercase(text: &str) -> String {
    text.chars().map(|char| single(char, char.to_lowercase())).collect()
}

/// Go maps rune by rune: `ß` stays, because `SS` is two.
fn go_uppercase(text: &str) -> String {
    text.chars().map(|char| single(char, char.to_uppercase())).collect()
}

fn single(char: char, mut mapped: impl Iterator<Item = char>) -> char {
    match (mapped.next(), mapped.next()) {
        (Some(one), None) => one,
        _ => char,
    }
}

fn check(config: &RelabelConfig) -> Result<(), RelabelError> {
    let action = config.action.as_str();
    let missing = |key| RelabelError::Missing { action, key };
    let surplus = |key| RelabelError::Surplus { action, key };
    let invalid = |key, value: &str| RelabelError::Invalid { action, key, value: value.to_owned() };
    let target = config.target_label.as_deref().unwrap_or_default();
    match config.action {
        Action::Keep | Action::Drop => {}
        Action::LabelDrop | Action::LabelKeep => {
            let given = [
                ("source_labels", !config.source_labels.is_empty()),
                ("target_label", config.target_label.is_some()),
                ("modulus", config.modulus.is_some()),
                ("separator", config.separator.is_some()),
                ("replacement", config.replacement.is_some()),
            ];
            if let Some((key, _)) = given.iter().find(|(_, is_given)| *is_given) {
                return Err(surplus(key));
            }
        }
        Action::LabelMap => {
            let replacement = config.replacement.as_deref().unwrap_or("$1");
            if !is_name_template(replacement) {
                return Err(invalid("replacement", replacement));
            }
        }
        _ if target.is_empty() => return Err(missing("target_label")),
        Action::Replace if !is_name_template(target) => return Err(invalid("target_label", target)),
        Action::Replace => {}
        _ if !is_valid_label_name(target) => return Err(invalid("target_label", target)),
        Action::HashMod if config.modulus.unwrap_or_default() == 0 => return Err(missing("modulus")),
        Action::HashMod => {}
        Action::Lowercase | Action::Uppercase => {
            if config.replacement.as_deref().is_some_and(|text| text != "$1") {
                return Err(surplus("replacement"));
            }
        }
        Action::KeepEqual | Action::DropEqual => {
            let given = [
                ("regex", config.regex.is_some()),
                ("modulus", config.modulus.is_some()),
                ("separator", config.separator.is_some()),
                ("replacement", config.replacement.is_some()),
            ];
            if let Some((key, _)) = given.iter().find(|(_, is_given)| *is_given) {
                return Err(surplus(key));
            }
        }
    }
    Ok(())
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

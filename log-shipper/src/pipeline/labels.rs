//! The labels of one entry: the target's set, shared by all its lines, and the few edits that
//! stages made.

use std::hash::BuildHasher;
use std::sync::Arc;

use prometheus_model::label_set::LabelSet;

/// A label set as a line travels: most lines change one or two labels of a dozen, so the set of the
/// target is never copied.
#[derive(Debug, Clone, Default)]
pub struct Labels {
    base: Arc<LabelSet>,
    /// At most one element per name; `None` = the label of the base is removed.
    edits: Vec<(Arc<str>, Option<String>)>,
}

impl Labels {
    /// The labels of a target, without edits.
    pub fn new(base: Arc<LabelSet>) -> Self {
        Self { base, edits: Vec::new() }
    }

    /// Starts over with the labels of a target; keeps the memory of the edits.
    pub fn reset(&mut self, base: &Arc<LabelSet>) {
        if !Arc::ptr_eq(&self.base, base) {
            self.base = Arc::clone(base);
        }
        self.edits.clear();
    }

    /// The value of a label; empty values count as present, as in Promtail's `labels` stage.
    pub fn get(&self, name: &str) -> Option<&str> {
        match self.edits.iter().find(|(edited, _)| &**edited == name) {
            Some((_, value)) => value.as_deref(),
            None => self.base.get(name),
        }
    }

    /// Sets a label, or replaces its value.
    pub fn set(&mut self, name: &Arc<str>, value: &str) {
        match self.edits.iter_mut().find(|(edited, _)| edited == name) {
            Some((_, Some(present))) => {
                present.clear();
                present.push_str(value);
            }
            Some((_, removed)) => *removed = Some(value.to_owned()),
            None => self.edits.push((Arc::clone(name), Some(value.to_owned()))),
        }
    }

    /// Removes a label; does nothing where it is absent.
    pub fn remove(&mut self, name: &str) {
        let in_base = self.base.get_key(name);
        match self.edits.iter().position(|(edited, _)| &**edited == name) {
            Some(index) if in_base.is_none() => {
                self.edits.remove(index);
            }
            Some(index) => self.edits[index].1 = None,
            None => {
                if let Some(name) = in_base {
                    self.edits.push((Arc::clone(name), None));
                }
            }
        }
    }

    /// Keeps the labels whose name `keep` accepts.
    pub fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.edits.retain(|(name, value)| value.is_none() || keep(name));
        let base = Arc::clone(&self.base);
        for (name, _) in base.iter() {
            if !keep(name) {
                self.remove(name);
            }
        }
    }

    /// All labels, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let edited =
            self.edits.iter().filter_map(|(name, value)| Some((&**name, value.as_deref()?)));
        let untouched = self
            .base
            .iter()
            .filter(|(name, _)| !self.edits.iter().any(|(edited, _)| &**edited == *name));
        edited.chain(untouched)
    }

    /// Whether no label is left.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// The target's labels, without the edits.
    pub fn base(&self) -> &Arc<LabelSet> {
        &self.base
    }

    /// What stages changed: new value, or `None` for a removed label.
    pub fn edits(&self) -> &[(Arc<str>, Option<String>)] {
        &self.edits
    }

    /// The complete set, sorted by name.
    pub fn to_label_set(&self) -> LabelSet {
        self.iter().collect()
    }

    /// A hash of names and values that does not depend on which of them are edits. Equal sets have
    /// equal keys; stages that keep state per stream use it, as Promtail uses its fingerprint.
    pub fn stream_key(&self, hasher: &impl BuildHasher) -> u64 {
        // A sum does not depend on the order.
        self.iter().fold(0_u64, |sum, label| sum.wrapping_add(hasher.hash_one(label)))
    }
}

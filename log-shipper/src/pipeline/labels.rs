//! The labels of one entry: the target's set, shared by all its lines, and the few edits that
//! stages made.

use std::hash::BuildHasher;
use std::sync::Arc;

use prometheus_model::label_set::LabelSet;

/// More edits than this are not kept from line to line.
const KEPT_EDITS: usize = 64;

/// A label set as a line travels: most lines change one or two labels of a dozen, so the set of the
/// target is never copied.
///
/// Lines of a job edit the same names in the same order, so the edits of the line before are used
/// again, see [`Extracted`](super::extracted::Extracted).
#[derive(Debug, Clone, Default)]
pub struct Labels {
    base: Arc<LabelSet>,
    /// At most one element per name; `None` = the label of the base is removed.
    edits: Vec<(Arc<str>, Option<String>)>,
    /// So many of them are of this line.
    used: usize,
}

impl Labels {
    /// The labels of a target, without edits.
    pub fn new(base: Arc<LabelSet>) -> Self {
        Self { base, edits: Vec::new(), used: 0 }
    }

    /// Starts over with the labels of a target; keeps the memory of the edits.
    pub fn reset(&mut self, base: &Arc<LabelSet>) {
        if !Arc::ptr_eq(&self.base, base) {
            self.base = Arc::clone(base);
        }
        self.used = 0;
        self.edits.truncate(KEPT_EDITS);
    }

    /// The value of a label; empty values count as present, as in Promtail's `labels` stage.
    pub fn get(&self, name: &str) -> Option<&str> {
        match self.edits().iter().find(|(edited, _)| &**edited == name) {
            Some((_, value)) => value.as_deref(),
            None => self.base.get(name),
        }
    }

    /// Sets a label, or replaces its value.
    pub fn set(&mut self, name: &Arc<str>, value: &str) {
        match self.edit(name) {
            Some(present) => {
                present.clear();
                present.push_str(value);
            }
            removed => *removed = Some(value.to_owned()),
        }
    }

    /// The edit of a name, which it has from now on. What stands there is to be replaced.
    fn edit(&mut self, name: &Arc<str>) -> &mut Option<String> {
        let next = self.edits.get(self.used);
        let index = if next.is_some_and(|(edited, _)| Arc::ptr_eq(edited, name)) {
            self.used
        } else {
            self.edits.iter().position(|(edited, _)| edited == name).unwrap_or_else(|| {
                self.edits.push((Arc::clone(name), None));
                self.edits.len() - 1
            })
        };
        if index < self.used {
            return &mut self.edits[index].1;
        }
        self.edits.swap(index, self.used);
        self.used += 1;
        &mut self.edits[self.used - 1].1
    }

    /// Removes a label; does nothing where it is absent.
    pub fn remove(&mut self, name: &str) {
        let in_base = self.base.get_key(name).cloned();
        let edited = self.edits().iter().position(|(edited, _)| &**edited == name);
        match (edited, in_base) {
            (Some(index), None) => {
                self.edits[index..self.used].rotate_left(1);
                self.used -= 1;
            }
            (_, Some(name)) => *self.edit(&name) = None,
            (None, None) => {}
        }
    }

    /// Keeps the labels whose name `keep` accepts.
    pub fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        let mut kept = 0;
        for index in 0..self.used {
            let (name, value) = &self.edits[index];
            if value.is_none() || keep(name) {
                self.edits.swap(kept, index);
                kept += 1;
            }
        }
        self.used = kept;
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
            self.edits().iter().filter_map(|(name, value)| Some((&**name, value.as_deref()?)));
        let untouched = self
            .base
            .iter()
            .filter(|(name, _)| !self.edits().iter().any(|(edited, _)| &**edited == *name));
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
        &self.edits[..self.used]
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Several lines in one set that is used again behave as each in a set of its own.
        #[test]
        fn a_line_sees_only_its_own_edits(
            lines in prop::collection::vec(
                prop::collection::vec(("[a-d]", prop::option::of("[xy]{0,3}"), 0..8_u8), 0..8),
                1..5,
            ),
        ) {
            let base: Arc<LabelSet> = Arc::new([("a", "1"), ("b", "2")].into_iter().collect());
            let mut labels = Labels::default();
            for line in lines {
                labels.reset(&base);
                let mut model: BTreeMap<String, String> =
                    base.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
                for (name, value, retain) in line {
                    if retain == 0 {
                        labels.retain(|known| known != name);
                        model.remove(&name);
                    } else if let Some(value) = value {
                        labels.set(&Arc::from(&*name), &value);
                        model.insert(name, value);
                    } else {
                        labels.remove(&name);
                        model.remove(&name);
                    }
                }
                let expected: LabelSet = model.iter().collect();
                prop_assert_eq!(labels.to_label_set(), expected);
                prop_assert_eq!(labels.iter().count(), model.len());
                for name in ["a", "b", "c", "d"] {
                    prop_assert_eq!(labels.get(name), model.get(name).map(String::as_str));
                }
            }
        }
    }
}

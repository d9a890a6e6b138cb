//! Which incidents can be joined or folded, by what their firing alerts provide, need and are.
//!
//! Only firing alerts count. Lists are sorted, so that nothing depends on the order in which an
//! engine was filled.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::symbols::Symbol;
use super::tracked::{Ref, Tracked};

/// Incidents with how many of their alerts count.
type Counts = Vec<(Ref, u32)>;

#[derive(Debug, Default)]
pub(super) struct Index {
    providers: HashMap<Symbol, Counts>,
    needers: HashMap<Symbol, Counts>,
    /// Roots that have not ended, by class.
    classes: HashMap<Symbol, BTreeSet<Ref>>,
    children: BTreeMap<Ref, BTreeSet<Ref>>,
}

impl Index {
    /// An alert fires as part of an incident.
    pub(super) fn add(&mut self, alert: &Tracked, incident: &Ref) {
        for key in &alert.provides {
            count(&mut self.providers, *key, incident);
        }
        for key in &alert.needs {
            count(&mut self.needers, *key, incident);
        }
    }

    /// It does so no more.
    pub(super) fn remove(&mut self, alert: &Tracked, incident: &Ref) {
        for key in &alert.provides {
            uncount(&mut self.providers, *key, incident);
        }
        for key in &alert.needs {
            uncount(&mut self.needers, *key, incident);
        }
    }

    pub(super) fn provided(&self, key: Symbol) -> &[(Ref, u32)] {
        self.providers.get(&key).map_or(&[], Vec::as_slice)
    }

    pub(super) fn needed(&self, key: Symbol) -> &[(Ref, u32)] {
        self.needers.get(&key).map_or(&[], Vec::as_slice)
    }

    pub(super) fn provides(&self, incident: &Ref, key: Symbol) -> bool {
        self.provided(key).binary_search_by(|(known, _)| known.cmp(incident)).is_ok()
    }

    pub(super) fn of_class(&self, class: Symbol) -> impl Iterator<Item = &Ref> {
        self.classes.get(&class).into_iter().flatten()
    }

    pub(super) fn open(&mut self, class: Symbol, incident: &Ref) {
        self.classes.entry(class).or_default().insert(Arc::clone(incident));
    }

    pub(super) fn close(&mut self, class: Symbol, incident: &Ref) {
        if let Some(open) = self.classes.get_mut(&class) {
            open.remove(incident);
            if open.is_empty() {
                self.classes.remove(&class);
            }
        }
    }

    pub(super) fn fold(&mut self, child: &Ref, parent: &Ref) {
        self.children.entry(Arc::clone(parent)).or_default().insert(Arc::clone(child));
    }

    pub(super) fn children(&self, parent: &Ref) -> Vec<Ref> {
        self.children.get(parent).into_iter().flatten().cloned().collect()
    }

    pub(super) fn unfold(&mut self, child: &Ref, parent: &Ref) {
        if let Some(children) = self.children.get_mut(parent) {
            children.remove(child);
            if children.is_empty() {
                self.children.remove(parent);
            }
        }
    }
}

fn count(table: &mut HashMap<Symbol, Counts>, key: Symbol, incident: &Ref) {
    let counts = table.entry(key).or_default();
    match counts.binary_search_by(|(known, _)| known.cmp(incident)) {
        Ok(place) => counts[place].1 += 1,
        Err(place) => counts.insert(place, (Arc::clone(incident), 1)),
    }
}

fn uncount(table: &mut HashMap<Symbol, Counts>, key: Symbol, incident: &Ref) {
    let Some(counts) = table.get_mut(&key) else { return };
    if let Ok(place) = counts.binary_search_by(|(known, _)| known.cmp(incident)) {
        counts[place].1 -= 1;
        if counts[place].1 == 0 {
            counts.remove(place);
        }
    }
    if counts.is_empty() {
        table.remove(&key);
    }
}

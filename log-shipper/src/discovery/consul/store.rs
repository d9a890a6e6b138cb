//! What is known of each service, shared by the task that learns it and the watcher that asks.
//!
//! One task writes: only it knows which services are wanted, so none comes back after it went.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::discovery::target::Group;
use crate::discovery::wake::Wake;

/// Groups by the name of the service. A clone shows the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Store(Arc<Mutex<BTreeMap<String, Group>>>);

impl Store {
    fn groups(&self) -> MutexGuard<'_, BTreeMap<String, Group>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of them, in the order of their names.
    pub(super) fn all(&self) -> Vec<Group> {
        self.groups().values().cloned().collect()
    }

    /// These are all. Rings where that was news.
    pub(super) fn replace(&self, groups: BTreeMap<String, Group>, wake: &Wake) {
        let mut known = self.groups();
        if *known != groups {
            *known = groups;
            wake.ring();
        }
    }

    /// There is this one. Rings where that was news.
    pub(super) fn set(&self, name: &str, group: Group, wake: &Wake) {
        let mut known = self.groups();
        if known.get(name) != Some(&group) {
            known.insert(name.to_owned(), group);
            wake.ring();
        }
    }

    /// It is gone. Rings where that was news.
    pub(super) fn remove(&self, name: &str, wake: &Wake) {
        if self.groups().remove(name).is_some() {
            wake.ring();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(value: &str) -> Group {
        Group {
            source: "a".to_owned(),
            targets: Vec::new(),
            labels: [("l", value)].into_iter().collect(),
        }
    }

    #[test]
    fn only_what_changes_something_rings() {
        let (store, wake) = (Store::default(), Wake::new().unwrap());
        store.set("a", group("1"), &wake);
        assert!(wake.take());
        store.set("a", group("1"), &wake);
        store.replace(BTreeMap::from([("a".to_owned(), group("1"))]), &wake);
        store.remove("b", &wake);
        assert!(!wake.take());
        store.set("a", group("2"), &wake);
        assert!(wake.take());
        store.remove("a", &wake);
        assert!(wake.take());
        assert!(store.all().is_empty());
    }
}

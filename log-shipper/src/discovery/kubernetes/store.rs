//! What is known of the objects of one kind, shared by the task that learns it and the watcher that
//! asks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::objects::{Metadata, Resource};

/// Namespace and name; the namespace is empty for nodes.
type Key = (String, String);

/// Objects by name. A clone shows the same.
#[derive(Debug)]
pub(super) struct Store<R: Resource>(Arc<Mutex<BTreeMap<Key, R::Kept>>>);

impl<R: Resource> Clone for Store<R> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<R: Resource> Default for Store<R> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

fn key(metadata: &Metadata) -> Key {
    (metadata.namespace.clone(), metadata.name.clone())
}

impl<R: Resource> Store<R> {
    fn objects(&self) -> MutexGuard<'_, BTreeMap<Key, R::Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// These are all. Whether that was news.
    pub(super) fn replace(&self, objects: BTreeMap<Key, R::Kept>) -> bool {
        let mut known = self.objects();
        let is_news = *known != objects;
        *known = objects;
        is_news
    }

    /// There is this one. Whether that was news.
    pub(super) fn set(&self, object: R) -> bool {
        let (key, kept) = Self::entry(object);
        let mut known = self.objects();
        if known.get(&key) == Some(&kept) {
            return false;
        }
        known.insert(key, kept);
        true
    }

    /// It is gone. Whether that was news.
    pub(super) fn remove(&self, object: &R) -> bool {
        self.objects().remove(&key(object.metadata())).is_some()
    }

    /// An object as it is kept.
    pub(super) fn entry(object: R) -> (Key, R::Kept) {
        (key(object.metadata()), object.keep())
    }

    /// Looks at all of them, in the order of their names.
    pub(super) fn for_each(&self, look: impl FnMut(&R::Kept)) {
        self.objects().values().for_each(look);
    }

    /// Looks at one without a namespace, if it is there.
    pub(super) fn with(&self, name: &str, look: impl FnOnce(&R::Kept)) {
        if let Some(kept) = self.objects().get(&(String::new(), name.to_owned())) {
            look(kept);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::kubernetes::objects::Node;

    fn node(name: &str, label: &str) -> Node {
        let text = format!(r#"{{"metadata":{{"name":"{name}","labels":{{"l":"{label}"}}}}}}"#);
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn only_what_changes_a_label_is_news() {
        let store = Store::<Node>::default();
        assert!(store.set(node("a", "1")));
        assert!(!store.set(node("a", "1")));
        assert!(store.set(node("a", "2")));
        let same = BTreeMap::from([Store::entry(node("a", "2"))]);
        assert!(!store.replace(same));
        let other = BTreeMap::from([Store::entry(node("b", "2"))]);
        assert!(store.replace(other));
        assert!(!store.remove(&node("a", "2")), "it went with the list");
        assert!(store.remove(&node("b", "")));
    }
}

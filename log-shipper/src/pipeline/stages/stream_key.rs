//! Which stream an entry belongs to, for stages that keep state per stream.
//!
//! Keys of one [`StreamKeys`] mean nothing to another one: each hashes with a random seed, so that
//! nobody can write lines whose labels collide.

use std::sync::Arc;

use foldhash::quality::RandomState;
use prometheus_model::label_set::LabelSet;

use crate::pipeline::labels::Labels;

/// How many streams' keys are remembered: the two output streams of two containers.
const RECENT: usize = 4;

/// Computes keys; those of the last streams are remembered, because lines of a file come in runs
/// and hashing a dozen labels costs more than a whole stage.
#[derive(Debug, Default)]
pub(super) struct StreamKeys {
    hasher: RandomState,
    recent: [Option<Recent>; RECENT],
    /// The one to be replaced next.
    oldest: usize,
}

#[derive(Debug)]
struct Recent {
    base: Arc<LabelSet>,
    edits: Vec<(Arc<str>, Option<String>)>,
    key: u64,
}

impl StreamKeys {
    /// The key of a label set; equal sets have equal keys.
    pub(super) fn key(&mut self, labels: &Labels) -> u64 {
        let known = self.recent.iter().flatten().find(|recent| {
            Arc::ptr_eq(&recent.base, labels.base()) && recent.edits == labels.edits()
        });
        if let Some(known) = known {
            return known.key;
        }
        let key = labels.stream_key(&self.hasher);
        let (base, edits) = (Arc::clone(labels.base()), labels.edits().to_vec());
        self.recent[self.oldest] = Some(Recent { base, edits, key });
        self.oldest = (self.oldest + 1) % RECENT;
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::stages::testing::entry;

    #[test]
    fn equal_label_sets_have_equal_keys_however_they_came_about() {
        let mut keys = StreamKeys::default();
        let mut edited = entry(&[("job", "j")], "").labels;
        edited.set(&Arc::from("stream"), "stderr");
        let complete = entry(&[("job", "j"), ("stream", "stderr")], "").labels;

        assert_eq!(keys.key(&edited), keys.key(&complete));
    }

    #[test]
    fn an_edit_changes_the_key_of_remembered_labels() {
        let mut keys = StreamKeys::default();
        let mut labels = entry(&[("job", "j")], "").labels;
        let stream = Arc::from("stream");
        labels.set(&stream, "stderr");
        let stderr = keys.key(&labels);
        labels.set(&stream, "stdout");
        let stdout = keys.key(&labels);

        assert_ne!(stderr, stdout);
        labels.set(&stream, "stderr");
        assert_eq!(keys.key(&labels), stderr);
    }

    #[test]
    fn keys_stay_the_same_when_they_are_no_longer_remembered() {
        let mut keys = StreamKeys::default();
        let sets: Vec<_> = (0..3 * RECENT)
            .map(|number| entry(&[("pod", &number.to_string())], "").labels)
            .collect();
        let first: Vec<_> = sets.iter().map(|labels| keys.key(labels)).collect();
        let second: Vec<_> = sets.iter().map(|labels| keys.key(labels)).collect();

        assert_eq!(first, second);
        assert!(keys.recent.iter().flatten().count() <= RECENT);
    }
}

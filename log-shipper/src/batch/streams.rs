//! The streams of one open batch, found by what stages changed rather than by all labels.
//!
//! A stream outlives its batch, so that its label text is written once and its memory is used
//! again; streams that no batch used for a while go.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

use foldhash::fast::{FixedState, RandomState};
use prometheus_model::label_set::LabelSet;

use super::logproto;
use crate::pipeline::entry::Entry;
use crate::pipeline::labels::Labels;

/// Beyond this many streams, those that the last batch did not use are forgotten.
const KEPT_STREAMS: usize = 512;

/// Ways to a stream that are remembered: each costs 16 bytes.
const KEPT_KEYS: usize = 8 * KEPT_STREAMS;

/// Memory that an unused stream may keep for its next entries.
const KEPT_BYTES: usize = 16 * 1024;

/// The label that chooses the tenant; never part of a stream.
pub const TENANT_LABEL: &str = "__tenant_id__";

#[derive(Debug)]
struct Stream {
    base: Arc<LabelSet>,
    edits: Vec<(Arc<str>, Option<String>)>,
    /// `{a="b", c="d"}`
    labels: String,
    /// Entries of the open batch, encoded.
    entries: Vec<u8>,
    in_batch: bool,
}

impl Stream {
    fn is_of(&self, labels: &Labels) -> bool {
        Arc::ptr_eq(&self.base, labels.base()) && self.edits == labels.edits()
    }
}

/// Streams of one tenant at one client.
#[derive(Debug)]
pub struct Streams {
    external_labels: Arc<LabelSet>,
    all: Vec<Stream>,
    /// Hash of base and edits to the index of the stream.
    by_edits: HashMap<u64, usize, FixedState>,
    /// Two targets may have equal labels, and edits any order: the text decides.
    by_text: HashMap<String, usize, RandomState>,
    hasher: RandomState,
    /// Streams of the open batch, in the order of their first entry.
    used: Vec<usize>,
}

impl Streams {
    /// No streams; `external_labels` are added under each entry's own.
    pub fn new(external_labels: Arc<LabelSet>) -> Self {
        Self {
            external_labels,
            all: Vec::new(),
            by_edits: HashMap::default(),
            by_text: HashMap::default(),
            hasher: RandomState::default(),
            used: Vec::new(),
        }
    }

    /// Adds an entry with this line to its stream.
    pub fn add(&mut self, entry: &Entry, line: &[u8]) {
        let index = self.find(&entry.labels);
        let stream = &mut self.all[index];
        if !stream.in_batch {
            stream.in_batch = true;
            self.used.push(index);
        }
        logproto::put_entry(&mut stream.entries, entry.timestamp_ns, line, &entry.metadata);
    }

    /// Whether the open batch has the stream of these labels already.
    pub fn has(&mut self, labels: &Labels) -> bool {
        let index = self.find(labels);
        self.all[index].in_batch
    }

    /// How many streams the open batch has.
    pub fn len(&self) -> usize {
        self.used.len()
    }

    /// Whether the open batch has none.
    pub fn is_empty(&self) -> bool {
        self.used.is_empty()
    }

    /// Writes the request with all streams of the open batch, uncompressed, into `request`; the
    /// next batch begins.
    pub fn take_request(&mut self, request: &mut Vec<u8>) {
        let size = self.used.iter().map(|index| {
            let stream = &self.all[*index];
            stream.labels.len() + stream.entries.len() + 24
        });
        request.clear();
        request.reserve(size.sum());
        for index in self.used.drain(..) {
            let stream = &mut self.all[index];
            logproto::put_stream(request, &stream.labels, &stream.entries);
            stream.entries.clear();
            stream.entries.shrink_to(KEPT_BYTES);
            stream.in_batch = false;
        }
        if self.all.len() > KEPT_STREAMS {
            // The memory goes too: a batch of 50,000 files is rare.
            self.all = Vec::new();
            self.used = Vec::new();
            self.by_edits = HashMap::default();
            self.by_text = HashMap::default();
        }
    }

    fn find(&mut self, labels: &Labels) -> usize {
        let mut state = self.hasher.build_hasher();
        (Arc::as_ptr(labels.base()) as usize).hash(&mut state);
        labels.edits().hash(&mut state);
        let key = state.finish();
        match self.by_edits.get(&key) {
            Some(index) if self.all[*index].is_of(labels) => *index,
            _ => self.find_by_text(key, labels),
        }
    }

    fn find_by_text(&mut self, key: u64, labels: &Labels) -> usize {
        let mut set = (*self.external_labels).clone();
        for (name, value) in labels.iter().filter(|(name, _)| *name != TENANT_LABEL) {
            set.set(name, value);
        }
        let text = set.to_string();
        // Sources make a label set per message: many sets, few texts.
        if self.by_edits.len() >= KEPT_KEYS {
            self.by_edits.clear();
        }
        if let Some(index) = self.by_text.get(&text) {
            self.by_edits.insert(key, *index);
            let stream = &mut self.all[*index];
            stream.base = Arc::clone(labels.base());
            stream.edits = labels.edits().to_vec();
            return *index;
        }
        let index = self.all.len();
        self.all.push(Stream {
            base: Arc::clone(labels.base()),
            edits: labels.edits().to_vec(),
            labels: text.clone(),
            entries: Vec::new(),
            in_batch: false,
        });
        self.by_text.insert(text, index);
        self.by_edits.insert(key, index);
        index
    }
}

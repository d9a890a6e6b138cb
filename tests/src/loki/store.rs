//! What was received, by tenant.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::decode::{Labels, Streams};
use super::faults::Fault;
use super::sequence::Sequence;
use super::Options;

/// One received entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// `X-Scope-OrgID`, as sent.
    pub tenant: Option<String>,
    /// Of the stream.
    pub labels: Labels,
    /// Nanoseconds since 1970.
    pub timestamp_ns: i64,
    /// Any bytes.
    pub line: Vec<u8>,
    /// Structured metadata.
    pub metadata: Vec<(String, String)>,
}

/// Everything that the receiver knows.
#[derive(Debug)]
pub struct State {
    /// Entries in the order of arrival; the oldest go when there are too many.
    pub entries: VecDeque<Entry>,
    /// Push requests, refused ones included.
    pub requests: u64,
    /// Accepted requests.
    pub accepted: u64,
    /// Lines and bytes of lines accepted, by tenant.
    pub received: BTreeMap<String, (u64, u64)>,
    /// Reasons for which requests were answered with 400.
    pub undecodable: Vec<String>,
    /// Sequence numbers (`seq=N`) in lines, by the label `filename`'s absence or value of `run`.
    pub sequence: Sequence,
    /// What happens to pushes.
    pub fault: Fault,
    /// What happens to the next ones.
    pub script: VecDeque<Fault>,
    max_entries: usize,
    streams: HashMap<(Option<String>, Labels), u64>,
}

impl State {
    pub(crate) fn new(options: Options) -> Self {
        Self {
            entries: VecDeque::new(),
            requests: 0,
            accepted: 0,
            received: BTreeMap::new(),
            undecodable: Vec::new(),
            sequence: Sequence::default(),
            fault: Fault::None,
            script: VecDeque::new(),
            max_entries: options.max_entries,
            streams: HashMap::new(),
        }
    }

    /// All lines accepted since the start.
    pub fn lines(&self) -> u64 {
        self.received.values().map(|(lines, _)| lines).sum()
    }

    /// Lines that are kept, as text.
    pub fn texts(&self) -> Vec<String> {
        self.entries.iter().map(|entry| String::from_utf8_lossy(&entry.line).into_owned()).collect()
    }

    /// Label sets of all streams of a tenant.
    pub fn streams(&self, tenant: &str) -> impl Iterator<Item = &Labels> {
        self.streams
            .keys()
            .filter(move |(owner, _)| owner.as_deref().unwrap_or("fake") == tenant)
            .map(|(_, labels)| labels)
    }

    pub(crate) fn store(&mut self, tenant: Option<&str>, streams: Streams) {
        self.accepted += 1;
        for (labels, entries) in streams {
            let key = (tenant.map(str::to_owned), labels.clone());
            *self.streams.entry(key).or_default() += entries.len() as u64;
            for entry in entries {
                let counts = self.received.entry(tenant.unwrap_or("fake").to_owned()).or_default();
                counts.0 += 1;
                counts.1 += entry.line.len() as u64;
                self.sequence.see(&entry.line);
                if self.entries.len() >= self.max_entries {
                    self.entries.pop_front();
                }
                self.entries.push_back(Entry {
                    tenant: tenant.map(str::to_owned),
                    labels: labels.clone(),
                    timestamp_ns: entry.timestamp_ns,
                    line: entry.line,
                    metadata: entry.metadata,
                });
            }
        }
    }
}

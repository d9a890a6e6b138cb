//! What was received.
//!
//! Counters of streams and sequences go on when entries are dropped for room, so that a count is
//! right however long a test runs.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use prometheus_model::label_set::LabelSet;

use super::Options;
use super::decode::PushedStream;
use super::faults::Fault;
use super::limits::Refusal;
use super::sequence::Sequence;

/// Whom a request without `X-Scope-OrgID` belongs to.
const NO_TENANT: &str = "fake";

/// Requests that [`State::recent_requests`] keeps.
const REQUESTS_KEPT: usize = 1000;

/// Reasons that [`State::undecodable`] keeps.
const REASONS_KEPT: usize = 100;

/// One received entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// `X-Scope-OrgID`, as sent.
    pub tenant: Option<Arc<str>>,
    /// Of the stream.
    pub labels: Arc<LabelSet>,
    /// Nanoseconds since 1970.
    pub timestamp_ns: i64,
    /// Any bytes.
    pub line: Vec<u8>,
    /// Structured metadata.
    pub metadata: Vec<(String, String)>,
    /// Index of the stream.
    pub(super) stream: usize,
}

/// One stream of one tenant, and what was accepted for it since the start.
#[derive(Debug, Clone)]
pub struct Stream {
    /// `X-Scope-OrgID`, as sent.
    pub tenant: Option<Arc<str>>,
    /// Its labels.
    pub labels: Arc<LabelSet>,
    /// Accepted lines.
    pub lines: u64,
    /// Bytes of these lines.
    pub bytes: u64,
}

impl Stream {
    /// Whether it belongs to a tenant; `fake` are those who name none.
    pub(super) fn is_of(&self, tenant: &str) -> bool {
        self.tenant.as_deref().unwrap_or(NO_TENANT) == tenant
    }
}

/// One push request and how it ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// `X-Scope-OrgID`.
    pub tenant: Option<String>,
    /// Other headers, in the order of arrival, with names in lower case.
    pub headers: Vec<(String, String)>,
    /// The part of the URL after `?`.
    pub query: String,
    /// Bytes of the body as sent; 0 if it was not read.
    pub body_bytes: usize,
    /// Entries that were stored.
    pub entries: u64,
    /// Status of the answer; `None` if there was none.
    pub status: Option<u16>,
}

/// Everything that the receiver knows.
#[derive(Debug)]
pub struct State {
    /// Entries in the order of arrival; the oldest go when there are too many.
    pub entries: VecDeque<Entry>,
    /// Push requests that arrived, refused ones included.
    pub requests: u64,
    /// Requests whose entries were stored.
    pub accepted: u64,
    /// Lines and bytes of lines accepted, by tenant.
    pub received: BTreeMap<String, (u64, u64)>,
    /// Entries refused by the limits, by tenant and reason.
    pub refused: BTreeMap<(String, &'static str), u64>,
    /// Reasons for which requests were not understood; the first hundred.
    pub undecodable: Vec<String>,
    /// The latest requests that have ended, at most a thousand.
    pub recent_requests: VecDeque<Request>,
    /// Numbers (`seq=N`) in accepted lines; all of them, or those without the label that
    /// [`Options::sequence_label`] names.
    pub sequence: Sequence,
    /// What happens to pushes.
    pub fault: Fault,
    /// What happens to pushes of a tenant that has its own faults.
    pub tenant_faults: BTreeMap<String, Fault>,
    /// What happens to the next ones.
    pub script: VecDeque<Fault>,
    options: Options,
    streams: Vec<Stream>,
    stream_index: HashMap<(Option<Arc<str>>, Arc<LabelSet>), usize>,
    sequences: BTreeMap<String, Sequence>,
}

impl State {
    pub(super) fn new(options: Options) -> Self {
        Self {
            entries: VecDeque::new(),
            requests: 0,
            accepted: 0,
            received: BTreeMap::new(),
            refused: BTreeMap::new(),
            undecodable: Vec::new(),
            recent_requests: VecDeque::new(),
            sequence: Sequence::default(),
            fault: Fault::None,
            tenant_faults: BTreeMap::new(),
            script: VecDeque::new(),
            options,
            streams: Vec::new(),
            stream_index: HashMap::new(),
            sequences: BTreeMap::new(),
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

    /// All streams of all tenants since the start, in the order of arrival.
    pub fn streams(&self) -> &[Stream] {
        &self.streams
    }

    /// The numbers in lines of one value of [`Options::sequence_label`].
    pub fn sequence_of(&self, label_value: &str) -> Option<&Sequence> {
        self.sequences.get(label_value)
    }

    /// All sequences: the common one, then those by label value.
    pub(super) fn sequences(&self) -> impl Iterator<Item = &Sequence> {
        std::iter::once(&self.sequence).chain(self.sequences.values())
    }

    /// What happens to the request that has just arrived.
    pub(super) fn next_fault(&mut self, tenant: Option<&str>) -> Fault {
        self.requests += 1;
        let own = tenant.and_then(|tenant| self.tenant_faults.get(tenant));
        let standing = || own.unwrap_or(&self.fault).clone();
        self.script.pop_front().unwrap_or_else(standing)
    }

    /// Takes note of a request that has ended.
    pub(super) fn ended(&mut self, request: Request) {
        if self.recent_requests.len() >= REQUESTS_KEPT {
            self.recent_requests.pop_front();
        }
        self.recent_requests.push_back(request);
    }

    /// Takes note of a request that was not understood.
    pub(super) fn not_understood(&mut self, why: String) {
        if self.undecodable.len() < REASONS_KEPT {
            self.undecodable.push(why);
        }
    }

    /// Stores what the limits allow; how much that was, and what they refused.
    pub(super) fn store(
        &mut self,
        tenant: Option<&str>,
        streams: Vec<PushedStream<'_>>,
        now_ns: i64,
    ) -> (u64, Vec<Refusal>) {
        self.accepted += 1;
        let tenant: Option<Arc<str>> = tenant.map(Arc::from);
        let before = self.lines();
        let mut refusals = Vec::new();
        for (labels, entries) in streams {
            self.store_stream(tenant.as_ref(), labels, entries, now_ns, &mut refusals);
        }
        let owner = tenant.as_deref().unwrap_or(NO_TENANT);
        for refusal in &refusals {
            *self.refused.entry((owner.to_owned(), refusal.reason)).or_default() += 1;
        }
        (self.lines() - before, refusals)
    }

    fn store_stream(
        &mut self,
        tenant: Option<&Arc<str>>,
        labels: LabelSet,
        mut entries: Vec<super::decode::PushedEntry<'_>>,
        now_ns: i64,
        refusals: &mut Vec<Refusal>,
    ) {
        if let Some(limits) = &self.options.limits {
            if let Err(refusal) = limits.check_stream(&labels) {
                refusals.extend(std::iter::repeat_n(refusal, entries.len()));
                return;
            }
            entries.retain(|entry| match limits.check_entry(&labels, entry, now_ns) {
                Ok(()) => true,
                Err(refusal) => {
                    refusals.push(refusal);
                    false
                }
            });
        }
        let index = self.stream(tenant, labels);
        let (lines, bytes) = (
            entries.len() as u64,
            entries.iter().map(|entry| entry.line.len() as u64).sum::<u64>(),
        );
        let stream = &mut self.streams[index];
        stream.lines += lines;
        stream.bytes += bytes;
        let owner = tenant.map_or(NO_TENANT, |tenant| tenant);
        let received = self.received.entry(owner.to_owned()).or_default();
        *received = (received.0 + lines, received.1 + bytes);
        let label = self.options.sequence_label.as_deref();
        let sequence = match label.and_then(|label| stream.labels.get(label)) {
            Some(value) => self.sequences.entry(value.to_owned()).or_default(),
            None => &mut self.sequence,
        };
        for entry in entries {
            sequence.see(&entry.line);
            if self.options.max_entries == 0 {
                continue;
            }
            if self.entries.len() >= self.options.max_entries {
                self.entries.pop_front();
            }
            self.entries.push_back(Entry {
                tenant: stream.tenant.clone(),
                labels: Arc::clone(&stream.labels),
                timestamp_ns: entry.timestamp_ns,
                line: entry.line.into_owned(),
                metadata: entry.metadata,
                stream: index,
            });
        }
    }

    /// The index of a stream, which exists from now on.
    fn stream(&mut self, tenant: Option<&Arc<str>>, labels: LabelSet) -> usize {
        let key = (tenant.cloned(), Arc::new(labels));
        if let Some(known) = self.stream_index.get(&key) {
            return *known;
        }
        let index = self.streams.len();
        let (tenant, labels) = key.clone();
        self.streams.push(Stream { tenant, labels, lines: 0, bytes: 0 });
        self.stream_index.insert(key, index);
        index
    }
}

#[cfg(test)]
mod tests {
    use super::super::decode::PushedEntry;
    use super::super::limits::Limits;
    use super::*;

    fn push(state: &mut State, tenant: Option<&str>, label: (&str, &str), lines: &[&str]) -> usize {
        let labels = [label].into_iter().collect();
        let entry = |line: &&'static str| PushedEntry {
            timestamp_ns: 0,
            line: line.as_bytes().into(),
            metadata: Vec::new(),
        };
        // leaked: a test's lines
        let lines: Vec<&'static str> = lines.iter().map(|line| &*line.to_string().leak()).collect();
        let entries = lines.iter().map(entry).collect();
        state.store(tenant, vec![(labels, entries)], 0).1.len()
    }

    #[test]
    fn the_oldest_entries_go_but_the_counters_stay() {
        let mut state = State::new(Options { max_entries: 2, ..Options::default() });
        push(&mut state, None, ("a", "1"), &["seq=0", "seq=1"]);
        push(&mut state, Some("t"), ("a", "1"), &["seq=2"]);
        assert_eq!(state.texts(), ["seq=1", "seq=2"]);
        assert_eq!((state.lines(), state.sequence.count(), state.streams().len()), (3, 3, 2));
        assert_eq!(state.received["fake"], (2, 10));
        assert_eq!(state.entries[1].tenant.as_deref(), Some("t"));
    }

    #[test]
    fn a_receiver_that_only_counts_keeps_no_lines() {
        let mut state = State::new(Options::count_only());
        push(&mut state, None, ("a", "1"), &["seq=0", "seq=0"]);
        assert_eq!((state.entries.len(), state.lines(), state.sequence.duplicates), (0, 2, 1));
    }

    #[test]
    fn sequences_are_kept_apart_by_a_label() {
        let options = Options { sequence_label: Some("file".to_owned()), ..Options::count_only() };
        let mut state = State::new(options);
        push(&mut state, None, ("file", "a"), &["seq=0", "seq=1"]);
        push(&mut state, None, ("file", "b"), &["seq=0"]);
        push(&mut state, None, ("other", "x"), &["seq=7"]);
        assert_eq!(state.sequence_of("a").unwrap().count(), 2);
        assert_eq!(state.sequence_of("b").unwrap().missing(2), [1]);
        assert_eq!(state.sequence.count(), 1);
        assert!(state.sequence_of("c").is_none());
        assert_eq!(state.sequences().map(Sequence::count).sum::<usize>(), 4);
    }

    #[test]
    fn the_rest_of_a_request_is_stored_when_limits_refuse_a_part() {
        let limits = Some(Limits { max_line_bytes: 3, ..Limits::default() });
        let mut state = State::new(Options { limits, ..Options::default() });
        assert_eq!(push(&mut state, None, ("a", "1"), &["abc", "abcd", "ab"]), 1);
        assert_eq!(state.texts(), ["abc", "ab"]);
        assert_eq!(state.refused[&("fake".to_owned(), "line_too_long")], 1);
        // of a stream that is refused, all entries are
        assert_eq!(push(&mut state, None, (&"n".repeat(1025), "1"), &["a", "b"]), 2);
        assert_eq!(state.refused[&("fake".to_owned(), "label_name_too_long")], 2);
        assert_eq!((state.lines(), state.streams().len()), (2, 1));
    }

    #[test]
    fn the_list_of_requests_is_bounded() {
        let mut state = State::new(Options::default());
        for bytes in 0..REQUESTS_KEPT + 5 {
            state.ended(Request { body_bytes: bytes, ..Request::default() });
        }
        assert_eq!(
            (state.recent_requests.len(), state.recent_requests[0].body_bytes),
            (REQUESTS_KEPT, 5)
        );
    }
}

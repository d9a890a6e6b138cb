//! Gathers the entries of one worker for one client, a batch per tenant, and says when a batch is
//! to be sent.
//!
//! A batch knows the files whose lines it holds: their positions wait for its answer.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use prometheus_model::label_set::LabelSet;

use super::logproto::{self, Compressor};
use super::streams::{Streams, TENANT_LABEL};
use crate::pipeline::entry::{Entry, Origin};
use crate::tail::file_identity::FileId;
use crate::tail::progress::{BatchId, Numbers, Progress};

/// How entries of one client become batches.
#[derive(Debug, Clone)]
pub struct Shape {
    /// Size in bytes before compression at which a batch is sent. Lines and structured metadata
    /// count, labels do not (as in Promtail).
    pub batch_size: usize,
    /// Age at which a batch is sent.
    pub batch_wait: Duration,
    /// Tenant of entries that name none; empty = no tenant header.
    pub tenant: String,
    /// Added under each entry's own labels.
    pub external_labels: Arc<LabelSet>,
    /// Longest line in bytes; 0 = no limit.
    pub max_line_size: usize,
    /// Longer lines are cut rather than dropped.
    pub truncate: bool,
    /// Most streams in one batch; 0 = no limit. Entries of further streams are dropped.
    pub max_streams: usize,
}

/// What was done to an entry that did not go through unchanged, with its tenant and bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Incident {
    /// Dropped: over `max_line_size`.
    LineTooLong,
    /// Cut to `max_line_size`.
    LineCut,
    /// Dropped: one stream more than `max_streams`.
    StreamLimited,
}

/// A batch that is ready to be sent.
#[derive(Debug)]
pub struct Batch {
    /// Names it at the files' progress.
    pub id: BatchId,
    /// Value of `X-Scope-OrgID`; empty = no header.
    pub tenant: Arc<str>,
    /// The body of the request.
    pub body: Vec<u8>,
    /// How many entries it holds.
    pub entries: u64,
    /// Bytes of lines and structured metadata in it.
    pub bytes: u64,
    /// Files whose lines it holds.
    pub files: Vec<Arc<Progress>>,
    /// Where it is kept meanwhile, if not in those files.
    pub receipt: Option<Box<dyn Receipt>>,
}

/// Something that keeps a batch until it is settled.
pub trait Receipt: Send + Sync + std::fmt::Debug {
    /// The batch is not needed any more.
    fn settle(&self);
}

impl Batch {
    /// Its lines are done with: accepted, or given up for good.
    pub fn settle(&self) {
        for file in &self.files {
            file.settle(self.id);
        }
        if let Some(receipt) = &self.receipt {
            receipt.settle();
        }
    }
}

#[derive(Debug)]
struct Open {
    id: BatchId,
    opened: Instant,
    size: usize,
    entries: u64,
    /// With the begin of the first line.
    files: Vec<(Arc<Progress>, u64)>,
    /// Number of a file to its place in the list.
    by_file: HashMap<FileId, usize, RandomState>,
    tenant: Arc<str>,
    streams: Streams,
}

/// Where entries become batches.
#[derive(Debug)]
pub struct Accumulator {
    shape: Shape,
    numbers: Arc<Numbers>,
    /// The tenant of the client is the first one.
    tenants: Vec<Open>,
    by_name: HashMap<Arc<str>, usize, RandomState>,
    scratch: Scratch,
}

/// Beyond this many tenants, those without an open batch are forgotten.
const KEPT_TENANTS: usize = 64;

/// Bytes of labels in a request for which memory is kept.
const KEPT_LABELS: usize = 256 * 1024;

/// Files of a batch for which memory is kept.
const KEPT_FILES: usize = 256;

/// Memory for one request at a time: batches come a megabyte each, and the system's allocator does
/// not give such pieces back soon.
#[derive(Debug, Default)]
struct Scratch {
    request: Vec<u8>,
    compressor: Compressor,
}

impl Accumulator {
    /// An empty one. `numbers` numbers the batches of the whole process.
    pub fn new(shape: Shape, numbers: Arc<Numbers>) -> Self {
        Self {
            shape,
            numbers,
            tenants: Vec::new(),
            by_name: HashMap::default(),
            scratch: Scratch::default(),
        }
    }

    /// Adds an entry. A batch that it would make too large comes back and is to be sent before the
    /// next call.
    ///
    /// `progress` finds the file of an entry; `None` for input that has no positions.
    pub fn add(
        &mut self,
        entry: &Entry,
        now: Instant,
        progress: &dyn Fn(FileId) -> Option<Arc<Progress>>,
        incident: &mut dyn FnMut(Incident, &str, usize),
    ) -> Option<Batch> {
        let tenant = self.tenant_of(entry);
        let mut line = &entry.line[..];
        let limit = self.shape.max_line_size;
        if limit > 0 && line.len() > limit {
            let name = &self.tenants[tenant].tenant;
            if !self.shape.truncate {
                incident(Incident::LineTooLong, name, line.len());
                return None;
            }
            incident(Incident::LineCut, name, line.len() - limit);
            line = &line[..limit];
        }
        let pairs = entry.metadata.iter().map(|(name, value)| logproto::pair_size(name, value));
        let size = line.len() + pairs.sum::<usize>();
        let open = &mut self.tenants[tenant];
        let max_streams = self.shape.max_streams;
        if max_streams > 0 && open.streams.len() >= max_streams && !open.streams.has(&entry.labels)
        {
            incident(Incident::StreamLimited, &open.tenant, line.len());
            return None;
        }
        let full = if open.entries > 0 && open.size + size > self.shape.batch_size {
            open.seal(&mut self.scratch)
        } else {
            None
        };
        if open.entries == 0 {
            open.id = self.numbers.next();
            open.opened = now;
        }
        open.remember(entry, progress);
        open.streams.add(entry, line);
        open.size += size;
        open.entries += 1;
        full
    }

    /// When the oldest open batch is to be sent.
    pub fn deadline(&self) -> Option<Instant> {
        let open = self.tenants.iter().filter(|open| open.entries > 0);
        open.map(|open| open.opened + self.shape.batch_wait).min()
    }

    /// Takes the batches that are old enough; all of them when `now` is `None`.
    pub fn take_due(&mut self, now: Option<Instant>) -> Vec<Batch> {
        if self.tenants.len() > KEPT_TENANTS {
            self.forget_idle_tenants();
        }
        let wait = self.shape.batch_wait;
        let scratch = &mut self.scratch;
        self.tenants
            .iter_mut()
            .filter(|open| now.is_none_or(|now| open.opened + wait <= now))
            .filter_map(|open| open.seal(scratch))
            .collect()
    }

    /// All but the first, the client's own, and those with an open batch.
    fn forget_idle_tenants(&mut self) {
        let first = self.tenants.first().map(|open| Arc::clone(&open.tenant));
        self.tenants.retain(|open| open.entries > 0 || Some(&open.tenant) == first.as_ref());
        let names = self.tenants.iter().enumerate().map(|(i, open)| (Arc::clone(&open.tenant), i));
        self.by_name = names.collect();
    }

    fn tenant_of(&mut self, entry: &Entry) -> usize {
        // a stage has set it, or a source that was told by its sender
        let name = entry.labels.get(TENANT_LABEL).unwrap_or(&self.shape.tenant);
        if let Some(first) = self.tenants.first()
            && *first.tenant == *name
        {
            return 0;
        }
        if let Some(index) = self.by_name.get(name) {
            return *index;
        }
        let name: Arc<str> = Arc::from(name);
        let index = self.tenants.len();
        self.tenants.push(Open {
            id: 0,
            opened: Instant::now(),
            size: 0,
            entries: 0,
            files: Vec::new(),
            by_file: HashMap::default(),
            tenant: Arc::clone(&name),
            streams: Streams::new(Arc::clone(&self.shape.external_labels)),
        });
        self.by_name.insert(name, index);
        index
    }
}

impl Open {
    /// Holds the positions of the entry's files back until the batch is answered.
    fn remember(&mut self, entry: &Entry, progress: &dyn Fn(FileId) -> Option<Arc<Progress>>) {
        for origin in entry.origins() {
            self.remember_place(origin, progress);
        }
    }

    fn remember_place(
        &mut self,
        origin: Origin,
        progress: &dyn Fn(FileId) -> Option<Arc<Progress>>,
    ) {
        // Lines come in chunks of one file: the last one is nearly always it.
        let last = self.files.len().checked_sub(1);
        let known = last
            .filter(|last| self.files[*last].0.file() == origin.file)
            .or_else(|| self.by_file.get(&origin.file).copied());
        if let Some(index) = known {
            let (file, begin) = &mut self.files[index];
            if *begin > origin.begin {
                *begin = origin.begin;
                file.enter(self.id, origin.begin);
            }
        } else if let Some(file) = progress(origin.file) {
            file.enter(self.id, origin.begin);
            self.by_file.insert(origin.file, self.files.len());
            self.files.push((file, origin.begin));
        }
    }

    fn seal(&mut self, scratch: &mut Scratch) -> Option<Batch> {
        if self.entries == 0 {
            return None;
        }
        self.streams.take_request(&mut scratch.request);
        let body = scratch.compressor.compress(&scratch.request);
        if scratch.request.len() > 2 * self.size + KEPT_LABELS {
            // Many streams of few lines, which is rare: the next request will be far smaller.
            *scratch = Scratch::default();
        }
        let batch = Batch {
            id: self.id,
            tenant: Arc::clone(&self.tenant),
            body: body.expect("a batch is far smaller than 4 GiB"),
            entries: std::mem::take(&mut self.entries),
            bytes: std::mem::take(&mut self.size) as u64,
            files: std::mem::take(&mut self.files).into_iter().map(|(file, _)| file).collect(),
            receipt: None,
        };
        self.by_file.clear();
        self.by_file.shrink_to(KEPT_FILES);
        Some(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape() -> Shape {
        Shape {
            batch_size: 10,
            batch_wait: Duration::from_secs(1),
            tenant: String::new(),
            external_labels: Arc::default(),
            max_line_size: 0,
            truncate: false,
            max_streams: 0,
        }
    }

    fn entry(line: &str, begin: u64) -> Entry {
        Entry {
            line: line.as_bytes().to_vec(),
            origin: Origin { file: 1, begin },
            ..Entry::default()
        }
    }

    struct Fixture {
        accumulator: Accumulator,
        file: Arc<Progress>,
        incidents: Vec<(Incident, String, usize)>,
        now: Instant,
    }

    impl Fixture {
        fn new(shape: Shape) -> Self {
            Self {
                accumulator: Accumulator::new(shape, Arc::default()),
                file: Progress::new(1, 0),
                incidents: Vec::new(),
                now: Instant::now(),
            }
        }

        fn add(&mut self, entry: &Entry) -> Option<Batch> {
            let file = Arc::clone(&self.file);
            let incidents = &mut self.incidents;
            self.accumulator.add(
                entry,
                self.now,
                &|_| Some(Arc::clone(&file)),
                &mut |what, tenant, bytes| incidents.push((what, tenant.to_owned(), bytes)),
            )
        }
    }

    #[test]
    fn a_batch_is_closed_before_the_line_that_would_exceed_its_size() {
        let mut fixture = Fixture::new(shape());
        assert!(fixture.add(&entry("12345", 0)).is_none());
        assert!(fixture.add(&entry("67890", 6)).is_none());
        let full = fixture.add(&entry("x", 12)).unwrap();
        assert_eq!((full.entries, full.bytes), (2, 10));
        let large = fixture.add(&entry("a line over the size", 14)).unwrap();
        assert_eq!(large.entries, 1, "a large entry goes alone");
    }

    #[test]
    fn positions_wait_for_the_batches_of_a_file() {
        let mut fixture = Fixture::new(shape());
        fixture.add(&entry("12345", 0));
        let first = fixture.add(&entry("1234567890", 6)).unwrap();
        fixture.file.advance(17, None);
        assert_eq!(fixture.file.position(), 0);
        first.settle();
        assert_eq!(fixture.file.position(), 6);
        for batch in fixture.accumulator.take_due(None) {
            batch.settle();
        }
        assert_eq!(fixture.file.position(), 17);
    }

    #[test]
    fn a_joined_line_released_late_holds_the_position_at_its_begin() {
        let mut fixture = Fixture::new(shape());
        fixture.add(&entry("a", 20));
        fixture.add(&entry("b", 4));
        fixture.file.advance(30, None);
        assert_eq!(fixture.file.position(), 4);
    }

    #[test]
    fn a_line_joined_from_two_files_holds_the_positions_of_both() {
        let mut fixture = Fixture::new(shape());
        let files = [Progress::new(1, 0), Progress::new(2, 0)];
        let mut joined = entry("ab", 40);
        joined.second_origin = Some(Origin { file: 2, begin: 7 });
        let find = |id| files.iter().find(|file| file.file() == id).cloned();
        fixture.accumulator.add(&joined, fixture.now, &find, &mut |_, _, _| {});
        for file in &files {
            file.advance(100, None);
        }
        assert_eq!(files.each_ref().map(|file| file.position()), [40, 7]);
        fixture.accumulator.take_due(None)[0].settle();
        assert_eq!(files.each_ref().map(|file| file.position()), [100, 100]);
    }

    #[test]
    fn files_that_take_turns_hold_their_positions_each_in_every_batch() {
        let mut fixture = Fixture::new(Shape { batch_size: 100, ..shape() });
        let files = [1, 2, 3].map(|number| Progress::new(number, 0));
        let find = |id| files.iter().find(|file| file.file() == id).cloned();
        for base in [0, 100] {
            for (file, begin) in [(1, 10), (2, 20), (3, 30), (1, 15), (2, 18), (3, 31)] {
                let mut entry = entry("x", begin + base);
                entry.origin.file = file;
                fixture.accumulator.add(&entry, fixture.now, &find, &mut |_, _, _| {});
            }
            for file in &files {
                file.advance(base + 100, None);
            }
            let positions = [10, 18, 30].map(|begin| begin + base);
            assert_eq!(files.each_ref().map(|file| file.position()), positions);
            let batch = &fixture.accumulator.take_due(None)[0];
            assert_eq!(batch.files.len(), 3, "each once");
            batch.settle();
            assert!(files.iter().all(|file| file.position() == base + 100));
        }
    }

    #[test]
    fn batches_leave_when_they_are_old_enough() {
        let mut fixture = Fixture::new(shape());
        fixture.add(&entry("a", 0));
        let due = fixture.accumulator.deadline().unwrap();
        assert_eq!(due, fixture.now + Duration::from_secs(1));
        assert!(fixture.accumulator.take_due(Some(fixture.now)).is_empty());
        assert_eq!(fixture.accumulator.take_due(Some(due)).len(), 1);
        assert_eq!(fixture.accumulator.deadline(), None);
    }

    #[test]
    fn a_source_names_the_tenant_in_the_base_labels() {
        let mut fixture = Fixture::new(shape());
        let mut entry = entry("line", 0);
        entry.labels.reset(&Arc::new([("app", "a"), (TENANT_LABEL, "team")].into_iter().collect()));
        fixture.add(&entry);
        let batches = fixture.accumulator.take_due(None);
        assert_eq!(batches.iter().map(|batch| &*batch.tenant).collect::<Vec<_>>(), ["team"]);
    }

    #[test]
    fn tenants_have_batches_of_their_own() {
        let mut fixture = Fixture::new(Shape { tenant: "main".to_owned(), ..shape() });
        let mut other = entry("b", 2);
        other.labels.set(&Arc::from(TENANT_LABEL), "other");
        fixture.add(&entry("a", 0));
        fixture.add(&other);
        let batches = fixture.accumulator.take_due(None);
        let tenants: Vec<&str> = batches.iter().map(|batch| &*batch.tenant).collect();
        assert_eq!(tenants, ["main", "other"]);
        let request = snap::raw::Decoder::new().decompress_vec(&batches[1].body).unwrap();
        assert!(!String::from_utf8_lossy(&request).contains(TENANT_LABEL));
    }

    #[test]
    fn long_lines_are_dropped_or_cut_and_reported() {
        let mut fixture = Fixture::new(Shape { max_line_size: 5, ..shape() });
        fixture.add(&entry("ééééé", 0));
        assert!(fixture.accumulator.take_due(None).is_empty());
        assert_eq!(fixture.incidents, [(Incident::LineTooLong, String::new(), 10)]);

        let mut fixture = Fixture::new(Shape { max_line_size: 5, truncate: true, ..shape() });
        fixture.add(&entry("ééééé", 0));
        let batch = fixture.accumulator.take_due(None).remove(0);
        let request = snap::raw::Decoder::new().decompress_vec(&batch.body).unwrap();
        assert!(
            request.ends_with("éé\u{00c3}".as_bytes().get(..4).unwrap())
                || request.ends_with(b"\xc3")
        );
        assert_eq!(fixture.incidents, [(Incident::LineCut, String::new(), 5)]);
    }

    #[test]
    fn streams_over_the_limit_are_dropped_one_by_one() {
        let mut fixture = Fixture::new(Shape { max_streams: 1, batch_size: 100, ..shape() });
        let mut second = entry("b", 2);
        second.labels.set(&Arc::from("level"), "info");
        fixture.add(&entry("a", 0));
        fixture.add(&second);
        fixture.add(&entry("c", 4));
        assert_eq!(fixture.incidents, [(Incident::StreamLimited, String::new(), 1)]);
        assert_eq!(fixture.accumulator.take_due(None)[0].entries, 2);
    }

    #[test]
    fn tenants_that_come_once_are_forgotten() {
        let mut fixture = Fixture::new(shape());
        let name: Arc<str> = Arc::from(TENANT_LABEL);
        for tenant in 0..200 {
            let mut entry = entry("x", 0);
            entry.labels.set(&name, &format!("t{tenant}"));
            fixture.add(&entry);
            assert_eq!(fixture.accumulator.take_due(None).len(), 1);
        }
        assert!(fixture.accumulator.tenants.len() <= KEPT_TENANTS + 1);
        let mut again = entry("x", 0);
        again.labels.set(&name, "t199");
        fixture.add(&again);
        assert_eq!(&*fixture.accumulator.take_due(None)[0].tenant, "t199");
    }
}

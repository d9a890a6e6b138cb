//! One line at a time through its job's pipeline and into the sinks, without an allocation of its
//! own: the entry is used again for the next line.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use foldhash::fast::RandomState;
use prometheus_model::label_set::LabelSet;

use super::sink::Sink;
use crate::batch::streams::TENANT_LABEL;
use crate::intake::message::Message;
use crate::pipeline::entry::{Entry, Origin};
use crate::pipeline::run::Pipeline;
use crate::pipeline::stage::{Context, Verdict};
use crate::pipeline::stage_metrics::DropCounter;
use crate::pipeline::stages::limit::token_bucket::TokenBucket;
use crate::tail::file_identity::FileId;
use crate::tail::progress::{Numbers, Progress};

/// `limits_config.readline_rate`: shared by all jobs and workers, applied after the pipelines.
#[derive(Debug, Clone)]
pub struct ReadlineLimit {
    /// The rate and burst.
    pub bucket: Arc<Mutex<TokenBucket>>,
    /// Lines over the rate are dropped and counted here; `None` = reading waits instead.
    pub drop: Option<DropCounter>,
}

/// How long one sink is waited for before the others are looked at.
const WAIT: Duration = Duration::from_millis(20);

/// How far the time of reading may run ahead of the clock: lines get a nanosecond each.
const MAX_AHEAD_NS: i64 = 1_000_000_000;

/// Takes lines of one worker to their sinks.
#[derive(Debug)]
pub struct LineShipper {
    pipelines: Vec<Pipeline>,
    numbers: Arc<Numbers>,
    /// Closed files whose last lines a stage still holds, with their job.
    closing: Vec<(usize, FileId)>,
    entry: Entry,
    context: Context,
    exit: Exit,
}

/// Behind the pipelines.
#[derive(Debug)]
struct Exit {
    sinks: Vec<Box<dyn Sink>>,
    limit: Option<ReadlineLimit>,
    files: HashMap<FileId, Arc<Progress>, RandomState>,
    /// No line may be read before this time.
    paused_until: Option<Instant>,
    /// A batch has become full since the progress of a file was last advanced.
    has_filled: bool,
}

impl LineShipper {
    /// `pipelines` are those of the scrape configs, by index; `numbers` numbers files.
    pub fn new(
        pipelines: Vec<Pipeline>,
        sinks: Vec<Box<dyn Sink>>,
        limit: Option<ReadlineLimit>,
        numbers: Arc<Numbers>,
    ) -> Self {
        Self {
            pipelines,
            numbers,
            closing: Vec::new(),
            entry: Entry::default(),
            context: Context::new(now_ns(), Instant::now()),
            exit: Exit {
                sinks,
                limit,
                files: HashMap::default(),
                paused_until: None,
                has_filled: false,
            },
        }
    }

    /// Entries of this file hold its position back from now on.
    pub fn enter_file(&mut self, progress: &Arc<Progress>) {
        self.exit.files.insert(progress.file(), Arc::clone(progress));
    }

    /// A file that only this worker knows: its position is saved nowhere.
    pub fn unsaved_file(&mut self, position: u64) -> Arc<Progress> {
        let progress = Progress::new(self.numbers.next(), position);
        self.enter_file(&progress);
        progress
    }

    /// No more lines of a file will come; it is forgotten when no stage holds one.
    pub fn leave_file(&mut self, job: usize, file: FileId) {
        self.closing.push((job, file));
        self.forget_closed();
    }

    fn forget_closed(&mut self) {
        let (pipelines, files) = (&self.pipelines, &mut self.exit.files);
        self.closing.retain(|(job, file)| {
            let is_held = pipelines[*job].held_since(*file).is_some();
            if !is_held && let Some(progress) = files.remove(file) {
                progress.release();
            }
            is_held
        });
    }

    /// Reads both clocks; once per chunk is enough.
    pub fn set_clock(&mut self) {
        self.context.now = Instant::now();
        // Loki takes two entries with equal time and line for one: the time of reading never
        // repeats. A clock that was set back is followed: Loki refuses what is in its future.
        let now = now_ns();
        if now > self.context.now_ns || self.context.now_ns - now > MAX_AHEAD_NS {
            self.context.now_ns = now;
        }
    }

    /// The monotonic clock as of [`Self::set_clock`].
    pub fn now(&self) -> Instant {
        self.context.now
    }

    /// Ships one line. `Break` asks to read no further line of the job before the returned time.
    pub fn ship(
        &mut self,
        job: usize,
        labels: &Arc<LabelSet>,
        line: &[u8],
        origin: Origin,
    ) -> ControlFlow<Instant> {
        if std::mem::take(&mut self.exit.has_filled)
            && let Some(progress) = self.exit.files.get(&origin.file)
        {
            // The answer to the batch may come before the end of the chunk, and is to move the
            // file to where the batch ends: everything before this line is on its way or done.
            progress.advance(origin.begin, self.held_since(job, origin.file));
        }
        self.begin(labels, line, origin);
        self.process(job)
    }

    /// Ships what a source brought; see [`Self::ship`].
    pub fn ship_message(
        &mut self,
        job: usize,
        message: &Message,
        origin: Origin,
    ) -> ControlFlow<Instant> {
        self.begin(&message.labels, &message.line, origin);
        if let Some(timestamp) = message.timestamp_ns {
            self.entry.timestamp_ns = timestamp;
        }
        self.entry.metadata.extend_from_slice(&message.metadata);
        if let Some((name, tenant)) =
            message.labels.get_key(TENANT_LABEL).zip(message.labels.get(TENANT_LABEL))
        {
            // Batches look for the tenant among what was changed, which is quicker for lines.
            self.entry.labels.set(name, tenant);
        }
        self.process(job)
    }

    fn begin(&mut self, labels: &Arc<LabelSet>, line: &[u8], origin: Origin) {
        self.context.now_ns += 1;
        let entry = &mut self.entry;
        entry.timestamp_ns = self.context.now_ns;
        entry.line.clear();
        entry.line.extend_from_slice(line);
        entry.labels.reset(labels);
        entry.extracted.reset(labels);
        entry.metadata.clear();
        entry.origin = origin;
        entry.second_origin = None;
    }

    fn process(&mut self, job: usize) -> ControlFlow<Instant> {
        let verdict = self.pipelines[job].process(&mut self.entry, &mut self.context);
        if !self.context.released.is_empty() {
            self.ship_released();
        }
        if verdict == Verdict::Pass {
            self.exit.finish(&self.entry, self.context.now);
        }
        let pause = self.context.pause_until.take().max(self.exit.paused_until.take());
        pause.map_or(ControlFlow::Continue(()), ControlFlow::Break)
    }

    fn ship_released(&mut self) {
        for entry in std::mem::take(&mut self.context.released) {
            self.exit.finish(&entry, self.context.now);
        }
    }

    /// Releases what stages held long enough; everything they release at all when `end` is set.
    pub fn flush_pipelines(&mut self, end: bool) {
        self.set_clock();
        for index in 0..self.pipelines.len() {
            self.pipelines[index].flush(end, &mut self.context);
            self.ship_released();
        }
        self.forget_closed();
    }

    /// Whether a stage holds lines of a file that is closed already.
    pub fn is_closing(&self) -> bool {
        !self.closing.is_empty()
    }

    /// Begin of the first line of a file that a stage holds back.
    pub fn held_since(&self, job: usize, file: FileId) -> Option<u64> {
        self.pipelines[job].held_since(file)
    }

    /// When a sink has something to send.
    pub fn deadline(&self) -> Option<Instant> {
        self.exit.sinks.iter().filter_map(|sink| sink.deadline()).min()
    }

    /// Sends what is due; everything at the `end`.
    pub fn flush_sinks(&mut self, end: bool) {
        let now = (!end).then(Instant::now);
        for sink in &mut self.exit.sinks {
            sink.flush(now);
        }
        self.exit.wait_for_room();
    }
}

impl Exit {
    /// An entry that left its pipeline.
    fn finish(&mut self, entry: &Entry, now: Instant) {
        if let Some(limit) = &mut self.limit {
            let mut bucket = limit.bucket.lock().unwrap_or_else(PoisonError::into_inner);
            match &mut limit.drop {
                Some(counter) => {
                    if !bucket.allow(now) {
                        counter.count();
                        return;
                    }
                }
                None => self.paused_until = bucket.take_debt(now),
            }
        }
        let files = &self.files;
        let mut is_blocked = false;
        for sink in &mut self.sinks {
            self.has_filled |= sink.accept(entry, now, &|file| files.get(&file).cloned());
            is_blocked |= sink.is_blocked();
        }
        if is_blocked {
            self.wait_for_room();
        }
    }

    /// That is how a slow Loki slows down reading. The batches of other clients go out meanwhile.
    fn wait_for_room(&mut self) {
        while let Some(blocked) = self.sinks.iter().position(|sink| sink.is_blocked()) {
            let now = Instant::now();
            for sink in self.sinks.iter_mut().filter(|sink| !sink.is_blocked()) {
                sink.flush(Some(now));
            }
            self.sinks[blocked].wait(WAIT);
        }
    }
}

fn now_ns() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_nanos()).unwrap_or(i64::MAX)
}

//! A worker thread: takes turns reading its files, a chunk each, and ships the lines.
//!
//! A rotated file is read to its end before its successor, and watched for a while longer: writers
//! go on writing to it until they open the new one.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet, VecDeque};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::source::{Reader, ReaderOptions, Source, Turn};
use super::line_shipper::LineShipper;
use crate::metrics::Metrics;
use crate::tail::descriptors::Descriptors;
use crate::tail::mailbox::{Mailbox, Message, SourceId};

pub mod source;

/// How often stages are asked for entries that they held long enough.
const FLUSH_INTERVAL: Duration = Duration::from_millis(100);

/// One worker.
#[derive(Debug)]
pub struct Worker {
    mailbox: Arc<Mailbox>,
    shipper: LineShipper,
    /// How the files of each scrape config are read.
    options: Vec<ReaderOptions>,
    metrics: Metrics,
    descriptors: Arc<Descriptors>,
    sources: HashMap<SourceId, Source>,
    /// Sources with something to read, in turn.
    ready: VecDeque<SourceId>,
    queued: HashSet<SourceId>,
    /// When to look at a source again without being told.
    timers: BinaryHeap<Reverse<(Instant, SourceId)>>,
    next_flush: Instant,
    buffer: Vec<u8>,
}

impl Worker {
    /// A worker that has no files yet.
    pub fn new(
        mailbox: Arc<Mailbox>,
        shipper: LineShipper,
        options: Vec<ReaderOptions>,
        metrics: Metrics,
        descriptors: Arc<Descriptors>,
    ) -> Self {
        Self {
            mailbox,
            shipper,
            options,
            metrics,
            descriptors,
            sources: HashMap::new(),
            ready: VecDeque::new(),
            queued: HashSet::new(),
            timers: BinaryHeap::new(),
            next_flush: Instant::now() + FLUSH_INTERVAL,
            buffer: Vec::new(),
        }
    }

    /// Works until the mailbox is stopped, then ships what stages and batches still hold.
    pub fn run(mut self) {
        loop {
            let deadline =
                if self.ready.is_empty() { self.next_deadline() } else { Instant::now() };
            let mail = self.mailbox.take(Some(deadline));
            if mail.stop {
                break;
            }
            for message in mail.messages {
                self.receive(message);
            }
            for id in mail.changed {
                self.enqueue(id);
            }
            self.tick();
            if let Some(id) = self.ready.pop_front() {
                self.queued.remove(&id);
                self.read(id);
            }
        }
        self.shipper.flush_pipelines(true);
        self.save_progress();
        self.shipper.flush_sinks(true);
        // The metrics outlive the worker: after a reload others may read other files.
        for source in self.sources.values() {
            self.metrics.files_active.dec();
            self.metrics.forget_path(&source.path);
        }
    }

    fn next_deadline(&self) -> Instant {
        let timer = self.timers.peek().map(|Reverse((at, _))| *at);
        [timer, self.shipper.deadline()].into_iter().flatten().fold(self.next_flush, Instant::min)
    }

    fn enqueue(&mut self, id: SourceId) {
        if self.queued.insert(id) {
            self.ready.push_back(id);
        }
    }

    fn receive(&mut self, message: Message) {
        match message {
            Message::Open(opened) => {
                let id = opened.id;
                let options = &self.options[opened.job];
                self.shipper.enter_file(&opened.opened.generation.progress);
                self.sources.insert(id, Source::open(*opened, options, &self.metrics));
                self.metrics.files_active.inc();
                self.enqueue(id);
            }
            Message::Rotated(id, opened) => {
                if let Some(source) = self.sources.get_mut(&id) {
                    self.shipper.enter_file(&opened.generation.progress);
                    source.rotate(opened, &self.options[source.job]);
                    self.enqueue(id);
                }
            }
            Message::Missed(id, opened) => {
                if let Some(source) = self.sources.get_mut(&id) {
                    self.shipper.enter_file(&opened.generation.progress);
                    source.missed(opened, &self.options[source.job]);
                    self.enqueue(id);
                }
            }
            Message::Forgotten(id) => {
                if let Some(source) = self.sources.remove(&id) {
                    self.metrics.files_active.dec();
                    self.metrics.forget_path(&source.path);
                }
            }
            Message::Left(id, until) => {
                if let Some(source) = self.sources.get_mut(&id) {
                    source.leave(until, &mut self.shipper);
                    self.enqueue(id);
                }
            }
            Message::Relabelled(id, labels) => {
                if let Some(source) = self.sources.get_mut(&id) {
                    source.relabel(labels);
                }
            }
            Message::Ended(id) => {
                if let Some(source) = self.sources.get_mut(&id) {
                    source.end();
                    self.enqueue(id);
                }
            }
        }
    }

    /// What happens by time.
    fn tick(&mut self) {
        let now = Instant::now();
        while let Some(Reverse((at, id))) = self.timers.peek().copied()
            && at <= now
        {
            self.timers.pop();
            if let Some(source) = self.sources.get_mut(&id) {
                source.timer = source.timer.filter(|timer| *timer > at);
                self.enqueue(id);
            }
        }
        if now >= self.next_flush {
            self.next_flush = now + FLUSH_INTERVAL;
            self.shipper.flush_pipelines(false);
            self.save_progress();
        }
        if self.shipper.deadline().is_some_and(|due| due <= now) {
            self.shipper.flush_sinks(false);
        }
    }

    /// Stages may have released what held positions back.
    fn save_progress(&mut self) {
        for source in self.sources.values_mut().filter(|source| source.is_held) {
            source.save_progress(&self.shipper);
        }
    }

    fn read(&mut self, id: SourceId) {
        let Some(source) = self.sources.get_mut(&id) else { return };
        self.shipper.set_clock();
        match source.read(&mut self.buffer, &mut self.shipper, &self.metrics, &self.descriptors) {
            Turn::More => self.enqueue(id),
            Turn::Idle => {}
            Turn::LookAgain(at) if source.timer.is_some_and(|timer| timer <= at) => {}
            Turn::LookAgain(at) => {
                source.timer = Some(at);
                self.timers.push(Reverse((at, id)));
            }
        }
    }
}

impl Reader {
    /// Shared by both kinds of reader: what a callback that ships returns to a reader.
    fn flow(result: ControlFlow<Instant>, pause: &mut Option<Instant>) -> ControlFlow<()> {
        match result {
            ControlFlow::Continue(()) => ControlFlow::Continue(()),
            ControlFlow::Break(until) => {
                *pause = Some(until);
                ControlFlow::Break(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::run::Pipeline;
    use crate::tail::file_identity::{Fingerprint, Inode};
    use crate::tail::mailbox::{Generation, Opened, Source as Followed};
    use crate::tail::progress::{Numbers, Progress};

    #[test]
    fn a_worker_that_ends_leaves_no_file_in_the_metrics() {
        let metrics = Metrics::new();
        let mailbox: Arc<Mailbox> = Arc::default();
        let numbers: Arc<Numbers> = Arc::default();
        let shipper = LineShipper::new(vec![Pipeline::default()], Vec::new(), None, numbers);
        let options = ReaderOptions { encoding: None, decompression: None, line_limit: 100 };
        let descriptors = Descriptors::new(10);
        let permit = descriptors.take().unwrap();
        let options = vec![options];
        let mut worker =
            Worker::new(Arc::clone(&mailbox), shipper, options, metrics.clone(), descriptors);
        let file = tempfile::NamedTempFile::new().unwrap();
        let opened = Opened {
            file: file.reopen().unwrap(),
            start: 0,
            permit,
            generation: Generation::new(
                Inode { device: 1, inode: 1 },
                Progress::new(1, 0),
                Fingerprint::default(),
            ),
        };
        worker.receive(Message::Open(Box::new(Followed {
            id: 1,
            job: 0,
            path: file.path().to_path_buf(),
            labels: Arc::default(),
            opened,
        })));
        assert_eq!((metrics.files_active.get(), metrics.read_lines.len()), (1.0, 1));
        mailbox.stop();
        worker.run();
        assert_eq!((metrics.files_active.get(), metrics.read_lines.len()), (0.0, 0));
    }
}

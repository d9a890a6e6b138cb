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

/// How often stages are asked for entries that they held long enough, while they hold any.
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
    /// Boxed, so that room for further ones is small.
    sources: HashMap<SourceId, Box<Source>>,
    /// Sources with something to read, in turn.
    ready: VecDeque<SourceId>,
    queued: HashSet<SourceId>,
    /// When to look at a source again without being told.
    timers: BinaryHeap<Reverse<(Instant, SourceId)>>,
    /// Sources with lines that stages hold back. A worker without any has nothing to do by time, so
    /// that idle files cost nothing.
    held: HashSet<SourceId>,
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
            held: HashSet::new(),
            next_flush: Instant::now() + FLUSH_INTERVAL,
            buffer: Vec::new(),
        }
    }

    /// Works until the mailbox is stopped, then ships what stages and batches still hold.
    pub fn run(mut self) {
        loop {
            let deadline =
                if self.ready.is_empty() { self.next_deadline() } else { Some(Instant::now()) };
            let mail = self.mailbox.take(deadline);
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
            self.metrics.files.forget(&source.path);
        }
    }

    /// When there is something to do without being told.
    fn next_deadline(&self) -> Option<Instant> {
        let timer = self.timers.peek().map(|Reverse((at, _))| *at);
        let flush = self.holds_lines().then_some(self.next_flush);
        [timer, self.shipper.deadline(), flush].into_iter().flatten().min()
    }

    fn holds_lines(&self) -> bool {
        !self.held.is_empty() || self.shipper.is_closing()
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
                let source = Source::open(*opened, options, &self.metrics);
                self.sources.insert(id, Box::new(source));
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
                    self.metrics.files.forget(&source.path);
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
        if now >= self.next_flush && self.holds_lines() {
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
        let (sources, shipper) = (&mut self.sources, &self.shipper);
        self.held.retain(|id| {
            sources.get_mut(id).is_some_and(|source| {
                source.save_progress(shipper);
                source.is_held
            })
        });
    }

    fn read(&mut self, id: SourceId) {
        let Some(source) = self.sources.get_mut(&id) else { return };
        self.shipper.set_clock();
        let turn =
            source.read(&mut self.buffer, &mut self.shipper, &self.metrics, &self.descriptors);
        if source.is_held {
            self.held.insert(id);
        }
        match turn {
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
    use std::fs;

    use super::*;
    use crate::pipeline::run::Pipeline;
    use crate::pipeline::stages::cri::{CriOptions, CriStage};
    use crate::tail::file_identity::{Fingerprint, Inode};
    use crate::tail::mailbox::{Generation, Opened, Source as Followed};
    use crate::tail::progress::{Numbers, Progress};

    /// A worker that has opened this file.
    fn worker(pipeline: Pipeline, file: &tempfile::NamedTempFile) -> (Worker, Arc<Progress>) {
        let numbers: Arc<Numbers> = Arc::default();
        let shipper = LineShipper::new(vec![pipeline], Vec::new(), None, numbers);
        let options = ReaderOptions { encoding: None, decompression: None, line_limit: 100 };
        let descriptors = Descriptors::new(10);
        let permit = descriptors.take().unwrap();
        let (mailbox, metrics) = (Arc::default(), Metrics::new());
        let mut worker = Worker::new(mailbox, shipper, vec![options], metrics, descriptors);
        let progress = Progress::new(1, 0);
        let inode = Inode { device: 1, inode: 1 };
        let opened = Opened {
            file: file.reopen().unwrap(),
            start: 0,
            permit,
            generation: Generation::new(inode, Arc::clone(&progress), Fingerprint::default()),
        };
        worker.receive(Message::Open(Box::new(Followed {
            id: 1,
            job: 0,
            path: Arc::from(file.path().to_str().unwrap()),
            labels: Arc::default(),
            opened,
        })));
        (worker, progress)
    }

    #[test]
    fn a_worker_that_ends_leaves_no_file_in_the_metrics() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let (worker, _) = worker(Pipeline::default(), &file);
        let (mailbox, metrics) = (Arc::clone(&worker.mailbox), worker.metrics.clone());
        assert_eq!((metrics.files_active.get(), metrics.files.len()), (1.0, 1));
        mailbox.stop();
        worker.run();
        assert_eq!((metrics.files_active.get(), metrics.files.len()), (0.0, 0));
    }

    #[test]
    fn a_worker_wakes_up_by_itself_only_while_a_stage_holds_a_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let stage = CriStage::new(CriOptions::default()).unwrap();
        let (mut worker, progress) = worker(Pipeline::new(vec![Box::new(stage)]), &file);
        worker.read(1);
        assert_eq!(worker.next_deadline(), None);
        fs::write(&file, "t stdout P half\n").unwrap();
        worker.read(1);
        assert!(worker.next_deadline().is_some());
        worker.save_progress();
        assert_eq!((worker.next_deadline().is_some(), progress.position()), (true, 0));
        fs::write(&file, "t stdout P half\nt stdout F whole\n").unwrap();
        worker.read(1);
        worker.save_progress();
        assert_eq!((worker.next_deadline(), progress.position()), (None, 33));
    }
}

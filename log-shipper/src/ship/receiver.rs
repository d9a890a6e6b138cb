//! A worker thread for messages: takes them from the queue of the sources and ships them.
//!
//! It ends when all sources have gone and the queue is empty.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout_at;

use super::line_shipper::LineShipper;
use crate::intake::message::{Delivery, Message};
use crate::pipeline::entry::{FileId, Origin};
use crate::tail::cursor::Cursor;

/// How often stages are asked for entries that they held long enough.
const FLUSH_INTERVAL: Duration = Duration::from_millis(100);

/// Messages taken before the clock is looked at again.
const TURN: usize = 256;

/// One worker.
#[derive(Debug)]
pub struct Receiver {
    queue: mpsc::Receiver<Delivery>,
    shipper: LineShipper,
    runtime: Handle,
    /// Sources whose place is saved, with their scrape config and the number of the next message.
    cursors: HashMap<FileId, Followed>,
    next_flush: Instant,
    paused_until: Option<Instant>,
}

#[derive(Debug)]
struct Followed {
    job: usize,
    cursor: Arc<Cursor>,
    next: u64,
}

impl Receiver {
    /// A worker for this queue; must be called inside a runtime.
    pub fn new(queue: mpsc::Receiver<Delivery>, shipper: LineShipper) -> Self {
        Self {
            queue,
            shipper,
            runtime: Handle::current(),
            cursors: HashMap::new(),
            next_flush: Instant::now() + FLUSH_INTERVAL,
            paused_until: None,
        }
    }

    /// Works until nobody sends any more, then ships what stages and batches still hold.
    pub fn run(mut self) {
        loop {
            let now = Instant::now();
            self.paused_until = self.paused_until.filter(|until| *until > now);
            let due = self.shipper.deadline().map_or(self.next_flush, |at| at.min(self.next_flush));
            if let Some(until) = self.paused_until {
                std::thread::sleep(until.min(due).saturating_duration_since(now));
            } else {
                // A timer is made inside the runtime, not on the way to it.
                let queue = &mut self.queue;
                let next =
                    self.runtime.block_on(async { timeout_at(due.into(), queue.recv()).await });
                match next {
                    Ok(Some(delivery)) => self.turn(delivery),
                    Ok(None) => break,
                    Err(_) => {}
                }
            }
            self.tick();
        }
        self.shipper.flush_pipelines(true);
        self.save_progress();
        self.shipper.flush_sinks(true);
    }

    fn turn(&mut self, first: Delivery) {
        self.shipper.set_clock();
        let mut next = Some(first);
        for _ in 0..TURN {
            let Some(delivery) = next else { return };
            self.ship(delivery);
            if self.paused_until.is_some() {
                return;
            }
            next = self.queue.try_recv().ok();
        }
        if let Some(delivery) = next {
            self.ship(delivery);
        }
    }

    fn ship(&mut self, delivery: Delivery) {
        let Delivery { job, message } = delivery;
        let origin = self.enter(job, &message);
        if let ControlFlow::Break(until) = self.shipper.ship_message(job, &message, origin) {
            self.paused_until = Some(until);
        }
        let Some(followed) = self.cursors.get(&origin.file) else { return };
        let held = self.shipper.held_since(job, origin.file);
        followed.cursor.progress().advance(followed.next, held);
    }

    /// Its place in its source, if that has one.
    fn enter(&mut self, job: usize, message: &Message) -> Origin {
        let Some((cursor, number)) = &message.mark else { return Origin::default() };
        let file = cursor.progress().file();
        let followed = self.cursors.entry(file).or_insert_with(|| {
            self.shipper.enter_file(cursor.progress());
            Followed { job, cursor: Arc::clone(cursor), next: 0 }
        });
        followed.next = number + 1;
        Origin { file, begin: *number }
    }

    fn tick(&mut self) {
        let now = Instant::now();
        if now >= self.next_flush {
            self.next_flush = now + FLUSH_INTERVAL;
            self.shipper.flush_pipelines(false);
            self.save_progress();
        }
        if self.shipper.deadline().is_some_and(|due| due <= now) {
            self.shipper.flush_sinks(false);
        }
    }

    /// Stages may have released what held places back. A source that nobody else knows any more
    /// is forgotten when nothing of it is on its way.
    fn save_progress(&mut self) {
        let shipper = &mut self.shipper;
        self.cursors.retain(|file, followed| {
            let progress = followed.cursor.progress();
            progress.advance(followed.next, shipper.held_since(followed.job, *file));
            let is_needed = Arc::strong_count(&followed.cursor) > 1 || !progress.is_settled();
            if !is_needed {
                shipper.leave_file(followed.job, *file);
            }
            is_needed
        });
    }
}

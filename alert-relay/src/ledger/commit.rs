//! One batch: decide, store, tell.
//!
//! An input whose processing panics must not be sent again and again for ever: it is kept where a
//! person finds it, and the others go on from what the journal has.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use serde_json::json;

use super::crash::Point;
use super::handle::Waiting;
use super::metrics::count;
use super::{Core, LONGEST_SLEEP, Ledger, LedgerError, REOPEN, Unavailable, emergency};
use crate::incident::{Delivery, DeliveryState, Input, Table};
use crate::journal::{Batch, Journal, RefusedBody};
use crate::time::Moment;

impl Ledger {
    /// Stores what is waited for, and answers.
    pub(super) fn process(&mut self, waiting: Vec<Waiting>) -> Result<(), LedgerError> {
        let at = (self.clock)();
        let mut batch = Batch::default();
        let mut reached = Reached::default();
        // Inputs that panicked, by submission and place in it.
        let mut poison = Vec::new();
        while !self.decide(&waiting, at, &poison, &mut batch, &mut reached)? {
            poison.push(reached.position);
        }
        for &(submission, input) in &poison {
            if let Some(input) = waiting[submission].submission.inputs.get(input) {
                batch.bodies.push(given_up(input, at));
            }
        }
        batch.bodies.extend(waiting.iter().flat_map(|one| one.submission.refused.iter().cloned()));
        if reached.answered {
            self.crash.reach(Point::Called);
        }
        self.crash.reach(Point::BeforeSync);
        self.store(&batch, waiting, &reached)
    }

    /// Stores a batch and answers; or pages what must not wait, and refuses.
    pub(super) fn store(
        &mut self,
        batch: &Batch,
        waiting: Vec<Waiting>,
        reached: &Reached,
    ) -> Result<(), LedgerError> {
        let Some(journal) = &mut self.journal else {
            self.page_without_journal(batch);
            refuse(waiting);
            return Ok(());
        };
        if let Err(error) = journal.commit(batch) {
            // First the pages: opening the journal again may take its time.
            self.page_without_journal(batch);
            refuse(waiting);
            return self.recover(&error);
        }
        self.reopen_pause = REOPEN;
        if reached.inputs {
            self.crash.reach(Point::AfterSync);
        }
        self.metrics.refused_bodies.set(count(journal.bodies()));
        self.metrics.batch_size.observe(count(batch.changes.len()));
        if has_planned(batch) {
            self.crash.reach(Point::Planned);
        }
        if reached.started {
            self.crash.reach(Point::Started);
        }
        if reached.answered {
            self.crash.reach(Point::Receipt);
        }
        self.subscriber.committed(&batch.changes);
        for one in waiting {
            one.answer(Ok(()));
        }
        Ok(())
    }

    /// Applies all inputs but the poisonous ones; false if another one turned out to be one. Then
    /// the core is as the journal has it.
    fn decide(
        &mut self,
        waiting: &[Waiting],
        at: Moment,
        poison: &[(usize, usize)],
        batch: &mut Batch,
        reached: &mut Reached,
    ) -> Result<bool, LedgerError> {
        batch.changes.clear();
        *reached = Reached::default();
        for (submission, one) in waiting.iter().enumerate() {
            for (index, input) in one.submission.inputs.iter().enumerate() {
                if poison.contains(&(submission, index)) {
                    continue;
                }
                reached.position = (submission, index);
                reached.inputs = true;
                reached.started |= matches!(input, Input::Started { .. });
                reached.answered |= matches!(input, Input::Answered { .. });
                let core: &mut dyn Core = &mut *self.core;
                // The core is thrown away after a panic: nothing half-done is looked at.
                if let Ok(changes) = catch_unwind(AssertUnwindSafe(|| core.apply(input, at))) {
                    batch.changes.push((at, changes));
                    continue;
                }
                self.metrics.panics.inc();
                tracing::error!("an input made the relay panic, it is given up");
                self.tick_from = Instant::now() + LONGEST_SLEEP;
                self.page_given_up(input, at);
                self.restore_core()?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Goes on from what the journal has; with nothing if there is none.
    fn restore_core(&mut self) -> Result<(), LedgerError> {
        let stored = self.journal.as_ref().map(Journal::load).transpose()?;
        self.core.restore(stored.unwrap_or_default()).map_err(LedgerError::Restore)?;
        self.subscriber.restored(&*self.core);
        Ok(())
    }

    fn page_without_journal(&mut self, batch: &Batch) {
        let pages = emergency::pages(batch.changes.iter().map(|(_, changes)| changes));
        if !pages.is_empty() {
            self.metrics.emergency_pages.inc_by(pages.len() as u64);
            self.emergency.page(pages);
        }
    }

    /// Nobody decides about an input that cannot be processed: what fires in it is told as it is.
    fn page_given_up(&mut self, input: &Input, at: Moment) {
        if let Input::Alerts { told, .. } = input {
            let firing = told.iter().map(|told| &told.alert).filter(|alert| alert.is_firing());
            self.emergency.given_up(firing.cloned().collect(), at);
        }
    }
}

/// What a batch is about, for the crash points.
#[derive(Debug, Default)]
pub(super) struct Reached {
    position: (usize, usize),
    inputs: bool,
    started: bool,
    answered: bool,
}

/// Whether a delivery was planned; only a test needs to know.
fn has_planned(batch: &Batch) -> bool {
    cfg!(feature = "crash-points")
        && batch.changes.iter().flat_map(|(_, changes)| &changes.rows).any(|row| {
            let value = row.value.as_deref().filter(|_| row.table == Table::Deliveries);
            let delivery = value.map(serde_json::from_slice::<Delivery>).and_then(Result::ok);
            delivery.is_some_and(|delivery| {
                matches!(delivery.state, DeliveryState::Planned { .. }) && delivery.attempts == 0
            })
        })
}

fn refuse(waiting: Vec<Waiting>) {
    for one in waiting {
        one.answer(Err(Unavailable::Journal));
    }
}

/// An input that made the relay panic, so that a person can look at it.
fn given_up(input: &Input, at: Moment) -> RefusedBody {
    let body = match input {
        Input::Alerts { told, .. } => {
            json!(told.iter().map(|told| &told.alert).collect::<Vec<_>>()).to_string()
        }
        other => format!("{other:?}"),
    };
    let problem = "the relay panicked while it processed this: please report it".to_owned();
    RefusedBody { at, source: "relay".to_owned(), problem, body: body.into_bytes() }
}

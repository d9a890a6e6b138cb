//! Read access to the ledger, for what asks and shows. Calls wait for the ledger's thread.

use crate::access::{Firing, View};
use crate::decide::Decisions;
use crate::incident::{Delivery, Incident, IncidentId, Record};
use crate::journal::Reader;
use crate::ledger::Handle;
use crate::time::Moment;

/// What the ledger knows and what the journal has.
#[derive(Debug)]
pub(super) struct Board {
    ledger: Handle,
    records: Reader,
}

impl Board {
    pub(super) fn new(ledger: Handle, records: Reader) -> Self {
        Self { ledger, records }
    }

    /// Nothing where the ledger has no time or is stopping.
    fn look<T: Default + Send + 'static>(
        &self,
        look: impl FnOnce(&Decisions) -> T + Send + 'static,
    ) -> T {
        self.ledger.inspect_blocking(look).unwrap_or_default()
    }
}

impl View for Board {
    fn incidents(&self) -> Vec<Incident> {
        self.look(Decisions::incidents)
    }

    fn each_record(&self, from: Moment, visit: &mut dyn FnMut(&Record)) {
        match self.records.between(from, Moment::from_millis(i64::MAX)) {
            Ok(records) => {
                // What is damaged is told by `journal verify`.
                for (_, record) in records.filter_map(Result::ok) {
                    visit(&record);
                }
            }
            Err(error) => tracing::warn!(%error, "records cannot be read"),
        }
    }

    fn dead_letters(&self) -> Vec<Delivery> {
        self.look(Decisions::dead_letters)
    }

    fn firing(&self) -> Firing {
        self.look(Decisions::firing)
    }

    fn incident(&self, id: &IncidentId) -> Option<Incident> {
        let id = id.clone();
        self.look(move |core| core.incident(&id))
    }
}

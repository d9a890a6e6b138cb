//! What the edges of the relay need of its heart: reading what is known, and handing in what came.
//!
//! Neither waits for a destination. What is handed in is stored before the answer comes.

#[cfg(test)]
pub(crate) mod sample;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::alert::Identity;
use crate::incident::{Delivery, Incident, IncidentId, IncidentKey, Input, Phase, Record};
use crate::time::Moment;

/// Read access to what is known and what was written down. Calls may block on the disk.
pub trait View: Send + Sync + 'static {
    /// All that are kept, ended ones included.
    fn incidents(&self) -> Vec<Incident>;

    /// Calls `visit` with every record from a time on, in their order.
    fn each_record(&self, from: Moment, visit: &mut dyn FnMut(&Record));

    /// Deliveries that were given up.
    fn dead_letters(&self) -> Vec<Delivery>;

    /// Alerts that fire, as far as they are known here.
    fn firing(&self) -> Firing;

    /// One of them.
    fn incident(&self, id: &IncidentId) -> Option<Incident> {
        self.incidents().into_iter().find(|incident| incident.id == *id)
    }

    /// The one of a key that has not ended, else its last.
    fn latest(&self, key: &IncidentKey) -> Option<Incident> {
        let of_key = self.incidents().into_iter().filter(|incident| incident.id.key == *key);
        of_key.max_by_key(|incident| {
            (!matches!(incident.phase, Phase::Resolved { .. }), incident.id.number)
        })
    }
}

/// Alerts that fire, as far as they are known here.
pub type Firing = BTreeMap<Identity, FiringAlert>;

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FiringAlert {
    /// When it was last told to fire, by whomever.
    pub told_at: Moment,
    /// An Alertmanager told it, so that an Alertmanager can tell that it is gone.
    pub is_from_alertmanager: bool,
}

/// Stores inputs with what follows from them; false if that failed, and then nothing of them is
/// stored.
pub type Submit =
    Arc<dyn Fn(Vec<Input>) -> Pin<Box<dyn Future<Output = bool> + Send>> + Send + Sync>;

//! MIG instances of a GPU: found, checked to be the same, and read in turn.
//!
//! Ids and handles are used again after a change of the configuration, so an instance is read only
//! after its UUID was seen to be the one that was found. What is known of an instance that is gone
//! goes with it.

use std::sync::Arc;

use super::activity::{self, Activity};
use super::catalogue::{Cadence, Reading};
use super::reader::Reader;
use super::readings::Readings;
use super::snapshot::MigSnapshot;
use crate::nvml::calls::DeviceHandle;
use crate::nvml::device;
use crate::nvml::identity::MigIdentity;

/// Most instances of a GPU.
pub const MAX_INSTANCES: u32 = 8;

/// Calls of one reading of one instance.
const CALLS: u32 = 2 + activity::CALLS;

#[derive(Debug)]
struct Instance {
    identity: Arc<MigIdentity>,
    handle: DeviceHandle,
    activity: Activity,
    readings: Readings,
    /// Up to 2.
    reads: u8,
}

/// The instances of a GPU; none where MIG is off.
#[derive(Debug, Default)]
pub struct Instances {
    known: Vec<Instance>,
}

impl Instances {
    /// Finds them anew. Those that are still there keep what is known of them. Without an answer all
    /// stay: each is checked before it is read.
    pub fn scan(&mut self, reader: &mut Reader) {
        let found = reader
            .ask_with(("migInstances", 0), 1, |library, gpu| device::mig_instances(library, gpu));
        let Some(found) = found else { return };
        let mut before = std::mem::take(&mut self.known);
        for (identity, handle) in found.into_iter().take(MAX_INSTANCES as usize) {
            let same = before.iter().position(|known| *known.identity == identity);
            let instance = match same.map(|place| before.swap_remove(place)) {
                Some(known) => Instance { handle, ..known },
                None => Instance {
                    activity: Activity::new(Some(identity.gpu_instance)),
                    identity: Arc::new(identity),
                    handle,
                    readings: Readings::default(),
                    reads: 0,
                },
            };
            self.known.push(instance);
        }
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.known.clear();
    }

    /// Reads one of them. False when it is not the one that was found: then all have to be found
    /// anew.
    pub fn read(&mut self, index: u32, reader: &mut Reader) -> bool {
        let Some(instance) = self.known.get_mut(index as usize) else { return true };
        instance.reads = (instance.reads + 1).min(2);
        let handle = instance.handle;
        let uuid = reader.ask(("migUuid", index), |calls, _| calls.uuid(handle));
        if reader.is_over() {
            return true;
        }
        if uuid.as_deref() != Some(instance.identity.uuid.as_str()) {
            self.known.remove(index as usize);
            return false;
        }
        let memory = reader.ask(("migMemory", index), |calls, _| calls.memory(handle));
        let readings = &mut instance.readings;
        #[expect(clippy::cast_precision_loss, reason = "bytes below 2^53")]
        let bytes = |bytes: u64| bytes as f64;
        readings.set(Reading::MemoryTotal, memory.map(|memory| bytes(memory.total)));
        readings.set(Reading::MemoryUsed, memory.map(|memory| bytes(memory.used)));
        readings.set(Reading::MemoryFree, memory.map(|memory| bytes(memory.free)));
        let reserved = memory.and_then(|memory| memory.reserved);
        readings.set(Reading::MemoryReserved, reserved.map(bytes));
        readings.taken(Cadence::Fast, reader.now());
        instance.activity.read(reader, readings);
        readings.taken(Cadence::Activity, reader.now());
        true
    }

    /// Whether an instance has one sample of activity and nothing to show of it: the next round has
    /// the other one. False once a second attempt was made, whatever came of it.
    pub fn has_begun(&self, index: u32) -> bool {
        self.known.get(index as usize).is_some_and(|instance| instance.reads == 1)
    }

    /// Calls that reading an instance takes: none where there is none.
    pub fn calls(&self, index: u32) -> u32 {
        if self.known.len() > index as usize { CALLS } else { 0 }
    }

    /// What a page shows.
    pub fn snapshot(&self) -> Vec<MigSnapshot> {
        self.known
            .iter()
            .map(|instance| MigSnapshot {
                identity: Arc::clone(&instance.identity),
                readings: instance.readings.clone(),
            })
            .collect()
    }
}

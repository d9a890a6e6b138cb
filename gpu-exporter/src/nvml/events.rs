//! Events of all GPUs, through one set.
//!
//! A set is not trusted after any error: it is dropped and built anew, because NVML does not say
//! what is still registered.

use std::collections::HashMap;
use std::sync::Arc;

use super::calls::DeviceHandle;
use super::calls::buffers::{Event, EventSet};
use super::error::{NvmlError, ReturnCode};
use super::library::Library;

/// An error of the GPU or of a program on it, with a number.
pub const XID: u64 = 0x8;
/// The MIG configuration changed.
pub const MIG_CHANGED: u64 = 0x100;
/// The GPU cannot be used any more.
pub const UNAVAILABLE: u64 = 0x4000;
/// What is to be done about a GPU changed.
pub const RECOVERY_ACTION: u64 = 0x8000;

/// What is asked for. Not clocks and performance states: they come by the thousand.
const WANTED: u64 = XID | MIG_CHANGED | UNAVAILABLE | RECOVERY_ACTION;

/// A set in which GPUs are registered.
#[derive(Debug)]
pub struct Watch {
    set: EventSet,
    uuids: HashMap<DeviceHandle, String>,
}

impl Watch {
    /// Registers what each GPU supports of [`XID`], [`MIG_CHANGED`], [`UNAVAILABLE`] and
    /// [`RECOVERY_ACTION`]. A GPU that does not let itself be registered is left out.
    ///
    /// # Errors
    /// No set can be made.
    pub fn new(library: &Arc<Library>, uuids: &[String]) -> Result<Self, NvmlError> {
        let mut wanted: Vec<&String> = uuids.iter().collect();
        loop {
            match Self::with_all(library, &wanted)? {
                Ok(watch) => return Ok(watch),
                // the set is undefined after that: another one, without the culprit
                Err(culprit) => wanted.remove(culprit),
            };
        }
    }

    /// A set with all of these, or the place of the one that spoilt it.
    fn with_all(
        library: &Arc<Library>,
        wanted: &[&String],
    ) -> Result<Result<Self, usize>, NvmlError> {
        let calls = library.calls();
        let set = EventSet::new(library)?;
        let mut uuids = HashMap::new();
        for (place, uuid) in wanted.iter().enumerate() {
            let supported = calls
                .device_by_uuid(uuid)
                .and_then(|device| Ok((device, calls.supported_events(device)? & WANTED)));
            let Ok((device, events)) = supported else { continue };
            if events == 0 {
                continue;
            }
            match set.register(device, events) {
                Ok(()) => {
                    uuids.insert(device, (*uuid).clone());
                }
                Err(NvmlError { code: ReturnCode::Unknown, .. }) => return Ok(Err(place)),
                Err(_) => {}
            }
        }
        Ok(Ok(Self { set, uuids }))
    }

    /// The GPUs that are registered.
    pub fn uuids(&self) -> impl Iterator<Item = &str> {
        self.uuids.values().map(String::as_str)
    }

    /// Whether nothing is registered, so that waiting is useless.
    pub fn is_empty(&self) -> bool {
        self.uuids.is_empty()
    }

    /// Waits for the next event of a registered GPU.
    ///
    /// # Errors
    /// The library's answer; the set must be dropped.
    pub fn next(&self, timeout_ms: u32) -> Result<Option<(&str, Event)>, NvmlError> {
        let Some(event) = self.set.wait(timeout_ms)? else { return Ok(None) };
        Ok(self.uuids.get(&event.device).map(|uuid| (uuid.as_str(), event)))
    }
}

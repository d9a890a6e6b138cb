//! Processes of a GPU: their memory, and their share of SM time.
//!
//! Off unless asked for. A process may have several contexts; it is shown once per place it has
//! memory in.

use std::collections::BTreeMap;

use super::reader::Reader;
use super::snapshot::Process;
use crate::nvml::calls::buffers::ProcessKind;

/// Reads processes.
#[derive(Debug, Default)]
pub struct Processes {
    /// Newest sample of utilization, by the driver's clock.
    newest: u64,
}

impl Processes {
    /// The driver's clock may begin anew.
    pub fn interrupt(&mut self) {
        self.newest = 0;
    }

    /// All processes, by number.
    pub fn read(&mut self, reader: &mut Reader) -> Vec<Process> {
        let mut shown: BTreeMap<(u32, Option<(u32, u32)>), Process> = BTreeMap::new();
        for kind in [ProcessKind::Compute, ProcessKind::Graphics, ProcessKind::Mps] {
            let running = reader
                .ask(("processes", kind as u32), |calls, gpu| calls.processes(gpu, kind))
                .unwrap_or_default();
            for one in running {
                #[expect(clippy::cast_precision_loss, reason = "bytes below 2^53")]
                let memory_bytes = one.memory_bytes.map(|bytes| bytes as f64);
                // the same process under two kinds has the same memory: it is told per process
                shown.entry((one.pid, one.mig)).or_insert(Process {
                    pid: one.pid,
                    mig: one.mig,
                    memory_bytes,
                    sm_utilization: None,
                });
            }
        }
        let newest = self.newest;
        let samples = reader
            .ask(("processUtilization", 0), |calls, gpu| calls.process_utilization(gpu, newest));
        let Some(samples) = samples else { return shown.into_values().collect() };
        let mut shares: BTreeMap<u32, (u64, f64)> = BTreeMap::new();
        for (pid, stamp, percent) in samples {
            self.newest = self.newest.max(stamp);
            let share = shares.entry(pid).or_default();
            if stamp >= share.0 {
                *share = (stamp, (f64::from(percent) / 100.0).min(1.0));
            }
        }
        for process in shown.values_mut() {
            // with instances, nobody knows in which of them
            if process.mig.is_none() {
                // one without a sample was not active since the last reading
                let share = shares.get(&process.pid).map_or(0.0, |(_, share)| *share);
                process.sm_utilization = Some(share);
            }
        }
        shown.into_values().collect()
    }
}

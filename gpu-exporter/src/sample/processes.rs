//! Processes of a GPU: their memory, and their share of SM time.
//!
//! Off unless asked for. A process may have several contexts; it is shown once per place it has
//! memory in.

use std::collections::BTreeMap;

use super::points;
use super::reader::Reader;
use super::snapshot::Process;
use crate::nvml::calls::buffers::{ProcessKind, RunningProcess};

const KINDS: [ProcessKind; 3] = [ProcessKind::Compute, ProcessKind::Graphics, ProcessKind::Mps];

/// Reads processes, one kind or their shares at a time.
#[derive(Debug, Default)]
pub struct Processes {
    running: [Vec<RunningProcess>; KINDS.len()],
    /// Share of SM time by process; `None` where the driver does not tell, of all or of one.
    shares: Option<BTreeMap<u32, Option<f64>>>,
    /// Newest sample of utilization, by the driver's clock.
    newest: u64,
    /// What is read next; `None`: everything.
    next: Option<usize>,
}

impl Processes {
    /// The GPU did not answer: the driver's clock may begin anew.
    pub fn interrupt(&mut self) {
        *self = Self::default();
    }

    /// Makes one call, the first time four. All processes, by number.
    pub fn read(&mut self, reader: &mut Reader) -> Vec<Process> {
        let parts = self.next.map_or(0..=KINDS.len(), |next| next..=next);
        self.next = Some((parts.end() + 1) % (KINDS.len() + 1));
        for part in parts {
            match KINDS.get(part) {
                Some(kind) => {
                    let item = ("processes", *kind as u32);
                    let running = reader.ask(item, |calls, gpu| calls.processes(gpu, *kind));
                    self.running[part] = running.unwrap_or_default();
                }
                None => self.shares = self.read_shares(reader),
            }
        }
        self.shown()
    }

    fn read_shares(&mut self, reader: &mut Reader) -> Option<BTreeMap<u32, Option<f64>>> {
        let newest = self.newest;
        let samples = reader
            .ask(("processUtilization", 0), |calls, gpu| calls.process_utilization(gpu, newest))?;
        let mut shares: BTreeMap<u32, (u64, Option<f64>)> = BTreeMap::new();
        for (pid, stamp, percent) in samples {
            self.newest = self.newest.max(stamp);
            let share = shares.entry(pid).or_default();
            if stamp >= share.0 {
                *share = (stamp, points::share(f64::from(percent)));
            }
        }
        Some(shares.into_iter().map(|(pid, (_, share))| (pid, share)).collect())
    }

    fn shown(&self) -> Vec<Process> {
        let mut shown: BTreeMap<(u32, Option<(u32, u32)>), Process> = BTreeMap::new();
        for one in self.running.iter().flatten() {
            #[expect(clippy::cast_precision_loss, reason = "bytes below 2^53")]
            let memory_bytes = one.memory_bytes.map(|bytes| bytes as f64);
            // one without a sample was not active since the last reading; with instances, nobody
            // knows in which of them it was
            let shares = self.shares.as_ref().filter(|_| one.mig.is_none());
            let sm_utilization =
                shares.and_then(|shares| shares.get(&one.pid).copied().unwrap_or(Some(0.0)));
            // the same process under two kinds has the same memory: it is told per process
            shown.entry((one.pid, one.mig)).or_insert(Process {
                pid: one.pid,
                mig: one.mig,
                memory_bytes,
                sm_utilization,
            });
        }
        shown.into_values().collect()
    }
}

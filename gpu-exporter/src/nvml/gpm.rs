//! GPM: how busy the units of a GPU or GPU instance were between two samples.
//!
//! The pair is never asked for less than a tenth of a second, for which NVML has no answer, nor
//! over more than ten minutes, which would be shown as if it were now.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::calls::DeviceHandle;
use super::calls::buffers::GpmSample;
use super::error::{NvmlError, ReturnCode};
use super::library::Library;

/// Closest samples of a pair.
const CLOSEST: Duration = Duration::from_millis(100);
/// Farthest samples of a pair.
const FARTHEST: Duration = Duration::from_mins(10);

/// Two samples of one place, taken in turn.
#[derive(Debug)]
pub struct Pair {
    instance: Option<u32>,
    earlier: GpmSample,
    later: GpmSample,
    taken: Option<Instant>,
}

impl Pair {
    /// Of a GPU, or of one of its instances.
    ///
    /// # Errors
    /// The library's answer.
    pub fn new(library: &Arc<Library>, instance: Option<u32>) -> Result<Self, NvmlError> {
        Ok(Self {
            instance,
            earlier: GpmSample::new(library)?,
            later: GpmSample::new(library)?,
            taken: None,
        })
    }

    /// What happened between the two samples, by other ids than before. One call.
    ///
    /// # Errors
    /// The library's answer, which says nothing of the pair.
    pub fn again(&self, ids: &[u32]) -> Result<Vec<Result<f64, ReturnCode>>, NvmlError> {
        self.later.metrics_since(&self.earlier, ids)
    }

    /// Takes a sample. Returns what happened since the one before, by id and in NVML's units; `None`
    /// if there was none of a useful age. Two calls.
    ///
    /// # Errors
    /// The library's answer; the next sample begins a new pair.
    pub fn advance(
        &mut self,
        gpu: DeviceHandle,
        now: Instant,
        ids: &[u32],
    ) -> Result<Option<Vec<Result<f64, ReturnCode>>>, NvmlError> {
        let age = self.taken.map(|taken| now.saturating_duration_since(taken));
        if age.is_some_and(|age| age < CLOSEST) {
            return Ok(None);
        }
        std::mem::swap(&mut self.earlier, &mut self.later);
        self.taken = None;
        self.later.take(gpu, self.instance)?;
        self.taken = Some(now);
        if age.is_none_or(|age| age > FARTHEST) {
            return Ok(None);
        }
        self.later.metrics_since(&self.earlier, ids).map(Some)
    }
}

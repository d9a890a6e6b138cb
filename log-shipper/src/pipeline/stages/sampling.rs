//! `sampling`: keeps a random share of the lines.
//!
//! Rates 0 and 1 are exact, not merely likely.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::error::StageError;
use super::options::{Options, locate};
use crate::config::Finding;
use crate::config::yaml::Node;
use crate::pipeline::entry::Entry;
use crate::pipeline::stage::{Context, Stage, Verdict};
use crate::pipeline::stage_metrics::{DropCounter, StageMetrics};

/// Reason under which drops are counted unless the configuration names another.
pub const DEFAULT_REASON: &str = "sampling_stage";

/// Where the forks of one stage get their seeds from; odd, so that all of them differ.
const SEED_STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// See the module.
#[derive(Debug)]
pub struct SamplingStage {
    rate: f64,
    next_seed: Arc<AtomicU64>,
    generator: fastrand::Rng,
    dropped: DropCounter,
}

impl SamplingStage {
    /// A stage that keeps `rate` (0 to 1) of the lines and counts the others with `dropped`.
    ///
    /// # Errors
    ///
    /// A rate outside of 0 to 1.
    pub fn new(rate: f64, seed: u64, dropped: DropCounter) -> Result<Self, StageError> {
        if !(0.0..=1.0).contains(&rate) {
            return Err(StageError::new("sampling", format!("the rate is {rate}"))
                .key("rate")
                .accepted("a number from 0.0 (drop all) to 1.0 (keep all)"));
        }
        Ok(Self::seeded(rate, Arc::new(AtomicU64::new(seed)), dropped))
    }

    /// Decodes the options.
    ///
    /// # Errors
    ///
    /// Values of a wrong type, and what [`Self::new`] refuses.
    pub fn from_node(
        node: &Node,
        seed: u64,
        metrics: &StageMetrics,
        warnings: &mut Vec<Finding>,
    ) -> Result<Self, StageError> {
        let mut options = Options::weak("sampling", node)?;
        let rate = options.float("rate")?;
        if rate.is_none() {
            options.warn("without a rate all lines are dropped");
        }
        let dropped = options.drop_counter(metrics, DEFAULT_REASON)?;
        options.finish(warnings);
        Self::new(rate.unwrap_or(0.0), seed, dropped).map_err(|error| locate(error, node))
    }

    fn seeded(rate: f64, next_seed: Arc<AtomicU64>, dropped: DropCounter) -> Self {
        let generator = fastrand::Rng::with_seed(next_seed.fetch_add(SEED_STEP, Ordering::Relaxed));
        Self { rate, next_seed, generator, dropped }
    }
}

impl Stage for SamplingStage {
    fn process(&mut self, _: &mut Entry, _: &mut Context) -> Verdict {
        // From 0 inclusive to 1 exclusive: never below rate 0, always below rate 1.
        if self.generator.f64() < self.rate {
            return Verdict::Pass;
        }
        self.dropped.count();
        Verdict::Drop
    }

    fn fork(&self) -> Box<dyn Stage> {
        Box::new(Self::seeded(self.rate, Arc::clone(&self.next_seed), self.dropped.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::stage_metrics::StageMetrics;
    use crate::pipeline::stages::testing::{entry, run};

    fn stage(rate: f64, metrics: &StageMetrics) -> Result<SamplingStage, StageError> {
        SamplingStage::new(rate, 7, metrics.drop_counter(DEFAULT_REASON))
    }

    fn passed(stage: &mut dyn Stage, lines: u32) -> u32 {
        let mut line = entry(&[], "x");
        (0..lines).map(|_| u32::from(run(stage, &mut line) == Verdict::Pass)).sum()
    }

    #[test]
    fn all_and_nothing_are_exact() {
        let metrics = StageMetrics::new();
        assert_eq!(passed(&mut stage(1.0, &metrics).unwrap(), 10_000), 10_000);
        assert_eq!(metrics.dropped(DEFAULT_REASON), 0);

        assert_eq!(passed(&mut stage(0.0, &metrics).unwrap(), 10_000), 0);
        assert_eq!(metrics.dropped(DEFAULT_REASON), 10_000);
    }

    #[test]
    fn a_quarter_is_about_a_quarter() {
        let passed = passed(&mut stage(0.25, &StageMetrics::new()).unwrap(), 10_000);
        // 6 standard deviations of 43
        assert!((2240..=2760).contains(&passed), "{passed}");
    }

    #[test]
    fn forks_draw_different_numbers() {
        let stage = stage(0.5, &StageMetrics::new()).unwrap();
        let draws =
            |mut fork: Box<dyn Stage>| (0..64).map(|_| passed(&mut *fork, 1)).collect::<Vec<_>>();
        assert_ne!(draws(stage.fork()), draws(stage.fork()));
    }

    #[test]
    fn rates_outside_of_zero_to_one_are_refused() {
        for rate in [-0.1, 1.5, f64::NAN] {
            let error = stage(rate, &StageMetrics::new()).unwrap_err().to_string();
            assert!(error.contains("0.0 (drop all) to 1.0"), "{error}");
        }
    }
}

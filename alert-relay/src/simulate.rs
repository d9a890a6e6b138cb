//! Whether the decisions are good: days of alerts with what is true about them, played against the
//! engine with a simulated clock, and counted.
//!
//! The definitions are fixed: an *interruption* wakes or calls somebody; it is right if it is the
//! first one of an actionable problem and severity, else noise. What is counted here must not be
//! what was tuned: states below [`HELD_OUT`] are for tuning, those from it on for reports.

mod alertmanager;
mod day;
mod replay;
mod score;
mod streams;

#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

pub use self::alertmanager::Line;
pub use self::day::{Problem, ProblemAlert};
pub use self::replay::{ReplayError, Replayed, replay};
pub use self::score::Score;
pub use self::streams::{StreamScore, StreamsError, measure_streams};

use self::day::Day;
use self::replay::{Oncall, Player};
use crate::config::{Config, ConfigError};
use crate::time::Moment;

/// The first state that is never used for tuning.
pub const HELD_OUT: u64 = 2_000;

/// Days with other problems that come before the measured one.
const TRAINING_DAYS: u32 = 7;

/// Midnight of the measured day, a Tuesday: 2026-11-24.
const MIDNIGHT: i64 = 1_795_478_400_000;

/// The configuration that the simulated day is meant for.
pub const DAY_CONFIG: &str = include_str!("simulate/day.yml");

/// The configuration for series that are sampled every few minutes or hours, chosen on the NAB set.
pub const STREAMS_CONFIG: &str = include_str!("simulate/streams.yml");

/// Writes the measured day: lines of `{t, from, body}`, and one line for each true problem.
///
/// # Errors
/// Of the writers.
pub fn generate_day(state: u64, lines: &mut impl Write, truth: &mut impl Write) -> io::Result<()> {
    let day = Day::measured(state, Moment::from_millis(MIDNIGHT));
    for line in alertmanager::webhooks(&day, true, &mut faults(state, 0)) {
        serde_json::to_writer(&mut *lines, &line)?;
        lines.write_all(b"\n")?;
    }
    for problem in &day.problems {
        serde_json::to_writer(&mut *truth, problem)?;
        truth.write_all(b"\n")?;
    }
    Ok(())
}

/// Plays seven days of training and then the measured day. With `feedback`, whoever was called
/// acknowledges and judges what called them.
///
/// # Errors
/// The configuration of the day is not readable; it is part of the program and tested.
pub fn measure_day(state: u64, feedback: bool) -> Result<Score, ConfigError> {
    let config = Arc::new(Config::parse(DAY_CONFIG, "day.yml")?);
    let oncall = if feedback { Oncall::Judges } else { Oncall::Silent };
    let midnight = Moment::from_millis(MIDNIGHT);
    let mut player = Player::new(config, oncall);
    for before in (1..=TRAINING_DAYS).rev() {
        let start = midnight.before(Duration::from_hours(24) * before);
        let day = Day::training(state, before, start);
        let lines = alertmanager::webhooks(&day, false, &mut faults(state, before));
        player.play(&lines, &day.problems, &mut fastrand::Rng::with_seed(0), 0);
        player.forget_score();
    }
    let day = Day::measured(state, midnight);
    let lines = alertmanager::webhooks(&day, true, &mut faults(state, 0));
    player.play(&lines, &day.problems, &mut faults(state, 99), 5);
    let before = alertmanager::plain_notifications(&day.episodes);
    Ok(player.score(before, lines.len()))
}

fn faults(state: u64, day: u32) -> fastrand::Rng {
    fastrand::Rng::with_seed(!state ^ (u64::from(day) << 32))
}

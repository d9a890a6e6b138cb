//! A shape as it is played: its value at a time, and the area under it, both without going through
//! the time between.

use std::f64::consts::TAU;

use crate::engine::numbers::{real, scatter, seconds, short};
use crate::scenario::curve::Shape;

/// Steps of a walk before it goes back: 8 KiB for each walk, half an hour at a step each second.
const WALK_STEPS: usize = 512;

/// A curve over microseconds since the start.
#[derive(Debug, Clone)]
pub struct Curve {
    shape: Shape,
    /// Of walks, and of what is given as steps: the values of one cycle and the sum before each.
    table: Vec<(f64, f64)>,
}

impl Curve {
    /// The curve of a shape.
    pub fn new(shape: &Shape) -> Self {
        let values = match shape {
            Shape::Steps { values, .. } => values.clone(),
            Shape::Walk { high, low, seed, .. } => walk(*low, *high, *seed),
            _ => Vec::new(),
        };
        let mut sum = 0.0;
        let table = values
            .into_iter()
            .map(|value| {
                let before = sum;
                sum += value;
                (value, before)
            })
            .collect();
        Self { shape: shape.clone(), table }
    }

    /// The value at a time.
    pub fn value(&self, time: u64) -> f64 {
        let at = seconds(time);
        match &self.shape {
            Shape::Constant(value) => *value,
            Shape::Square { high, low, period, duty } => {
                if at.rem_euclid(*period) < period * duty {
                    *high
                } else {
                    *low
                }
            }
            Shape::Sine { high, low, period } => {
                f64::midpoint(*high, *low) + (high - low) / 2.0 * (TAU * at / period).sin()
            }
            Shape::Steps { step, .. } | Shape::Walk { step, .. } => {
                let (_, index, _) = self.position(at, *step);
                self.table[index].0
            }
        }
    }

    /// The area from the start to a time, in the value's unit times seconds.
    pub fn area(&self, time: u64) -> f64 {
        let at = seconds(time);
        match &self.shape {
            Shape::Constant(value) => value * at,
            Shape::Square { high, low, period, duty } => {
                let cycles = (at / period).floor();
                let rest = at - cycles * period;
                let up = cycles * period * duty + rest.min(period * duty);
                high * up + low * (at - up)
            }
            Shape::Sine { high, low, period } => {
                let wave = (1.0 - (TAU * at / period).cos()) * period / TAU;
                f64::midpoint(*high, *low) * at + (high - low) / 2.0 * wave
            }
            Shape::Steps { step, .. } | Shape::Walk { step, .. } => {
                let (cycles, index, rest) = self.position(at, *step);
                let (value, before) = self.table[index];
                let (last, before_last) = self.table[self.table.len() - 1];
                (cycles * (before_last + last) + before) * step + value * rest
            }
        }
    }

    /// Whole cycles before a time, the step in its cycle, and the seconds in that step.
    fn position(&self, at: f64, step: f64) -> (f64, usize, f64) {
        let steps = (at / step).floor();
        let length = real(self.table.len() as u64);
        let cycles = (steps / length).floor();
        let index = short(steps - cycles * length) as usize;
        (cycles, index.min(self.table.len() - 1), (at - steps * step).max(0.0))
    }
}

/// One way there and back between two values, each step at most a tenth of their distance.
fn walk(low: f64, high: f64, seed: u64) -> Vec<f64> {
    let chance = |step: usize| real(scatter(seed ^ scatter(step as u64)) >> 11) / real(1 << 53);
    let mut value = low + (high - low) * chance(WALK_STEPS);
    let mut values = Vec::with_capacity(2 * WALK_STEPS);
    for step in 0..WALK_STEPS {
        values.push(value);
        value = (value + (chance(step) - 0.5) * (high - low) / 5.0).clamp(low, high);
    }
    values.extend_from_within(..);
    values[WALK_STEPS..].reverse();
    values
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shapes() -> impl Strategy<Value = Shape> {
        let band = (0.0..50.0, 50.0..100.0);
        prop_oneof![
            (0.0..100.0).prop_map(Shape::Constant),
            (band.clone(), 0.05..5.0, 0.0..=1.0f64).prop_map(|((low, high), period, duty)| {
                Shape::Square { high, low, period, duty }
            }),
            (band.clone(), 0.05..5.0).prop_map(|((low, high), period)| Shape::Sine {
                high,
                low,
                period
            }),
            (prop::collection::vec(0.0..100.0, 1..9), 0.05..2.0)
                .prop_map(|(values, step)| Shape::Steps { values, step }),
            (band, 0.05..2.0, any::<u64>()).prop_map(|((low, high), step, seed)| Shape::Walk {
                high,
                low,
                step,
                seed
            }),
        ]
    }

    proptest! {
        #[test]
        fn the_area_is_the_sum_of_the_values(shape in shapes(), from in 0u64..60_000_000, length in 1u64..5_000_000) {
            let curve = Curve::new(&shape);
            let parts = 20_000;
            let width = real(length) / 1e6 / real(parts);
            let sum: f64 = (0..parts)
                .map(|part| curve.value(from + length * (2 * part + 1) / (2 * parts)) * width)
                .sum();
            let area = curve.area(from + length) - curve.area(from);
            // Every jump may be off by one part, and there are at most 200 of them.
            let tolerance = 201.0 * 100.0 * width + 1e-6;
            prop_assert!((area - sum).abs() <= tolerance, "{area} is not {sum}");
        }

        #[test]
        fn a_curve_stays_within_its_bounds(shape in shapes(), time in 0u64..10_000_000_000) {
            let (low, high) = shape.bounds();
            let value = Curve::new(&shape).value(time);
            prop_assert!((low - 1e-9..=high + 1e-9).contains(&value), "{value}");
        }
    }

    #[test]
    fn the_same_seed_walks_the_same_way_and_another_does_not() {
        let values = |seed| {
            let curve = Curve::new(&Shape::Walk { high: 90.0, low: 10.0, step: 1.0, seed });
            (0..2_000).map(|second| curve.value(second * 1_000_000)).collect::<Vec<_>>()
        };
        assert_eq!(values(7), values(7));
        assert_ne!(values(7), values(8));
        let moves = values(7).windows(2).filter(|pair| (pair[0] - pair[1]).abs() > 1e-9).count();
        assert!(moves > 1_000, "{moves} moves are no walk");
    }

    #[test]
    fn a_square_wave_is_busy_for_its_duty() {
        let curve = Curve::new(&Shape::Square { high: 100.0, low: 0.0, period: 1.0, duty: 0.3 });
        let busy = curve.area(60_000_000) / 100.0;
        assert!((busy - 18.0).abs() < 1e-9, "{busy}");
    }
}

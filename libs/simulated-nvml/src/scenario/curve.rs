//! A value over time, given by its shape.

use serde::Deserialize;

/// A shape that can be played: values are finite, periods at least 1 ms.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "CurveSpec")]
pub enum Shape {
    /// One value.
    Constant(f64),
    /// Two values by turns.
    Square {
        /// First part of each period.
        high: f64,
        /// Second part.
        low: f64,
        /// Seconds.
        period: f64,
        /// Share of the first part, 0 to 1.
        duty: f64,
    },
    /// Between two values, starting in the middle, upwards.
    Sine {
        /// Top.
        high: f64,
        /// Bottom.
        low: f64,
        /// Seconds.
        period: f64,
    },
    /// One value after the other, each for the same time, from the first again after the last.
    Steps {
        /// At least one.
        values: Vec<f64>,
        /// Seconds of each.
        step: f64,
    },
    /// By chance a little up or down at each step, between two values. The way is as long as
    /// memory allows and then goes back on itself, so that its sum is known at any time.
    Walk {
        /// Top.
        high: f64,
        /// Bottom.
        low: f64,
        /// Seconds of each step.
        step: f64,
        /// The same seed, the same way.
        seed: u64,
    },
}

/// The names of shapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Constant,
    Square,
    Sine,
    Steps,
    RandomWalk,
}

/// As written: which keys a shape has is checked once the shape is known.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CurveSpec {
    kind: Kind,
    value: Option<f64>,
    high: Option<f64>,
    low: Option<f64>,
    period_ms: Option<f64>,
    duty: Option<f64>,
    values: Option<Vec<f64>>,
    step_ms: Option<f64>,
    seed: Option<u64>,
}

impl TryFrom<CurveSpec> for Shape {
    type Error = String;

    fn try_from(spec: CurveSpec) -> Result<Self, String> {
        let given = [
            ("value", spec.value.is_some()),
            ("high", spec.high.is_some()),
            ("low", spec.low.is_some()),
            ("period_ms", spec.period_ms.is_some()),
            ("duty", spec.duty.is_some()),
            ("values", spec.values.is_some()),
            ("step_ms", spec.step_ms.is_some()),
            ("seed", spec.seed.is_some()),
        ];
        let only = |name: &str, accepted: &[&str]| match given
            .iter()
            .find(|(key, is_given)| *is_given && !accepted.contains(key))
        {
            Some((key, _)) => {
                Err(format!("`{name}` has no `{key}`: accepted are {}", accepted.join(", ")))
            }
            None => Ok(()),
        };
        let high = spec.high.unwrap_or(100.0);
        let low = spec.low.unwrap_or(0.0);
        if low > high {
            return Err(format!("`low` {low} is above `high` {high}"));
        }
        let period = seconds("period_ms", spec.period_ms, 60_000.0)?;
        let step = seconds("step_ms", spec.step_ms, 1_000.0)?;
        match spec.kind {
            Kind::Constant => {
                only("constant", &["value"])?;
                Ok(Self::Constant(spec.value.ok_or("`constant` needs `value`")?))
            }
            Kind::Square => {
                only("square", &["high", "low", "period_ms", "duty"])?;
                let duty = spec.duty.unwrap_or(0.5);
                if !(0.0..=1.0).contains(&duty) {
                    return Err(format!("`duty` {duty}: accepted are 0 to 1"));
                }
                Ok(Self::Square { high, low, period, duty })
            }
            Kind::Sine => {
                only("sine", &["high", "low", "period_ms"])?;
                Ok(Self::Sine { high, low, period })
            }
            Kind::Steps => {
                only("steps", &["values", "step_ms"])?;
                let values = spec.values.unwrap_or_default();
                if values.is_empty() {
                    return Err("`steps` needs `values`, at least one".to_owned());
                }
                Ok(Self::Steps { values, step })
            }
            Kind::RandomWalk => {
                only("random_walk", &["high", "low", "step_ms", "seed"])?;
                Ok(Self::Walk { high, low, step, seed: spec.seed.unwrap_or(0) })
            }
        }
    }
}

fn seconds(key: &str, milliseconds: Option<f64>, default: f64) -> Result<f64, String> {
    let milliseconds = milliseconds.unwrap_or(default);
    if !(1.0..=1e9).contains(&milliseconds) {
        return Err(format!("`{key}` {milliseconds}: accepted are 1 to 1e9"));
    }
    Ok(milliseconds / 1e3)
}

impl Shape {
    /// Lowest and highest value.
    pub fn bounds(&self) -> (f64, f64) {
        match self {
            Self::Constant(value) => (*value, *value),
            Self::Square { high, low, .. }
            | Self::Sine { high, low, .. }
            | Self::Walk { high, low, .. } => (*low, *high),
            Self::Steps { values, .. } => {
                values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
                    (low.min(*value), high.max(*value))
                })
            }
        }
    }

    /// That it stays between 0 and 100.
    pub(crate) fn check_percent(&self) -> Result<(), String> {
        let (low, high) = self.bounds();
        if low < 0.0 || high > 100.0 {
            return Err(format!("goes from {low} to {high}: accepted are 0 to 100"));
        }
        Ok(())
    }
}

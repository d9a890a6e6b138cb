//! One class of alerts in a report, and what could be done about its noise.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

/// An end within this time that nobody acknowledged is one by itself.
pub(super) const SOON: Duration = Duration::from_mins(5);

/// Rules are mostly evaluated this often; `for` has to be longer by that.
const RULE_INTERVAL: Duration = Duration::from_secs(30);

/// Fewer incidents say nothing.
const ENOUGH: u64 = 5;

/// Numbers of one class.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ClassReport {
    /// Values of its labels.
    pub class: String,
    /// Incidents that began.
    pub opened: u64,
    /// Alerts that were told by an incident of another alert, or not at all; without repeats.
    pub folded: u64,
    /// The same again.
    pub deduplicated: u64,
    /// Incidents that ended by themselves within five minutes, unacknowledged.
    pub auto_resolved: u64,
    /// Incidents that somebody looked at.
    pub acknowledged: u64,
    /// Incidents that somebody marked so.
    pub useful: u64,
    /// Incidents that somebody marked so.
    pub not_actionable: u64,
    /// Alerts that were silenced while they fired.
    pub silenced: u64,
    /// Alerts that were not told because they began and ended too often.
    pub flapping: u64,
    /// Messages that were to wake somebody.
    pub pages: u64,
    /// Of the incidents that ended, in seconds.
    pub median_seconds: Option<u64>,
    /// As the median: nine of ten were no longer.
    pub p90_seconds: Option<u64>,
    /// From the begin of an incident to its acknowledgement, in seconds.
    pub median_acknowledge_seconds: Option<u64>,
    /// Incidents that nobody needed, where one of a week ago counts half.
    pub noise: f64,
    /// What could be done about it.
    pub proposal: Option<String>,
}

impl ClassReport {
    /// The first that fits, from what helps most to what costs most.
    pub(super) fn propose(&mut self) {
        let (opened, name) = (self.opened, &self.class);
        if self.useful > 0 && self.not_actionable == 0 {
            return;
        }
        let is_most = |part: u64| opened >= ENOUGH && part * 2 >= opened;
        let p90 = self.p90_seconds.map(Duration::from_secs);
        let proposal = match p90 {
            _ if self.flapping > opened && self.flapping >= ENOUGH => Some(format!(
                "{name} begins and ends again and again ({} times untold): set keep_firing_for: \
                 15m, or take an average over a longer time in its expression",
                self.flapping
            )),
            Some(p90) if is_most(self.auto_resolved) && p90 <= 3 * SOON => Some(format!(
                "{} of {opened} ended by themselves within 5 minutes, nine of ten within {}: set \
                 for: {}",
                self.auto_resolved,
                short(p90),
                short(whole_minutes(p90 + RULE_INTERVAL)),
            )),
            _ if opened >= ENOUGH && self.not_actionable * 2 >= opened => Some(format!(
                "{} of {opened} were marked as not actionable: delete the rule, or make it a panel \
                 of a dashboard",
                self.not_actionable
            )),
            _ if opened >= ENOUGH && self.folded >= 10 * opened => Some(format!(
                "{} alerts for {opened} incidents: aggregate the rule, for example count by \
                 (cluster), so that one alert tells how many there are",
                self.folded
            )),
            _ if opened >= 2 * ENOUGH && self.acknowledged + self.useful == 0 => Some(format!(
                "nobody has acknowledged one of {opened}: lower its severity, or delete the rule"
            )),
            _ => None,
        };
        self.proposal = proposal;
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of incidents are far below 2^52")]
pub(super) fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn whole_minutes(time: Duration) -> Duration {
    Duration::from_mins(time.as_secs().div_ceil(60))
}

/// Two units at most: `3m20s`, `2h5m`, `4d`.
pub(super) fn short(time: Duration) -> String {
    let seconds = time.as_secs();
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let first = units.iter().position(|(length, _)| seconds >= *length);
    let Some(first) = first else { return "0s".to_owned() };
    let (mut text, mut left) = (String::new(), seconds);
    for (length, unit) in units.iter().skip(first).take(2) {
        if left >= *length {
            let _ = write!(text, "{}{unit}", left / length);
            left %= length;
        }
    }
    text
}

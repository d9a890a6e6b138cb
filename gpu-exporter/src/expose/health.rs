//! Health of a GPU, derived from readings: what a person would conclude from counters and states.
//!
//! A watch without any of its readings says nothing; it does not say that all is well.

use crate::sample::catalogue::Reading;
use crate::sample::readings::Readings;

/// How bad it is, with the numbers of DCGM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Health {
    Good = 0,
    Warning = 10,
    Failure = 20,
}

/// One part of a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Finding {
    /// The part, by its native name.
    pub(super) watch: &'static str,
    /// The part, by DCGM's name.
    pub(super) dcgm_watch: &'static str,
    /// How bad it is.
    pub(super) health: Health,
    /// Why, by DCGM's name of the error; empty if all is well.
    pub(super) error: &'static str,
}

type Rule = (Reading, Health, &'static str);

struct Watch {
    name: &'static str,
    dcgm_name: &'static str,
    /// What is wrong where a reading is above 0; the worst one counts, of equals the first.
    rules: &'static [Rule],
}

const WATCHES: &[Watch] = &[
    Watch {
        name: "memory",
        dcgm_name: "MEM",
        rules: &[
            (Reading::RowRemapFailure, Health::Failure, "DCGM_FR_ROW_REMAP_FAILURE"),
            (Reading::EccUncorrectedVolatile, Health::Failure, "DCGM_FR_VOLATILE_DBE_DETECTED"),
            (Reading::RowRemapPending, Health::Warning, "DCGM_FR_PENDING_ROW_REMAP"),
            (Reading::RetiredPagesPending, Health::Warning, "DCGM_FR_PENDING_PAGE_RETIREMENTS"),
        ],
    },
    Watch {
        name: "pcie",
        dcgm_name: "PCIE",
        rules: &[
            (Reading::PcieFatalErrors, Health::Failure, "DCGM_FR_PCI_REPLAY_RATE"),
            (Reading::PcieNonFatalErrors, Health::Warning, "DCGM_FR_PCI_REPLAY_RATE"),
        ],
    },
    Watch {
        name: "nvlink",
        dcgm_name: "NVLINK",
        rules: &[
            (Reading::NvlinkRecoveryErrors, Health::Failure, "DCGM_FR_NVLINK_ERROR_THRESHOLD"),
            (Reading::NvlinkReplayErrors, Health::Warning, "DCGM_FR_NVLINK_ERROR_THRESHOLD"),
        ],
    },
    Watch {
        name: "thermal",
        dcgm_name: "THERMAL",
        rules: &[
            (Reading::ClockEventHwThermal, Health::Warning, "DCGM_FR_CLOCKS_EVENT_THERMAL"),
            (Reading::ClockEventSwThermal, Health::Warning, "DCGM_FR_CLOCKS_EVENT_THERMAL"),
        ],
    },
    Watch {
        name: "power",
        dcgm_name: "POWER",
        rules: &[(Reading::ClockEventHwPowerBrake, Health::Warning, "DCGM_FR_CLOCKS_EVENT_POWER")],
    },
    Watch {
        name: "driver",
        dcgm_name: "DRIVER",
        rules: &[(Reading::RecoveryAction, Health::Failure, "DCGM_FR_GPU_RECOVERY_ACTION")],
    },
];

/// What can be said of a GPU.
pub(super) fn findings(readings: &Readings) -> impl Iterator<Item = Finding> + '_ {
    WATCHES.iter().filter_map(|watch| {
        let mut values = watch.rules.iter().map(|(reading, ..)| readings.last(*reading));
        values.any(|value| value.is_some()).then(|| {
            let broken = |rule: &&Rule| readings.last(rule.0).is_some_and(|value| value > 0.0);
            let mut worst = (Health::Good, "");
            for (_, health, error) in watch.rules.iter().filter(broken) {
                if *health > worst.0 {
                    worst = (*health, error);
                }
            }
            let (health, error) = worst;
            Finding { watch: watch.name, dcgm_watch: watch.dcgm_name, health, error }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_said_of_what_was_not_read() {
        assert_eq!(findings(&Readings::default()).count(), 0);
    }

    #[test]
    fn the_worst_of_a_watch_counts() {
        let mut readings = Readings::default();
        readings.set(Reading::EccUncorrectedVolatile, Some(0.0));
        let of_memory = |readings: &Readings| findings(readings).next().unwrap();
        assert_eq!(of_memory(&readings).health, Health::Good);
        readings.set(Reading::RowRemapPending, Some(1.0));
        assert_eq!(of_memory(&readings).health, Health::Warning);
        readings.set(Reading::EccUncorrectedVolatile, Some(2.0));
        let found = of_memory(&readings);
        assert_eq!(found.error, "DCGM_FR_VOLATILE_DBE_DETECTED");
        assert_eq!((found.watch, found.health), ("memory", Health::Failure));
    }
}

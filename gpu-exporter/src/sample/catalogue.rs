//! Every reading that a device can have, in base units.
//!
//! A reading is one series of a device: what has several (clocks, limits) has one reading each. What
//! their number is not known for at build time (fans, links, Xids) stands beside them in the snapshot.

use std::time::Duration;

/// How often a reading is taken, and so how long it may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cadence {
    /// Points that the driver buffers: utilization and power, and what is integrated from them.
    Samples,
    /// Cheap gauges, as often as samples.
    Fast,
    /// GPM: activity of units between two of its samples.
    Activity,
    /// Counters that NVML answers in one call of field values.
    Fields,
    /// What changes by configuration or ageing.
    Slow,
}

impl Cadence {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Samples, Self::Fast, Self::Activity, Self::Fields, Self::Slow];

    /// The pause between two readings, where sampling happens every `sampling` (default 1 s).
    pub fn period(self, sampling: Duration) -> Duration {
        match self {
            Self::Samples | Self::Fast | Self::Activity => sampling,
            Self::Fields => sampling * 5,
            Self::Slow => sampling * 60,
        }
    }

    /// How old a value may be that is still shown: three periods, at least 10 s.
    pub fn max_age(self, sampling: Duration) -> Duration {
        (self.period(sampling) * 3).max(Duration::from_secs(10))
    }
}

macro_rules! readings {
    ($($cadence:ident { $($(#[$doc:meta])* $name:ident,)* })*) => {
        /// One series of a device. The text of each variant says the unit.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Reading { $($($(#[$doc])* $name,)*)* }

        impl Reading {
            /// All of them, in order.
            pub const ALL: &'static [Self] = &[$($(Self::$name,)*)*];

            /// When it is taken.
            pub fn cadence(self) -> Cadence {
                match self { $($(Self::$name)|* => Cadence::$cadence,)* }
            }
        }
    };
}

readings! {
    Samples {
        /// 0 to 1: the driver's last period during which a kernel was resident.
        Utilization,
        /// 0 to 1: average over the trailing window.
        UtilizationWindowAverage,
        /// 0 to 1: highest point of the trailing window.
        UtilizationWindowMax,
        /// Seconds, a counter: the integral of `Utilization`.
        BusySeconds,
        /// Seconds, a counter: memory was allocated and utilization below 5 %.
        StallSeconds,
        /// 0 to 1: the driver's last period during which memory was read or written.
        MemoryControllerUtilization,
        /// Seconds, a counter: the integral of `MemoryControllerUtilization`.
        MemoryControllerBusySeconds,
        /// 0 to 1.
        EncoderUtilization,
        /// 0 to 1.
        DecoderUtilization,
        /// 0 to 1.
        JpegUtilization,
        /// 0 to 1.
        OfaUtilization,
        /// Seconds, a counter.
        EncoderBusySeconds,
        /// Seconds, a counter.
        DecoderBusySeconds,
        /// Seconds, a counter.
        JpegBusySeconds,
        /// Seconds, a counter.
        OfaBusySeconds,
        /// Watts: highest point of the trailing window.
        PowerWindowMax,
    }
    Fast {
        /// Bytes.
        MemoryTotal,
        /// Bytes, without the reserve of driver and firmware (NVML's second version of the call).
        MemoryUsed,
        /// Bytes.
        MemoryFree,
        /// Bytes, of driver and firmware.
        MemoryReserved,
        /// Bytes.
        Bar1Total,
        /// Bytes.
        Bar1Used,
        /// Bytes.
        Bar1Free,
        /// Hertz.
        ClockSm,
        /// Hertz.
        ClockMemory,
        /// Hertz.
        ClockGraphics,
        /// Hertz.
        ClockVideo,
        /// 0 (fastest) to 15.
        PerformanceState,
        /// 0 or 1.
        ClockEventIdle,
        /// 0 or 1.
        ClockEventApplicationSetting,
        /// 0 or 1.
        ClockEventSwPowerCap,
        /// 0 or 1.
        ClockEventHwSlowdown,
        /// 0 or 1.
        ClockEventSyncBoost,
        /// 0 or 1.
        ClockEventSwThermal,
        /// 0 or 1.
        ClockEventHwThermal,
        /// 0 or 1.
        ClockEventHwPowerBrake,
        /// 0 or 1.
        ClockEventDisplay,
        /// 0 or 1.
        ClockEventBoardLimit,
        /// 0 or 1.
        ClockEventReliability,
        /// The bits of NVML's clock event reasons, as a number: what DCGM shows.
        ClockEventBits,
        /// Watts: NVML's own average over 1 s on Ampere and later.
        Power,
        /// Watts, at this moment.
        PowerInstant,
        /// Celsius, of the die.
        TemperatureGpu,
        /// Celsius, of the memory.
        TemperatureMemory,
        /// Celsius below the limit at which clocks go down.
        TemperatureMargin,
    }
    Activity {
        /// 0 to 1: the graphics or compute engine was active.
        GraphicsEngineActive,
        /// 0 to 1: at least one warp was on an SM, averaged over SMs.
        SmActive,
        /// 0 to 1: resident warps of the possible ones.
        SmOccupancy,
        /// 0 to 1: any tensor pipe.
        TensorActive,
        /// 0 to 1: tensor pipe of double precision.
        TensorDfmaActive,
        /// 0 to 1: tensor pipe of half precision.
        TensorHmmaActive,
        /// 0 to 1: tensor pipe, double precision matrix.
        TensorDmmaActive,
        /// 0 to 1: tensor pipe of integers.
        TensorImmaActive,
        /// 0 to 1.
        PipeFp64Active,
        /// 0 to 1.
        PipeFp32Active,
        /// 0 to 1.
        PipeFp16Active,
        /// 0 to 1.
        PipeIntActive,
        /// 0 to 1: the memory interface was busy.
        DramActive,
        /// Bytes per second out of the GPU.
        PcieTransmitRate,
        /// Bytes per second into the GPU.
        PcieReceiveRate,
        /// Bytes per second out of the GPU, all links.
        NvlinkTransmitRate,
        /// Bytes per second into the GPU, all links.
        NvlinkReceiveRate,
        /// Cycles of the SM clock, a counter since the GPU was reset.
        SmCycles,
        /// Cycles, a counter: of `SmActive`.
        SmActiveCycles,
        /// Cycles, a counter: of `TensorActive`.
        TensorActiveCycles,
        /// Cycles, a counter.
        TensorDfmaCycles,
        /// Cycles, a counter.
        TensorHmmaCycles,
        /// Cycles, a counter.
        TensorDmmaCycles,
        /// Cycles, a counter.
        TensorImmaCycles,
        /// Cycles, a counter.
        PipeFp64Cycles,
        /// Cycles, a counter.
        PipeFp32Cycles,
        /// Cycles, a counter.
        PipeFp16Cycles,
        /// Cycles, a counter.
        PipeIntCycles,
    }
    Fields {
        /// Joules, a counter since the driver was loaded.
        Energy,
        /// Bytes out of the GPU, a counter.
        PcieTransmitBytes,
        /// Bytes into the GPU, a counter.
        PcieReceiveBytes,
        /// A counter: retries of the link layer.
        PcieReplays,
        /// A counter: overflows of the replay counter.
        PcieReplayRollovers,
        /// A counter.
        PcieCorrectableErrors,
        /// A counter.
        PcieNonFatalErrors,
        /// A counter.
        PcieFatalErrors,
        /// Bytes out of the GPU, all links, a counter.
        NvlinkTransmitBytes,
        /// Bytes into the GPU, all links, a counter.
        NvlinkReceiveBytes,
        /// A counter.
        NvlinkCrcFlitErrors,
        /// A counter.
        NvlinkCrcDataErrors,
        /// A counter.
        NvlinkReplayErrors,
        /// A counter.
        NvlinkRecoveryErrors,
        /// Bytes per second over the last two readings, both directions: what DCGM calls bandwidth.
        NvlinkBandwidth,
        /// A counter since the driver was loaded.
        EccCorrectedVolatile,
        /// A counter since the driver was loaded.
        EccUncorrectedVolatile,
        /// A counter over the life of the board.
        EccCorrectedAggregate,
        /// A counter over the life of the board.
        EccUncorrectedAggregate,
        /// A counter over the life of the board.
        RemappedRowsCorrectable,
        /// A counter over the life of the board.
        RemappedRowsUncorrectable,
        /// 0 or 1: a reset is needed to finish remapping.
        RowRemapPending,
        /// 0 or 1: a row could not be remapped; the board has to be replaced.
        RowRemapFailure,
        /// Seconds, a counter: clocks were held down by the power limit.
        LimitedSwPowerCap,
        /// Seconds, a counter.
        LimitedSwThermal,
        /// Seconds, a counter.
        LimitedHwThermal,
        /// Seconds, a counter.
        LimitedHwPowerBrake,
        /// Seconds, a counter.
        LimitedSyncBoost,
        /// Seconds, a counter.
        LimitedBoardLimit,
        /// Seconds, a counter.
        LimitedLowUtilization,
        /// Seconds, a counter.
        LimitedReliability,
        /// What NVML asks for: 0 nothing, 1 reset, 2 reboot of the node, 3 drain P2P, 4 drain and
        /// reset, 5 recover IMEX, 6 reset of the bus, 7 reboot of the system.
        RecoveryAction,
    }
    Slow {
        /// Hertz.
        ClockMaxSm,
        /// Hertz.
        ClockMaxMemory,
        /// Hertz.
        ClockMaxGraphics,
        /// Hertz.
        ClockMaxVideo,
        /// Watts in force.
        PowerLimitEnforced,
        /// Watts asked for.
        PowerLimitRequested,
        /// Watts.
        PowerLimitDefault,
        /// Watts.
        PowerLimitMin,
        /// Watts.
        PowerLimitMax,
        /// Celsius.
        ThresholdShutdown,
        /// Celsius.
        ThresholdSlowdown,
        /// Celsius.
        ThresholdMemoryMax,
        /// Celsius.
        ThresholdGpuMax,
        /// Generation, now.
        PcieLinkGeneration,
        /// Generation, at most.
        PcieLinkGenerationMax,
        /// Lanes, now.
        PcieLinkWidth,
        /// Lanes, at most.
        PcieLinkWidthMax,
        /// Links that are up.
        NvlinkActiveLinks,
        /// Banks with all spare rows left.
        RowRemapBanksMax,
        /// Banks.
        RowRemapBanksHigh,
        /// Banks.
        RowRemapBanksPartial,
        /// Banks.
        RowRemapBanksLow,
        /// Banks with no spare row left.
        RowRemapBanksNone,
        /// Pages, before Ampere: several corrected errors.
        RetiredPagesCorrected,
        /// Pages, before Ampere: one uncorrected error.
        RetiredPagesUncorrected,
        /// 0 or 1: a reset is needed to retire pages.
        RetiredPagesPending,
        /// 0 or 1.
        VgpuLicensed,
        /// NVML's state of the registration with the fabric: 0 not supported, 1 not started,
        /// 2 in progress, 3 completed.
        FabricState,
        /// 0 or 1: the driver keeps the GPU initialised without clients.
        PersistenceMode,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_stand_at_their_own_index() {
        for (index, reading) in Reading::ALL.iter().enumerate() {
            assert_eq!(*reading as usize, index);
        }
    }

    #[test]
    fn a_value_outlives_two_missed_readings_and_short_periods_ten_seconds() {
        let second = Duration::from_secs(1);
        assert_eq!(Cadence::Fast.max_age(second), Duration::from_secs(10));
        assert_eq!(Cadence::Fields.max_age(second), Duration::from_secs(15));
        assert_eq!(Cadence::Slow.max_age(second), Duration::from_mins(3));
    }
}

use simulated_nvml::{Scenario, Simulation};

use super::*;
use crate::nvml::library::Source;
use crate::sample::catalogue::Reading as R;
use crate::sample::readings::Readings;
use crate::sample::snapshot::MigSnapshot;

const SECOND: Duration = Duration::from_secs(1);

/// One GPU of a scenario, read round by round in the simulation's time.
struct Bench {
    simulation: Simulation,
    metrics: Metrics,
    device: Device,
    start: Instant,
}

impl Bench {
    fn new(scenario: &str) -> Self {
        Self::with(scenario, Sampling::default())
    }

    fn with(scenario: &str, settings: Sampling) -> Self {
        let simulation = Simulation::start(Scenario::parse(scenario).unwrap()).unwrap();
        // the driver has run for a minute
        simulation.advance(Duration::from_mins(1));
        let library = Library::open(&Source::simulated(simulation.clone())).unwrap();
        let gpu = device::scan(&library).unwrap().found[0].clone();
        let numbering = Numbering::of_driver(&library.versions().driver);
        let (metrics, start) = (Metrics::default(), Instant::now());
        let settings = Arc::new(settings);
        let device = Device::new(library, numbering, &gpu, settings, metrics.clone(), start);
        let mut bench = Self { simulation, metrics, device, start };
        bench.round();
        bench
    }

    fn now(&self) -> Instant {
        self.start + self.simulation.now()
    }

    fn round(&mut self) -> Option<Trouble> {
        let now = self.now();
        self.device.round(now)
    }

    /// A round a second, the last at the end of the time.
    fn run(&mut self, seconds: u32) {
        for _ in 0..seconds {
            self.simulation.advance(SECOND);
            self.round();
        }
    }

    fn last(&self, reading: R) -> Option<f64> {
        self.device.snapshot().readings.last(reading)
    }

    fn mig(&self) -> &[MigSnapshot] {
        &self.device.snapshot().mig
    }
}

fn gpu(more: &str) -> String {
    format!(r#"{{"clock": "virtual", "gpus": [{{{more}}}]}}"#)
}

fn close(one: f64, other: f64, tolerance: f64) -> bool {
    (one - other).abs() <= tolerance * other.abs().max(1e-9)
}

const STEADY: &str = r#"
    "util": {"kind": "constant", "value": 50},
    "memory_util": {"kind": "constant", "value": 30},
    "memory_used": {"kind": "constant", "value": 60},
    "encoder": {"kind": "constant", "value": 20},
    "decoder": {"kind": "constant", "value": 10},
    "power_watts": {"kind": "constant", "value": 400},
    "temperature_celsius": {"kind": "constant", "value": 65},
    "sm_clock_mhz": {"kind": "constant", "value": 1755}"#;

#[test]
fn every_reading_has_the_value_of_the_scenario_in_its_unit() {
    let mut bench = Bench::new(&gpu(STEADY));
    bench.run(20);
    let gib = f64::from(1 << 30);
    let expected = [
        (R::Utilization, 0.5),
        (R::UtilizationWindowAverage, 0.5),
        (R::UtilizationWindowMax, 0.5),
        (R::MemoryControllerUtilization, 0.3),
        (R::EncoderUtilization, 0.2),
        (R::DecoderUtilization, 0.1),
        (R::JpegUtilization, 0.0),
        (R::OfaUtilization, 0.0),
        (R::StallSeconds, 0.0),
        (R::PowerWindowMax, 400.0),
        (R::MemoryTotal, 80.0 * gib),
        (R::ClockSm, 1.755e9),
        (R::ClockMemory, 2.619e9),
        (R::Power, 400.0),
        (R::PowerInstant, 400.0),
        (R::TemperatureGpu, 65.0),
        (R::TemperatureMemory, 71.0),
        (R::TemperatureMargin, 22.0),
        (R::GraphicsEngineActive, 0.5),
        (R::PcieReplays, 0.0),
        (R::EccCorrectedVolatile, 0.0),
        (R::RowRemapFailure, 0.0),
        (R::RecoveryAction, 0.0),
        (R::ClockMaxSm, 1.98e9),
        (R::ClockMaxMemory, 2.619e9),
        (R::PowerLimitEnforced, 700.0),
        (R::PowerLimitRequested, 700.0),
        (R::PowerLimitDefault, 700.0),
        (R::PowerLimitMin, 200.0),
        (R::PowerLimitMax, 700.0),
        (R::ThresholdShutdown, 92.0),
        (R::ThresholdSlowdown, 89.0),
        (R::ThresholdMemoryMax, 95.0),
        (R::ThresholdGpuMax, 87.0),
        (R::PcieLinkGeneration, 5.0),
        (R::PcieLinkGenerationMax, 5.0),
        (R::PcieLinkWidth, 16.0),
        (R::PcieLinkWidthMax, 16.0),
        (R::NvlinkActiveLinks, 18.0),
        (R::PersistenceMode, 1.0),
    ];
    for (reading, value) in expected {
        let shown = bench.last(reading);
        assert!(shown.is_some_and(|shown| close(shown, value, 1e-9)), "{reading:?}: {shown:?}");
    }
    // 20 s of 50, 30, 20 and 10 percent; what is buffered is read less often
    for (reading, seconds, late) in [
        (R::BusySeconds, 10.0, 0.2),
        (R::MemoryControllerBusySeconds, 6.0, 0.7),
        (R::EncoderBusySeconds, 4.0, 1.2),
        (R::DecoderBusySeconds, 2.0, 0.6),
    ] {
        let shown = bench.last(reading).unwrap();
        // from point to point, so up to one period of 167 ms more
        assert!(shown <= seconds + 0.1 && shown >= seconds - late, "{reading:?}: {shown}");
    }
    let parts =
        [R::MemoryUsed, R::MemoryFree, R::MemoryReserved].map(|one| bench.last(one).unwrap());
    assert!(close(parts.iter().sum(), 80.0 * gib, 1e-9), "{parts:?}");
    assert!(close(parts[0] / gib, 48.0, 0.05), "60 percent are used: {parts:?}");
    let bar1 = [R::Bar1Used, R::Bar1Free].map(|one| bench.last(one).unwrap());
    assert!(close(bar1.iter().sum(), bench.last(R::Bar1Total).unwrap(), 1e-9));
}

#[test]
fn only_readings_that_an_h100_does_not_have_are_absent() {
    // with the newest driver: one before 590 counts no cycles
    let node = format!(r#"{{"clock": "virtual", "gpm_counters": true, "gpus": [{{{STEADY}}}]}}"#);
    let mut bench = Bench::new(&node);
    bench.run(20);
    let absent: Vec<R> =
        R::ALL.iter().copied().filter(|reading| bench.last(*reading).is_none()).collect();
    let expected = [
        R::RetiredPagesCorrected,
        R::RetiredPagesUncorrected,
        R::RetiredPagesPending,
        R::VgpuLicensed,
    ];
    assert_eq!(absent, expected);
    assert!(bench.device.snapshot().fans.is_empty(), "it is cooled by the server");
}

#[test]
fn counters_and_rates_agree_over_time() {
    let mut bench = Bench::new(&gpu(STEADY));
    bench.run(10);
    let before = bench.device.snapshot().readings.clone();
    bench.run(20);
    let grown = |reading| bench.last(reading).unwrap() - before.last(reading).unwrap();
    assert!(close(grown(R::Energy), 20.0 * 400.0, 1e-3), "{}", grown(R::Energy));
    let links = grown(R::NvlinkTransmitBytes) + grown(R::NvlinkReceiveBytes);
    let shown = bench.last(R::NvlinkBandwidth).unwrap();
    assert!(links > 0.0 && close(shown, links / 20.0, 1e-2), "{shown} of {links}");
    let pcie = grown(R::PcieTransmitBytes) / 20.0;
    let shown = bench.last(R::PcieTransmitRate).unwrap();
    assert!(pcie > 0.0 && close(shown, pcie, 1e-2), "GPM in MiB: {shown}, field: {pcie}");
    let link = grown(R::NvlinkTransmitBytes) / 20.0;
    let shown = bench.last(R::NvlinkTransmitRate).unwrap();
    assert!(close(shown, link, 1e-2), "GPM in MiB: {shown}, field in KiB: {link}");
}

#[test]
fn limits_and_errors_that_a_scenario_brings_are_shown() {
    let mut bench = Bench::new(&gpu(STEADY));
    for happening in [
        r#"{"gpu": 0, "clock_events": ["hw_thermal", "sw_power_cap"]}"#,
        r#"{"gpu": 0, "ecc": {"corrected": 7, "uncorrected": 2}}"#,
        r#"{"gpu": 0, "remap": {"correctable": 3, "uncorrectable": 1, "pending": true}}"#,
        r#"{"gpu": 0, "recovery_action": 3}"#,
    ] {
        bench.simulation.happen(happening).unwrap();
    }
    bench.run(21);
    let limited = bench.last(R::LimitedHwThermal).unwrap();
    assert!((15.0..=21.0).contains(&limited), "nanoseconds of a field: {limited}");
    for (reading, value) in [
        (R::ClockEventHwThermal, 1.0),
        (R::ClockEventSwPowerCap, 1.0),
        (R::ClockEventSyncBoost, 0.0),
        (R::ClockEventBits, 68.0),
        (R::LimitedReliability, 0.0),
        (R::EccCorrectedVolatile, 7.0),
        (R::EccUncorrectedAggregate, 2.0),
        (R::RemappedRowsCorrectable, 3.0),
        (R::RemappedRowsUncorrectable, 1.0),
        (R::RowRemapPending, 1.0),
        (R::RecoveryAction, 3.0),
    ] {
        assert_eq!(bench.last(reading), Some(value), "{reading:?}");
    }
    let events = bench.device.snapshot().clock_events_in_window;
    assert_eq!((events[2], events[6], events[4]), (21, 21, 0));
}

#[test]
fn both_numberings_of_fields_give_the_same_quantity() {
    for version in ["550.163.01", "580.95.05"] {
        let scenario =
            gpu(STEADY).replacen('{', &format!(r#"{{"driver_version": "{version}","#), 1);
        let mut bench = Bench::new(&scenario);
        bench.simulation.happen(r#"{"gpu": 0, "clock_events": ["hw_power_brake"]}"#).unwrap();
        bench.run(21);
        let limited = bench.last(R::LimitedHwPowerBrake).unwrap();
        assert!((15.0..=21.0).contains(&limited), "{version}: {limited}");
        assert_eq!(bench.last(R::LimitedHwThermal), Some(0.0), "{version}");
    }
}

#[test]
fn a_burst_of_200_ms_is_seen_and_counted() {
    let burst =
        r#""util": {"kind": "square", "high": 100, "low": 0, "period_ms": 20000, "duty": 0.01}"#;
    let mut bench = Bench::new(&gpu(burst));
    let before = bench.last(R::BusySeconds).unwrap();
    for second in 1..=60 {
        bench.run(1);
        let max = bench.last(R::UtilizationWindowMax).unwrap();
        if second >= 21 {
            // it lies in two or three of the driver's periods of 167 ms, at least half in one
            assert!(max >= 0.59, "second {second}: {max}");
        }
    }
    let busy = bench.last(R::BusySeconds).unwrap() - before;
    assert!(close(busy, 0.6, 0.01), "three bursts of 0.2 s, counted {busy} s");
    assert!(bench.last(R::UtilizationWindowAverage).unwrap() < 0.02);
    let counts = bench.device.snapshot().distribution.counts;
    assert!(counts[0] > 300 && counts[4..].iter().sum::<u64>() >= 3, "{counts:?}");
}

#[test]
fn held_but_idle_time_is_counted_and_free_or_busy_time_is_not() {
    let stall = |util: u32, used: u32| {
        let mut bench = Bench::new(&gpu(&format!(
            r#""util": {{"kind": "constant", "value": {util}}},
               "memory_used": {{"kind": "constant", "value": {used}}}"#
        )));
        bench.run(30);
        bench.last(R::StallSeconds).unwrap()
    };
    assert!((29.0..=30.0).contains(&stall(2, 60)));
    assert!(stall(2, 0) < 1e-9);
    assert!(stall(50, 60) < 1e-9);
}

#[test]
fn a_driver_without_points_while_idle_is_asked_otherwise_and_the_gap_told() {
    let scenario = gpu(r#""dry_when_idle": true,
           "util": {"kind": "square", "high": 80, "low": 0, "period_ms": 40000, "duty": 0.5}"#);
    let mut bench = Bench::new(&scenario);
    let before = bench.last(R::BusySeconds).unwrap();
    bench.run(80);
    let busy = bench.last(R::BusySeconds).unwrap() - before;
    assert!(close(busy, 32.0, 0.02), "half of 80 s at 80 percent: {busy}");
    assert!(bench.metrics.sample_gaps.get() >= 1);
    bench.run(15);
    assert_eq!(bench.last(R::Utilization), Some(0.0), "read otherwise, not kept from before");
}

#[test]
fn a_round_makes_twelve_calls_at_most_and_never_the_slow_one() {
    let settings = Sampling { per_link: true, processes: true, ..Sampling::default() };
    let mut bench = Bench::with(&gpu(STEADY), settings);
    let mut before = bench.simulation.total_calls();
    for second in 0..180 {
        bench.run(1);
        let calls = bench.simulation.total_calls() - before;
        before += calls;
        // which instances there are is looked at once a minute
        assert!(calls <= 13, "{calls} calls in second {second}");
    }
    assert_eq!(bench.simulation.calls("nvmlDeviceGetPcieThroughput"), 0);
    assert_eq!(bench.device.snapshot().links.len(), 18);
    assert!(bench.device.snapshot().links.iter().all(|link| link.transmit_bytes.is_some()));
}

#[test]
fn nothing_starves_within_the_limit() {
    // without points, every stream takes a call more
    let scenario =
        gpu(r#""fans": 2, "dry_when_idle": true, "util": {"kind": "constant", "value": 0},
           "processes": [{"pid": 10, "memory_mib": 512}]"#);
    let settings = Sampling { per_link: true, processes: true, ..Sampling::default() };
    let mut bench = Bench::with(&scenario, settings);
    let count = |bench: &Bench, function| bench.simulation.calls(function);
    let expected = [
        ("nvmlDeviceGetFanSpeed_v2", 10),
        ("nvmlDeviceGetComputeRunningProcesses_v3", 8),
        ("nvmlDeviceGetProcessUtilization", 8),
        ("nvmlDeviceGetNvLinkState", 12),
        ("nvmlDeviceGetTemperature", 40),
        ("nvmlDeviceGetOfaUtilization", 12),
        ("nvmlDeviceGetEnforcedPowerLimit", 2),
        ("nvmlDeviceGetMaxPcieLinkWidth", 2),
        ("nvmlDeviceGetPersistenceMode", 2),
        ("nvmlDeviceGetMigMode", 2),
    ];
    let before = expected.map(|(function, _)| count(&bench, function));
    bench.run(180);
    for ((function, least), before) in expected.into_iter().zip(before) {
        let calls = count(&bench, function) - before;
        assert!(calls >= least, "{function}: {calls} times in three minutes");
    }
}

#[test]
fn what_is_unsupported_is_asked_once_an_hour() {
    let function = "nvmlDeviceGetMarginTemperature";
    let mut bench = Bench::new(&gpu(&format!(r#""unsupported": ["{function}"]"#)));
    bench.run(600);
    assert_eq!(bench.simulation.calls(function), 1);
    assert_eq!(bench.last(R::TemperatureMargin), None);
    let gauge = bench.metrics.unsupported.get(&[function, "not_supported"]);
    assert!(close(gauge.get(), 1.0, 0.0));
    bench.run(3_100);
    assert_eq!(bench.simulation.calls(function), 2);
    assert_eq!(bench.metrics.failures(function, "not_supported"), 0, "no error");
}

#[test]
fn a_symbol_that_the_library_lacks_costs_its_readings_only() {
    let scenario = gpu(STEADY).replacen(
        '{',
        r#"{"absent_symbols": ["nvmlDeviceGetMemoryInfo_v2", "nvmlDeviceGetFieldValues",
            "nvmlDeviceGetCurrentClocksEventReasons", "nvmlGpmSampleFree"],"#,
        1,
    );
    let mut bench = Bench::new(&scenario);
    bench.run(5);
    assert!(bench.device.snapshot().is_up);
    assert!(bench.last(R::MemoryUsed).is_some() && bench.last(R::MemoryReserved).is_none());
    assert!(bench.last(R::ClockEventBits).is_some(), "by the old name");
    assert_eq!(bench.last(R::SmActive), None);
    assert_eq!(bench.last(R::Utilization), Some(0.5));
}

#[test]
fn getters_stand_in_for_fields() {
    let fields = r#", "unsupported_fields": [83, 94, 185]"#;
    let mut bench = Bench::new(&gpu(&format!("{STEADY}{fields}")));
    bench.run(6);
    assert_eq!(bench.last(R::Power), Some(400.0));
    assert!(bench.last(R::Energy).is_some_and(|joules| joules > 1_000.0));
    assert_eq!(bench.last(R::PcieReplays), Some(0.0));
}

#[test]
fn cycles_since_the_reset_are_counted_where_the_driver_does() {
    let node = |counters: bool| {
        format!(r#"{{"clock": "virtual", "gpm_counters": {counters}, "gpus": [{{{STEADY}}}]}}"#)
    };
    let mut bench = Bench::new(&node(true));
    bench.run(3);
    let cycles = |bench: &Bench| (bench.last(R::SmActiveCycles), bench.last(R::SmCycles));
    let before = cycles(&bench);
    bench.run(7);
    let after = cycles(&bench);
    let step = |one: Option<f64>, other: Option<f64>| other.unwrap() - one.unwrap();
    let share = step(before.0, after.0) / step(before.1, after.1);
    assert!(close(share, bench.last(R::SmActive).unwrap(), 1e-6), "{before:?} {after:?}");
    assert!(bench.last(R::PipeFp32Cycles).is_some() && bench.last(R::TensorHmmaCycles).is_some());
    let mut bench = Bench::new(&node(false));
    bench.run(3);
    assert_eq!(cycles(&bench), (None, None), "not 0");
    assert!(bench.last(R::SmActive).is_some());
    let asked = bench.simulation.calls("nvmlGpmMetricsGet");
    bench.run(10);
    assert_eq!(bench.simulation.calls("nvmlGpmMetricsGet"), asked + 10, "once in each round");
}

const MIG: &str = r#"
    "util": {"kind": "constant", "value": 50},
    "mig": [{"gi": 1, "profile": "3g.40gb", "util": {"kind": "constant", "value": 80}},
            {"gi": 2, "profile": "3g.40gb", "util": {"kind": "constant", "value": 20}}]"#;

#[test]
fn every_instance_has_its_activity_a_round_after_it_was_found() {
    let instances: Vec<String> =
        (7..14).map(|gi| format!(r#"{{"gi": {gi}, "profile": "1g.10gb"}}"#)).collect();
    let mut bench = Bench::new(&gpu(&format!(r#""mig": [{}]"#, instances.join(","))));
    let shown = |bench: &Bench| {
        let has = |one: &&MigSnapshot| one.readings.last(R::SmActive).is_some();
        (bench.mig().iter().filter(has).count(), bench.mig().len())
    };
    assert_eq!(shown(&bench), (0, 7));
    bench.run(1);
    assert_eq!(shown(&bench), (7, 7));
    let before = bench.device.calls();
    bench.run(1);
    assert!(bench.device.calls() <= CALLS_PER_ROUND, "{before} once, and never again");
    assert_eq!(shown(&bench), (7, 7));
}

#[test]
fn instances_are_read_by_themselves_and_their_gpu_has_no_utilization() {
    let mut bench = Bench::new(&gpu(MIG));
    bench.run(15);
    let shown = bench.device.snapshot();
    assert!(shown.identity.is_mig && shown.is_up);
    assert_eq!(shown.readings.last(R::Utilization), None);
    assert_eq!(shown.readings.last(R::BusySeconds), None, "not 0");
    let of = |readings: &Readings, reading| readings.last(reading).unwrap();
    let profiles: Vec<_> = bench.mig().iter().map(|one| one.identity.profile.as_str()).collect();
    assert_eq!(profiles, ["3g.40gb", "3g.40gb"]);
    for (instance, active) in bench.mig().iter().zip([0.8, 0.2]) {
        assert!(close(of(&instance.readings, R::GraphicsEngineActive), active, 1e-6));
        assert!(of(&instance.readings, R::MemoryTotal) > 30e9);
        assert_eq!(instance.readings.last(R::NvlinkTransmitRate), None);
    }
}

#[test]
fn instances_of_an_old_configuration_end_within_a_cycle_and_their_ids_are_used_again() {
    let mut bench = Bench::new(&gpu(MIG));
    bench.run(10);
    let before: Vec<_> = bench.mig().iter().map(|one| one.identity.uuid.clone()).collect();
    let change = r#"{"mig_reconfigure": {"gpu": 0, "to": [
        {"gi": 1, "profile": "1g.10gb", "uuid": "MIG-new"}]}}"#;
    bench.simulation.happen(change).unwrap();
    bench.run(6);
    let now: Vec<_> = bench.mig().iter().map(|one| one.identity.uuid.as_str()).collect();
    assert_eq!(now, ["MIG-new"]);
    assert!(!before.iter().any(|uuid| uuid == "MIG-new"));
    bench.simulation.happen(r#"{"mig_reconfigure": {"gpu": 0, "to": null}}"#).unwrap();
    bench.device.rescan();
    bench.run(6);
    assert!(bench.mig().is_empty());
    assert!(!bench.device.snapshot().identity.is_mig);
    assert!(bench.last(R::Utilization).is_some(), "asked again, although it was unsupported");
}

#[test]
fn instances_stay_while_nobody_says_which_there_are() {
    let mut bench = Bench::new(&gpu(r#"
        "mig": [{"gi": 1, "profile": "3g.40gb"}, {"gi": 2, "profile": "3g.40gb"}],
        "calls": {"nvmlDeviceGetMaxMigDeviceCount": {"return": 999, "after": 1}}"#));
    assert_eq!(bench.mig().len(), 2);
    bench.run(70);
    assert!(bench.metrics.failures("nvmlDeviceGetMaxMigDeviceCount", "unknown") > 0);
    assert_eq!(bench.mig().len(), 2);
}

#[test]
fn a_lost_gpu_has_no_readings_and_its_counters_go_on_when_it_is_back() {
    let mut bench = Bench::new(&gpu(STEADY));
    bench.run(20);
    let busy = bench.last(R::BusySeconds).unwrap();
    bench.simulation.happen(r#"{"gpu": 0, "state": "lost"}"#).unwrap();
    bench.run(1);
    let shown = bench.device.snapshot();
    assert_eq!((shown.is_up, shown.down_reason), (false, "lost"));
    assert!(R::ALL.iter().all(|reading| shown.readings.last(*reading).is_none()));
    let calls = bench.simulation.total_calls();
    bench.run(60);
    assert!(bench.simulation.total_calls() - calls < 30, "asked with growing pauses");
    bench.simulation.happen(r#"{"gpu": 0, "state": "healthy"}"#).unwrap();
    bench.run(31);
    assert!(bench.device.snapshot().is_up);
    let after = bench.last(R::BusySeconds).unwrap();
    assert!(after >= busy && after < busy + 16.0, "the time away is not counted: {busy}, {after}");
}

#[test]
fn a_gpu_that_has_to_be_reset_says_so_and_nothing_else() {
    let mut bench = Bench::new(&gpu(STEADY));
    bench.run(2);
    bench.simulation.happen(r#"{"gpu": 0, "state": "reset_required"}"#).unwrap();
    bench.run(3);
    let shown = bench.device.snapshot();
    assert_eq!((shown.is_up, shown.down_reason), (false, "reset_required"));
    assert_eq!(shown.readings.last(R::RecoveryAction), Some(1.0));
    assert_eq!(shown.readings.last(R::Power), None);
    bench.simulation.happen(r#"{"gpu": 0, "recovery_action": 4}"#).unwrap();
    bench.run(31);
    assert_eq!(bench.last(R::RecoveryAction), Some(4.0), "more than a reset by now");
    for second in 0..40 {
        bench.run(1);
        let shown = bench.device.snapshot().readings.clone();
        let shown = shown.without_stale(bench.now(), SECOND).last(R::RecoveryAction);
        assert_eq!(shown, Some(4.0), "also between two probes: after {second} s");
    }
    bench.simulation.happen(r#"{"gpu": 0, "recovery_action": 0}"#).unwrap();
    bench.simulation.happen(r#"{"gpu": 0, "state": "healthy"}"#).unwrap();
    bench.run(31);
    assert_eq!(bench.last(R::RecoveryAction), Some(0.0));
}

#[test]
fn one_failing_call_costs_its_readings_only_and_is_counted() {
    let mut bench = Bench::new(&gpu(STEADY));
    bench.run(2);
    let function = "nvmlDeviceGetMemoryInfo_v2";
    let fault = format!(r#"{{"gpu": 0, "calls": {{"{function}": {{"return": 999}}}}}}"#);
    bench.simulation.happen(&fault).unwrap();
    bench.run(3);
    assert!(bench.device.snapshot().is_up);
    assert_eq!(bench.last(R::MemoryUsed), None, "not the value of before");
    assert_eq!(bench.last(R::Power), Some(400.0));
    assert_eq!(bench.metrics.failures(function, "unknown"), 3);
}

#[test]
fn processes_are_shown_with_their_memory_and_share() {
    let processes = r#""processes": [
        {"pid": 10, "memory_mib": 512, "sm_util": 40},
        {"pid": 11, "kind": "graphics"},
        {"pid": 12, "sm_util": 4294967295}]"#;
    let settings = Sampling { processes: true, ..Sampling::default() };
    let mut bench = Bench::with(&gpu(processes), settings);
    bench.run(10);
    let shown = &bench.device.snapshot().processes;
    let of = |pid| shown.iter().find(|one| one.pid == pid).unwrap();
    assert_eq!(shown.len(), 3);
    assert_eq!(of(12).sm_utilization, None, "all bits set: neither all busy nor idle");
    assert_eq!(of(10).memory_bytes, Some(512.0 * 1_048_576.0));
    assert_eq!(of(10).sm_utilization, Some(0.4));
    assert_eq!(of(11).memory_bytes, None, "the driver does not tell");
}

#[test]
fn a_day_leaves_no_more_behind_than_an_hour() {
    let scenario =
        gpu(&format!(r#"{MIG}, "calls": {{"nvmlDeviceGetBAR1MemoryInfo": {{"return": 21}}}}"#));
    // as many rounds as a day has minutes
    let settings = Sampling { interval: Duration::from_mins(1), ..Sampling::default() };
    let mut bench = Bench::with(&scenario, settings);
    let mut run = |rounds: u32| {
        for round in 0..rounds {
            bench.simulation.advance(Duration::from_mins(1));
            if round % 60 == 0 {
                let gi = 1 + round / 60 % 2;
                let change = format!(
                    r#"{{"mig_reconfigure": {{"gpu": 0, "to": [{{"gi": {gi}, "profile": "1g.10gb"}}]}}}}"#
                );
                bench.simulation.happen(&change).unwrap();
                bench.device.rescan();
            }
            bench.round();
        }
        // every element of every collection has a comma of its own
        format!("{:?}", bench.device).matches(", ").count()
    };
    let (hour, day) = (run(120), run(1_320));
    assert!(day <= hour + 8, "{hour} parts after two hours, {day} after a day");
}

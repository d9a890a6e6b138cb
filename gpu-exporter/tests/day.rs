//! A day of a GPU, read as fast as it goes: memory does not grow with what happens.
//!
//! A test program of its own, because what it looks at is the memory of its process.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use gpu_exporter::attribute::owner::{Allocation, Allocations, DeviceKey, Owner};
use gpu_exporter::attribute::pod_integrals::{PodIntegrals, Usage};
use gpu_exporter::config::{Config, Naming, Sampling};
use gpu_exporter::expose::dcgm::counters_file::Counters;
use gpu_exporter::expose::page::Pages;
use gpu_exporter::nvml::device;
use gpu_exporter::nvml::fields::Numbering;
use gpu_exporter::nvml::library::{Library, Source};
use gpu_exporter::sample::board::Board;
use gpu_exporter::sample::device::Device;
use gpu_exporter::sample::metrics::Metrics;
use prometheus_model::exposition::{Format, Writer};
use simulated_nvml::{Scenario, Simulation};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: u32 = 3_600;
/// Seconds between two rounds.
const STEP: usize = 10;

/// Resident memory of this process, in KiB.
fn resident_kib() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has it");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("so has it this");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

fn held_by(pod: &str, device: DeviceKey, taken: Instant) -> Arc<Allocations> {
    let owner = Owner {
        namespace: "llm".to_owned(),
        pod: pod.to_owned(),
        container: "server".to_owned(),
        ..Owner::default()
    };
    let allocation = Allocation {
        owner: Arc::new(owner),
        resource: "nvidia.com/gpu".to_owned(),
        replica: None,
        virtual_gpu: None,
        claim: None,
    };
    let by_device = [(device, vec![allocation])].into();
    Arc::new(Allocations { by_device, taken: Some(taken), ..Allocations::default() })
}

struct Day {
    simulation: Simulation,
    start: Instant,
    device: Device,
    board: Board,
    pages: Pages,
    pods: PodIntegrals,
}

impl Day {
    fn new() -> Self {
        let scenario = r#"{"clock": "virtual", "gpus": [{"uuid": "GPU-a",
            "util": {"kind": "constant", "value": 50}}]}"#;
        let scenario = Scenario::parse(scenario).expect("a scenario");
        let simulation = Simulation::start(scenario).expect("it can be played");
        simulation.advance(SECOND);
        let library = Library::open(&Source::simulated(simulation.clone())).expect("it opens");
        let found = device::scan(&library).expect("it has GPUs").found.remove(0);
        let numbering = Numbering::of_driver(&library.versions().driver);
        let settings = Sampling { interval: SECOND * 10, ..Sampling::default() };
        let (settings, start) = (Arc::new(settings), Instant::now());
        let metrics = Metrics::default();
        let own = Arc::clone(&settings);
        let device = Device::new(library, numbering, &found, own, metrics, start);
        let pages = Pages::new(&Config::default(), Counters::built_in());
        let board = Board::new(settings);
        board.place("GPU-a", 0);
        Self { simulation, start, device, board, pages, pods: PodIntegrals::default() }
    }

    /// A round every 10 s, with ten pods that come and go; a page and a new Xid a minute, and other
    /// instances every ten.
    fn run(&mut self, seconds: std::ops::Range<u32>) {
        let slot = self.board.place("GPU-a", 0);
        for second in seconds.step_by(STEP) {
            self.simulation.advance(SECOND * 10);
            let now = self.start + self.simulation.now();
            if second % 600 == 0 {
                let gi = 1 + second / 600 % 7;
                let change = match second / 600 % 3 {
                    0 => "null".to_owned(),
                    _ => format!(r#"[{{"gi": {gi}, "profile": "1g.10gb"}}]"#),
                };
                let change = format!(r#"{{"mig_reconfigure": {{"gpu": 0, "to": {change}}}}}"#);
                self.simulation.happen(&change).expect("it can happen");
                self.device.rescan();
            }
            if second % 60 == 0 {
                slot.record_xid(second / 60, now, SystemTime::UNIX_EPOCH);
            }
            let trouble = self.device.round(now);
            slot.publish(self.device.snapshot(), trouble, self.device.attempts(), now);
            let key = || DeviceKey::Gpu("GPU-a".to_owned());
            let mut held = Arc::default();
            for pod in 0..10 {
                held = held_by(&format!("job-{second}-{pod}"), key(), now);
                let busy_seconds = Some(f64::from(second) / 2.0);
                let usage = Usage { busy_seconds, energy_joules: None };
                self.pods.update([(key(), usage)], &held, now);
            }
            if second % 60 == 0 {
                let mut writer = Writer::new(Format::Text004);
                let naming = Naming::ALL.map(|(_, naming)| naming);
                self.pages.write(&mut writer, &naming, &self.board.snapshot(now), &held);
                assert!(writer.finish().len() > 10_000);
            }
        }
    }
}

#[test]
fn after_a_day_there_is_no_more_memory_than_after_two_hours() {
    let mut day = Day::new();
    // pods are kept for 10 minutes, Xids have their 64 numbers after an hour
    day.run(0..2 * HOUR);
    let early = resident_kib();
    day.run(2 * HOUR..24 * HOUR);
    let late = resident_kib();
    assert!(late - early < 1_024, "{early} KiB after two hours, {late} KiB after a day");
}

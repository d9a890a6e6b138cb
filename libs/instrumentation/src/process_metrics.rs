//! What the process costs, under the names every Prometheus client uses.
//!
//! Read from `/proc/self` at each scrape. A value that cannot be read is left
//! out, never reported as 0; where there is no `/proc` nothing is reported.

use std::fs;

use prometheus_model::exposition::{Collect, MetricType, Writer};
use rustix::process::Resource;

/// Collects `process_*` of this process.
///
/// | metric | unit | source |
/// | --- | --- | --- |
/// | `process_cpu_seconds_total` | user and system time | `/proc/self/stat` |
/// | `process_resident_memory_bytes` | bytes | `/proc/self/stat` |
/// | `process_virtual_memory_bytes` | bytes | `/proc/self/stat` |
/// | `process_threads` | threads | `/proc/self/stat` |
/// | `process_start_time_seconds` | Unix time | `/proc/self/stat`, `/proc/stat` |
/// | `process_open_fds` | descriptors | `/proc/self/fd` |
/// | `process_max_fds` | descriptors, soft limit; `+Inf` without one | `getrlimit` |
///
/// ```
/// use instrumentation::process_metrics::ProcessMetrics;
/// use prometheus_model::exposition::{Collect, Format, Writer};
///
/// let mut writer = Writer::new(Format::negotiate(None));
/// ProcessMetrics.collect(&mut writer);
/// let page = String::from_utf8(writer.finish()).unwrap();
/// # #[cfg(target_os = "linux")]
/// assert!(page.contains("\n# TYPE process_cpu_seconds_total counter\n"));
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct ProcessMetrics;

impl Collect for ProcessMetrics {
    fn collect(&self, writer: &mut Writer) {
        if let Some(stat) = fs::read_to_string("/proc/self/stat").ok().and_then(|text| stat(&text))
        {
            write_stat(&stat, writer);
        }
        if let Some(open) = open_descriptors() {
            let help = "Number of open file descriptors.";
            one(writer, "process_open_fds", MetricType::Gauge, help, open);
        }
        let limit = rustix::process::getrlimit(Resource::Nofile).current;
        let help = "Maximum number of open file descriptors.";
        let limit = limit.map_or(f64::INFINITY, float);
        one(writer, "process_max_fds", MetricType::Gauge, help, limit);
    }
}

fn write_stat(stat: &Stat, writer: &mut Writer) {
    let ticks = float(rustix::param::clock_ticks_per_second());
    let help = "Total user and system CPU time spent in seconds.";
    let cpu = float(stat.cpu_ticks) / ticks;
    one(writer, "process_cpu_seconds_total", MetricType::Counter, help, cpu);

    let help = "Resident memory size in bytes.";
    let page = float(u64::try_from(rustix::param::page_size()).unwrap_or_default());
    let resident = float(stat.resident_pages) * page;
    one(writer, "process_resident_memory_bytes", MetricType::Gauge, help, resident);

    let help = "Virtual memory size in bytes.";
    let virtual_bytes = float(stat.virtual_bytes);
    one(writer, "process_virtual_memory_bytes", MetricType::Gauge, help, virtual_bytes);

    let help = "Number of operating system threads in the process.";
    one(writer, "process_threads", MetricType::Gauge, help, float(stat.threads));

    if let Some(boot) = fs::read_to_string("/proc/stat").ok().and_then(|text| boot_time(&text)) {
        let help = "Start time of the process since unix epoch in seconds.";
        let start = float(boot) + float(stat.start_ticks) / ticks;
        one(writer, "process_start_time_seconds", MetricType::Gauge, help, start);
    }
}

/// Fields of `/proc/self/stat`, see `proc_pid_stat(5)`.
#[derive(Debug, PartialEq)]
struct Stat {
    cpu_ticks: u64,
    threads: u64,
    /// Since boot.
    start_ticks: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

fn stat(text: &str) -> Option<Stat> {
    // the name of the program, in parentheses, may hold spaces and parentheses of its own
    let (_, after_name) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = after_name.split_ascii_whitespace().collect();
    // the manual counts from 1, and field 3 is the first after the name
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some(Stat {
        cpu_ticks: field(14)?.checked_add(field(15)?)?,
        threads: field(20)?,
        start_ticks: field(22)?,
        virtual_bytes: field(23)?,
        resident_pages: field(24)?,
    })
}

/// Unix time of the boot in seconds, from `/proc/stat`.
fn boot_time(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

/// Open descriptors, without the one that lists them.
fn open_descriptors() -> Option<f64> {
    let open = fs::read_dir("/proc/self/fd").ok()?.count();
    u64::try_from(open.saturating_sub(1)).ok().map(float)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "exact below 2^53: 9 PB, or 2.8 million years of ticks"
)]
fn float(value: u64) -> f64 {
    value as f64
}

fn one(writer: &mut Writer, name: &str, kind: MetricType, help: &str, value: f64) {
    writer.family(name, kind, help);
    writer.sample(&[], value);
}

#[cfg(test)]
mod tests {
    use prometheus_model::exposition::Format;

    use super::*;

    const LINE: &str = "4242 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 150 50 13 14 15 16 8 18 9000 \
                        1048576 256 1844674407370955161 1 1\n";

    #[test]
    fn a_program_may_have_parentheses_and_spaces_in_its_name() {
        let expected = Stat {
            cpu_ticks: 200,
            threads: 8,
            start_ticks: 9000,
            virtual_bytes: 1_048_576,
            resident_pages: 256,
        };
        assert_eq!(stat(LINE), Some(expected));
    }

    #[test]
    fn what_cannot_be_read_is_nothing() {
        for text in ["", "1 (a", "1 (a) S 1 2", &LINE.replace("9000", "x")] {
            assert_eq!(stat(text), None, "{text:?}");
        }
        assert_eq!(boot_time("cpu 1 2 3\n"), None);
    }

    #[test]
    fn the_boot_time_is_found_among_the_counters() {
        assert_eq!(
            boot_time("cpu  1 2\nintr 5\nbtime 1700000000\nprocesses 7\n"),
            Some(1_700_000_000)
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_plausible_values() {
        let mut writer = Writer::new(Format::Text004);
        ProcessMetrics.collect(&mut writer);
        let page = String::from_utf8(writer.finish()).unwrap();
        let value = |name: &str| -> f64 {
            let start = format!("{name} ");
            let line = page.lines().find_map(|line| line.strip_prefix(&start));
            line.unwrap_or_else(|| panic!("{name} is missing:\n{page}")).parse().unwrap()
        };
        assert!(value("process_cpu_seconds_total") >= 0.0);
        assert!(value("process_resident_memory_bytes") > 100_000.0);
        assert!(value("process_virtual_memory_bytes") > value("process_resident_memory_bytes"));
        assert!(value("process_open_fds") >= 3.0);
        assert!(value("process_max_fds") >= value("process_open_fds"));
        assert!(value("process_threads") >= 1.0);
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
        let age = now - value("process_start_time_seconds");
        assert!((-2.0..3600.0).contains(&age), "started {age} s ago");
    }
}

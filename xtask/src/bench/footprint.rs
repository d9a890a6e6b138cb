//! What log-shipper needs at rest and under input that is meant to hurt: idle, many idle files, a
//! line without an end, a file of zeros; and how soon the first line arrives.

use std::fs;
use std::io::{BufWriter, Seek, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::running::{Running, build, free_address, sum_of, wait};
use crate::process::{binary, root};
use crate::{http, say};

const HELP: &str = "\
cargo xtask bench footprint [--seconds N] [--shipper PATH] [SCENARIO ...]

  SCENARIO        idle, files-1000, files-50000, long-line (1 GiB without a newline), sparse (400 MB of
                  zeros), start (time to the first line); default: all
  --seconds N     how long the idle scenarios are watched (default 30)
  --shipper PATH  another binary that takes -config.file, for example Promtail";

const SCENARIOS: [&str; 6] = ["idle", "files-1000", "files-50000", "long-line", "sparse", "start"];

struct Options {
    scenarios: Vec<String>,
    seconds: u64,
    shipper: PathBuf,
}

/// Runs the scenarios one after another and prints their figures.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let Some(options) = parse(arguments)? else {
        say(HELP);
        return Ok(());
    };
    build()?;
    for scenario in &options.scenarios {
        let folder = root().join("target/bench-footprint");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("logs"))?;
        let figures = measure(&folder, scenario, &options);
        let _ = fs::remove_dir_all(&folder);
        say(&format!("{scenario:<12} {}", figures?));
    }
    Ok(())
}

fn parse(arguments: &[String]) -> Result<Option<Options>> {
    let shipper = binary("release", "log-shipper");
    let mut options = Options { scenarios: Vec::new(), seconds: 30, shipper };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--help" => return Ok(None),
            "--seconds" => options.seconds = value()?.parse().context("--seconds: a number")?,
            "--shipper" => options.shipper = PathBuf::from(value()?),
            scenario if SCENARIOS.contains(&scenario) => {
                options.scenarios.push(scenario.to_owned());
            }
            other => bail!("unknown scenario or option {other}\n\n{HELP}"),
        }
    }
    if options.scenarios.is_empty() {
        options.scenarios = SCENARIOS.map(str::to_owned).to_vec();
    }
    Ok(Some(options))
}

struct World {
    receiver: String,
    shipper: Running,
    _sink: Running,
}

impl World {
    fn start(folder: &Path, options: &Options) -> Result<Self> {
        let (receiver, own) = (free_address()?, free_address()?);
        let (_, port) = own.rsplit_once(':').context("an address has a port")?;
        let config = format!(
            "server: {{http_listen_address: 127.0.0.1, http_listen_port: {port}, grpc_listen_port: 0}}
positions: {{filename: {folder}/positions.yaml}}
clients: [{{url: \"http://{receiver}/loki/api/v1/push\"}}]
scrape_configs:
  - job_name: bench
    static_configs:
      - labels: {{job: bench, __path__: \"{folder}/logs/*.log\"}}
",
            folder = folder.display(),
        );
        fs::write(folder.join("promtail.yaml"), config)?;
        let sink = Running::start(Command::new(binary("release", "loki-receiver")).args([
            "--web.listen-address",
            &receiver,
            "--limit.entries",
            "10",
        ]))?;
        wait("the receiver", || http::get(&receiver, "/ready").is_ok())?;
        let config = format!("-config.file={}", folder.join("promtail.yaml").display());
        let shipper = Running::start(Command::new(&options.shipper).arg(config))?;
        Ok(Self { receiver, shipper, _sink: sink })
    }

    fn received(&self) -> u64 {
        let page = http::get(&self.receiver, "/metrics").unwrap_or_default();
        sum_of(&page, "loki_distributor_lines_received_total")
    }

    fn wait_for_lines(&self, lines: u64) -> Result<()> {
        wait("the lines", || self.received() >= lines)
    }

    /// CPU of one core in percent, over the time.
    fn watch(&self, time: Duration) -> Result<f64> {
        let (before, _) = self.shipper.usage()?;
        std::thread::park_timeout(time);
        let (after, _) = self.shipper.usage()?;
        Ok((after - before) / time.as_secs_f64() * 100.0)
    }
}

fn measure(folder: &Path, scenario: &str, options: &Options) -> Result<String> {
    match scenario {
        "idle" => idle(folder, 1, options),
        "files-1000" => idle(folder, 1_000, options),
        "files-50000" => idle(folder, 50_000, options),
        "long-line" => {
            let mut file = BufWriter::new(fs::File::create(folder.join("logs/long.log"))?);
            let piece = [b'x'; 8 * 1024];
            for _ in 0..(1 << 30) / piece.len() {
                file.write_all(&piece)?;
            }
            file.write_all(b"\nafter\n")?;
            file.flush()?;
            hostile(folder, 2, options)
        }
        "sparse" => {
            let mut file = fs::File::create(folder.join("logs/sparse.log"))?;
            file.seek(SeekFrom::Start(400_000_000))?;
            file.write_all(b"\nafter\n")?;
            drop(file);
            hostile(folder, 2, options)
        }
        "start" => first_line(folder, options),
        other => bail!("unknown scenario {other}"),
    }
}

fn idle(folder: &Path, files: u64, options: &Options) -> Result<String> {
    for file in 0..files {
        fs::write(folder.join(format!("logs/{file}.log")), format!("line of file {file}\n"))?;
    }
    let world = World::start(folder, options)?;
    world.wait_for_lines(files)?;
    let cpu = world.watch(Duration::from_secs(options.seconds))?;
    let (spent, peak) = world.shipper.usage()?;
    let now = world.shipper.memory()?;
    Ok(format!(
        "{files} files: RSS {:.1} MiB, peak {:.1} MiB, {cpu:.2} % of a core at rest, {spent:.2} CPU s in all",
        now / 1024.0,
        peak / 1024.0
    ))
}

fn hostile(folder: &Path, lines: u64, options: &Options) -> Result<String> {
    let world = World::start(folder, options)?;
    world.wait_for_lines(lines)?;
    let (cpu, peak) = world.shipper.usage()?;
    Ok(format!("peak RSS {:.1} MiB, {cpu:.2} CPU s, {} lines", peak / 1024.0, world.received()))
}

fn first_line(folder: &Path, options: &Options) -> Result<String> {
    fs::write(folder.join("logs/a.log"), "one line\n")?;
    let started = Instant::now();
    let world = World::start(folder, options)?;
    let ready = started.elapsed();
    world.wait_for_lines(1)?;
    let took = started.elapsed().saturating_sub(ready);
    Ok(format!("first line after {:.2} s, of which batchwait is 1 s", took.as_secs_f64()))
}

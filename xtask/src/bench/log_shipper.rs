//! Lines per CPU second and peak memory of log-shipper: container log files with JSON lines,
//! through `cri`, `json`, `timestamp` and `labels`, pushed to the in-memory receiver.

#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures of a bench have three digits that count"
)]

use std::fmt::Write as _;
use std::fs;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::running::{Running, build, free_address, sum_of, wait};
use crate::process::{binary, root};
use crate::{http, say};

const HELP: &str = "\
cargo xtask bench log-shipper [--files N] [--lines N] [--pipeline NAME] [--shipper PATH]

  --files N        log files (default 50)
  --lines N        lines in each (default 20000)
  --pipeline NAME  none, cri, seed (cri, json, timestamp, labels; the default) or seed-plain
                   (the same without cri, on plain JSON lines)
  --shipper PATH   another binary that takes -config.file, for example Promtail";

struct Options {
    files: u32,
    lines: u32,
    pipeline: String,
    shipper: PathBuf,
}

/// Runs the bench once and prints its figures.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let Some(options) = parse(arguments)? else {
        say(HELP);
        return Ok(());
    };
    build()?;
    let folder = root().join("target/bench-log-shipper");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("logs"))?;
    let bytes = write_logs(&folder, &options)?;
    let result = measure(&folder, &options, bytes);
    let _ = fs::remove_dir_all(&folder);
    say(&result?);
    Ok(())
}

fn parse(arguments: &[String]) -> Result<Option<Options>> {
    let shipper = binary("release", "log-shipper");
    let mut options = Options { files: 50, lines: 20_000, pipeline: "seed".to_owned(), shipper };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        if argument == "--help" {
            return Ok(None);
        }
        let value =
            arguments.next().with_context(|| format!("{argument} needs a value\n\n{HELP}"))?;
        match argument.as_str() {
            "--files" => options.files = value.parse().context("--files: a whole number")?,
            "--lines" => options.lines = value.parse().context("--lines: a whole number")?,
            "--pipeline" => value.clone_into(&mut options.pipeline),
            "--shipper" => options.shipper = PathBuf::from(value),
            other => bail!("unknown option {other}\n\n{HELP}"),
        }
    }
    Ok(Some(options))
}

fn write_logs(folder: &Path, options: &Options) -> Result<u64> {
    let levels =
        ["INFO", "INFO", "INFO", "INFO", "INFO", "INFO", "INFO", "WARNING", "ERROR", "DEBUG"];
    let mut bytes = 0;
    let mut line = String::new();
    for file in 0..options.files {
        let mut out = BufWriter::new(fs::File::create(folder.join(format!("logs/{file}.log")))?);
        for number in 0..options.lines {
            let (minute, second, millisecond) =
                (number / 60_000 % 60, number / 1_000 % 60, number % 1_000);
            let time = format!("2026-03-01T08:{minute:02}:{second:02}.{millisecond:03}");
            line.clear();
            if options.pipeline != "seed-plain" {
                let _ = write!(line, "{time}123456Z stdout F ");
            }
            let level = levels[(number as usize + file as usize) % levels.len()];
            let _ = writeln!(
                line,
                "{{\"timestamp\":\"{time}Z\",\"level\":\"{level}\",\"service\":\"inference-{file}\",\
                 \"message\":\"prediction served\",\"trace_id\":\"{:032x}\",\"endpoint\":\"/v1/predict\",\
                 \"method\":\"POST\",\"status\":200,\"duration_ms\":{}.25,\"model_name\":\"resnet50\"}}",
                u64::from(number) * 7_919 + u64::from(file),
                number % 400,
            );
            out.write_all(line.as_bytes())?;
            bytes += line.len() as u64;
        }
        out.flush()?;
    }
    Ok(bytes)
}

fn stages(pipeline: &str) -> Result<String> {
    const CRI: &str = "\n      - cri: {}";
    const SEED: &str = "
      - json: {expressions: {timestamp: , level: , message: , trace_id: }}
      - timestamp: {source: timestamp, format: RFC3339}
      - labels: {level: }";
    Ok(match pipeline {
        "none" => " []".to_owned(),
        "cri" => CRI.to_owned(),
        "seed" => format!("{CRI}{SEED}"),
        "seed-plain" => SEED.to_owned(),
        other => bail!("unknown pipeline {other}: none, cri, seed or seed-plain"),
    })
}

fn measure(folder: &Path, options: &Options, bytes: u64) -> Result<String> {
    let (receiver, shipper) = (free_address()?, free_address()?);
    let (_, port) = shipper.rsplit_once(':').context("an address has a port")?;
    let config = format!(
        "server: {{http_listen_address: 127.0.0.1, http_listen_port: {port}, grpc_listen_port: 0}}
positions: {{filename: {folder}/positions.yaml}}
clients: [{{url: \"http://{receiver}/loki/api/v1/push\"}}]
scrape_configs:
  - job_name: bench
    static_configs:
      - labels: {{job: bench, __path__: \"{folder}/logs/*.log\"}}
    pipeline_stages:{}
",
        stages(&options.pipeline)?,
        folder = folder.display(),
    );
    fs::write(folder.join("promtail.yaml"), config)?;
    let mut sink = Running::start(Command::new(binary("release", "loki-receiver")).args([
        "--web.listen-address",
        &receiver,
        "--limit.entries",
        "1000",
    ]))?;
    wait("the receiver", || http::get(&receiver, "/ready").is_ok())?;
    let started = Instant::now();
    let mut shipping = Running::start(
        Command::new(&options.shipper)
            .arg(format!("-config.file={}", folder.join("promtail.yaml").display())),
    )?;
    let wanted = u64::from(options.files) * u64::from(options.lines);
    let received = || {
        let page = http::get(&receiver, "/metrics").unwrap_or_default();
        sum_of(&page, "loki_distributor_lines_received_total")
    };
    wait("all lines", || received() >= wanted)?;
    let wall = started.elapsed().as_secs_f64();
    let (cpu, peak) = shipping.usage()?;
    let surplus = received() - wanted;
    shipping.stop();
    sink.stop();
    let lines = wanted as f64;
    Ok(format!(
        "pipeline {}: {} files, {wanted} lines, {:.0} MB\n\
         lines per CPU second  {:.0}\n\
         bytes per CPU second  {:.0} MB\n\
         CPU                   {cpu:.2} s ({:.2} us a line)\n\
         wall                  {wall:.2} s\n\
         peak RSS              {:.1} MiB\n\
         lines received        all, {surplus} twice",
        options.pipeline,
        options.files,
        bytes as f64 / 1e6,
        lines / cpu,
        bytes as f64 / 1e6 / cpu,
        cpu * 1e6 / lines,
        peak / 1024.0,
    ))
}

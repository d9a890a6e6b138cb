//! `up`: the stack's main job on this machine, without Kubernetes, until Ctrl-C.
//!
//! An example inference service writes JSON log lines, log-shipper tails them, and a receiver that
//! speaks Loki's API takes them and answers queries. gpu-exporter simulates the GPUs of an inference
//! node, and a real Prometheus scrapes everything.

mod configuration;
mod options;
mod part;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use self::options::Options;
use self::part::Part;
use crate::process::{binary, cargo, root, run as run_command};
use crate::{http, say, tools};

/// How long a part may take to come up.
const PATIENCE: Duration = Duration::from_secs(30);

/// The query that shows that the main job works.
const QUERY: &str = r#"{job="ml-inference",level="INFO"}"#;

/// `cargo xtask up`.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let options = options::parse(arguments)?;
    let mut signals = Signals::new([SIGINT, SIGTERM]).context("signal handlers")?;
    say("[1/3] building the daemons, the example service and the receiver");
    let packages =
        ["build", "--locked", "--package", "log-shipper", "--package", "stack-tests", "--bins"];
    run_command(cargo().args(packages).args(["--package", "gpu-exporter"]))?;
    let example =
        ["build", "--locked", "--package", "instrumentation", "--example", "inference_service"];
    run_command(cargo().args(example))?;

    let prometheus = tools::find_or_fetch("prometheus")?;
    let folder = root().join("target/up");
    say("[2/3] starting them");
    let parts = start(&folder, &options, &prometheus)?;

    say("[3/3] waiting for the first log lines and the first GPU metrics");
    let found = wait_for_lines(&options, &parts)?;
    wait_for_gpus(&options, &parts)?;
    say(&table(&options, &folder, &found));
    let mut parts = parts;
    watch(&mut signals, &mut parts)
}

fn start(folder: &Path, options: &Options, prometheus: &Path) -> Result<Vec<Part>> {
    for (what, address) in [
        ("receiver", &options.receiver),
        ("shipper", &options.shipper),
        ("service", &options.service),
        ("gpus", &options.gpus),
        ("prometheus", &options.prometheus),
    ] {
        if std::net::TcpListener::bind(address).is_err() {
            bail!(
                "{address} is taken by another program: choose another with --{what} ADDRESS:PORT"
            );
        }
    }
    // Lines of an earlier run would be sent again to a receiver that has forgotten them.
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot empty {}", folder.display()));
        }
        _ => {}
    }
    fs::create_dir_all(folder.join("logs"))?;
    fs::write(folder.join("promtail.yaml"), configuration::promtail(folder, options))?;
    let receiver = Part::start(
        "loki-receiver",
        Command::new(binary("debug", "loki-receiver"))
            .args(["--web.listen-address", &options.receiver]),
        folder,
    )?;
    let service = Part::start(
        "inference-service",
        Command::new(binary("debug", "examples/inference_service"))
            .arg("--log.file")
            .arg(folder.join("logs/inference.log"))
            .args(["--rate", &options.log_lines.to_string()])
            .args(["--web.listen-address", &options.service]),
        folder,
    )?;
    let shipper = Part::start(
        "log-shipper",
        Command::new(binary("debug", "log-shipper"))
            .arg("-config.file")
            .arg(folder.join("promtail.yaml")),
        folder,
    )?;
    let gpus = Part::start(
        "gpu-exporter",
        Command::new(binary("debug", "gpu-exporter"))
            .args(["--web.listen-address", &options.gpus, "--simulate"])
            .arg(root().join("gpu-exporter/scenarios/inference.json")),
        folder,
    )?;
    fs::write(folder.join("prometheus.yml"), configuration::scrapes(options))?;
    let prometheus = Part::start(
        "prometheus",
        Command::new(prometheus)
            .arg(format!("--config.file={}", folder.join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("prometheus").display()))
            .arg(format!("--web.listen-address={}", options.prometheus)),
        folder,
    )?;
    // Stopped in this order: the source of lines first, their end last.
    Ok(vec![prometheus, service, gpus, shipper, receiver])
}

/// Until Prometheus has scraped the GPUs.
fn wait_for_gpus(options: &Options, parts: &[Part]) -> Result<()> {
    let path = format!("/api/v1/query?query={}", http::encode("count(gpu_up == 1) > 0"));
    let started = Instant::now();
    loop {
        for part in parts {
            part.is_running()?;
        }
        let answer = http::get(&options.prometheus, &path).unwrap_or_default();
        if answer.contains("\"value\"") {
            return Ok(());
        }
        if started.elapsed() > PATIENCE {
            bail!("Prometheus has no GPU metrics after {PATIENCE:?}: {answer}");
        }
        std::thread::park_timeout(Duration::from_millis(200));
    }
}

fn wait_for_lines(options: &Options, parts: &[Part]) -> Result<String> {
    let path = format!("/loki/api/v1/query_range?limit=3&query={}", http::encode(QUERY));
    let started = Instant::now();
    loop {
        for part in parts {
            part.is_running()?;
        }
        if let Ok(answer) = http::get(&options.receiver, &path)
            && let Some(found) = lines_of(&answer)
        {
            return Ok(found);
        }
        if started.elapsed() > PATIENCE {
            let logs: Vec<String> =
                parts.iter().map(|part| part.log.display().to_string()).collect();
            bail!("no log line arrived within {PATIENCE:?}; see {}", logs.join(", "));
        }
        std::thread::park_timeout(Duration::from_millis(100));
    }
}

/// Streams and lines of a query's answer, for people.
fn lines_of(answer: &str) -> Option<String> {
    let answer: serde_json::Value = serde_json::from_str(answer).ok()?;
    let mut shown = String::new();
    for stream in answer["data"]["result"].as_array()? {
        let _ = writeln!(shown, "  {}", stream["stream"]);
        for value in stream["values"].as_array()? {
            let _ = writeln!(shown, "    {}", value[1].as_str()?);
        }
    }
    (!shown.is_empty()).then_some(shown)
}

fn table(options: &Options, folder: &Path, found: &str) -> String {
    let Options { receiver, shipper, service, gpus, prometheus, .. } = options;
    format!(
        "
The example's log lines are in the receiver, for example for {QUERY}:

{found}
what               address                    look at
example service    http://{service}      /metrics; writes {folder}/logs/inference.log
log-shipper        http://{shipper}      /targets, /metrics, /ready; configured by {folder}/promtail.yaml
receiver           http://{receiver}      stands in for Loki, in memory: push and query API
gpu-exporter       http://{gpus}      /metrics: 4 simulated GPUs under native and DCGM's names
Prometheus         http://{prometheus}      /graph?g0.expr=gpu_utilization_window_max_ratio, /targets

Ask them:
  curl -sG http://{prometheus}/api/v1/query --data-urlencode 'query=gpu_utilization_ratio'
  curl -sG http://{receiver}/loki/api/v1/query_range --data-urlencode 'query={QUERY}'
  curl -sG http://{receiver}/loki/api/v1/query_range --data-urlencode 'query={{job=\"ml-inference\"}} |= \"ERROR\"'
  curl -s  http://{receiver}/loki/api/v1/label/level/values

Logs of the parts are in {folder}. Ctrl-C stops everything.",
        folder = folder.display(),
    )
}

fn watch(signals: &mut Signals, parts: &mut Vec<Part>) -> Result<()> {
    loop {
        if signals.pending().next().is_some() {
            say("\nstopping");
            // In order, each to its end.
            while !parts.is_empty() {
                drop(parts.remove(0));
            }
            say("stopped");
            return Ok(());
        }
        for part in parts.iter() {
            part.is_running()?;
        }
        std::thread::park_timeout(Duration::from_millis(200));
    }
}

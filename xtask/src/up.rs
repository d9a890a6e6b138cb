//! `up`: the stack's main job on this machine, without Kubernetes, until Ctrl-C.
//!
//! An example inference service writes JSON log lines, log-shipper tails them, and a receiver that
//! speaks Loki's API takes them and answers queries. gpu-exporter simulates the GPUs of an inference
//! node, and a real Prometheus scrapes everything.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::process::{binary, cargo, root, run as run_command};
use crate::{http, say, tools};

/// How long a part may take to come up.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a part may take to stop before it is killed.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// The query that shows that the main job works.
const QUERY: &str = r#"{job="ml-inference",level="INFO"}"#;

struct Options {
    log_lines: u32,
    receiver: String,
    shipper: String,
    service: String,
    gpus: String,
    prometheus: String,
}

/// A started program; it is stopped when it is dropped.
struct Part {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

/// `cargo xtask up`.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let options = parse(arguments)?;
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

fn parse(arguments: &[String]) -> Result<Options> {
    let mut options = Options {
        log_lines: 20,
        receiver: "127.0.0.1:3100".to_owned(),
        shipper: "127.0.0.1:9080".to_owned(),
        service: "127.0.0.1:8000".to_owned(),
        gpus: "127.0.0.1:9400".to_owned(),
        prometheus: "127.0.0.1:9090".to_owned(),
    };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--log-lines" => {
                let text = value()?;
                options.log_lines = text
                    .parse()
                    .with_context(|| format!("--log-lines {text}: a whole number is wanted"))?;
            }
            "--receiver" => value()?.clone_into(&mut options.receiver),
            "--shipper" => value()?.clone_into(&mut options.shipper),
            "--service" => value()?.clone_into(&mut options.service),
            "--gpus" => value()?.clone_into(&mut options.gpus),
            "--prometheus" => value()?.clone_into(&mut options.prometheus),
            other => bail!(
                "`up` does not know {other}; it takes --log-lines N, and --receiver, --shipper, \
                 --service, --gpus, --prometheus with ADDRESS:PORT"
            ),
        }
    }
    Ok(options)
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
    fs::write(folder.join("promtail.yaml"), config(folder, options))?;
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
    fs::write(folder.join("prometheus.yml"), scrapes(options))?;
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

fn scrapes(options: &Options) -> String {
    let jobs = [
        ("inference-service", &options.service),
        ("log-shipper", &options.shipper),
        ("gpu-exporter", &options.gpus),
        ("prometheus", &options.prometheus),
    ];
    jobs.iter().fold(
        "# written by `cargo xtask up`\nglobal: {scrape_interval: 5s}\nscrape_configs:\n"
            .to_owned(),
        |mut config, (job, address)| {
            let _ = writeln!(
                config,
                "  - {{job_name: {job}, static_configs: [{{targets: ['{address}']}}]}}"
            );
            config
        },
    )
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

fn config(folder: &Path, options: &Options) -> String {
    let (address, port) = options.shipper.rsplit_once(':').unwrap_or((&options.shipper, "9080"));
    format!(
        "# written by `cargo xtask up`: an ordinary promtail.yaml
server:
  http_listen_address: {address}
  http_listen_port: {port}
positions:
  filename: {folder}/positions.yaml
clients:
  - url: http://{receiver}/loki/api/v1/push
scrape_configs:
  - job_name: inference
    static_configs:
      - labels:
          job: ml-inference
          __path__: {folder}/logs/*.log
    pipeline_stages:
      - json:
          expressions: {{timestamp: , level: , service: , trace_id: }}
      - timestamp:
          source: timestamp
          format: RFC3339Nano
      - labels: {{level: , service: }}
      - structured_metadata: {{trace_id: }}
",
        folder = folder.display(),
        receiver = options.receiver,
    )
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

impl Part {
    fn start(name: &'static str, command: &mut Command, folder: &Path) -> Result<Self> {
        use std::os::unix::process::CommandExt;
        let log = folder.join(format!("{name}.log"));
        let file = fs::File::create(&log)?;
        // In a group of its own: Ctrl-C goes to us alone, and we stop the parts in order.
        let child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        Ok(Self { name, child, log })
    }

    fn is_running(&self) -> Result<()> {
        let stat =
            fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim().chars().next());
        if matches!(state, None | Some('Z' | 'X')) {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            bail!("{} ended by itself; the end of its log:\n{}", self.name, tail(&log));
        }
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let started = Instant::now();
        while started.elapsed() < STOP_PATIENCE {
            if let Ok(Some(_)) = self.child.try_wait() {
                return;
            }
            std::thread::park_timeout(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(10)..].join("\n")
}

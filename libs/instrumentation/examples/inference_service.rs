//! An inference service that only pretends: it logs requests to two models.
//!
//! Stands in for a user's service wherever something has to write JSON log
//! lines. A seed fixes every value but the timestamps, so a run can be repeated.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use fastrand::Rng;
use instrumentation::build_info::{BuildInfo, REVISION};
use instrumentation::json_log::{self, ErrorChain, Format, InitError, Level, LogFile};
use instrumentation::ops_server::{self, OpsServer, Readiness};
use instrumentation::process_metrics::ProcessMetrics;
use instrumentation::trace_context::TraceId;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

const SERVICE: &str = "inference-service";

/// Lines are made in bursts at this interval where the rate is higher than that.
const TICK: Duration = Duration::from_millis(10);

/// Lines that one tick makes at most, so that a stop is heard within milliseconds.
const BURST: u64 = 10_000;

const MODELS: [Model; 2] = [
    Model {
        name: "fraud-detector",
        version: "v2.1",
        endpoint: "/v1/models/fraud-detector:predict",
        typical_ms: 12.0,
    },
    Model {
        name: "recommender",
        version: "v3.0",
        endpoint: "/v1/models/recommender:predict",
        typical_ms: 45.0,
    },
];

struct Model {
    name: &'static str,
    version: &'static str,
    endpoint: &'static str,
    typical_ms: f64,
}

/// Writes the log lines of an inference service with two models.
#[derive(Debug, Parser)]
struct Flags {
    /// File to append log lines to, opened again on SIGHUP [default: standard output]
    #[arg(long = "log.file", value_name = "PATH")]
    log_file: Option<PathBuf>,

    /// Layout of log lines: json, logfmt or text
    #[arg(long = "log.format", default_value = "json")]
    log_format: Format,

    /// What is logged: a level, or MODULE=LEVEL, or several separated by commas
    #[arg(long = "log.level", default_value = "info")]
    log_level: Level,

    /// Requests logged per second, one line each; 0 logs none
    #[arg(long, default_value_t = 20, value_name = "N")]
    rate: u32,

    /// Start of the random values: two runs with one seed log the same requests
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,

    /// Seconds to run [default: until SIGTERM or Ctrl-C]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    duration: Option<Duration>,

    /// Address of /metrics, /-/healthy, /-/ready and /-/log-level
    #[arg(long = "web.listen-address", default_value = "127.0.0.1:9464", value_name = "ADDRESS")]
    listen_address: SocketAddr,
}

#[derive(Debug, thiserror::Error)]
enum ServiceError {
    #[error("cannot open log file `{}`", path.display())]
    LogFile { path: PathBuf, source: std::io::Error },
    #[error("cannot start logging")]
    Logging(#[from] InitError),
    #[error("cannot listen on {address}")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("cannot start")]
    Startup(#[from] std::io::Error),
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Flags::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // does nothing where the log is up already
            json_log::init(SERVICE, Format::Json, Level::default());
            tracing::error!(error = %ErrorChain(&error), "inference service failed");
            ExitCode::FAILURE
        }
    }
}

async fn run(flags: Flags) -> Result<(), ServiceError> {
    let mut builder =
        json_log::builder(SERVICE).format(flags.log_format).level(flags.log_level.clone());
    let mut log_file = None;
    if let Some(path) = flags.log_file {
        let file =
            LogFile::append(&path).map_err(|source| ServiceError::LogFile { path, source })?;
        builder = builder.writer(file.clone());
        log_file = Some(file);
    }
    let log = builder.init()?;

    let readiness = Readiness::default();
    let starting = readiness.latch("models");
    let router = OpsServer::builder()
        .collector(ProcessMetrics)
        .collector(
            BuildInfo::new("inference_service")
                .label("version", env!("CARGO_PKG_VERSION"))
                .label("revision", REVISION),
        )
        .readiness(readiness.clone())
        .log_control(log)
        .router();
    let address = flags.listen_address;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| ServiceError::Listen { address, source })?;
    let stop = CancellationToken::new();
    let server = tokio::spawn(ops_server::serve(listener, router, stop.clone()));

    for model in &MODELS {
        tracing::info!(model_name = model.name, model_version = model.version, "model loaded");
    }
    starting.release();
    let reason = work(flags.rate, flags.seed, flags.duration, log_file.as_ref()).await?;

    readiness.drain();
    tracing::info!(reason, "inference service stopping");
    stop.cancel();
    match server.await {
        Ok(result) => Ok(result?),
        Err(panicked) => Err(std::io::Error::other(panicked).into()),
    }
}

/// Logs requests until a signal or the end of the duration, and says which.
async fn work(
    rate: u32,
    seed: u64,
    duration: Option<Duration>,
    log_file: Option<&LogFile>,
) -> Result<&'static str, ServiceError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let end = async {
        match duration {
            Some(duration) => tokio::time::sleep(duration).await,
            None => std::future::pending().await,
        }
    };
    let mut end = std::pin::pin!(end);
    let mut requests = Requests { random: Rng::with_seed(seed), number: 0 };
    let started = Instant::now();
    loop {
        tokio::select! {
            biased;
            _ = terminate.recv() => return Ok("SIGTERM"),
            _ = interrupt.recv() => return Ok("SIGINT"),
            () = &mut end => return Ok("end of duration"),
            _ = hang_up.recv() => {
                if let Some(log_file) = log_file {
                    match log_file.reopen() {
                        Ok(()) => tracing::info!("log file reopened"),
                        Err(error) => tracing::error!(%error, "cannot reopen log file"),
                    }
                }
            }
            _ = ticks.tick() => {
                // by the time since the start, so that no late tick loses lines
                let due = due(started.elapsed(), rate);
                for _ in 0..due.saturating_sub(requests.number).min(BURST) {
                    requests.log_next();
                }
            }
        }
    }
}

/// Requests that a run of this age has logged at this rate.
fn due(age: Duration, rate: u32) -> u64 {
    let due = age.as_nanos() * u128::from(rate) / Duration::from_secs(1).as_nanos();
    u64::try_from(due).unwrap_or(u64::MAX)
}

/// Makes up one request after the other.
struct Requests {
    random: Rng,
    number: u64,
}

impl Requests {
    fn log_next(&mut self) {
        self.number += 1;
        let random = &mut self.random;
        let model = &MODELS[usize::from(random.f64() < 0.3)];
        let trace_id = TraceId::new(random.u128(1..)).expect("the range starts at 1");
        let request_id = format!("{:016x}", random.u64(..));
        // skewed as latencies are: most near the typical one, few far above
        let duration_ms = model.typical_ms * (0.5 + random.f64()) / (1.0 - 0.95 * random.f64());
        let duration_ms = (duration_ms * 10.0).round() / 10.0;
        let span = tracing::info_span!(
            "request",
            %trace_id,
            request_id,
            method = "POST",
            endpoint = model.endpoint,
            model_name = model.name,
            model_version = model.version,
        );
        let fate = random.u32(..1000);
        span.in_scope(|| match fate {
            ..5 => tracing::error!(
                status = 500,
                duration_ms,
                error = "inference backend closed the connection",
                "prediction failed"
            ),
            5..10 => tracing::error!(
                status = 504,
                duration_ms = 1000.0,
                error = "deadline exceeded",
                "prediction failed"
            ),
            10..60 => tracing::warn!(
                status = 200,
                duration_ms,
                cause = "feature store answered late",
                "prediction slow"
            ),
            60..80 => tracing::warn!(
                status = 400,
                duration_ms = 0.4,
                cause = "feature `amount` missing",
                "request refused"
            ),
            _ => tracing::info!(status = 200, duration_ms, "prediction completed"),
        });
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    text.parse::<f64>()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "accepted are seconds, for example 30 or 0.5".to_owned())
}

//! Connects the parts and runs them to their end.

mod counters;
mod once;
mod pod_usage;
mod release;
mod sampling;
mod sources;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use daemon_runtime::exit_status::ExitStatus;
use daemon_runtime::shutdown;
use daemon_runtime::supervise::{Supervisor, SupervisorError};
use instrumentation::build_info::BuildInfo;
use instrumentation::json_log::{self, ErrorChain, LogControl};
use instrumentation::ops_server::{self, OpsServer, Readiness};
use instrumentation::process_metrics::ProcessMetrics;
use prometheus_model::instrument::{RegisterError, Registry};
use simulated_nvml::scenario::ScenarioError;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::counters::CountersFile;
use self::pod_usage::PodUsage;
use self::sampling::Sampling;
use self::sources::Published;
use crate::attribute::board::Board as PodBoard;
use crate::attribute::device_ids::KnownDevices;
use crate::attribute::pod_labels::LabelPatternError;
use crate::attribute::refresh;
use crate::cli::{self, Order, Parsed};
use crate::config::Config;
use crate::expose::dcgm::counters_file::CountersError;
use crate::expose::http::Endpoints;
use crate::expose::page::Pages;
use crate::nvml::library::Source;
use crate::sample::board::Board;
use crate::sample::driver::{Driver, SampleError};
use crate::sample::metrics::Metrics;

/// What is left to do after a stop: requests in flight, and NVML's shutdown (3 s at most).
const DRAIN: Duration = Duration::from_secs(8);

/// Between two looks at whether the first page is complete.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Why the exporter ended although nobody asked it to.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error("scenario")]
    Scenario(#[from] ScenarioError),
    #[error(transparent)]
    Counters(#[from] CountersError),
    #[error("cannot listen on {address}")]
    Listen {
        address: String,
        #[source]
        cause: io::Error,
    },
    #[error("signals cannot be received")]
    Signals(#[source] io::Error),
    #[error("two metrics have one name")]
    Metrics(#[from] RegisterError),
    #[error("stopped by a failure")]
    Task(#[from] SupervisorError),
    #[error(transparent)]
    Labels(#[from] LabelPatternError),
    #[error(transparent)]
    Sampling(#[from] SampleError),
    #[error("standard output cannot be written")]
    Output(#[source] io::Error),
}

impl RunError {
    fn status(&self) -> ExitStatus {
        let sampling = match self {
            Self::Scenario(_) | Self::Counters(_) | Self::Labels(_) => {
                return ExitStatus::BadConfiguration;
            }
            Self::Sampling(error) => Some(error),
            Self::Task(SupervisorError::TaskFailed { cause, .. })
                if cause.is::<LabelPatternError>() =>
            {
                return ExitStatus::BadConfiguration;
            }
            Self::Task(SupervisorError::TaskFailed { cause, .. }) => cause.downcast_ref(),
            _ => None,
        };
        if sampling.is_some_and(SampleError::needs_new_container) {
            ExitStatus::NeedsNewContainer
        } else {
            ExitStatus::Failed
        }
    }
}

/// Runs the daemon to its end.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let order = match cli::parse(arguments, &hostname()) {
        Parsed::Done { text, status } => return print(&text, status),
        Parsed::Run(order) => order,
    };
    let log = start_log(&order);
    for warning in &order.warnings {
        tracing::warn!("{warning}");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = match runtime {
        Ok(runtime) if order.once => runtime.block_on(once::print(&order.config)),
        Ok(runtime) => runtime.block_on(serve(&order.config, log)),
        Err(cause) => Err(RunError::Signals(cause)),
    };
    match ended {
        Ok(()) => ExitStatus::Stopped.into(),
        Err(error) => {
            tracing::error!(error = %ErrorChain(&error), "gpu-exporter failed");
            error.status().into()
        }
    }
}

/// `NODE_NAME`, which manifests set from `spec.nodeName`, else the host's own name.
fn hostname() -> String {
    let own = || rustix::system::uname().nodename().to_string_lossy().into_owned();
    std::env::var("NODE_NAME").ok().filter(|name| !name.is_empty()).unwrap_or_else(own)
}

fn print(text: &str, status: ExitStatus) -> ExitCode {
    let written = if status == ExitStatus::Stopped {
        io::stdout().write_all(text.as_bytes())
    } else {
        io::stderr().write_all(text.as_bytes())
    };
    if written.is_ok() { status.into() } else { ExitStatus::Failed.into() }
}

fn start_log(order: &Order) -> LogControl {
    let builder =
        json_log::builder("gpu-exporter").format(order.log_format).level(order.log_level.clone());
    // Standard output belongs to the page.
    let builder = if order.once { builder.writer(io::stderr()) } else { builder };
    builder.init().unwrap_or_else(|_| {
        json_log::init("gpu-exporter", order.log_format, order.log_level.clone())
    })
}

async fn serve(config: &Config, log: LogControl) -> Result<(), RunError> {
    let stop = shutdown::on_signal().map_err(RunError::Signals)?;
    let reloads = shutdown::Reloads::on_hangup().map_err(RunError::Signals)?;
    let (counters_file, counters) = CountersFile::load(config.page.dcgm.counters_file.clone())?;
    let (registry, metrics) = (Registry::new(), Metrics::default());
    metrics.register(&registry)?;
    let driver = Driver::new(
        Source::of(&config.sampling)?,
        config.sampling.clone(),
        config.require_gpu,
        metrics,
    );
    let (board, control) = (driver.board(), driver.control());
    let pages = Arc::new(Pages::new(config, counters));
    let pods = Arc::new(PodBoard::default());
    pods.register(&registry)?;
    let published = Arc::new(Published::new(Arc::clone(&board), Arc::clone(&pods)));
    let pod_usage = PodUsage::default();
    let readiness = Readiness::default();
    let first_page = readiness.latch("the first reading of all GPUs");
    let endpoints = Endpoints::new(Arc::clone(&pages), published, &config.page.naming)
        .own_metrics(registry)
        .own_metrics(pod_usage.clone())
        .own_metrics(BuildInfo::new("gpu_exporter").label("version", env!("CARGO_PKG_VERSION")))
        .own_metrics(ProcessMetrics)
        .own_metrics(Arc::new(log.clone()))
        .router();
    let health = Arc::clone(&board);
    let router = OpsServer::builder()
        .without_metrics(true)
        .log_control(log)
        .readiness(readiness)
        .liveness("sampling", move || {
            if health.is_stuck(Instant::now()) {
                Err("all GPUs hang, or NVML's start does".to_owned())
            } else {
                Ok(())
            }
        })
        .router()
        .merge(endpoints)
        .merge(release::routes(control));
    let listener = listen(&config.listen_address).await?;

    let mut supervisor = Supervisor::new(stop);
    let server_stop = CancellationToken::new();
    let server = tokio::spawn(ops_server::serve(listener, router, server_stop.clone()));
    let token = supervisor.token();
    supervisor.run_once("sample", Sampling::start(driver, token.clone())?.run(token.clone()));
    supervisor.run_once("counters", counters_file.follow(pages, reloads, token.clone()));
    if config.attribution.is_enabled {
        let (known, devices) = watch::channel(Arc::new(KnownDevices::default()));
        let attribution = config.attribution.clone();
        let usage = pod_usage.run(Arc::clone(&board), Arc::clone(&pods), known, token.clone());
        supervisor.run_once("pod usage", usage);
        supervisor.run_once("pods", refresh::run(attribution, devices, pods, token.clone()));
    }
    supervisor.run_once("first page", async move {
        if token.run_until_cancelled(until_ready(&board)).await.is_some() {
            first_page.release();
            token.cancelled().await;
        }
        Ok::<(), io::Error>(())
    });
    let ended = supervisor.run(DRAIN).await;
    server_stop.cancel();
    // Its requests have had their time.
    let _ = tokio::time::timeout(Duration::from_millis(300), server).await;
    Ok(ended?)
}

/// Until a page says something. The board is looked at, for it has no news to wait for: the threads
/// that fill it must not wait for a reader.
async fn until_ready(board: &Board) {
    while !board.is_ready(Instant::now()) {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// `:9400` listens on all addresses, with IPv6 where the machine has it.
async fn listen(address: &str) -> Result<TcpListener, RunError> {
    let bound = match address.strip_prefix(':') {
        Some(port) => match TcpListener::bind(format!("[::]:{port}")).await {
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                TcpListener::bind(format!("0.0.0.0:{port}")).await
            }
            bound => bound,
        },
        None => TcpListener::bind(address).await,
    };
    bound.map_err(|cause| RunError::Listen { address: address.to_owned(), cause })
}

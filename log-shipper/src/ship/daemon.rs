//! The process: flags, configuration, log, server, reload, exit code.

#![allow(clippy::result_large_err, reason = "errors of a start are made once")]

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use daemon_runtime::shutdown::{self, Reloads};
use daemon_runtime::supervise::SupervisorError;
use instrumentation::build_info::BuildInfo;
use instrumentation::json_log::{self, ErrorChain, LogControl};
use instrumentation::ops_server::{OpsServer, Readiness};
use instrumentation::process_metrics::ProcessMetrics;
use prometheus_model::exposition::{Collect, Writer};
use prometheus_model::instrument::{RegisterError, Registry};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::commands;
use super::plan::{Plan, PlanError};
use super::run::{self, Process};
use super::web::Pages;
use crate::cli::{Flags, Parsed};
use crate::config::{Config, ConfigError};
use crate::intake::http_server::{HttpServer, HttpServerError};
use crate::pipeline::observe::Observer;
use crate::pipeline::stage_metrics::StageMetrics;
use crate::pipeline::stages::metrics::registry::CustomMetrics;
use crate::tail::position_table::{PositionTable, Saved};
use crate::tail::positions_file::{self, Positions, PositionsError};

/// As Promtail: a wrong configuration and a failure have one code, a wrong flag another.
const FAILED: u8 = 1;

/// Reloads that wait: one is served at a time.
const RELOADS_WAITING: usize = 4;

/// Why the process ends with an error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
enum DaemonError {
    #[error("configuration refused")]
    Plan(#[from] PlanError),
    #[error("configuration refused")]
    Config(#[from] ConfigError),
    #[error("positions cannot be used")]
    Positions(#[from] PositionsError),
    #[error("cannot start")]
    Start(#[from] io::Error),
    #[error("configuration refused")]
    Server(#[from] HttpServerError),
    #[error("cannot listen on {address}")]
    Listen {
        address: String,
        #[source]
        cause: io::Error,
    },
    #[error("two metrics have one name")]
    Metrics(#[from] RegisterError),
    #[error("stopped by a failure")]
    Task(#[from] SupervisorError),
}

/// Runs the daemon to its end.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let flags = match crate::cli::parse(arguments) {
        Parsed::Run(flags) => flags,
        Parsed::Check(arguments) => return commands::check(&arguments),
        Parsed::Explain(arguments) => return commands::explain(&arguments),
        Parsed::Done { text, code } => {
            let written = if code == 0 || text.starts_with("log-shipper") {
                io::stdout().write_all(text.as_bytes())
            } else {
                io::stderr().write_all(text.as_bytes())
            };
            return if written.is_ok() { ExitCode::from(code) } else { ExitCode::from(FAILED) };
        }
    };
    let config = match load(&flags) {
        Ok(config) => config,
        Err(error) => {
            // Promtail prints it on standard output, and scripts look there.
            let _ = writeln!(io::stdout(), "Unable to parse config: {}", ErrorChain(&error));
            return ExitCode::from(FAILED);
        }
    };
    if flags.check_syntax() {
        return check_syntax(&flags, &config);
    }
    if flags.print_config_stderr() {
        let _ = io::stderr().write_all(config.to_yaml().as_bytes());
    }
    let log = start_log(&flags, &config);
    if flags.log_config_reverse_order() {
        log_reversed(&config);
    }
    match run(&flags, config, log) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = %ErrorChain(&error), "log-shipper failed");
            ExitCode::from(FAILED)
        }
    }
}

fn load(flags: &Flags) -> Result<Config, ConfigError> {
    let lookup = |name: &str| std::env::var(name).ok();
    let mut config = crate::config::load(flags.config_file(), flags.expand_env(), &lookup)?;
    flags.apply(&mut config);
    Ok(config)
}

/// Promtail's exit code, and what a start would refuse besides. Without a file there is nothing to
/// check: a script that lost its path must not be told that all is well.
fn check_syntax(flags: &Flags, config: &Config) -> ExitCode {
    let mut out = io::stdout().lock();
    if flags.config_file().is_empty() {
        let _ = writeln!(out, "Invalid config file: -config.file names none");
        return ExitCode::from(FAILED);
    }
    let _ = writeln!(out, "Valid config file! No syntax issues found");
    match Plan::new(config, &crate::metrics::Metrics::new(), &StageMetrics::new()) {
        Ok(plan) => {
            for warning in &plan.warnings {
                let _ = writeln!(out, "warning: {warning}");
            }
        }
        Err(error) => {
            let _ =
                writeln!(out, "warning: it would be refused at the start: {}", ErrorChain(&error));
        }
    }
    ExitCode::SUCCESS
}

/// Last line first: a log page that shows the newest line on top then shows the file as it is read.
fn log_reversed(config: &Config) {
    for line in config.to_yaml().lines().rev() {
        tracing::info!("{line}");
    }
}

fn start_log(flags: &Flags, config: &Config) -> LogControl {
    let format = config.server.log_format.unwrap_or(json_log::Format::Logfmt);
    let builder =
        json_log::builder("log-shipper").format(format).level(config.server.log_level.clone());
    // Standard output belongs to the entries of a dry run.
    let builder = if flags.dry_run() { builder.writer(io::stderr()) } else { builder };
    builder
        .init()
        .unwrap_or_else(|_| json_log::init("log-shipper", format, config.server.log_level.clone()))
}

fn run(flags: &Flags, config: Config, log: LogControl) -> Result<(), DaemonError> {
    let process = Process::new(flags.dry_run());
    let stage_metrics = StageMetrics::new();
    let observer = flags.inspect().then(commands::inspector);
    let plan = Plan::observed(&config, &process.metrics, &stage_metrics, observer.as_ref())?;
    let positions = load_positions(&config)?;
    let (flags, custom) = (flags.clone(), CustomSlot::default());
    let daemon = Daemon { flags, process, stage_metrics, custom, observer, log };
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?
        .block_on(daemon.serve(config, plan, positions))
}

fn load_positions(config: &Config) -> Result<Saved, PositionsError> {
    let positions = load_positions_file(config)?;
    Ok(Saved::load(&config.positions.filename, positions))
}

fn load_positions_file(config: &Config) -> Result<Positions, PositionsError> {
    match positions_file::load(&config.positions.filename) {
        Err(error) if config.positions.ignore_invalid_yaml => {
            tracing::warn!(error = %ErrorChain(&error), "ignoring the positions file, reading files from the start");
            Ok(Positions::new())
        }
        loaded => loaded,
    }
}

/// The values of `metrics` stages belong to a configuration, the page to the process.
#[derive(Debug, Clone, Default)]
struct CustomSlot(Arc<std::sync::Mutex<Option<CustomMetrics>>>);

impl CustomSlot {
    fn set(&self, metrics: CustomMetrics) {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(metrics);
    }
}

impl Collect for CustomSlot {
    fn collect(&self, writer: &mut Writer) {
        let current = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        if let Some(metrics) = current {
            metrics.collect(writer);
        }
    }
}

struct Daemon {
    flags: Flags,
    process: Process,
    stage_metrics: StageMetrics,
    custom: CustomSlot,
    /// Of `-inspect`.
    observer: Option<Observer>,
    log: LogControl,
}

impl Daemon {
    async fn serve(self, config: Config, plan: Plan, positions: Saved) -> Result<(), DaemonError> {
        let stop = shutdown::on_signal()?;
        let hangups = Reloads::on_hangup()?;
        let (requests, mut reloads) = mpsc::channel(RELOADS_WAITING);
        let readiness = Readiness::default();
        let server_stop = CancellationToken::new();
        let server = self.server(&config, requests, readiness.clone()).await?.map(
            |(server, listener, router)| {
                tokio::spawn(server.serve(listener, router, server_stop.clone()))
            },
        );
        let result = self
            .run_configurations(config, plan, positions, stop, &hangups, &mut reloads, &readiness)
            .await;
        server_stop.cancel();
        if let Some(server) = server {
            // Its requests have had their time.
            let _ = tokio::time::timeout(Duration::from_millis(300), server).await;
        }
        result
    }

    /// Runs one configuration after another, until the stop.
    #[expect(
        clippy::too_many_arguments,
        reason = "the ways in which the outside talks to the loop"
    )]
    async fn run_configurations(
        &self,
        mut config: Config,
        mut plan: Plan,
        mut known: Saved,
        stop: CancellationToken,
        hangups: &Reloads,
        reloads: &mut mpsc::Receiver<oneshot::Sender<Result<(), String>>>,
        readiness: &Readiness,
    ) -> Result<(), DaemonError> {
        let mut is_reload = false;
        loop {
            for warning in &plan.warnings {
                tracing::warn!(warning, "configuration");
            }
            self.custom.set(plan.custom_metrics.clone());
            let failures = self.process.metrics.position_record_failures.clone();
            let table = PositionTable::new(config.positions.filename.clone(), known);
            let table = Arc::new(table.counting_failures(failures));
            let own_stop = stop.child_token();
            let process = Process { is_reload, ..self.process.clone() };
            let running_config = config.clone();
            let (running_table, running_stop) = (Arc::clone(&table), own_stop.clone());
            let mut running = tokio::spawn(async move {
                run::run(&process, &running_config, plan, running_table, running_stop).await
            });
            let next = loop {
                let answer = tokio::select! {
                    ended = &mut running => {
                        readiness.drain();
                        return flatten(ended);
                    }
                    () = stop.cancelled() => {
                        readiness.drain();
                        return flatten(running.await);
                    }
                    () = hangups.requested(), if self.process_may_reload(&config) => None,
                    Some(answer) = reloads.recv() => Some(answer),
                };
                match self.reload(&config) {
                    Ok((new_config, new_plan)) => {
                        self.process.metrics.reload_success.inc();
                        break (new_config, new_plan, answer);
                    }
                    Err(why) => {
                        self.process.metrics.reload_fail.inc();
                        tracing::error!(
                            error = why,
                            "configuration was not reloaded, keeping the last one"
                        );
                        if let Some(answer) = answer {
                            let _ = answer.send(Err(why));
                        }
                    }
                }
            };
            own_stop.cancel();
            flatten(running.await)?;
            let answer;
            (config, plan, answer) = next;
            known = table.saved();
            is_reload = true;
            tracing::info!("configuration reloaded");
            if let Some(answer) = answer {
                let _ = answer.send(Ok(()));
            }
        }
    }

    /// As in Promtail, a process without a server does not reload.
    fn process_may_reload(&self, config: &Config) -> bool {
        self.flags.config_file() != "" && !config.server.disable
    }

    /// Builds the new state before the old one is touched.
    fn reload(&self, current: &Config) -> Result<(Config, Plan), String> {
        let config = load(&self.flags).map_err(|error| ErrorChain(&error).to_string())?;
        if config == *current {
            return Err("config has not changed".to_owned());
        }
        let observer = self.observer.as_ref();
        let plan = Plan::observed(&config, &self.process.metrics, &self.stage_metrics, observer)
            .map_err(|error| ErrorChain(&error).to_string())?;
        Ok((config, plan))
    }

    async fn server(
        &self,
        config: &Config,
        requests: super::web::ReloadRequests,
        readiness: Readiness,
    ) -> Result<Option<(HttpServer, TcpListener, axum::Router)>, DaemonError> {
        let server = &config.server;
        if server.disable {
            return Ok(None);
        }
        let http = HttpServer::new("server", server)?;
        let registry = Registry::new();
        self.process.metrics.register(&registry)?;
        self.stage_metrics.register(&registry)?;
        let version = env!("CARGO_PKG_VERSION");
        let build_info = BuildInfo::new("promtail")
            .label("branch", "")
            .label("goarch", std::env::consts::ARCH)
            .label("goos", std::env::consts::OS)
            .label("goversion", "")
            .label("tags", "")
            .label("version", version);
        let pages = Pages {
            status: self.process.status.clone(),
            metrics: self.process.metrics.clone(),
            prefix: http.prefix().to_owned(),
            check_targets: server.health_check_target
                && !config.target_config.stdin
                && config.scrape_configs.iter().all(|job| job.line_source().is_none()),
            reload: server.enable_runtime_reload.then_some(requests),
        };
        let ops = OpsServer::builder()
            .collector(registry)
            .collector(self.custom.clone())
            .collector(build_info)
            .collector(ProcessMetrics)
            .without_metrics(!server.register_instrumentation)
            .log_control(self.log.clone())
            .readiness(readiness)
            .router();
        let router = ops.merge(pages.router());
        let listener = http
            .bind()
            .await
            .map_err(|cause| DaemonError::Listen { address: http.address(), cause })?;
        if let Ok(address) = listener.local_addr() {
            tracing::info!(%address, "ops server listening");
        }
        Ok(Some((http, listener, router)))
    }
}

fn flatten(
    ended: Result<Result<(), SupervisorError>, tokio::task::JoinError>,
) -> Result<(), DaemonError> {
    match ended {
        Ok(result) => Ok(result?),
        Err(error) => Err(DaemonError::Start(io::Error::other(error))),
    }
}

//! Connects the parts and runs them to their end.
//!
//! What decides and what sends comes from a [`Wiring`]: this module knows how a relay starts, is
//! configured again and stops.

mod journal_tools;
mod listen;
mod reload;

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use daemon_runtime::exit_status::ExitStatus;
use daemon_runtime::shutdown;
use daemon_runtime::supervise::{BoxError, Supervisor, SupervisorError};
use instrumentation::build_info::BuildInfo;
use instrumentation::json_log::{self, ErrorChain, LogControl};
use instrumentation::ops_server::{self, Latch, OpsServer, Plain, Readiness};
use instrumentation::process_metrics::ProcessMetrics;
use prometheus_model::instrument::{RegisterError, Registry};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::journal_tools::ToolError;
use self::reload::Reloader;
use crate::cli::{self, Order, Parsed};
use crate::config::{Config, ConfigError};
use crate::journal::{Place, Reader};
use crate::ledger::{self, Core, CrashPoints, Emergency, Handle, Ledger, Pulse, Subscriber};
use crate::receive::{self, CredentialsError, HeartbeatSink, Reception};
use crate::time::Moment;

/// For requests in flight (5 s) and what they sent to the ledger.
const DRAIN: Duration = Duration::from_secs(15);

/// The ledger at one thing for so long is a disk that hangs: only a restart, on another node, helps.
const HANGS: Duration = Duration::from_mins(1);

/// What decides, and who is told of it.
pub struct Deciding {
    /// Made with the configuration; gets its rows when the journal is open.
    pub core: Box<dyn Core>,
    /// What sends messages.
    pub subscriber: Box<dyn Subscriber>,
    /// What pages without the journal.
    pub emergency: Box<dyn Emergency>,
}

impl fmt::Debug for Deciding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deciding").finish_non_exhaustive()
    }
}

/// What tasks of the relay may use.
#[derive(Debug)]
pub struct Context<'a> {
    /// The way to the ledger. Whoever keeps it must end when the supervisor's token is cancelled:
    /// the ledger ends after the last one.
    pub ledger: Handle,
    /// Records of the journal.
    pub records: Reader,
    /// The configuration in force, with every change.
    pub configs: watch::Receiver<Arc<Config>>,
    /// Runs tasks.
    pub supervisor: &'a mut Supervisor,
    /// Shows metrics.
    pub registry: &'a Registry,
}

/// What a wiring adds to the endpoints.
pub struct Connected {
    /// Takes heartbeats.
    pub heartbeat: HeartbeatSink,
    /// More endpoints.
    pub router: Router,
}

impl fmt::Debug for Connected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connected").finish_non_exhaustive()
    }
}

/// What makes a relay of the parts that are the same in all of them.
pub trait Wiring {
    /// What decides by this configuration.
    ///
    /// # Errors
    /// The configuration cannot be used: the daemon ends with 78.
    fn decide(&mut self, config: &Arc<Config>) -> Result<Deciding, BoxError>;

    /// Starts what sends, asks and shows.
    ///
    /// # Errors
    /// As [`decide`](Self::decide).
    fn connect(&mut self, context: Context<'_>) -> Result<Connected, BoxError>;
}

/// Why the relay ended although nobody asked it to.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    #[error("the configuration cannot be used")]
    Wiring(#[source] BoxError),
    #[error(transparent)]
    Listen(#[from] listen::ListenError),
    #[error("signals cannot be received")]
    Signals(#[source] io::Error),
    #[error("two metrics have one name")]
    Metrics(#[from] RegisterError),
    #[error("stopped by a failure")]
    Task(#[from] SupervisorError),
    #[cfg(feature = "crash-points")]
    #[error("ALERT_RELAY_CRASH_AT")]
    Crash(#[from] ledger::CrashPointError),
}

impl RunError {
    fn status(&self) -> ExitStatus {
        match self {
            Self::Config(_) | Self::Credentials(_) | Self::Wiring(_) => {
                ExitStatus::BadConfiguration
            }
            Self::Listen(error) if error.is_configuration() => ExitStatus::BadConfiguration,
            _ => ExitStatus::Failed,
        }
    }
}

/// Runs the daemon, or one of its commands, to its end.
pub fn main(arguments: impl IntoIterator<Item = OsString>, wiring: &mut dyn Wiring) -> ExitCode {
    let order = match cli::parse(arguments) {
        Parsed::Done { text, status } => return print(&text, status),
        Parsed::CheckConfig(file) => {
            return match Config::read(&file) {
                Ok(_) => print(&format!("{}: good\n", file.display()), ExitStatus::Stopped),
                Err(error) => {
                    print(&format!("error: {}\n", ErrorChain(&error)), ExitStatus::Failed)
                }
            };
        }
        Parsed::Journal(order) => {
            return match journal_tools::run(&order, &mut io::stdout().lock()) {
                Ok(status) => status.into(),
                // Whoever reads the output has seen enough.
                Err(ToolError::Output(cause)) if cause.kind() == io::ErrorKind::BrokenPipe => {
                    ExitStatus::Stopped.into()
                }
                Err(error) => {
                    print(&format!("error: {}\n", ErrorChain(&error)), ExitStatus::Failed)
                }
            };
        }
        Parsed::Serve(order) => order,
    };
    let log = json_log::init("alert-relay", order.log_format, order.log_level.clone());
    // One for what comes in, one for what goes out; the ledger has its own.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(serve(&order, wiring, log)),
        Err(cause) => Err(RunError::Signals(cause)),
    };
    match ended {
        Ok(()) => ExitStatus::Stopped.into(),
        Err(error) => {
            tracing::error!(error = %ErrorChain(&error), "alert-relay failed");
            error.status().into()
        }
    }
}

fn print(text: &str, status: ExitStatus) -> ExitCode {
    let written = if status == ExitStatus::Stopped {
        io::stdout().write_all(text.as_bytes())
    } else {
        io::stderr().write_all(text.as_bytes())
    };
    if written.is_ok() { status.into() } else { ExitStatus::Failed.into() }
}

async fn serve(order: &Order, wiring: &mut dyn Wiring, log: LogControl) -> Result<(), RunError> {
    let stop = shutdown::on_signal().map_err(RunError::Signals)?;
    let reloads = shutdown::Reloads::on_hangup().map_err(RunError::Signals)?;
    let (config, hash) = Config::read(&order.config_file)?;
    let config = Arc::new(config);
    let listener = listen::bind(&order.listen_address, &config, order.insecure_listen).await?;

    let registry = Registry::new();
    let place = Place::new(&order.storage_path);
    let records = place.reader();
    let ledger_metrics = ledger::Metrics::new(&place);
    ledger_metrics.register(&registry)?;
    let deciding = wiring.decide(&config).map_err(RunError::Wiring)?;
    let (ledger, handle) = Ledger::new(ledger::Parts {
        place: Box::new(place),
        core: deciding.core,
        subscriber: deciding.subscriber,
        emergency: deciding.emergency,
        clock: Box::new(Moment::now),
        crash: crash_points()?,
        metrics: ledger_metrics,
    });
    let pulse = handle.pulse();

    let mut supervisor = Supervisor::new(stop);
    let (publish, configs) = watch::channel(Arc::clone(&config));
    let context = Context {
        ledger: handle.clone(),
        records,
        configs,
        supervisor: &mut supervisor,
        registry: &registry,
    };
    let connected = wiring.connect(context).map_err(RunError::Wiring)?;
    let reception = Reception::new(
        handle.clone(),
        &config.receive,
        connected.heartbeat,
        Arc::new(Moment::now),
    )?;
    reception.metrics().register(&registry)?;

    let is_guarded = listen::is_guarded(&listener, order.insecure_listen);
    let reloader =
        Reloader::new(order.config_file.clone(), is_guarded, reception.clone(), handle, publish);
    reloader.register(&registry)?;
    let readiness = Readiness::default();
    let health = pulse.clone();
    let router = OpsServer::builder()
        .collector(registry)
        .collector(BuildInfo::new("alert_relay").label("version", env!("CARGO_PKG_VERSION")))
        .collector(ProcessMetrics)
        .log_control(log)
        .readiness(readiness.clone())
        .liveness("ledger", move || match health.silence(Instant::now()) {
            silence if silence > HANGS => Err(format!("has been at one thing for {silence:?}")),
            _ => Ok(()),
        })
        .router()
        .merge(reception.router())
        .merge(reloader.router())
        .merge(connected.router);
    drop(reception);

    let token = supervisor.token();
    supervisor.run_thread("ledger", move |_| ledger.run());
    supervisor.run_once("configuration", reloader.run(reloads, (config, hash), token.clone()));
    let awaited = readiness.latch("the journal");
    supervisor.run_once("readiness", follow_journal(readiness, awaited, pulse, token.clone()));
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, "ops server listening");
    }
    supervisor.run_once("server", async move {
        ops_server::serve_with(listener, router, receive::limits(), Plain, token).await;
        Ok::<(), io::Error>(())
    });
    Ok(supervisor.run(DRAIN).await?)
}

/// Ready while the journal can be written: a relay that stores nothing wants no alerts, as long as
/// there is another one.
async fn follow_journal(
    readiness: Readiness,
    awaited: Latch,
    pulse: Pulse,
    stop: CancellationToken,
) -> Result<(), io::Error> {
    let mut writable = pulse.writable();
    let mut latch = Some(awaited);
    let follow = async {
        loop {
            if *writable.borrow_and_update() {
                latch.take().into_iter().for_each(Latch::release);
            } else if latch.is_none() {
                latch = Some(readiness.latch("the journal"));
            }
            if writable.changed().await.is_err() {
                return;
            }
        }
    };
    stop.run_until_cancelled(follow).await;
    readiness.drain();
    Ok(())
}

#[cfg(feature = "crash-points")]
fn crash_points() -> Result<CrashPoints, RunError> {
    let text = std::env::var("ALERT_RELAY_CRASH_AT").ok();
    Ok(text.map(|text| CrashPoints::parse(&text)).transpose()?.unwrap_or_default())
}

#[cfg(not(feature = "crash-points"))]
#[expect(clippy::unnecessary_wraps, reason = "with the feature it can fail")]
fn crash_points() -> Result<CrashPoints, RunError> {
    Ok(CrashPoints::default())
}

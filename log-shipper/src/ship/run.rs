//! Starts and stops what a plan describes: one watcher, some workers, a task per client, and the
//! task that saves positions.
//!
//! Stopping goes with the data: the watcher ends, workers ship what they hold, clients deliver what
//! is queued, positions are saved last. What Loki does not accept in time stays unsaved, and is read
//! again after the next start.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use daemon_runtime::supervise::{Supervisor, SupervisorError};
use instrumentation::json_log::ErrorChain;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::dry_run::Printer;
use super::line_shipper::LineShipper;
use super::plan::{Job, Plan};
use super::receiver::Receiver;
use super::sink::{ClientSink, Sink};
use super::status::Status;
use super::stdin;
use super::worker::Worker;
use crate::batch::accumulator::{Accumulator, Batch};
use crate::config::Config;
use crate::config::wal::Wal;
use crate::discovery::target::Rejection;
use crate::discovery::wake::Wake;
use crate::intake::inlet::Inlet;
use crate::metrics::Metrics;
use crate::pipeline::stages::geoip::database::GeoDatabases;
use crate::push::client::Client;
use crate::spool::queue;
use crate::tail::descriptors::Descriptors;
use crate::tail::follow::{Discover, Follower, Rhythm, Wiring};
use crate::tail::mailbox::Mailbox;
use crate::tail::position_table::PositionTable;
use crate::tail::progress::Numbers;

/// Time for the clients to deliver what is queued, once the sources have stopped. With the rest of
/// the stop it stays below five seconds, far below a pod's grace period of thirty.
const DELIVER: Duration = Duration::from_secs(4);

/// Time for everything to end.
const DRAIN: Duration = Duration::from_millis(4_500);

/// Batches that wait at one client for one worker: at the default size and usual compression some
/// 1 MiB altogether.
const QUEUED_BATCHES: usize = 4;

/// Messages that wait between sources and a worker: they are in memory, and their size is bounded
/// by the source only.
const QUEUED_MESSAGES: usize = 64;

/// Workers share the files; more than this brought nothing on any machine that was measured.
const MAX_WORKERS: usize = 4;

/// An updater's new database of a `geoip` stage is in use after at most this time.
const LOOK_AT_DATABASES: Duration = Duration::from_secs(5);

/// What a process keeps over reloads.
#[derive(Debug, Clone)]
pub struct Process {
    /// Numbers of files and batches.
    pub numbers: Arc<Numbers>,
    /// Counters.
    pub metrics: Metrics,
    /// For the pages.
    pub status: Status,
    /// Entries are printed, nothing is pushed or saved.
    pub dry_run: bool,
    /// Another configuration ran before this one.
    pub is_reload: bool,
    /// How many log files may be open.
    pub descriptors: Arc<Descriptors>,
}

impl Process {
    /// Of a process that begins.
    pub fn new(dry_run: bool) -> Self {
        Self {
            numbers: Arc::default(),
            metrics: Metrics::new(),
            status: Status::default(),
            dry_run,
            is_reload: false,
            descriptors: Descriptors::of_process(),
        }
    }
}

/// Runs a plan until `stop` is cancelled (or standard input has ended), and stops it.
///
/// # Errors
/// A part that failed; the others have been stopped.
#[expect(clippy::too_many_lines, reason = "the parts in the order of the data, each started once")]
pub async fn run(
    process: &Process,
    config: &Config,
    plan: Plan,
    positions: Arc<PositionTable>,
    stop: CancellationToken,
) -> Result<(), SupervisorError> {
    let mut supervisor = Supervisor::new(stop.clone());
    let deadline = CancellationToken::new();
    let workers = if config.target_config.stdin {
        1
    } else {
        std::thread::available_parallelism().map_or(1, usize::from).min(MAX_WORKERS)
    };
    let Plan { mut jobs, clients, limit, geo_databases, .. } = plan;
    let sources: Vec<_> = jobs
        .iter_mut()
        .enumerate()
        .filter_map(|(index, job)| Some((index, job.source.take()?)))
        .collect();
    let receivers = sources.len().min(workers);
    let workers = workers + receivers;
    let mut queues: Vec<Vec<Box<dyn Sink>>> = (0..workers).map(|_| Vec::new()).collect();
    if process.dry_run {
        let colours = io::IsTerminal::is_terminal(&io::stdout());
        for sinks in &mut queues {
            sinks.push(Box::new(Printer::new(colours)));
        }
    } else {
        process.metrics.spools.set_running(if config.wal.enabled { clients.len() } else { 0 });
        for (index, (client, shape)) in clients.into_iter().enumerate() {
            let (queue, batches) = mpsc::channel::<Batch>(QUEUED_BATCHES * workers);
            for sinks in &mut queues {
                let accumulator = Accumulator::new(shape.clone(), Arc::clone(&process.numbers));
                sinks.push(Box::new(ClientSink::new(
                    accumulator,
                    queue.clone(),
                    client.metrics.clone(),
                    client.optional,
                )));
            }
            let (metrics, wal) = (&process.metrics, &config.wal);
            let table = Arc::clone(&positions);
            start_client(&mut supervisor, index, client, batches, wal, metrics, table, &deadline);
        }
    }
    let shipper = |jobs: &[Job], sinks| {
        let mut pipelines: Vec<_> = jobs.iter().map(|job| job.pipeline.fork()).collect();
        if pipelines.is_empty() {
            pipelines.push(crate::pipeline::run::Pipeline::default());
        }
        LineShipper::new(pipelines, sinks, limit.clone(), Arc::clone(&process.numbers))
    };
    let mut inlets = Vec::new();
    for index in 0..receivers {
        let (sender, deliveries) = mpsc::channel(QUEUED_MESSAGES);
        let sinks = queues.pop().unwrap_or_default();
        let receiver = Receiver::new(deliveries, shipper(&jobs, sinks));
        supervisor.run_thread(format!("receiver {index}"), move |_| {
            receiver.run();
            Ok::<(), io::Error>(())
        });
        inlets.push(sender);
    }
    for (index, (job, source)) in sources.into_iter().enumerate() {
        let inlet = Inlet {
            job,
            job_name: Arc::from(&*jobs[job].name),
            rules: jobs[job].rules(),
            queue: inlets[index % receivers].clone(),
            positions: Arc::clone(&positions),
            numbers: Arc::clone(&process.numbers),
            metrics: process.metrics.sources.clone(),
            is_reload: process.is_reload,
        };
        let name = format!("{} of {}", source.key(), jobs[job].name);
        supervisor.run_once(name, source.run(inlet, stop.clone()));
    }
    drop(inlets);
    if config.target_config.stdin {
        let sinks = queues.pop().unwrap_or_default();
        let shipper = shipper(&jobs, sinks);
        let labels = Arc::new(stdin_labels(&jobs));
        let limit = crate::tail::line_reader::DEFAULT_LINE_LIMIT;
        supervisor.run_thread("stdin", move |stop| {
            stdin::ship_all(io::stdin(), &labels, limit, shipper, &stop)
        });
    } else {
        let wake = Wake::new().map_err(|cause| {
            let (task, cause) = ("watcher".to_owned(), cause.into());
            SupervisorError::TaskFailed { task, cause }
        })?;
        keep_current(&mut supervisor, geo_databases, stop.clone());
        find_targets(&mut supervisor, &mut jobs, &wake, &process.metrics, &stop);
        let mailboxes: Vec<Arc<Mailbox>> = queues.iter().map(|_| Arc::default()).collect();
        for (index, (mailbox, sinks)) in mailboxes.iter().zip(queues).enumerate() {
            let options = jobs.iter().map(|job| job.reader.clone()).collect();
            let worker = Worker::new(
                Arc::clone(mailbox),
                shipper(&jobs, sinks),
                options,
                process.metrics.clone(),
                Arc::clone(&process.descriptors),
            );
            supervisor.run_thread(format!("worker {index}"), move |_| {
                worker.run();
                Ok::<(), io::Error>(())
            });
        }
        let counts_lines = jobs.iter().map(|job| job.reader.decompression.is_some()).collect();
        let status = process.status.clone();
        let config_text = config.to_yaml();
        let table = Arc::clone(&positions);
        let metrics = process.metrics.clone();
        let mut last = None;
        let host = host_name();
        let discover: Discover = Box::new(move || {
            let resolved: Vec<_> = jobs.iter_mut().map(|job| job.discover(&host)).collect();
            let discovered: Vec<Vec<_>> = resolved
                .iter()
                .map(|job| job.targets.iter().map(|target| target.discovered.clone()).collect())
                .collect();
            if last.as_ref() == Some(&discovered) {
                return None;
            }
            last = Some(discovered);
            report(&metrics, &resolved);
            let shown = jobs.iter().zip(&resolved).map(|(job, resolved)| job.status(resolved));
            status.apply(shown.collect(), Arc::clone(&table), config_text.clone());
            Some(resolved.into_iter().map(|job| job.targets).collect())
        });
        let wiring = Wiring {
            mailboxes,
            positions: Arc::clone(&positions),
            numbers: Arc::clone(&process.numbers),
            descriptors: Arc::clone(&process.descriptors),
            counts_lines,
        };
        watch(&mut supervisor, config, wiring, discover, wake, stop.clone());
    }
    let saves = !process.dry_run && !config.target_config.stdin;
    if saves {
        let (table, metrics) = (Arc::clone(&positions), process.metrics.clone());
        let (period, stop) = (config.positions.sync_period.as_duration(), stop.clone());
        supervisor.run_once("positions", async move {
            let mut interval = tokio::time::interval(period.max(Duration::from_millis(10)));
            loop {
                tokio::select! {
                    () = stop.cancelled() => return Ok::<(), io::Error>(()),
                    () = table.wants_save() => {}
                    _ = interval.tick() => {}
                }
                save(&table, &metrics).await;
            }
        });
    }
    let limit = deadline.clone();
    let timer = tokio::spawn(async move {
        stop.cancelled().await;
        tokio::time::sleep(DELIVER).await;
        limit.cancel();
    });
    let result = supervisor.run(DRAIN).await;
    timer.abort();
    if saves && save(&positions, &process.metrics).await {
        positions.close_recent();
    }
    match result {
        // Nothing is lost by it: the positions say what was accepted.
        Err(SupervisorError::DrainTimeout { tasks, .. }) => {
            tracing::warn!(tasks = tasks.join(", "), "stopped before everything was delivered");
            Ok(())
        }
        result => result,
    }
}

/// Starts what looks after the databases of `geoip` stages, where there are any.
fn keep_current(supervisor: &mut Supervisor, databases: GeoDatabases, stop: CancellationToken) {
    if databases.is_empty() {
        return;
    }
    supervisor.run_once("geoip databases", async move {
        let mut interval = tokio::time::interval(LOOK_AT_DATABASES);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok::<(), io::Error>(()),
                _ = interval.tick() => {}
            }
            let databases = databases.clone();
            // It fails only when the runtime ends.
            let _ = tokio::task::spawn_blocking(move || databases.refresh()).await;
        }
    });
}

/// A task for the client, and with a write-ahead log a thread that fills that.
#[expect(clippy::too_many_arguments, reason = "what a client needs, once")]
fn start_client(
    supervisor: &mut Supervisor,
    index: usize,
    client: Client,
    batches: mpsc::Receiver<Batch>,
    wal: &Wal,
    metrics: &Metrics,
    positions: Arc<PositionTable>,
    deadline: &CancellationToken,
) {
    let name = format!("client {index}");
    if !wal.enabled {
        let deadline = deadline.clone();
        supervisor.run_once(name, async move {
            client.run(batches, positions, deadline).await;
            Ok::<(), io::Error>(())
        });
        return;
    }
    let folder = wal.dir.join(folder_name(&client.name));
    match queue::open(&folder, wal.max_size.0, metrics.spools.client(&client.name)) {
        Ok((appender, outlet)) => {
            let (stop_writing, table) = (deadline.clone(), Arc::clone(&positions));
            supervisor.run_thread(format!("write-ahead log of {name}"), move |_| {
                appender.run(batches, &table, &stop_writing);
                Ok::<(), io::Error>(())
            });
            let deadline = deadline.clone();
            supervisor.run_once(name, async move {
                // What it sends has left its files.
                client.run(outlet, positions, deadline).await;
                Ok::<(), io::Error>(())
            });
        }
        Err(error) => supervisor.run_once(name, async move { Err::<(), _>(error) }),
    }
}

/// A client's name as the name of a folder: whatever could mean something in a path is replaced.
fn folder_name(client: &str) -> String {
    let is_plain = |char: char| char.is_ascii_alphanumeric() || "-_".contains(char);
    let mut name = String::with_capacity(client.len());
    for char in client.chars() {
        if is_plain(char) {
            name.push(char);
        } else {
            let _ = std::fmt::Write::write_fmt(&mut name, format_args!("%{:x}", u32::from(char)));
        }
    }
    name
}

/// Starts what finds the pods and services of the jobs.
fn find_targets(
    supervisor: &mut Supervisor,
    jobs: &mut [Job],
    wake: &Wake,
    metrics: &Metrics,
    stop: &CancellationToken,
) {
    for job in jobs {
        for discovery in job.discoveries.drain(..) {
            let failing = metrics.kubernetes_watches_failing.clone();
            let finding = discovery.run(wake.clone(), failing, stop.clone());
            supervisor.run_once(format!("kubernetes_sd_configs of {}", job.name), async {
                finding.await;
                Ok::<(), io::Error>(())
            });
        }
        for discovery in job.consul_discoveries.drain(..) {
            let name = format!("{} of {}", discovery.key(), job.name);
            let failing = metrics.consul_queries_failing.clone();
            let finding = discovery.run(wake.clone(), failing, stop.clone());
            supervisor.run_once(name, async {
                finding.await;
                Ok::<(), io::Error>(())
            });
        }
    }
}

fn watch(
    supervisor: &mut Supervisor,
    config: &Config,
    wiring: Wiring,
    discover: Discover,
    wake: Wake,
    stop: CancellationToken,
) {
    let watch = &config.global.file_watch_config;
    let rhythm = Rhythm {
        search: config.target_config.sync_period.as_duration().max(Duration::from_millis(10)),
        poll_min: watch.min_poll_frequency.as_duration().max(Duration::from_millis(1)),
        poll_max: watch.max_poll_frequency.as_duration().max(Duration::from_millis(1)),
    };
    let ring = wake.clone();
    supervisor.run_once("stop of the watcher", async move {
        stop.cancelled().await;
        ring.ring();
        Ok::<(), io::Error>(())
    });
    supervisor.run_thread("watcher", move |stop| {
        let mailboxes = wiring.mailboxes.clone();
        let result = Follower::new(wiring, rhythm, discover).run(&wake, &|| stop.is_cancelled());
        // Workers end when nobody tells them of files any more.
        for mailbox in &mailboxes {
            mailbox.stop();
        }
        result
    });
}

/// Whether that worked.
async fn save(table: &Arc<PositionTable>, metrics: &Metrics) -> bool {
    let (table, metrics) = (Arc::clone(table), metrics.clone());
    let saved = tokio::task::spawn_blocking(move || {
        let saved = table.save();
        if let Err(error) = &saved {
            metrics.position_save_failures.inc();
            tracing::error!(error = %ErrorChain(error), "positions cannot be saved, trying again");
        }
        saved.is_ok()
    });
    // It fails only when the runtime ends.
    saved.await.unwrap_or(false)
}

fn report(metrics: &Metrics, resolved: &[crate::discovery::target::Resolved]) {
    for reason in Rejection::ALL {
        let count =
            resolved.iter().flat_map(|job| &job.rejected).filter(|(_, why)| *why == reason).count();
        metrics.targets_failed.get(&[reason.as_str()]).inc_by(count as u64);
    }
    for error in resolved.iter().flat_map(|job| &job.errors) {
        tracing::error!(%error, "target is left out");
    }
    let targets: usize = resolved.iter().map(|job| job.targets.len()).sum();
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53 targets")]
    metrics.targets_active.set(targets as f64);
}

fn stdin_labels(jobs: &[Job]) -> prometheus_model::label_set::LabelSet {
    if jobs.len() > 1 {
        tracing::warn!("standard input uses the first scrape config, ignoring the others");
    }
    match jobs.first() {
        Some(job) => job.stdin_labels(),
        None => {
            [("job", "stdin".to_owned()), ("hostname", system_host_name())].into_iter().collect()
        }
    }
}

/// What `__host__` is compared with: `HOSTNAME`, which a pod sets to its node, else the system's.
pub fn host_name() -> String {
    std::env::var("HOSTNAME").ok().filter(|name| !name.is_empty()).unwrap_or_else(system_host_name)
}

fn system_host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

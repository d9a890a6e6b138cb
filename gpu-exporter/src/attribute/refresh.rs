//! Asks the kubelet again and again, and puts what it says on the [`Board`].
//!
//! Whatever the kubelet does, this goes on: a failure is counted, told once per outage, and tried
//! again after a pause. The reply is complete or does not count.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use daemon_runtime::backoff::Backoff;
use instrumentation::json_log::ErrorChain;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::assembly::{Arrivals, assemble};
use super::board::{Board, POD_RESOURCES, PODS};
use super::device_ids::KnownDevices;
use super::grpc::{CallError, Channel};
use super::holds::{Hold, Resolver};
use super::owner::DeviceKey;
use super::pod_labels::{LabelPatternError, PodLabels};
use super::pods_api::{PodDetails, PodName, PodsApi};
use super::{hpc, pod_resources};
use crate::config::Attribution;

/// For a whole call. The kubelet answers in under a second, even with thousands of pods.
const CALL_LIMIT: Duration = Duration::from_secs(10);

/// For a call of the Pods API, which must not hold up what does not need it.
const PODS_LIMIT: Duration = Duration::from_secs(2);

/// How long the Pods API is left alone after a failure.
const PODS_PAUSE: Duration = Duration::from_secs(30);

/// First pause after a failure, where the interval is not shorter; a kubelet takes a few seconds to
/// start.
const SHORTEST_PAUSE: Duration = Duration::from_millis(500);

/// Keeps the board current until `stop` is cancelled: every `interval`, and at once when the known
/// devices change.
///
/// # Errors
/// A pattern for labels of pods is no regular expression. Nothing else ends it.
pub async fn run(
    config: Attribution,
    mut known: watch::Receiver<Arc<KnownDevices>>,
    board: Arc<Board>,
    stop: CancellationToken,
) -> Result<(), LabelPatternError> {
    let mut refresher = Refresher::new(config)?;
    let asking = async {
        loop {
            let devices = Arc::clone(&known.borrow_and_update());
            let pause = refresher.refresh(&devices, &board).await;
            // false when nobody is left who could change them
            let changed = async { known.wait_for(|now| *now != devices).await.is_ok() };
            tokio::select! {
                () = sleep(pause) => {}
                true = changed => {}
            }
        }
    };
    tokio::select! {
        () = asking => {}
        () = stop.cancelled() => {}
    }
    Ok(())
}

/// Asks once, for a page that is printed. Without an answer the board stays as it is, and the log
/// says why.
///
/// # Errors
/// A pattern for labels of pods is no regular expression.
pub async fn once(
    config: Attribution,
    known: KnownDevices,
    board: &Board,
) -> Result<(), LabelPatternError> {
    Refresher::new(config)?.refresh(&Arc::new(known), board).await;
    Ok(())
}

/// What was last said in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Nothing,
    Works,
    Missing,
    Fails,
}

#[derive(Debug)]
struct Refresher {
    config: Attribution,
    labels: PodLabels,
    channel: Channel,
    pods_api: Option<PodsApi>,
    resolver: Resolver,
    arrivals: Arrivals,
    /// Of the pods that hold a device.
    details: BTreeMap<PodName, PodDetails>,
    backoff: Backoff,
    told: Told,
    told_of_pods: Told,
    /// Before that the Pods API is left alone.
    pods_again: Instant,
}

impl Refresher {
    fn new(config: Attribution) -> Result<Self, LabelPatternError> {
        Ok(Self {
            labels: PodLabels::new(&config.pod_labels)?,
            channel: Channel::new(config.pod_resources_socket.clone(), CALL_LIMIT),
            pods_api: None,
            resolver: Resolver::new(&config.resource_names),
            arrivals: Arrivals::default(),
            details: BTreeMap::new(),
            backoff: Backoff::new(SHORTEST_PAUSE.min(config.interval), config.interval),
            told: Told::Nothing,
            told_of_pods: Told::Nothing,
            pods_again: Instant::now(),
            config,
        })
    }

    /// One round. Returns how long to wait for the next.
    async fn refresh(&mut self, known: &Arc<KnownDevices>, board: &Board) -> Duration {
        self.resolver.set_known(known);
        let pause =
            if self.config.is_enabled { self.ask(board).await } else { self.config.interval };
        if let Some(directory) = &self.config.hpc_job_mapping_dir {
            // a batch system needs no kubelet
            board.put_jobs(read_jobs(directory.clone(), Arc::clone(known)).await);
        }
        pause
    }

    /// Asks the kubelet, and keeps what it said before where it does not answer.
    async fn ask(&mut self, board: &Board) -> Duration {
        let mut holds = Vec::new();
        let listed = self.list(&mut holds, board).await;
        self.tell(&listed);
        match listed {
            Ok(()) => {
                self.backoff.reset();
                self.ask_for_details(&holds, board).await;
                let taken = Instant::now().into_std();
                board.put(assemble(holds, &self.details, &mut self.arrivals, taken));
                self.config.interval
            }
            Err(error) => {
                if board.expire() {
                    tracing::warn!("pods are not shown any more, the kubelet is silent");
                }
                if error.is_missing_socket() {
                    self.config.interval
                } else {
                    self.backoff.next_pause(fastrand::f64)
                }
            }
        }
    }

    async fn list(&mut self, holds: &mut Vec<Hold>, board: &Board) -> Result<(), CallError> {
        let begin = Instant::now();
        let resolver = &mut self.resolver;
        let listed = pod_resources::list(&mut self.channel, |pod| resolver.add(pod, holds)).await;
        count(board, POD_RESOURCES, begin, listed.as_ref().err());
        board.malformed_pods.inc_by(listed?);
        board
            .unknown_ids
            .set(f64::from(u32::try_from(self.resolver.without_device()).unwrap_or(u32::MAX)));
        Ok(())
    }

    fn tell(&mut self, listed: &Result<(), CallError>) {
        let socket = self.channel.socket().display();
        let now = match listed {
            Ok(()) => Told::Works,
            Err(error) if error.is_missing_socket() => Told::Missing,
            Err(_) => Told::Fails,
        };
        if now == self.told {
            return;
        }
        match listed {
            Ok(()) => tracing::info!(%socket, "the kubelet tells which pods hold which devices"),
            Err(error) if now == Told::Missing && self.config.is_required => {
                let error = ErrorChain(error);
                tracing::error!(%error, "no kubelet, pods are not shown until there is one");
            }
            Err(_) if now == Told::Missing => {
                tracing::info!(%socket, "no kubelet here, pods are not shown until there is one");
            }
            Err(error) => {
                let error = ErrorChain(error);
                tracing::warn!(%error, "the kubelet does not tell which pods hold which devices");
            }
        }
        self.told = now;
    }

    /// UID, labels and phase of the pods that hold a device. What was known of them stays where the
    /// API fails.
    async fn ask_for_details(&mut self, holds: &[Hold], board: &Board) {
        let keep = |hold: &Hold| {
            let known = self.details.get(&hold.pod).cloned();
            (hold.pod.clone(), known.unwrap_or_default())
        };
        self.details = holds.iter().map(keep).collect();
        let Some(socket) = self.pods_socket() else {
            self.pods_api = None;
            return;
        };
        if self.details.is_empty() || Instant::now() < self.pods_again {
            return;
        }
        if self.pods_api.as_ref().is_none_or(|api| api.socket() != socket) {
            self.pods_api = Some(PodsApi::new(Channel::new(socket, PODS_LIMIT)));
        }
        let Some(api) = &mut self.pods_api else { return };
        let begin = Instant::now();
        let filled = api.fill(&mut self.details, &self.labels).await;
        count(board, PODS, begin, filled.as_ref().err());
        let now = if filled.is_ok() { Told::Works } else { Told::Fails };
        if let Err(error) = &filled {
            self.pods_again = Instant::now() + PODS_PAUSE;
            if self.told_of_pods != now {
                let error = ErrorChain(error);
                tracing::warn!(%error, "UIDs and labels of new pods are not known");
            }
        }
        self.told_of_pods = now;
    }

    fn pods_socket(&self) -> Option<PathBuf> {
        let exists = |socket: &&PathBuf| socket.try_exists().unwrap_or(false);
        self.config.pods_sockets.iter().find(exists).cloned()
    }
}

async fn read_jobs(
    directory: PathBuf,
    known: Arc<KnownDevices>,
) -> BTreeMap<DeviceKey, Vec<String>> {
    let reading = tokio::task::spawn_blocking(move || {
        hpc::read(&directory, &known).inspect_err(|error| {
            tracing::debug!(directory = %directory.display(), %error, "no jobs");
        })
    });
    reading.await.ok().and_then(Result::ok).unwrap_or_default()
}

fn count(board: &Board, api: &str, begin: Instant, error: Option<&CallError>) {
    board.request_seconds.get(&[api]).observe(begin.elapsed().as_secs_f64());
    if let Some(error) = error {
        board.errors.get(&[api, error.reason()]).inc();
    }
}

#[cfg(test)]
mod tests;

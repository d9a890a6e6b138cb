//! Follows the containers of one engine: finds them, has each read by one reader, and forgets those
//! that are gone.
//!
//! Every container that the engine lists has its [`Target`], whether it is read or not, so that no
//! decision is made twice. A place is forgotten only when the engine says that the container does
//! not exist.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use daemon_runtime::backoff::Backoff;
use instrumentation::json_log::ErrorChain;
use instrumentation::rate_limit::Repeated;
use prometheus_model::instrument::Gauge;
use prometheus_model::label_set::LabelSet;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::api::{Api, ApiError};
use super::container_labels::{self, AddressKeys, Networks, STREAM_LABEL};
use super::events::{self, Event, now};
use super::frames::StreamKind;
use super::lines::Clock;
use super::objects::Container;
use super::reader::{Ended, Ending, Reader, StreamLabels};
use super::target::{Target, cursor_key, is_cursor_key};
use crate::discovery::outage::Outage;
use crate::intake::inlet::Inlet;

/// Where an engine is, and how it is asked.
#[derive(Debug)]
pub(super) struct Settings {
    /// For logs.
    pub(super) name: String,
    pub(super) api: Api,
    pub(super) keys: AddressKeys,
    /// Between two looks.
    pub(super) refresh: Duration,
}

/// Events that wait; the engine keeps more of its own.
const QUEUED_EVENTS: usize = 64;

/// Before the second attempt to list.
const MIN_PAUSE: Duration = Duration::from_millis(100);

/// Seconds that the clock of an engine may differ from ours.
const CLOCK_DIFFERENCE: i64 = 10;

/// Looks come no quicker than this, whatever is configured.
const MIN_REFRESH: Duration = Duration::from_millis(100);

static UNLABELLED: Repeated = Repeated::every(Duration::from_secs(10));

/// Readers of containers that do not run, at the same time: an engine goes through the whole log of
/// each to find the place.
const CATCHING_UP: usize = 8;

/// Which containers the engines of a job read: two blocks may find the same one, which is read once.
#[derive(Debug, Clone, Default)]
pub(super) struct Claims(Arc<Mutex<HashMap<String, usize>>>);

impl Claims {
    fn claimed(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        // Nothing panics while it is held, and each change is a whole one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the container is read by the engine of this index, and by no other.
    fn claim(&self, id: &str, engine: usize) -> bool {
        *self.claimed().entry(id.to_owned()).or_insert(engine) == engine
    }

    /// The container does not exist any more.
    fn release(&self, id: &str) {
        self.claimed().remove(id);
    }
}

/// One engine's containers.
#[derive(Debug)]
pub(super) struct Engine {
    /// Among those of the job.
    index: usize,
    claims: Claims,
    api: Arc<Api>,
    keys: AddressKeys,
    inlet: Inlet,
    line_limit: usize,
    refresh: Duration,
    targets: HashMap<String, Target>,
    networks: Networks,
    readers: JoinSet<Ended>,
    catching_up: Arc<Semaphore>,
    /// Containers that have a place in the positions file.
    saved: HashSet<String>,
    /// Containers that ended before this time, in seconds since 1970, and were never read, are none
    /// of ours.
    horizon: i64,
    host: String,
    /// It has been said that networks are not listed.
    lacks_networks: bool,
    outage: Outage,
    backoff: Backoff,
    clock: Clock,
}

impl Engine {
    /// The one at `index` among those of its job; `line_limit` is in bytes.
    pub(super) fn new(
        settings: Settings,
        (index, claims): (usize, Claims),
        inlet: Inlet,
        line_limit: usize,
    ) -> Self {
        let Settings { name, api, keys, refresh } = settings;
        let refresh = refresh.max(MIN_REFRESH);
        let cursors = inlet.saved_cursors();
        let saved = cursors.iter().filter(|(key, _)| is_cursor_key(key));
        // The latest line that was accepted: until then nothing was missed.
        let last = saved.clone().filter_map(|(_, text)| text.parse().ok()).max();
        let failing = inlet.metrics().docker_engines_failing.clone();
        let outage = Outage::new("Docker", name.clone(), failing);
        Self {
            index,
            claims,
            api: Arc::new(api),
            keys,
            line_limit,
            refresh,
            targets: HashMap::new(),
            networks: Networks::new(),
            readers: JoinSet::new(),
            catching_up: Arc::new(Semaphore::new(CATCHING_UP)),
            saved: saved.map(|(key, _)| key.clone()).collect(),
            horizon: last.unwrap_or_else(now) - CLOCK_DIFFERENCE,
            host: name,
            lacks_networks: false,
            outage,
            backoff: Backoff::new(MIN_PAUSE, refresh),
            clock: Clock::new(),
            inlet,
        }
    }

    /// Follows them until `stop` is cancelled; then no reader is left.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let (sender, events) = mpsc::channel(QUEUED_EVENTS);
        let telling = events::follow(Arc::clone(&self.api), sender);
        tokio::select! {
            () = telling => {}
            () = self.follow(events) => {}
            () = stop.cancelled() => {}
        }
        // Lines that no worker has taken are read again: their places are not saved.
        self.readers.shutdown().await;
    }

    async fn follow(&mut self, mut events: mpsc::Receiver<Event>) {
        let mut next_look = tokio::time::Instant::now();
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(next_look) => {
                    next_look = tokio::time::Instant::now() + self.look_around().await;
                }
                Some(event) = events.recv() => {
                    // The list tells the same as any event, and whether the engine answers.
                    let is_lost = event == Event::Interrupted && self.outage.is_over();
                    if self.heed(event).await.is_err() || is_lost {
                        next_look = tokio::time::Instant::now();
                    }
                }
                Some(ended) = self.readers.join_next() => match ended {
                    Ok(ended) => self.ended(ended),
                    Err(error) => {
                        if let Ok(panic) = error.try_into_panic() {
                            std::panic::resume_unwind(panic);
                        }
                    }
                },
            }
        }
    }

    /// Lists all containers: how long to wait for the next time.
    async fn look_around(&mut self) -> Duration {
        match self.look().await {
            Ok(()) => {
                self.outage.over();
                self.backoff.reset();
                self.refresh
            }
            Err(error) => {
                self.outage.failed(&error);
                self.backoff.next_pause(fastrand::f64)
            }
        }
    }

    async fn look(&mut self) -> Result<(), ApiError> {
        let began = now();
        let containers = self.api.list(None).await?;
        self.fetch_networks().await?;
        let listed: HashSet<String> =
            containers.iter().map(|container| container.id.clone()).collect();
        self.take(containers).await?;
        // A filter may have hidden them: only the engine knows whether they exist.
        let missing: Vec<String> =
            self.targets.keys().filter(|id| !listed.contains(*id)).cloned().collect();
        for id in missing {
            match self.api.inspect(&id).await {
                Err(error) if error.is_not_found() => self.destroyed(&id),
                Err(error) => return Err(error),
                Ok(_) => {}
            }
        }
        self.horizon = began - CLOCK_DIFFERENCE;
        Ok(())
    }

    async fn heed(&mut self, event: Event) -> Result<(), ApiError> {
        match event {
            Event::Listening => self.look().await,
            Event::Interrupted => Ok(()),
            Event::Changed(id) => self.look_at(&id).await,
            Event::Started(id) => {
                if let Some(target) = self.targets.get_mut(&id) {
                    target.was_started();
                }
                self.look_at(&id).await
            }
            Event::Destroyed(id) => {
                self.destroyed(&id);
                Ok(())
            }
        }
    }

    async fn look_at(&mut self, id: &str) -> Result<(), ApiError> {
        let containers = self.api.list(Some(id)).await?;
        let is_known = |container: &Container| {
            let mut attachments = container.network_settings.networks.values();
            attachments.all(|attachment| {
                attachment.network.is_empty() || self.networks.contains_key(&attachment.network)
            })
        };
        if !containers.iter().all(is_known) {
            self.fetch_networks().await?;
        }
        self.take(containers).await
    }

    /// Networks give labels only: an engine that refuses them is read without.
    async fn fetch_networks(&mut self) -> Result<(), ApiError> {
        match self.api.networks().await {
            Ok(networks) => {
                let by_id = |network: super::objects::Network| (network.id.clone(), network);
                self.networks = networks.into_iter().map(by_id).collect();
                Ok(())
            }
            Err(error) if error.is_refusal() => {
                if !std::mem::replace(&mut self.lacks_networks, true) {
                    tracing::warn!(
                        host = self.host, error = %ErrorChain(&error),
                        "Docker engine does not list its networks: containers have no labels of them"
                    );
                }
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Takes in what the engine says of containers.
    async fn take(&mut self, containers: Vec<Container>) -> Result<(), ApiError> {
        let ids: Vec<String> = containers.iter().map(|container| container.id.clone()).collect();
        for container in containers {
            if let Some(target) = self.targets.get_mut(&container.id) {
                target.saw(container);
                continue;
            }
            let is_ours = container.is_running()
                || self.saved.contains(&cursor_key(&container.id))
                || (container.state != "created" && self.has_ended_lately(&container.id).await?);
            self.targets.insert(container.id.clone(), Target::new(container, is_ours));
        }
        // Labels come after all are known: one may share the network of another.
        for id in ids {
            let labels = self.labels(&id);
            let Some(target) = self.targets.get_mut(&id) else { continue };
            target.set_labels(labels);
            self.read(&id);
        }
        Ok(())
    }

    async fn has_ended_lately(&self, id: &str) -> Result<bool, ApiError> {
        match self.api.inspect(id).await {
            Ok(inspected) => {
                let ended = self.clock.parse(inspected.state.finished_at.as_bytes());
                Ok(ended.is_some_and(|ended| ended / 1_000_000_000 >= self.horizon))
            }
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn labels(&self, id: &str) -> StreamLabels {
        let Some(target) = self.targets.get(id) else { return StreamLabels::default() };
        let attached = |id: &str| self.targets.get(id).map(|target| &target.container);
        let labels =
            container_labels::labels(&target.container, &attached, &self.networks, &self.keys);
        StreamLabels(StreamKind::ALL.map(|stream| self.relabelled(id, labels.clone(), stream)))
    }

    fn relabelled(
        &self,
        id: &str,
        mut labels: LabelSet,
        stream: StreamKind,
    ) -> Option<Arc<LabelSet>> {
        labels.set(STREAM_LABEL, stream.as_str());
        let labels = self.inlet.relabel(labels)?;
        if labels.is_empty()
            && let Some(suppressed) = UNLABELLED.admit(Instant::now())
        {
            let job = self.inlet.job_name();
            tracing::warn!(
                job,
                container = id,
                suppressed,
                "no label is left of a container, and Loki refuses lines without: \
                 relabel_configs must set one"
            );
        }
        Some(Arc::new(labels))
    }

    /// Has a container read, if that is due.
    fn read(&mut self, id: &str) {
        let Some(target) = self.targets.get_mut(id) else { return };
        if !target.is_due() || !self.claims.claim(id, self.index) {
            return;
        }
        target.begin();
        let inlet = &self.inlet;
        let cursor = target.cursor.get_or_insert_with(|| {
            let cursor = inlet.cursor(&cursor_key(id));
            let saved = cursor.reached();
            let place = saved.as_deref().and_then(super::place::Place::parse);
            if place.is_none() && saved.is_some() {
                let job = inlet.job_name();
                tracing::warn!(
                    job,
                    container = id,
                    "saved place is no time, reading all of the log"
                );
            }
            target.place = place.unwrap_or_default();
            cursor
        });
        let reader = Reader {
            id: id.to_owned(),
            api: Arc::clone(&self.api),
            inlet: self.inlet.clone(),
            cursor: Arc::clone(cursor),
            place: target.place,
            labels: target.labels.subscribe(),
            line_limit: self.line_limit,
        };
        let active = Active::new(&self.inlet.metrics().docker_containers);
        let waits = (!target.container.is_running()).then(|| Arc::clone(&self.catching_up));
        self.readers.spawn(async move {
            let _active = active;
            // It is never closed.
            let _turn = match waits {
                Some(catching_up) => catching_up.acquire_owned().await.ok(),
                None => None,
            };
            reader.run().await
        });
    }

    fn ended(&mut self, ended: Ended) {
        let Ended { id, place, ending } = ended;
        let metrics = self.inlet.metrics();
        let job = self.inlet.job_name();
        let Some(target) = self.targets.get_mut(&id) else { return };
        let is_destroyed = target.end(place);
        match ending {
            Ending::Finished | Ending::Closed => target.accept(),
            Ending::Gone { was_read } => {
                if !was_read {
                    metrics.docker_unreadable.inc();
                    tracing::warn!(
                        job,
                        container = id,
                        "container was deleted before its log was read to the end"
                    );
                }
                self.forget(&id);
                return;
            }
            Ending::Refused(error) => {
                if target.refuse() {
                    metrics.docker_unreadable.inc();
                    tracing::warn!(
                        job, container = id, error = %ErrorChain(&error),
                        "log of a container cannot be read until it is started again"
                    );
                }
            }
        }
        if is_destroyed {
            self.forget(&id);
        } else {
            self.read(&id);
        }
    }

    fn destroyed(&mut self, id: &str) {
        let is_read = self.targets.get_mut(id).is_some_and(Target::destroy);
        if !is_read {
            self.forget(id);
        }
    }

    /// Nothing is left of a container. Lines on their way are not touched by that.
    fn forget(&mut self, id: &str) {
        let key = cursor_key(id);
        self.claims.release(id);
        let had_target = self.targets.remove(id).is_some();
        if self.saved.remove(&key) || had_target {
            self.inlet.forget_cursor(&key);
        }
    }
}

/// Counts readers at work, however they end.
#[derive(Debug)]
struct Active(Gauge);

impl Active {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.dec();
    }
}

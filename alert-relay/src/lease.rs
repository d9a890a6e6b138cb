//! Which of two replicas delivers: the holder of a Kubernetes Lease.
//!
//! Two may page, which PagerDuty makes one of; none may never. So whoever cannot ask the API server
//! pages after a while, and sends nothing else: only who proves the lease does that.

mod api;
mod election;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use instrumentation::json_log::ErrorChain;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use api::LeaseError;
pub use election::{Duty, Election, LeaseSpec, Write};

use crate::config::lease::LeaseKeys;
use crate::time::Moment;
use api::{Api, Stored, Written};

/// The holder proves itself this often.
const RENEW_EVERY: Duration = Duration::from_secs(5);

/// The others look this often: with the lease's 15 s a takeover has begun within 17 s.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What this replica is to deliver, to be asked before every delivery.
#[derive(Debug, Clone)]
pub struct Leadership {
    election: Arc<Mutex<Election>>,
    /// Moments of the election count from here: no clock that is set can hand out a lease.
    begin: Instant,
}

impl Leadership {
    fn new(identity: &str) -> Self {
        let begin = Instant::now();
        Self { election: Arc::new(Mutex::new(Election::new(identity, Moment::EPOCH))), begin }
    }

    fn now(&self) -> Moment {
        Moment::EPOCH.after(self.begin.elapsed())
    }

    fn with<T>(&self, act: impl FnOnce(&mut Election, Moment) -> T) -> T {
        // every change of an election is whole before anything can panic
        let mut election = self.election.lock().unwrap_or_else(PoisonError::into_inner);
        act(&mut election, self.now())
    }

    /// At this time.
    pub fn duty(&self) -> Duty {
        self.with(|election, now| election.duty(now))
    }
}

/// Takes part in the election.
#[derive(Debug)]
pub struct Candidate {
    api: Api,
    leadership: Leadership,
}

impl Candidate {
    /// `server` and `host` are what the environment says of the API server and of this host. Blocks
    /// on the disk.
    ///
    /// # Errors
    /// A key cannot be used.
    pub fn new(keys: &LeaseKeys, server: &str, host: &str) -> Result<Self, LeaseError> {
        let identity = keys.identity.as_deref().unwrap_or(host);
        let api = Api::new(keys, keys.server.as_deref().unwrap_or(server))?;
        Ok(Self { api, leadership: Leadership::new(identity) })
    }

    /// For those who deliver.
    pub fn leadership(&self) -> Leadership {
        self.leadership.clone()
    }

    /// Takes part until it is stopped, and then gives the lease back.
    pub async fn run(self, stop: CancellationToken) {
        let (mut duty, mut is_failing) = (Duty::Nothing, false);
        loop {
            let begin = Instant::now();
            let turn = tokio::select! {
                () = stop.cancelled() => break,
                turn = self.turn() => turn,
            };
            match &turn {
                Err(error) if !is_failing => {
                    tracing::warn!(error = %ErrorChain(error), "cannot ask for the lease");
                }
                Ok(()) if is_failing => tracing::info!("can ask for the lease again"),
                _ => {}
            }
            is_failing = turn.is_err();
            let now = self.leadership.duty();
            if std::mem::replace(&mut duty, now) != now {
                tracing::info!(duty = now.as_str(), "what this replica delivers has changed");
            }
            let is_leader = matches!(duty, Duty::Everything { .. }) && !is_failing;
            let pause = if is_leader { RENEW_EVERY } else { LOOK_EVERY };
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep_until(begin + pause) => {}
            }
        }
        // the others need not wait for its end; if this fails, they do
        let released = self.leadership.with(|election, _| election.release());
        if let Some(Write::Update(spec)) = released {
            let _ = self.api.write_over_held(&spec).await;
        }
    }

    /// Reads the lease, and takes or renews it where that is due.
    async fn turn(&self) -> Result<(), LeaseError> {
        let stored = self.api.read().await?;
        let spec = stored.as_ref().map(Stored::spec);
        let begun = self.leadership.now();
        let wall = Moment::now();
        let write = self.leadership.with(|election, now| election.read(spec, now, wall));
        let Some(write) = write else { return Ok(()) };
        match self.api.write(stored, &write).await? {
            // It holds from when it was asked for, not from when that was answered.
            Written::Stored => self.leadership.with(|election, _| election.written(&write, begun)),
            // Somebody else was faster; the next look tells who.
            Written::Conflict => {}
        }
        Ok(())
    }
}

/// The namespace that a pod's service account is in.
fn namespace(keys: &LeaseKeys) -> Result<String, LeaseError> {
    let read = |path: &Path| {
        let cause = |cause| LeaseError::Namespace { path: path.display().to_string(), cause };
        std::fs::read_to_string(path).map(|text| text.trim().to_owned()).map_err(cause)
    };
    keys.namespace.clone().map_or_else(|| read(&keys.namespace_file), Ok)
}

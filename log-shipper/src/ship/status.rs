//! What the pages show: targets with their files, and what discovery left out.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus_model::label_set::LabelSet;
use serde_json::{Value, json};

use crate::discovery::target::{Resolved, Target};
use crate::tail::position_table::PositionTable;

/// Left-out targets shown per job, as in Promtail.
const MAX_REJECTED: usize = 100;

/// One scrape config.
#[derive(Debug, Clone)]
pub struct JobStatus {
    /// `job_name`
    pub name: String,
    /// `files`, or the key of a source of messages.
    pub kind: &'static str,
    /// What is followed.
    pub targets: Vec<Target>,
    /// Labels as discovered, and why they gave no target.
    pub rejected: Vec<(LabelSet, &'static str)>,
}

impl JobStatus {
    /// Of what discovery found.
    pub fn new(name: &str, kind: &'static str, resolved: &Resolved) -> Self {
        let rejected = resolved.rejected.iter().take(MAX_REJECTED);
        Self {
            name: name.to_owned(),
            kind,
            targets: resolved.targets.clone(),
            rejected: rejected.map(|(labels, why)| (labels.clone(), why.as_str())).collect(),
        }
    }
}

#[derive(Debug, Default)]
struct Shown {
    jobs: Vec<JobStatus>,
    positions: Option<Arc<PositionTable>>,
    config: String,
}

/// Shared by the pages and whoever applies a configuration.
#[derive(Debug, Clone, Default)]
pub struct Status(Arc<Mutex<Arc<Shown>>>);

impl Status {
    fn lock(&self) -> MutexGuard<'_, Arc<Shown>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is applied now. A copy of the pointer: the watcher waits for the lock, and must not
    /// wait for a page.
    fn shown(&self) -> Arc<Shown> {
        Arc::clone(&self.lock())
    }

    /// A configuration was applied; `config` is its text without secrets.
    pub fn apply(&self, jobs: Vec<JobStatus>, positions: Arc<PositionTable>, config: String) {
        *self.lock() = Arc::new(Shown { jobs, positions: Some(positions), config });
    }

    /// The effective configuration, secrets masked.
    pub fn config(&self) -> String {
        self.shown().config.clone()
    }

    /// Jobs with targets, their files and positions.
    pub fn targets(&self) -> Value {
        let shown = self.shown();
        let positions = shown.positions.as_ref().map(|table| table.snapshot()).unwrap_or_default();
        let jobs = shown.jobs.iter().map(|job| {
            let targets = job.targets.iter().map(|target| {
                let files: Value = positions
                    .iter()
                    .filter(|(path, _)| target.covers(std::path::Path::new(path)))
                    .map(|(path, position)| (path.clone(), Value::from(position.clone())))
                    .collect::<serde_json::Map<_, _>>()
                    .into();
                json!({
                    "path": target.pattern.as_path().display().to_string(),
                    "labels": labels(&target.labels),
                    "files": files,
                })
            });
            json!({"job": job.name, "type": job.kind, "targets": targets.collect::<Vec<_>>()})
        });
        jobs.collect()
    }

    /// Discovered and left-out targets.
    pub fn discovery(&self) -> Value {
        let shown = self.shown();
        let jobs = shown.jobs.iter().map(|job| {
            let kept = job.targets.iter().map(|target| {
                json!({"discovered": labels(&target.discovered), "labels": labels(&target.labels)})
            });
            let rejected = job
                .rejected
                .iter()
                .map(|(discovered, why)| json!({"discovered": labels(discovered), "dropped": why}));
            json!({"job": job.name, "targets": kept.chain(rejected).collect::<Vec<_>>()})
        });
        jobs.collect()
    }
}

fn labels(set: &LabelSet) -> Value {
    let pairs = set.iter().map(|(name, value)| (name.to_owned(), Value::from(value)));
    pairs.collect::<serde_json::Map<_, _>>().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tail::position_table::Saved;

    #[test]
    fn a_page_in_the_making_keeps_nobody_waiting() {
        let status = Status::default();
        let shown = status.shown();
        let path = std::path::PathBuf::from("/nonexistent/positions.yaml");
        status.apply(
            Vec::new(),
            Arc::new(PositionTable::new(path, Saved::default())),
            "new".to_owned(),
        );
        assert_eq!((shown.config.as_str(), status.config().as_str()), ("", "new"));
    }
}

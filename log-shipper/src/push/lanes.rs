//! Tenants of one client, each in its own lane: one that is over its rate does not hold up another.
//! Within a lane batches keep their order, and one is on its way at a time.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::FixedState;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::client::Client;
use crate::batch::accumulator::Batch;
use crate::tail::position_table::PositionTable;

/// Tenants beyond share a lane: each holds a batch or two in memory.
const MAX_LANES: usize = 32;

/// Batches that wait in a lane behind the one that is on its way.
const WAITING: usize = 1;

/// The lanes of one client.
#[derive(Debug)]
pub(super) struct Lanes {
    client: Arc<Client>,
    positions: Arc<PositionTable>,
    deadline: CancellationToken,
    /// By tenant; the first ones have a lane of their own.
    own: HashMap<Arc<str>, usize>,
    all: Vec<mpsc::Sender<Batch>>,
    tasks: JoinSet<()>,
}

impl Lanes {
    pub(super) fn new(
        client: Arc<Client>,
        positions: Arc<PositionTable>,
        deadline: CancellationToken,
    ) -> Self {
        let (own, all, tasks) = (HashMap::new(), Vec::new(), JoinSet::new());
        Self { client, positions, deadline, own, all, tasks }
    }

    /// Passes a batch to its lane; waits while that is full.
    pub(super) async fn send(&mut self, batch: Batch) {
        let index = self.lane_of(&batch.tenant);
        // It closes at the deadline only: the batch stays unsettled then.
        let _ = self.all[index].send(batch).await;
    }

    fn lane_of(&mut self, tenant: &Arc<str>) -> usize {
        if let Some(index) = self.own.get(tenant) {
            return *index;
        }
        if self.all.len() == MAX_LANES {
            let hash = FixedState::default().hash_one(&**tenant);
            return usize::try_from(hash % MAX_LANES as u64).expect("few lanes");
        }
        let (sender, mut batches) = mpsc::channel::<Batch>(WAITING);
        let (client, deadline) = (Arc::clone(&self.client), self.deadline.clone());
        let positions = Arc::clone(&self.positions);
        self.tasks.spawn(async move {
            while let Some(batch) = batches.recv().await {
                tokio::select! {
                    () = deadline.cancelled() => return,
                    // A kill must not repeat this batch and the next one.
                    moved = client.deliver(batch) => positions.record_soon(moved).await,
                }
            }
        });
        self.all.push(sender);
        self.own.insert(Arc::clone(tenant), self.all.len() - 1);
        self.all.len() - 1
    }

    /// Waits until every lane has delivered what it holds, or the deadline is over.
    pub(super) async fn finish(mut self) {
        self.all.clear();
        while self.tasks.join_next().await.is_some() {}
    }
}

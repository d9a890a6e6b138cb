//! Work for those who send: what is due comes from the ledger, and what became of it goes back.

use std::fmt;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::decide::{Decisions, Next};
use crate::deliver::{Job, Work};
use crate::incident::{Answer, Changes, DeliveryId, Input, Table};
use crate::ledger::{Core, Handle, Subscriber, Unavailable};
use crate::time::Moment;

/// Between two looks when nothing is planned: the clock may have been set.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Before a ledger that has no time, or a journal that cannot be written, is asked again.
const PAUSE: Duration = Duration::from_millis(250);

/// Tells those who wait for work that there may be some.
#[derive(Debug)]
pub struct News(watch::Sender<()>);

impl News {
    /// What tells, and what is told.
    pub fn new() -> (Self, watch::Receiver<()>) {
        let (sender, receiver) = watch::channel(());
        (Self(sender), receiver)
    }
}

impl Subscriber for News {
    fn committed(&mut self, changes: &[(Moment, Changes)]) {
        let mut rows = changes.iter().flat_map(|(_, changes)| &changes.rows);
        if rows.any(|row| row.table == Table::Deliveries) {
            self.0.send_replace(());
        }
    }

    fn restored(&mut self, _: &dyn Core) {
        self.0.send_replace(());
    }
}

/// Gives out work until it is stopped.
#[derive(Clone)]
pub struct Dispatch {
    ledger: Handle,
    news: watch::Receiver<()>,
    stop: CancellationToken,
}

impl fmt::Debug for Dispatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatch").finish_non_exhaustive()
    }
}

impl Dispatch {
    /// Work from this ledger.
    pub fn new(ledger: Handle, news: watch::Receiver<()>, stop: CancellationToken) -> Self {
        Self { ledger, news, stop }
    }

    async fn pause(&self) {
        self.stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
    }
}

impl Work for Dispatch {
    async fn next(&self, destination: &str) -> Option<Job> {
        let mut news = self.news.clone();
        while !self.stop.is_cancelled() {
            news.mark_unchanged();
            let name = destination.to_owned();
            let look = move |core: &Decisions| core.next(&name, Moment::now());
            let due = match self.ledger.inspect(look).await {
                Ok(Next::Job(job)) => return Some(*job),
                Ok(Next::Wait(due)) => due,
                Err(Unavailable::Stopping) => return None,
                Err(_) => {
                    self.pause().await;
                    continue;
                }
            };
            let wait = due.map_or(LONGEST_WAIT, |due| due.since(Moment::now()).min(LONGEST_WAIT));
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = tokio::time::sleep(wait) => {}
                _ = news.changed() => {}
            }
        }
        None
    }

    async fn started(&self, delivery: DeliveryId) -> bool {
        match self.ledger.submit(Input::Started { delivery }).await {
            Ok(()) => true,
            Err(error) => {
                // A page that comes twice is better than none.
                let look = move |core: &Decisions| {
                    let sends = error == Unavailable::Journal && core.is_page(delivery);
                    if !sends {
                        core.put_back(delivery);
                    }
                    sends
                };
                let sends = self.ledger.inspect(look).await.unwrap_or(false);
                if !sends {
                    self.pause().await;
                }
                sends
            }
        }
    }

    async fn answered(&self, delivery: DeliveryId, answer: Answer) {
        loop {
            let input = Input::Answered { delivery, answer: answer.clone() };
            match self.ledger.submit(input).await {
                Ok(()) | Err(Unavailable::Stopping) => return,
                Err(_) if self.stop.is_cancelled() => return,
                Err(_) => self.pause().await,
            }
        }
    }
}

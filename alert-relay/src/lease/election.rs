//! The rules of the election, without clock and without network.
//!
//! A lease is over when it was not seen to change for its length: no two hosts' clocks are compared.
//! Its holder stops earlier than that, so that at no time two hold it.

use std::time::Duration;

use crate::time::Moment;

/// A lease that was not renewed for this time is anybody's.
const LENGTH: Duration = Duration::from_secs(15);

/// A holder that could not renew for this time does not count on it any more.
const GIVE_UP_AFTER: Duration = Duration::from_secs(10);

/// Who could not ask the API server for this time pages.
const ALONE_AFTER: Duration = Duration::from_secs(30);

/// What a replica is to deliver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duty {
    /// It holds the lease.
    Everything {
        /// How often the lease has changed hands: what an earlier holder did has a lower number.
        transitions: u32,
    },
    /// Nobody can tell who holds it: what wakes somebody is sent, by both if need be.
    Pages,
    /// Another one holds it.
    Nothing,
}

impl Duty {
    /// As in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Everything { .. } => "everything",
            Self::Pages => "pages",
            Self::Nothing => "nothing",
        }
    }

    /// Whether a delivery is to be sent.
    pub fn allows(self, is_page: bool) -> bool {
        match self {
            Self::Everything { .. } => true,
            Self::Pages => is_page,
            Self::Nothing => false,
        }
    }
}

/// What a Lease says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseSpec {
    /// Nobody holds it if this is empty.
    pub holder: String,
    /// As its holder set it.
    pub length: Duration,
    /// When its holder took it, by its clock.
    pub acquired: String,
    /// When its holder last renewed it, by its clock: only compared with itself.
    pub renewed: String,
    /// How often it has changed hands.
    pub transitions: u32,
}

/// What is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// There is no Lease.
    Create(LeaseSpec),
    /// Over the version that was read.
    Update(LeaseSpec),
}

impl Write {
    /// What is to be in it.
    pub fn spec(&self) -> &LeaseSpec {
        match self {
            Self::Create(spec) | Self::Update(spec) => spec,
        }
    }
}

/// One replica's knowledge of the lease.
#[derive(Debug)]
pub struct Election {
    identity: String,
    /// What was last read or written, and since when it is so.
    seen: Option<(LeaseSpec, Moment)>,
    /// When the lease was last taken or renewed by this replica, while nobody else has it.
    renewed_at: Option<Moment>,
    /// When the API server was last heard, or the start.
    heard_at: Moment,
}

impl Election {
    /// Begins without the lease.
    pub fn new(identity: &str, now: Moment) -> Self {
        Self { identity: identity.to_owned(), seen: None, renewed_at: None, heard_at: now }
    }

    /// What to write after this was read; `None` for no Lease. `wall` is for people.
    pub fn read(&mut self, spec: Option<LeaseSpec>, now: Moment, wall: Moment) -> Option<Write> {
        self.heard_at = now;
        let stamp = format!("{:.6}", wall.timestamp());
        let own = |transitions, acquired: &str| LeaseSpec {
            holder: self.identity.clone(),
            length: LENGTH,
            acquired: acquired.to_owned(),
            renewed: stamp.clone(),
            transitions,
        };
        let Some(spec) = spec else {
            (self.seen, self.renewed_at) = (None, None);
            return Some(Write::Create(own(0, &stamp)));
        };
        let since = match &self.seen {
            Some((seen, since)) if *seen == spec => *since,
            _ => now,
        };
        let write = if spec.holder == self.identity {
            Some(Write::Update(own(spec.transitions, &spec.acquired)))
        } else {
            self.renewed_at = None;
            let is_over = spec.holder.is_empty() || now.since(since) >= spec.length.max(LENGTH);
            is_over.then(|| Write::Update(own(spec.transitions.saturating_add(1), &stamp)))
        };
        self.seen = Some((spec, since));
        write
    }

    /// What was to be written is stored; it was begun at that time.
    pub fn written(&mut self, write: &Write, begun: Moment) {
        self.seen = Some((write.spec().clone(), begun));
        self.renewed_at = Some(begun);
    }

    /// What to write when this replica ends.
    pub fn release(&mut self) -> Option<Write> {
        self.renewed_at.take()?;
        let (spec, _) = self.seen.clone()?;
        let is_own = spec.holder == self.identity;
        is_own.then(|| Write::Update(LeaseSpec { holder: String::new(), ..spec }))
    }

    /// What to deliver at `now`.
    pub fn duty(&self, now: Moment) -> Duty {
        let transitions = self.seen.as_ref().map_or(0, |(spec, _)| spec.transitions);
        match self.renewed_at {
            Some(renewed) if now.since(renewed) < GIVE_UP_AFTER => Duty::Everything { transitions },
            // it had the lease, and nobody has said that another one does
            Some(_) => Duty::Pages,
            None if now.since(self.heard_at) >= ALONE_AFTER => Duty::Pages,
            None => Duty::Nothing,
        }
    }
}

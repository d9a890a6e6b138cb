//! Names of senders by their addresses, from the system's resolver.
//!
//! A resolver may take many seconds, and senders may be made up: waiting, the lookups that run at
//! once, and the names kept are all bounded. A name that is not known in time is empty, and asked for
//! again with a later message.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, timeout};

/// Lookups at once, each a thread; while all of them wait for the resolver, no message waits.
const LOOKUPS: usize = 8;

/// Names kept, some 200 bytes each.
const KEPT: usize = 4096;

/// A name is asked for again after this time.
const FRESH: Duration = Duration::from_mins(5);

type Lookup = fn(IpAddr) -> Option<String>;

/// The names; a clone shares them.
#[derive(Debug, Clone)]
pub struct HostNames {
    known: Arc<Mutex<HashMap<IpAddr, Known>>>,
    room: Arc<Semaphore>,
    lookup: Lookup,
}

#[derive(Debug, Clone)]
struct Known {
    /// `None` while it is looked up.
    name: Option<Arc<str>>,
    at: Instant,
}

impl HostNames {
    /// Asks the system.
    pub fn of_system() -> Self {
        Self::with(system)
    }

    fn with(lookup: Lookup) -> Self {
        Self { known: Arc::default(), room: Arc::new(Semaphore::new(LOOKUPS)), lookup }
    }

    /// The name of an address, empty when there is none or when it is not known after `patience`.
    pub async fn of(&self, address: IpAddr, patience: Duration) -> Arc<str> {
        let outdated = {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            match known.get(&address) {
                Some(Known { name: Some(name), at }) if at.elapsed() < FRESH => {
                    return Arc::clone(name);
                }
                Some(Known { name: None, at }) if at.elapsed() < FRESH => return Arc::default(),
                other => other.and_then(|known| known.name.clone()),
            }
        };
        let Ok(permit) = Arc::clone(&self.room).try_acquire_owned() else {
            return outdated.unwrap_or_default();
        };
        self.remember(address, outdated);
        let (done, answer) = oneshot::channel();
        let names = self.clone();
        // No task of the runtime: its end would wait for the resolver, that of the process does not.
        let thread = std::thread::Builder::new().name("reverse dns".to_owned()).spawn(move || {
            let name: Arc<str> = (names.lookup)(address).unwrap_or_default().into();
            names.remember(address, Some(Arc::clone(&name)));
            drop(permit);
            let _ = done.send(name);
        });
        match (thread, timeout(patience, answer).await) {
            (Ok(_), Ok(Ok(name))) => name,
            _ => Arc::default(),
        }
    }

    fn remember(&self, address: IpAddr, name: Option<Arc<str>>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KEPT && !known.contains_key(&address) {
            known.retain(|_, known| known.at.elapsed() < FRESH);
            if known.len() >= KEPT {
                known.clear();
            }
        }
        known.insert(address, Known { name, at: Instant::now() });
    }
}

/// As in Go a name with a dot ends with one: it is a full one.
fn system(address: IpAddr) -> Option<String> {
    let mut name = dns_lookup::lookup_addr(&address).ok()?;
    // Without a name the system gives the address.
    if name.parse::<IpAddr>().is_ok() {
        return None;
    }
    if name.contains('.') && !name.ends_with('.') {
        name.push('.');
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const PATIENCE: Duration = Duration::from_mins(1);

    fn address(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[tokio::test]
    async fn a_name_is_looked_up_once() {
        static LOOKUPS: AtomicUsize = AtomicUsize::new(0);
        let names = HostNames::with(|address| {
            LOOKUPS.fetch_add(1, Ordering::Relaxed);
            (address == IpAddr::from([10, 0, 0, 1])).then(|| "one.example.".to_owned())
        });
        for _ in 0..3 {
            assert_eq!(&*names.of(address(1), PATIENCE).await, "one.example.");
            assert_eq!(&*names.of(address(2), PATIENCE).await, "");
        }
        assert_eq!(LOOKUPS.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn a_resolver_that_hangs_holds_up_nobody_for_long() {
        let names = HostNames::with(|_| {
            std::thread::park_timeout(PATIENCE);
            None
        });
        for last in 0..100 {
            assert_eq!(&*names.of(address(last), Duration::ZERO).await, "");
        }
        assert_eq!(names.room.available_permits(), 0);
        assert!(names.known.lock().unwrap().len() <= LOOKUPS);
        // All lookups are taken: nobody waits any more.
        assert_eq!(&*names.of(address(200), PATIENCE).await, "");
    }

    #[tokio::test]
    async fn names_kept_are_bounded() {
        let names = HostNames::with(|_| None);
        for number in 0..u32::try_from(KEPT).unwrap() + 10 {
            names.remember(IpAddr::from(number.to_be_bytes()), Some(Arc::default()));
        }
        assert!(names.known.lock().unwrap().len() <= KEPT);
    }
}

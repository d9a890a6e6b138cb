use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use stack_tests::patience::await_condition;

use super::*;
use crate::alert::{Alert, Fingerprint, Identity};
use crate::incident::{
    Delivery, DeliveryId, DeliveryState, Event, IncidentId, IncidentKey, Kind, Row, Severity,
    Source, Table, Told,
};
use crate::journal::faulty_disk::{Fault, FaultyDisk};

fn alert(name: &str) -> Alert {
    let labels = [("alertname", name)].into_iter().collect();
    Alert {
        identity: Identity::of(&labels, &[]),
        fingerprint: Fingerprint::of(&labels),
        labels,
        annotations: prometheus_model::label_set::LabelSet::new(),
        starts_at: Moment::EPOCH,
        ends_at: None,
        generator_url: String::new(),
    }
}

fn told(name: &str) -> Input {
    let told = vec![Told { alert: alert(name), fires_until: None }];
    Input::Alerts { source: Source::Internal, told, rejected: Vec::new() }
}

/// Knows names of alerts, pages each once, panics at `poison`, and asks for a tick if it has `wake`.
#[derive(Default)]
struct Names {
    known: BTreeMap<String, u64>,
    ticks: u64,
    wake: Option<Moment>,
}

fn page(name: &str, number: u64) -> Row {
    let incident = IncidentId { key: IncidentKey::of([name]), number: 1 };
    let delivery = Delivery {
        id: DeliveryId(number),
        destination: "oncall".to_owned(),
        incidents: vec![incident],
        kind: Kind::Open,
        severity: Severity::Critical,
        is_page: true,
        text: String::new(),
        planned_at: Moment::EPOCH,
        expires_at: None,
        attempts: 0,
        state: DeliveryState::Planned { not_before: Moment::EPOCH },
        fallback_for: None,
        has_fallen_back: false,
        ambiguous_since: None,
    };
    let value = Some(serde_json::to_vec(&delivery).unwrap());
    Row { table: Table::Deliveries, key: number.to_be_bytes().to_vec(), value }
}

impl Core for Names {
    fn apply(&mut self, input: &Input, at: Moment) -> Changes {
        let mut changes = Changes::default();
        match input {
            Input::Alerts { told, .. } => {
                for told in told {
                    let name = told.alert.name();
                    assert_ne!(name, "poison");
                    if self.known.contains_key(name) {
                        continue;
                    }
                    let number = self.known.len() as u64;
                    self.known.insert(name.to_owned(), number);
                    let value = Some(number.to_string().into_bytes());
                    changes.rows.push(Row { table: Table::Alerts, key: name.into(), value });
                    changes.rows.push(page(name, number));
                    changes.events.push(Event::Configured { hash: name.to_owned() });
                }
            }
            Input::Tick => {
                self.ticks += 1;
                self.wake = self.wake.take().filter(|wake| *wake > at);
            }
            _ => {}
        }
        changes
    }

    fn next_wake(&self) -> Option<Moment> {
        self.wake
    }

    fn restore(&mut self, mut stored: Stored) -> Result<(), BoxError> {
        self.known.clear();
        for (key, value) in stored.take(Table::Alerts) {
            self.known.insert(String::from_utf8(key)?, String::from_utf8(value)?.parse()?);
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Default)]
struct Seen {
    committed: Arc<Mutex<Vec<String>>>,
    restored: Arc<AtomicU64>,
    paged: Arc<Mutex<Vec<String>>>,
    given_up: Arc<Mutex<Vec<String>>>,
}

impl Subscriber for Seen {
    fn committed(&mut self, changes: &[(Moment, Changes)]) {
        let mut committed = self.committed.lock().unwrap();
        for event in changes.iter().flat_map(|(_, changes)| &changes.events) {
            if let Event::Configured { hash } = event {
                committed.push(hash.clone());
            }
        }
    }

    fn restored(&mut self, _: &dyn Core) {
        self.restored.fetch_add(1, Ordering::SeqCst);
    }
}

impl Emergency for Seen {
    fn page(&mut self, pages: Vec<EmergencyPage>) {
        let keys = pages.iter().map(|page| page.delivery.incidents[0].key.to_string());
        self.paged.lock().unwrap().extend(keys);
    }

    fn given_up(&mut self, firing: Vec<Alert>, _: Moment) {
        self.given_up.lock().unwrap().extend(firing.iter().map(|alert| alert.name().to_owned()));
    }
}

#[derive(Clone, Default)]
struct TestPlace {
    disk: FaultyDisk,
    refuses: Arc<AtomicBool>,
}

impl Open for TestPlace {
    fn open(&self) -> Result<Journal, JournalError> {
        if self.refuses.load(Ordering::SeqCst) {
            return Err(JournalError::Closed);
        }
        self.disk.open()
    }
}

struct Running {
    handle: Handle,
    seen: Seen,
    thread: JoinHandle<Result<(), LedgerError>>,
}

fn start_with(place: &TestPlace, core: Names) -> Running {
    let seen = Seen::default();
    let (ledger, handle) = Ledger::new(Parts {
        place: Box::new(place.clone()),
        core: Box::new(core),
        subscriber: Box::new(seen.clone()),
        emergency: Box::new(seen.clone()),
        clock: Box::new(|| Moment::from_millis(1_000)),
        crash: CrashPoints::default(),
        metrics: Metrics::default(),
    });
    Running { handle, seen, thread: std::thread::spawn(move || ledger.run()) }
}

fn start(place: &TestPlace) -> Running {
    start_with(place, Names::default())
}

impl Running {
    async fn known(&self) -> Vec<String> {
        self.handle.inspect(|core: &Names| core.known.keys().cloned().collect()).await.unwrap()
    }

    fn end(self) {
        drop(self.handle);
        self.thread.join().unwrap().unwrap();
    }
}

fn key(name: &str) -> String {
    IncidentKey::of([name]).to_string()
}

#[tokio::test]
async fn what_was_answered_is_in_the_journal_and_was_told_before_the_answer() {
    let place = TestPlace::default();
    let running = start(&place);
    running.handle.submit(told("a")).await.unwrap();
    assert_eq!(*running.seen.committed.lock().unwrap(), ["a"]);
    let left = place.disk.after_power_failure(|| false);
    assert_eq!(left.open().unwrap().load().unwrap().rows(Table::Alerts).len(), 1);
    running.handle.submit(told("b")).await.unwrap();
    running.end();
    let running = start(&place);
    assert_eq!(running.known().await, ["a", "b"]);
    running.end();
}

#[tokio::test]
async fn many_inputs_take_few_syncs() {
    let place = TestPlace::default();
    let running = start(&place);
    running.handle.submit(told("first")).await.unwrap();
    let before = place.disk.calls();
    running.handle.submit(told("single")).await.unwrap();
    let single = place.disk.calls() - before;
    // The thread is busy looking while they arrive.
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let handle = running.handle.clone();
    let busy = tokio::spawn(async move {
        handle.inspect(move |_: &Names| wait.recv().unwrap()).await.unwrap();
    });
    let submit = |number: u64| {
        let handle = running.handle.clone();
        tokio::spawn(async move { handle.submit(told(&number.to_string())).await })
    };
    let before = place.disk.calls();
    let submitted: Vec<_> = (0..100).map(submit).collect();
    tokio::task::yield_now().await;
    go.send(()).unwrap();
    busy.await.unwrap();
    for submitted in submitted {
        submitted.await.unwrap().unwrap();
    }
    let all = place.disk.calls() - before;
    assert!(all < 40 * single, "{all} calls for 100, {single} for one");
    assert_eq!(running.known().await.len(), 102);
    running.end();
}

#[tokio::test]
async fn an_inbox_that_is_full_refuses_at_once() {
    let place = TestPlace::default();
    let running = start(&place);
    running.handle.submit(told("first")).await.unwrap();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let handle = running.handle.clone();
    let busy = tokio::spawn(async move {
        let look = move |_: &Names| {
            let _ = begun.send(());
            wait.recv().unwrap();
        };
        handle.inspect(look).await.unwrap();
    });
    has_begun.await.unwrap();
    let mut submitted = tokio::task::JoinSet::new();
    for _ in 0..=INBOX {
        let handle = running.handle.clone();
        submitted.spawn(async move { handle.submit(told("a")).await });
    }
    let first = submitted.join_next().await.unwrap().unwrap();
    assert_eq!(first, Err(Unavailable::Overloaded), "it is answered while the others wait");
    go.send(()).unwrap();
    busy.await.unwrap();
    while let Some(answer) = submitted.join_next().await {
        answer.unwrap().unwrap();
    }
    assert!(running.handle.metrics.inbox_length.get().abs() < 0.5);
    running.end();
}

#[tokio::test]
async fn after_a_failed_commit_memory_is_what_the_journal_has_and_pages_were_sent() {
    for fault in [Fault::Write, Fault::Sync] {
        let place = TestPlace::default();
        let running = start(&place);
        running.handle.submit(told("a")).await.unwrap();
        place.refuses.store(true, Ordering::SeqCst);
        place.disk.fail_after(0, fault);
        assert_eq!(running.handle.submit(told("b")).await, Err(Unavailable::Journal));
        assert_eq!(*running.seen.paged.lock().unwrap(), [key("b")]);
        assert_eq!(*running.seen.committed.lock().unwrap(), ["a"]);
        // Alertmanager sends it again and again: it is paged once. Others page too.
        assert_eq!(running.handle.submit(told("b")).await, Err(Unavailable::Journal));
        assert_eq!(running.handle.submit(told("c")).await, Err(Unavailable::Journal));
        assert_eq!(*running.seen.paged.lock().unwrap(), [key("b"), key("c")]);
        let pulse = running.handle.pulse();
        assert!(!*pulse.writable().borrow());
        let restored = running.seen.restored.load(Ordering::SeqCst);
        place.disk.mend();
        place.refuses.store(false, Ordering::SeqCst);
        let mut writable = pulse.writable();
        writable.wait_for(|writable| *writable).await.unwrap();
        let known = running.known().await;
        if fault == Fault::Write {
            assert_eq!(known, ["a"], "what was decided without the journal is forgotten");
        } else {
            // Nobody knows what a failed sync left on the disk.
            assert!(known.contains(&"a".to_owned()), "{known:?}");
        }
        assert_eq!(running.seen.restored.load(Ordering::SeqCst), restored + 1);
        running.handle.submit(told("c")).await.unwrap();
        running.end();
        let running = start(&place);
        let known = running.known().await;
        assert!(known.contains(&"a".to_owned()) && known.contains(&"c".to_owned()), "{known:?}");
        running.end();
    }
}

#[tokio::test]
async fn a_journal_that_cannot_be_opened_at_the_start_pages_and_is_opened_later() {
    let place = TestPlace::default();
    place.refuses.store(true, Ordering::SeqCst);
    let running = start(&place);
    assert_eq!(running.handle.submit(told("a")).await, Err(Unavailable::Journal));
    assert_eq!(*running.seen.paged.lock().unwrap(), [key("a")]);
    place.refuses.store(false, Ordering::SeqCst);
    let mut writable = running.handle.pulse().writable();
    writable.wait_for(|writable| *writable).await.unwrap();
    running.handle.submit(told("a")).await.unwrap();
    assert_eq!(*running.seen.paged.lock().unwrap(), [key("a")], "now it goes the usual way");
    running.end();
}

#[tokio::test]
async fn an_input_that_panics_is_kept_and_told_and_hides_no_other() {
    let place = TestPlace::default();
    let running = start(&place);
    running.handle.submit(told("a")).await.unwrap();
    let Input::Alerts { told: poison, .. } = told("poison") else { unreachable!() };
    let inputs = vec![
        told("b"),
        Input::Alerts { source: Source::Internal, told: poison, rejected: Vec::new() },
        told("c"),
    ];
    let submission = Submission { inputs, refused: Vec::new() };
    running.handle.submit(submission).await.unwrap();
    assert_eq!(running.known().await, ["a", "b", "c"]);
    assert_eq!(*running.seen.given_up.lock().unwrap(), ["poison"]);
    running.end();
    let mut dump = Vec::new();
    place.disk.open().unwrap().dump(&mut dump).unwrap();
    let dump = String::from_utf8(dump).unwrap();
    assert!(dump.contains("the relay panicked while it processed this"), "{dump}");
    assert!(dump.contains(r#"\"alertname\":\"poison\""#), "{dump}");
}

#[tokio::test]
async fn time_that_is_due_is_told_without_an_input() {
    let place = TestPlace::default();
    let core = Names { wake: Some(Moment::from_millis(900)), ..Names::default() };
    let running = start_with(&place, core);
    let mut ticks = 0;
    while ticks == 0 {
        ticks = running.handle.inspect(|core: &Names| core.ticks).await.unwrap();
    }
    assert_eq!(ticks, 1);
    running.end();
}

#[test]
fn a_row_that_cannot_be_understood_ends_the_daemon() {
    let place = TestPlace::default();
    let mut journal = place.disk.open().unwrap();
    let row = Row { table: Table::Alerts, key: b"a".to_vec(), value: Some(b"{}".to_vec()) };
    let changes = Changes { rows: vec![row], ..Changes::default() };
    let changes = vec![(Moment::EPOCH, changes)];
    journal.commit(&crate::journal::Batch { changes, bodies: Vec::new() }).unwrap();
    drop(journal);
    let running = start(&place);
    await_condition("it has ended", || running.thread.is_finished());
    let error = running.thread.join().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "the rows of the journal cannot be used");
}

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use proptest::prelude::*;

use super::expiry::RETENTION;
use super::faulty_disk::{Fault, FaultyDisk};
use super::*;
use crate::incident::Row;

fn event(text: &str) -> Event {
    Event::Configured { hash: text.to_owned() }
}

fn row(table: Table, key: &str, value: Option<&str>) -> Row {
    Row { table, key: key.into(), value: value.map(|text| format!("{text:?}").into_bytes()) }
}

fn batch(at: i64, rows: Vec<Row>, events: &[&str]) -> Batch {
    let events = events.iter().map(|text| event(text)).collect();
    let changes = Changes { rows, events, notices: Vec::new() };
    Batch { changes: vec![(Moment::from_millis(at), changes)], bodies: Vec::new() }
}

/// A batch whose rows and records say `number`, over two keys that others write too.
fn numbered(number: u32) -> Batch {
    let text = number.to_string();
    let own = row(Table::Alerts, &format!("own-{number}"), Some(&text));
    let shared = row(Table::Singles, &format!("shared-{}", number % 3), Some(&text));
    batch(i64::from(number), vec![own, shared], &[&text])
}

fn hashes(place: &Place) -> Vec<String> {
    let of = |record: Result<(u64, crate::incident::Record), JournalError>| match record {
        Ok((_, record)) => match record.event {
            Event::Configured { hash } => hash,
            other => format!("{other:?}"),
        },
        Err(error) => error.to_string(),
    };
    place.reader().from_number(0).map(of).collect()
}

/// Whether everything of the batches up to `number` is there, and of those after it all or nothing.
fn holds(journal: &mut Journal, acknowledged: u32) -> u32 {
    let verified = journal.verify().unwrap();
    assert_eq!(verified.problems, [""; 0]);
    let stored = journal.load().unwrap();
    let alerts = stored.rows(Table::Alerts).len();
    let stored_batches = u32::try_from(alerts).unwrap();
    assert!(stored_batches >= acknowledged, "{stored_batches} of {acknowledged} are there");
    assert_eq!(verified.records, u64::from(stored_batches), "records and rows go together");
    for number in 0..stored_batches {
        let key = format!("own-{number}").into_bytes();
        assert!(stored.rows(Table::Alerts).iter().any(|(known, _)| *known == key));
    }
    let last: BTreeMap<u32, u32> = (0..stored_batches).map(|number| (number % 3, number)).collect();
    for (shared, number) in last {
        let row = (format!("shared-{shared}").into_bytes(), format!("\"{number}\"").into_bytes());
        assert!(stored.rows(Table::Singles).contains(&row), "{number}");
    }
    stored_batches
}

#[test]
fn what_was_stored_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::new(folder.path().join("a/b"));
    let mut journal = place.open().unwrap();
    journal
        .commit(&batch(
            5,
            vec![
                row(Table::Alerts, "a", Some("1")),
                row(Table::Alerts, "b", Some("2")),
                row(Table::Alerts, "a", Some("3")),
                row(Table::Deliveries, "a", Some("4")),
            ],
            &["one", "two"],
        ))
        .unwrap();
    let before = place.sync_seconds().count();
    journal.commit(&batch(6, vec![row(Table::Alerts, "b", None)], &["three"])).unwrap();
    assert_eq!(place.sync_seconds().count(), before + 1, "one sync per commit");
    assert_eq!(hashes(&place), ["one", "two", "three"]);
    let next = journal.next_record();
    drop(journal);
    assert_eq!(hashes(&place), ["the journal is not open"]);
    let journal = place.open().unwrap();
    let stored = journal.load().unwrap();
    assert_eq!(stored.rows(Table::Alerts), [(b"a".to_vec(), b"\"3\"".to_vec())]);
    assert_eq!(stored.rows(Table::Deliveries).len(), 1);
    assert_eq!(journal.next_record(), next);
    assert!(place.bytes().get() > 4096.0);
}

#[test]
fn only_one_process_has_the_journal_and_only_its_owner_reads_it() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let place = Place::new(folder.path());
    let journal = place.open().unwrap();
    let error = Place::new(folder.path()).open().unwrap_err();
    assert!(error.to_string().ends_with("journal.lock is in use by another process"), "{error}");
    assert!(!error.is_permanent());
    let mode = std::fs::metadata(folder.path().join("journal.redb")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    drop(journal);
    place.open().unwrap();
}

#[test]
fn after_a_failed_sync_the_file_is_written_anew_with_all_that_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::new(folder.path());
    let mut journal = place.open().unwrap();
    for number in 0..5_000 {
        // In few transactions, for this is about more rows than one transaction of the copy has.
        if number % 1_000 == 0 {
            let mut many = Batch::default();
            for number in number..number + 1_000 {
                many.changes.extend(numbered(number).changes);
            }
            journal.commit(&many).unwrap();
        }
    }
    let next = journal.next_record();
    drop(journal);
    let inode = |name| {
        use std::os::unix::fs::MetadataExt as _;
        std::fs::metadata(folder.path().join(name)).map(|metadata| metadata.ino()).ok()
    };
    let before = inode("journal.redb");
    place.syncs.failed.store(true, Ordering::Release);
    let mut journal = place.open().unwrap();
    assert_ne!(inode("journal.redb"), before);
    assert_eq!(holds(&mut journal, 5_000), 5_000);
    assert_eq!(journal.next_record(), next);
    drop(journal);
    // A process that ended in between has left its mark.
    let before = inode("journal.redb");
    std::fs::write(folder.path().join("journal.unsynced"), "").unwrap();
    drop(Place::new(folder.path()).open().unwrap());
    assert_ne!(inode("journal.redb"), before);
    assert_eq!(inode("journal.unsynced"), None);
}

#[test]
fn what_no_journal_is_is_refused_for_good_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("journal.redb");
    for content in ["my notes", ""] {
        std::fs::write(&file, content).unwrap();
        let error = Place::new(folder.path()).open().unwrap_err();
        assert!(error.is_permanent(), "{error:?}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), content);
    }
}

#[test]
fn a_journal_of_a_later_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(Place::new(folder.path()).open().unwrap());
    let database = Database::open(folder.path().join("journal.redb")).unwrap();
    let write = database.begin_write().unwrap();
    let meta = redb::TableDefinition::<&str, u64>::new("meta");
    write.open_table(meta).unwrap().insert("schema", 9).unwrap();
    write.commit().unwrap();
    drop(database);
    let error = Place::new(folder.path()).open().unwrap_err();
    assert!(error.is_permanent());
    assert_eq!(error.to_string(), "the journal has schema 9, this version knows 1");
}

#[test]
fn records_are_found_by_time_also_when_the_clock_was_set_back() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::new(folder.path());
    let mut journal = place.open().unwrap();
    let hour = 3_600_000;
    for (at, name) in [(1, "a"), (5, "b"), (6, "c"), (2, "d"), (7, "e")] {
        journal.commit(&batch(at * hour, vec![], &[name])).unwrap();
    }
    let between = |since: i64, until: i64| {
        let (since, until) = (Moment::from_millis(since), Moment::from_millis(until));
        let records = place.reader().between(since, until).unwrap();
        records.map(|record| record.unwrap().0).collect::<Vec<_>>()
    };
    assert_eq!(between(0, i64::MAX), [1, 2, 3, 4, 5]);
    assert_eq!(between(2 * hour, 7 * hour), [2, 3, 4]);
    assert_eq!(between(6 * hour, i64::MAX), [3, 5]);
    assert_eq!(between(8 * hour, i64::MAX), [0; 0]);
}

#[test]
fn old_records_are_forgotten_in_small_steps_and_numbers_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::new(folder.path());
    let mut journal = place.open().unwrap();
    let day = 24 * 3_600_000;
    let old: Vec<String> = (0..1_500).map(|number| number.to_string()).collect();
    let old: Vec<&str> = old.iter().map(String::as_str).collect();
    journal.commit(&batch(day, vec![], &old)).unwrap();
    // Stamped by a clock that was years ahead.
    journal.commit(&batch(9_000 * day, vec![], &["ahead"])).unwrap();
    journal.commit(&batch(day, vec![], &["old"])).unwrap();
    journal.commit(&batch(30 * day, vec![row(Table::Alerts, "a", Some("1"))], &["kept"])).unwrap();
    let now = Moment::from_millis(2 * day).after(RETENTION);
    assert_eq!(journal.expire(now).unwrap(), 1_000);
    assert_eq!(journal.expire(now).unwrap(), 502);
    assert_eq!(journal.expire(now).unwrap(), 0);
    assert_eq!(hashes(&place), ["kept"]);
    assert_eq!(journal.expire(now.after(RETENTION)).unwrap(), 0, "the last one stays");
    assert_eq!(hashes(&place), ["kept"]);
    let next = journal.next_record();
    drop(journal);
    let journal = place.open().unwrap();
    assert_eq!(journal.next_record(), next);
    assert_eq!(journal.load().unwrap().rows(Table::Alerts).len(), 1);
}

#[test]
fn a_dump_shows_everything_also_what_is_damaged() {
    let disk = FaultyDisk::default();
    let mut journal = disk.open().unwrap();
    let mut all = batch(5, vec![row(Table::Alerts, "a\u{0}", Some("1"))], &["one"]);
    let value = Some(b"{".to_vec());
    all.changes[0].1.rows.push(Row { table: Table::Classes, key: b"c".to_vec(), value });
    all.bodies.push(RefusedBody {
        at: Moment::EPOCH,
        source: "alertmanager".to_owned(),
        problem: "no JSON".to_owned(),
        body: b"hello\xff".to_vec(),
    });
    journal.commit(&all).unwrap();
    let mut out = Vec::new();
    journal.dump(&mut out).unwrap();
    let lines: Vec<_> = str::from_utf8(&out).unwrap().lines().collect();
    assert_eq!(
        lines,
        [
            r#"{"table":"alerts","key":"0x6100","value":"1"}"#,
            r#"{"table":"classes","key":"c","damaged":"{"}"#,
            r#"{"record":1,"at":5,"event":"configured","hash":"one"}"#,
            "{\"refused\":{\"first_at\":0,\"at\":0,\"times\":1,\"source\":\"alertmanager\",\"problem\":\"no JSON\"},\"body\":\"hello\u{fffd}\"}",
        ]
    );
    let verified = journal.verify().unwrap();
    assert_eq!((verified.rows, verified.records, verified.bodies), (2, 1, 1));
    assert_eq!(verified.damaged, 1);
    assert!(verified.problems[0].starts_with("classes c: "), "{:?}", verified.problems);
}

#[test]
fn whichever_call_to_the_disk_fails_what_was_acknowledged_is_there() {
    for fault in [Fault::Write, Fault::Sync] {
        let mut failures = 0;
        for calls in 0..60 {
            let disk = FaultyDisk::default();
            drop(disk.open().unwrap());
            let mut journal = disk.open().unwrap();
            disk.fail_after(calls, fault);
            let mut acknowledged = 0;
            while acknowledged < 12 && journal.commit(&numbered(acknowledged)).is_ok() {
                acknowledged += 1;
            }
            let failed = acknowledged < 12;
            failures += u32::from(failed);
            if failed {
                assert!(journal.commit(&numbered(90)).is_err(), "it is of no use any more");
            }
            drop(journal);
            disk.mend();
            let mut journal = disk.open().unwrap();
            let stored = holds(&mut journal, acknowledged);
            assert!(stored <= acknowledged + 1);
            journal.commit(&numbered(stored)).unwrap();
            assert_eq!(holds(&mut journal, stored), stored + 1);
        }
        assert!(failures > 20, "{fault:?} failed {failures} times");
    }
}

#[test]
fn a_journal_that_lost_its_end_or_has_another_byte_gives_nothing_else() {
    let disk = FaultyDisk::default();
    let mut journal = disk.open().unwrap();
    for number in 0..6 {
        journal.commit(&numbered(number)).unwrap();
    }
    let good = journal.load().unwrap();
    drop(journal);
    let mut length = 0;
    let _ = disk.changed(|bytes| length = bytes.len());
    let same = |disk: &FaultyDisk, what: &str| match disk.open() {
        Err(_) => false,
        Ok(mut journal) => {
            assert_eq!(journal.load().unwrap(), good, "{what}");
            assert_eq!(journal.verify().unwrap().problems, [""; 0], "{what}");
            true
        }
    };
    let mut refused = 0;
    // `Place` refuses a file without a byte; to the store it is a new one.
    for cut in (1..length).step_by(1_009) {
        let is_good = same(&disk.changed(|bytes| bytes.truncate(cut)), &format!("cut at {cut}"));
        refused += u32::from(!is_good);
    }
    assert!(refused > 20, "{refused} ends are missed");
    let (mut flipped, mut refused) = (0, 0);
    for at in (0..length).step_by(251) {
        flipped += 1;
        let is_good = same(&disk.changed(|bytes| bytes[at] ^= 0x10), &format!("byte {at}"));
        refused += u32::from(!is_good);
    }
    assert!(refused > 20, "{refused} of {flipped} bytes are missed");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    /// The power goes while batches are written, any of the sectors that were not synced are lost:
    /// all that was acknowledged is there, and what is there is whole.
    #[test]
    fn no_acknowledged_batch_is_lost_when_the_power_goes(
        batches in 0_u32..8,
        calls in 0_u64..40,
        seed in any::<u64>(),
        fault in prop_oneof![Just(Fault::Write), Just(Fault::Sync)],
    ) {
        let disk = FaultyDisk::default();
        drop(disk.open().unwrap());
        let mut journal = disk.open().unwrap();
        let mut acknowledged = 0;
        for number in 0..batches {
            journal.commit(&numbered(number)).unwrap();
            acknowledged += 1;
        }
        let mut random = fastrand::Rng::with_seed(seed);
        // The batch that the power goes in the middle of.
        disk.fail_after(calls % 24, fault);
        acknowledged += u32::from(journal.commit(&numbered(batches)).is_ok());
        let left = disk.after_power_failure(|| random.bool());
        drop(journal);
        let mut journal = left.open().unwrap();
        let stored = holds(&mut journal, acknowledged);
        prop_assert!(stored <= batches + 1);
        journal.commit(&numbered(stored)).unwrap();
        holds(&mut journal, stored + 1);
    }
}

use std::cmp::Ordering;
use std::fs;
use std::path::Path;

use super::super::fixture::{self, ENTRIES, FIRST_US};
use super::*;

struct World {
    folder: tempfile::TempDir,
    merged: Merged,
}

impl World {
    fn new(start: Start) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let merged = Merged::new(Folders::Below(folder.path().to_path_buf()), start);
        Self { folder, merged }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Looks for files and reads until nothing is new.
    fn round(&mut self) -> (Vec<EntryKey>, Vec<String>) {
        let mut troubles = Vec::new();
        self.merged.scan(&mut troubles).unwrap();
        self.merged.refresh(&mut troubles);
        let mut keys = Vec::new();
        loop {
            match self.merged.next() {
                Step::Entry(_, entry) => keys.push(entry.key),
                Step::Trouble(trouble) => troubles.push(trouble),
                Step::Idle => break,
            }
        }
        let troubles = troubles.iter().map(|trouble| trouble.error.to_string()).collect();
        (keys, troubles)
    }

    fn numbers(&mut self) -> Vec<u64> {
        let (keys, troubles) = self.round();
        assert!(troubles.is_empty(), "{troubles:?}");
        keys.iter().map(|key| key.number).collect()
    }
}

fn range(begin: u64, end: u64) -> Vec<u64> {
    (begin..=end).collect()
}

#[test]
fn entries_of_several_files_come_in_the_order_of_time() {
    let mut world = World::new(Start::At(0));
    for form in ["plain", "xz", "lz4"] {
        fixture::write(form, &world.path(&format!("{form}.journal")), ENTRIES);
    }
    let (keys, _) = world.round();
    assert_eq!(keys.len() as u64, 3 * ENTRIES);
    assert!(keys.is_sorted_by(|a, b| a.order(b) == Ordering::Less));
}

#[test]
fn a_rotated_file_goes_on_where_it_was_and_nothing_comes_twice() {
    let mut world = World::new(Start::At(0));
    let active = world.path("system.journal");
    fixture::write("plain", &active, 10);
    assert_eq!(world.numbers(), range(1, 10));
    fixture::grow(&active, 25);
    fixture::archive(&active);
    let archived = world.path("system@1.journal");
    fs::rename(&active, &archived).unwrap();
    fixture::write("zstd", &active, 5);
    let mut all = world.numbers();
    all.sort_unstable();
    let mut expected = [range(11, 25), range(1, 5)].concat();
    expected.sort_unstable();
    assert_eq!(all, expected);
    assert_eq!(world.merged.files.len(), 1, "the archived file is closed");
    for _ in 0..20 {
        assert!(world.numbers().is_empty());
    }
    let later = world.path("system@2.journal");
    fs::rename(&archived, &later).unwrap();
    fs::File::open(&later).unwrap().set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    assert!(world.numbers().is_empty(), "a closed file is known by its content too");
    fixture::grow(&active, 7);
    assert_eq!(world.numbers(), [6, 7]);
}

#[test]
fn a_deleted_file_is_read_to_its_end() {
    let mut world = World::new(Start::At(0));
    let path = world.path("system@1.journal");
    fixture::write("plain", &path, ENTRIES);
    world.merged.scan(&mut Vec::new()).unwrap();
    fs::remove_file(&path).unwrap();
    assert_eq!(world.numbers(), range(1, ENTRIES));
    assert!(world.merged.files.is_empty());
    for _ in 0..MISSED {
        assert!(world.numbers().is_empty());
    }
    assert!(world.merged.closed.is_empty(), "what is gone for long is forgotten");
}

#[test]
fn a_name_that_is_missing_for_a_moment_changes_nothing() {
    let mut world = World::new(Start::At(0));
    let (path, away) = (world.path("system.journal"), world.path("away"));
    fixture::write("plain", &path, 10);
    assert_eq!(world.numbers(), range(1, 10));
    fs::rename(&path, &away).unwrap();
    assert!(world.numbers().is_empty());
    fixture::grow(&away, 12);
    fs::rename(&away, &path).unwrap();
    assert_eq!(world.numbers(), [11, 12]);
}

#[test]
fn what_is_no_journal_is_told_once_and_holds_up_nothing() {
    let mut world = World::new(Start::At(FIRST_US + 38_000));
    fs::write(world.path("a.journal"), vec![b'x'; 4096]).unwrap();
    fs::write(world.path("empty.journal"), "").unwrap();
    fixture::write("plain", &world.path("b.journal"), ENTRIES);
    let (keys, troubles) = world.round();
    assert!(world.merged.awaits_header());
    assert_eq!(keys.len(), 2);
    assert_eq!(troubles, ["is damaged at byte 0: no journal's signature"]);
    assert_eq!(world.round(), (Vec::new(), Vec::new()));
    fixture::write("lz4", &world.path("a.journal"), ENTRIES);
    fixture::write("xz", &world.path("empty.journal"), ENTRIES);
    assert_eq!(world.numbers().len(), 4);
    assert!(!world.merged.awaits_header());
}

#[test]
fn a_broken_list_gives_up_the_rest_of_its_file_only() {
    let mut world = World::new(Start::At(0));
    let path = world.path("a.journal");
    let mut bytes = fixture::bytes("plain");
    bytes[176..184].fill(0);
    fs::write(&path, bytes).unwrap();
    fixture::write("lz4", &world.path("b.journal"), ENTRIES);
    let (mut keys, mut rounds) = (0, Vec::new());
    for _ in 0..2 * ATTEMPTS {
        let (found, troubles) = world.round();
        keys += found.len() as u64;
        rounds.push(troubles.len());
    }
    assert_eq!(keys, ENTRIES);
    assert_eq!(rounds, [1, 1, 1, 0, 0, 0], "given up after {ATTEMPTS} attempts");
}

#[test]
fn a_folder_that_comes_to_be_later_is_read() {
    let mut world = World::new(Start::At(0));
    assert!(world.numbers().is_empty());
    let machine = world.path("3d1219c7c4c5404aaa1f6d2a48adfda4");
    fs::create_dir(&machine).unwrap();
    fixture::write("plain", &machine.join("user-1000.journal"), 3);
    assert_eq!(world.numbers(), range(1, 3));
    let gone = Merged::new(Folders::Below(Path::new("/nowhere/at/all").into()), Start::At(0))
        .scan(&mut Vec::new());
    assert!(gone.is_err());
}

#[test]
fn a_file_that_is_still_being_copied_is_read_as_it_comes() {
    let mut world = World::new(Start::At(0));
    let path = world.path("a.journal");
    let bytes = fixture::bytes("plain");
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    let mut keys = Vec::new();
    for end in (used - 20_000..=used + 1000).step_by(1000) {
        fs::write(&path, &bytes[..end]).unwrap();
        keys.extend(world.round().0.iter().map(|key| key.number));
    }
    assert_eq!(keys, range(1, ENTRIES));
}

#[test]
fn a_file_that_is_cut_off_loses_only_what_is_missing() {
    let mut world = World::new(Start::At(0));
    let bytes = fixture::bytes("plain");
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    fs::write(world.path("a.journal"), &bytes[..used - 20_000]).unwrap();
    let (mut keys, mut troubles) = (Vec::new(), 0);
    for _ in 0..2 * ATTEMPTS {
        let (found, told) = world.round();
        keys.extend(found.iter().map(|key| key.number));
        troubles += told.len() as u64;
    }
    let read = keys.len() as u64;
    assert!(read > 0 && read < ENTRIES);
    assert_eq!(keys, range(1, read));
    assert_eq!(troubles, u64::from(ATTEMPTS) - 1 + ENTRIES - read);
}

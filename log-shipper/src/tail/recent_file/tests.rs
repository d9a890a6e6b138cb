use super::*;
use crate::tail::file_identity::Fingerprint;

const YAML: u64 = 77;

fn record(path: &str, inode: u64, position: u64, is_current: bool) -> FileRecord {
    let fingerprint = Fingerprint::of(b"2026-01-01 first line\n");
    let inode = Inode { device: 1, inode };
    FileRecord { path: Arc::from(path), inode, fingerprint, position, is_current }
}

fn change(path: &str, inode: u64, position: u64) -> Change {
    Change::File(record(path, inode, position, true))
}

fn begun(dir: &Path) -> RecentFile {
    let mut file = RecentFile::new(dir.join("recent"), None);
    file.begin(5, YAML).unwrap();
    file
}

/// What the positions and records of the save are with it: `/a.log` at 10 was saved.
fn applied(recent: Recent, save: Option<u64>, yaml: u64) -> (Positions, Vec<FileRecord>, bool) {
    let mut positions = Positions::from([("/a.log".to_owned(), "10".to_owned())]);
    let mut records = vec![record("/a.log", 1, 10, true)];
    let end = recent.apply(save, yaml, &mut positions, &mut records);
    (positions, records, end.is_some())
}

fn position_of_a(dir: &Path, save: Option<u64>, yaml: u64) -> String {
    applied(load(&dir.join("recent")).unwrap(), save, yaml).0["/a.log"].clone()
}

#[test]
fn what_was_written_counts_for_the_save_that_it_follows_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = begun(dir.path());
    file.append([change("/a.log", 1, 20)].iter()).unwrap();
    file.append([change("/a.log", 1, 30), Change::Cursor("cursor-x".into(), "7 b".into())].iter())
        .unwrap();
    let recent = load(&dir.path().join("recent")).unwrap();
    let (positions, records, _) = applied(recent, Some(5), YAML);
    assert_eq!(positions["/a.log"], "30");
    assert_eq!((&*positions["cursor-x"], &*positions["cursor-x/exact"]), ("7", "7 b"));
    assert_eq!(records, [record("/a.log", 1, 30, true)]);
    assert_eq!(position_of_a(dir.path(), Some(4), YAML), "10", "another save");
    assert_eq!(position_of_a(dir.path(), None, YAML), "10", "the side file is gone");
    assert_eq!(position_of_a(dir.path(), Some(5), 78), "10", "Promtail has gone on");
}

#[test]
fn the_first_line_that_is_not_whole_ends_it_wherever_it_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = begun(dir.path());
    for position in [20, 30, 40] {
        file.append([change("/a.log", 1, position)].iter()).unwrap();
    }
    let whole = fs::read(dir.path().join("recent")).unwrap();
    let lines: Vec<usize> = whole.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::len).collect();
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        let mut end = 0;
        let intact = lines.iter().take_while(|length| {
            end += **length;
            end <= at
        });
        let intact = intact.count();
        let (positions, _, belongs) = applied(parse(&damaged), Some(5), YAML);
        assert_eq!(positions["/a.log"], ["10", "10", "20", "30"][intact], "byte {at}");
        assert_eq!(belongs, intact > 0);
        assert_eq!(parse(&whole[..at]).sections.iter().flat_map(|all| &all.changes).count(), {
            let complete = lines.iter().scan(0, |end, length| {
                *end += length;
                Some(*end)
            });
            complete.filter(|end| *end <= at).count().saturating_sub(1)
        });
    }
}

#[test]
fn a_save_that_is_cut_short_keeps_what_it_would_have_saved() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = begun(dir.path());
    file.append([change("/a.log", 1, 20)].iter()).unwrap();
    file.begin(6, 78).unwrap();
    file.append([change("/b.log", 2, 5)].iter()).unwrap();
    let path = dir.path().join("recent");
    for (save, yaml, expected) in [
        (5, YAML, Some("20")),
        // The positions file is replaced, the side file is not.
        (5, 78, Some("20")),
        (6, 78, Some("10")),
        (6, YAML, None),
    ] {
        let (positions, records, belongs) = applied(load(&path).unwrap(), Some(save), yaml);
        assert_eq!(belongs, expected.is_some());
        assert_eq!(positions["/a.log"], expected.unwrap_or("10"));
        assert_eq!(records.len(), 1 + usize::from(belongs));
    }
    file.drop_earlier().unwrap();
    assert_eq!(position_of_a(dir.path(), Some(5), YAML), "10");
    file.append([change("/a.log", 1, 50)].iter()).unwrap();
    assert_eq!(position_of_a(dir.path(), Some(6), 78), "50");
    assert_eq!(load(&path).unwrap().sections[0].changes.len(), 2);
}

#[test]
fn the_next_process_goes_on_behind_what_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("recent");
    begun(dir.path()).append([change("/a.log", 1, 20)].iter()).unwrap();
    let torn = [&*fs::read(&path).unwrap(), b"0badc0de {\"path\":\"/a"].concat();
    fs::write(&path, &torn).unwrap();
    let (mut positions, mut records) = (Positions::new(), Vec::new());
    let end = load(&path).unwrap().apply(Some(5), YAML, &mut positions, &mut records);
    let mut file = RecentFile::new(path.clone(), end);
    assert!(file.is_begun());
    file.append([change("/a.log", 1, 30)].iter()).unwrap();
    assert_eq!(position_of_a(dir.path(), Some(5), YAML), "30");
    file.remove();
    assert!(!path.try_exists().unwrap());
}

#[test]
fn the_successor_of_a_rotated_file_takes_its_path_and_the_file_is_not_forgotten() {
    let changes = vec![
        record("/a.log", 1, 20, true),
        record("/a.log", 2, 3, true),
        record("/a.log", 1, 25, false),
    ];
    let mut positions = Positions::new();
    let mut records = vec![record("/a.log", 1, 10, true)];
    update_files(changes, &mut positions, &mut records);
    assert_eq!(records, [record("/a.log", 1, 25, false), record("/a.log", 2, 3, true)]);
    assert_eq!(positions["/a.log"], "3");
    update_files(vec![record("/a.log", 3, 1, true)], &mut positions, &mut records);
    let current: Vec<u64> = records
        .iter()
        .filter(|record| record.is_current)
        .map(|record| record.inode.inode)
        .collect();
    assert_eq!(current, [3]);
}

#[test]
fn a_file_under_two_paths_is_as_far_as_the_slower_reader() {
    let mut positions = Positions::new();
    let mut slow = record("/b.log", 1, 10, true);
    slow.fingerprint = Fingerprint::of(b"2026");
    let mut records = vec![slow, record("/a.log", 1, 10, true)];
    update_files(vec![record("/a.log", 1, 90, true)], &mut positions, &mut records);
    assert_eq!(records, [record("/b.log", 1, 10, true), record("/a.log", 1, 10, true)]);
}

#[test]
fn it_stays_bounded_where_nothing_can_be_saved() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = begun(dir.path());
    let changes: Vec<_> = (0..10_000).map(|inode| change("/a.log", inode, 1)).collect();
    let full = (0..1_000).find_map(|_| file.append(changes.iter()).err());
    assert_eq!(full.unwrap().kind(), io::ErrorKind::FileTooLarge);
    assert!(file.is_large() && fs::metadata(dir.path().join("recent")).unwrap().len() <= MAX_BYTES);
}

#[test]
fn a_full_disk_is_an_error_each_time_and_what_was_whole_stays() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = begun(dir.path());
    file.append([change("/a.log", 1, 20)].iter()).unwrap();
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let disk = std::mem::replace(&mut file.open.as_mut().unwrap().file, full);
    let error = file.append([change("/a.log", 1, 30)].iter()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert!(file.begin(6, 78).is_err());
    file.open.as_mut().unwrap().file = disk;
    assert_eq!(position_of_a(dir.path(), Some(5), YAML), "20");
    file.append([change("/a.log", 1, 40)].iter()).unwrap();
    assert_eq!(position_of_a(dir.path(), Some(5), YAML), "40");
}

use super::*;
use crate::tail::file_identity::Fingerprint;
use crate::tail::progress::Progress;

fn table(dir: &Path, known: &[(&str, &str)]) -> PositionTable {
    let known = known.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    let saved = Saved { positions: known.collect(), ..Saved::default() };
    PositionTable::new(dir.join("positions.yaml"), saved)
}

/// The table of the next run.
fn restarted(dir: &Path) -> PositionTable {
    let path = dir.join("positions.yaml");
    let saved = Saved::load(&path, positions_file::load(&path).unwrap());
    PositionTable::new(path, saved)
}

/// Writes a file and opens it as the reader that has read all of it.
fn written(path: &Path, text: &str) -> (Inode, File, Arc<Generation>) {
    std::fs::write(path, text).unwrap();
    let file = File::open(path).unwrap();
    let inode = Inode::of(&file.metadata().unwrap());
    let fingerprint = Fingerprint::read(&file).unwrap();
    let generation = Generation::new(inode, Progress::new(1, text.len() as u64), fingerprint);
    (inode, file, generation)
}

fn start(table: &PositionTable, path: &str) -> Option<u64> {
    let file = File::open(path).unwrap();
    table.start_of(path, Inode::of(&file.metadata().unwrap()), &file).unwrap()
}

#[test]
fn vanished_paths_go_and_cursors_stay() {
    let dir = tempfile::tempdir().unwrap();
    let there = dir.path().join("there.log");
    std::fs::write(&there, "").unwrap();
    let there = there.to_str().unwrap();
    let table = table(dir.path(), &[("/gone.log", "1"), (there, "2"), ("cursor-x", "c")]);
    let keys: Vec<String> = table.snapshot().into_keys().collect();
    assert_eq!(keys, [there, "cursor-x"]);
}

#[test]
fn a_path_that_two_jobs_read_is_as_far_as_the_slower_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.log");
    let (inode, _, _) = written(&path, &"x".repeat(100));
    let path = path.to_str().unwrap();
    let table = table(dir.path(), &[(path, "7")]);
    assert_eq!(start(&table, path), Some(7));
    let at = |position| {
        Generation::new(inode, Progress::new(position, position), Fingerprint::default())
    };
    table.follow(&Arc::from(path), 1, &at(70));
    table.follow(&Arc::from(path), 2, &at(50));
    assert_eq!(table.snapshot()[path], "50");
    assert_eq!(start(&table, path), Some(50), "a third job begins where the others are");
    table.unfollow(path, 2);
    assert_eq!(table.snapshot()[path], "70");
    table.unfollow(path, 1);
    assert_eq!(start(&table, path), Some(70));
}

#[test]
fn the_files_are_written_only_when_something_changed() {
    let dir = tempfile::tempdir().unwrap();
    let table = table(dir.path(), &[("cursor-x", "1")]);
    table.save().unwrap();
    let yaml = dir.path().join("positions.yaml");
    std::fs::remove_file(&yaml).unwrap();
    table.save().unwrap();
    assert!(!yaml.try_exists().unwrap());
    let (_, _, generation) = written(&dir.path().join("a.log"), "line\n");
    table.follow(&Arc::from("/a.log"), 1, &generation);
    table.save().unwrap();
    assert!(yaml.try_exists().unwrap());
    std::fs::remove_file(&yaml).unwrap();
    table.save().unwrap();
    assert!(!yaml.try_exists().unwrap());
    generation.progress.advance(99, None);
    table.save().unwrap();
    assert_eq!(positions_file::load(&yaml).unwrap()["/a.log"], "99");
    std::fs::remove_file(&yaml).unwrap();
    generation.set_beginning(Fingerprint::of(b"another"));
    table.save().unwrap();
    assert!(yaml.try_exists().unwrap(), "the side file would differ");
}

#[test]
fn a_value_that_is_no_offset_is_an_error_of_that_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.log");
    let (inode, file, _) = written(&path, "line\n");
    let path = path.to_str().unwrap();
    let table = table(dir.path(), &[(path, "twelve")]);
    assert_eq!(table.start_of(path, inode, &file), Err("twelve".to_owned()));
}

#[test]
fn after_a_restart_a_path_with_another_file_is_read_from_its_start_and_the_old_one_is_finished() {
    let dir = tempfile::tempdir().unwrap();
    let (log, rotated) = (dir.path().join("a.log"), dir.path().join("a.log.1"));
    let (_, _, generation) = written(&log, "2026-01-01 old\n");
    let path = log.to_str().unwrap();
    let first = table(dir.path(), &[]);
    first.follow(&Arc::from(path), 1, &generation);
    first.save().unwrap();
    std::fs::rename(&log, &rotated).unwrap();
    let (inode, _, _) = written(&log, "2026-01-02 new, and longer than the old one\n");
    let second = restarted(dir.path());
    assert_eq!(start(&second, path), Some(0));
    assert_eq!(start(&second, rotated.to_str().unwrap()), Some(15), "known by another name");
    let unfinished = second.take_unfinished(path, inode);
    let [record] = &*unfinished else { panic!("{unfinished:?}") };
    assert_eq!(find(record, Some(inode)).unwrap().0, rotated);
    assert!(second.take_unfinished(path, inode).is_empty(), "each once");
}

#[test]
fn generations_that_were_not_done_at_the_end_are_recorded_until_they_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let (log, rotated) = (dir.path().join("a.log"), dir.path().join("a.log.1"));
    let (old, _, earlier) = written(&rotated, "2026-01-01 old\n");
    let (inode, _, current) = written(&log, "2026-01-02 new\n");
    let path = log.to_str().unwrap();
    let first = table(dir.path(), &[]);
    first.follow(&Arc::from(path), 1, &current);
    first.follow_earlier(path, 1, &earlier);
    earlier.progress.enter(1, 3);
    first.save().unwrap();
    let second = restarted(dir.path());
    second.save().unwrap();
    let third = restarted(dir.path());
    assert_eq!(start(&third, path), Some(15));
    let unfinished = third.take_unfinished(path, inode);
    assert_eq!(unfinished.len(), 2, "the current one and the one before: {unfinished:?}");
    assert_eq!((unfinished[0].inode, unfinished[0].position), (old, 3));
    // It is found: from now on only what this run follows is recorded.
    third.save().unwrap();
    let fourth = restarted(dir.path());
    assert!(fourth.take_unfinished(path, inode).is_empty());
}

#[test]
fn a_file_that_was_copied_and_truncated_while_nobody_looked_is_finished_in_its_copy() {
    let dir = tempfile::tempdir().unwrap();
    let (log, copy) = (dir.path().join("a.log"), dir.path().join("a.log.1"));
    let (inode, _, generation) = written(&log, "2026-01-01T00:00:00 a first line that is long\n");
    let path = log.to_str().unwrap();
    let first = table(dir.path(), &[]);
    first.follow(&Arc::from(path), 1, &generation);
    first.save().unwrap();
    std::fs::write(&log, "2026-01-01T00:00:00 a first line that is long\nunread\n").unwrap();
    std::fs::copy(&log, &copy).unwrap();
    std::fs::write(&log, "2026-01-02T00:00:00 afterwards\n").unwrap();
    let second = restarted(dir.path());
    assert_eq!(start(&second, path), Some(0));
    let unfinished = second.take_unfinished(path, inode);
    assert_eq!(find(&unfinished[0], Some(inode)).unwrap().0, copy);
}

#[test]
fn promtails_own_file_decides_where_the_file_is_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("a.log");
    let (_, _, generation) = written(&log, "2026-01-01 line\n");
    let path = log.to_str().unwrap();
    let first = table(dir.path(), &[]);
    first.follow(&Arc::from(path), 1, &generation);
    first.save().unwrap();
    let yaml = format!("positions:\n  {path}: \"4\"\n");
    std::fs::write(dir.path().join("positions.yaml"), yaml).unwrap();
    assert_eq!(start(&restarted(dir.path()), path), Some(4));
}

#[test]
fn a_file_that_came_under_a_finished_path_is_another() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("a.log");
    let (_, _, generation) = written(&log, "2026-01-01 line\n");
    let path = log.to_str().unwrap();
    let table = table(dir.path(), &[]);
    table.follow(&Arc::from(path), 1, &generation);
    table.unfollow(path, 1);
    std::fs::rename(&log, dir.path().join("elsewhere")).unwrap();
    written(&log, "2026-01-02 another, longer line\n");
    assert_eq!(start(&table, path), Some(0));
}

/// A cursor of which this text has been accepted.
fn reached(key: &str, start: Option<&str>, text: Option<&str>) -> Arc<Cursor> {
    let cursor = Cursor::new(key.to_owned(), 1, start.map(str::to_owned));
    if let Some(text) = text {
        let number = cursor.mark(text);
        cursor.progress().advance(number + 1, None);
    }
    cursor
}

#[test]
fn a_text_that_is_more_exact_than_promtails_stands_beside_it_until_promtail_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let before = table(dir.path(), &[]);
    before.follow_cursor(reached("cursor-a", None, Some("17 17000000005+2")));
    before.save().unwrap();
    let saved = restarted(dir.path());
    assert_eq!(saved.cursor("cursor-a").as_deref(), Some("17 17000000005+2"));
    let cursors: Vec<_> = saved.saved_cursors().into_iter().collect();
    assert_eq!(cursors, [("cursor-a".to_owned(), "17".to_owned())]);
    let exact = ("cursor-a/exact", "17 17000000005+2");
    let promtail = table(dir.path(), &[("cursor-a", "19"), exact]);
    assert_eq!(promtail.cursor("cursor-a").as_deref(), Some("19"));
    promtail.forget_cursor("cursor-a");
    assert!(promtail.snapshot().is_empty());
}

#[test]
fn a_cursor_that_two_jobs_have_is_as_far_as_the_slower_one() {
    let dir = tempfile::tempdir().unwrap();
    let table = table(dir.path(), &[]);
    let [quick, slow] = ["100 x", "20 x"].map(|text| reached("cursor-a", None, Some(text)));
    table.follow_cursor(Arc::clone(&quick));
    assert_eq!(table.snapshot()["cursor-a"], "100");
    table.follow_cursor(Arc::clone(&slow));
    assert_eq!(table.snapshot()["cursor-a"], "20");
    assert_eq!(table.snapshot()["cursor-a/exact"], "20 x");
    let begins = reached("cursor-a", None, None);
    table.follow_cursor(Arc::clone(&begins));
    assert!(table.snapshot().is_empty(), "one of them has read nothing yet");
}

/// A file that was saved where it is and has moved to `position` since.
fn recorded(table: &PositionTable, path: &Arc<str>, generation: &Arc<Generation>, position: u64) {
    generation.progress.advance(position, None);
    table.record(&[Arc::clone(&generation.progress)]);
    assert!(generation.progress.key() == Some(path));
}

#[test]
fn what_was_recorded_since_the_save_counts_after_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.log");
    let (inode, _, generation) = written(&path, "one\ntwo\n");
    let path: Arc<str> = Arc::from(path.to_str().unwrap());
    let before = table(dir.path(), &[]);
    generation.progress.advance(0, None);
    before.follow(&path, 1, &generation);
    before.save().unwrap();
    recorded(&before, &path, &generation, 4);
    let next = restarted(dir.path());
    assert_eq!(start(&next, &path), Some(4));
    // It is killed before it has saved anything.
    let generation = Generation::new(inode, Progress::new(2, 4), generation.beginning());
    next.follow(&path, 1, &generation);
    recorded(&next, &path, &generation, 8);
    let last = restarted(dir.path());
    assert_eq!(start(&last, &path), Some(8));
    last.save().unwrap();
    last.close_recent();
    assert!(!recent_file::path_beside(&last.path).try_exists().unwrap());
    assert_eq!(start(&restarted(dir.path()), &path), Some(8));
}

#[test]
fn a_file_that_two_jobs_found_under_two_paths_is_not_done_when_one_has_read_it() {
    let dir = tempfile::tempdir().unwrap();
    let (inode, _, fast) = written(&dir.path().join("a.log"), "one\ntwo\n");
    let link = dir.path().join("link.log");
    std::os::unix::fs::symlink(dir.path().join("a.log"), &link).unwrap();
    let slow = Generation::new(inode, Progress::new(2, 0), fast.beginning());
    let before = table(dir.path(), &[]);
    before.save().unwrap();
    fast.progress.advance(0, None);
    let path: Arc<str> = Arc::from(dir.path().join("a.log").to_str().unwrap());
    let link: Arc<str> = Arc::from(link.to_str().unwrap());
    before.follow(&path, 1, &fast);
    before.follow(&link, 2, &slow);
    recorded(&before, &path, &fast, 7);
    assert_eq!(start(&restarted(dir.path()), &link), None, "no save knows of the link");
    before.save().unwrap();
    recorded(&before, &path, &fast, 6);
    recorded(&before, &link, &slow, 4);
    assert_eq!(start(&restarted(dir.path()), &link), Some(4));
}

#[test]
fn a_file_that_cannot_be_written_is_counted_and_the_save_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.log");
    let (_, _, generation) = written(&path, "one\n");
    let path: Arc<str> = Arc::from(path.to_str().unwrap());
    std::fs::create_dir(dir.path().join("positions.yaml.recent")).unwrap();
    let failures = prometheus_model::instrument::Counter::default();
    let table = table(dir.path(), &[]).counting_failures(failures.clone());
    table.follow(&path, 1, &generation);
    table.save().unwrap();
    assert_eq!(failures.get(), 1);
    table.record(&[Arc::clone(&generation.progress)]);
    assert_eq!(start(&restarted(dir.path()), &path), Some(4));
}

#[test]
fn a_source_that_is_no_file_is_recorded_under_its_key() {
    let dir = tempfile::tempdir().unwrap();
    let before = table(dir.path(), &[]);
    before.save().unwrap();
    let cursor = Cursor::new("cursor-x".to_owned(), 1, None);
    before.follow_cursor(Arc::clone(&cursor));
    cursor.mark("7 seven");
    cursor.mark("8 eight");
    cursor.progress().enter(1, 1);
    cursor.progress().advance(2, None);
    before.record(&[Arc::clone(cursor.progress())]);
    let next = restarted(dir.path());
    assert_eq!(next.cursor("cursor-x").as_deref(), Some("7 seven"));
}

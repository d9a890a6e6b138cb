//! Recorded blocks, limits, positions, and forgotten streams.

use std::sync::Arc;

use super::blocks::{MAX_BLOCK_BYTES, MAX_HELD_BYTES, MAX_IDLE, MAX_STREAMS};
use super::*;
use crate::pipeline::entry::Origin;
use crate::pipeline::extracted::ValueRef;
use crate::pipeline::stages::testing::{NOW_NS, context, entry, extract, labels, line, text};

/// A stage and the time around it.
struct Job {
    stage: MultilineStage,
    context: Context,
    lines: u64,
}

impl Job {
    fn new(firstline: &str, max_lines: i64, wait_ms: i64) -> Self {
        let options = MultilineOptions {
            firstline: Some(firstline.to_owned()),
            max_wait_time_ns: wait_ms * 1_000_000,
            max_lines,
        };
        Self { stage: MultilineStage::new(&options).unwrap(), context: context(), lines: 0 }
    }

    /// What comes out for an entry.
    fn process(&mut self, mut entry: Entry) -> Vec<Entry> {
        let verdict = self.stage.process(&mut entry, &mut self.context);
        let mut out = std::mem::take(&mut self.context.released);
        if verdict == Verdict::Pass {
            out.push(entry);
        }
        out
    }

    /// The nth line of a stream is n nanoseconds later than the first, and at offset 100 n.
    fn read(&mut self, stream: &str, text: impl AsRef<[u8]>) -> Vec<Entry> {
        let mut entry = entry(&[("stream", stream)], text);
        entry.timestamp_ns = NOW_NS + i64::try_from(self.lines).unwrap();
        entry.origin = Origin { file: 7, begin: 100 * self.lines };
        self.lines += 1;
        self.process(entry)
    }

    fn lines(&mut self, texts: &[&str]) -> Vec<String> {
        texts
            .iter()
            .flat_map(|text| self.read("s", text))
            .map(|entry| line(&entry).to_owned())
            .collect()
    }

    fn flush(&mut self, end: bool) -> Vec<Entry> {
        self.stage.flush(end, &mut self.context);
        std::mem::take(&mut self.context.released)
    }

    fn after(&mut self, time: Duration) -> Vec<String> {
        self.context.now += time;
        self.flush(false).iter().map(|entry| line(entry).to_owned()).collect()
    }

    fn end(&mut self) -> Vec<String> {
        self.flush(true).iter().map(|entry| line(entry).to_owned()).collect()
    }
}

#[test]
fn stack_traces_are_joined_with_the_line_before() {
    let mut job = Job::new(r"^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}\.\d{3}", 128, 1000);
    let out = job.lines(&[
        "early line that belongs to nothing",
        "2024-02-03 10:00:00.000 INFO start",
        "2024-02-03 10:00:01.000 ERROR request failed",
        "java.lang.IllegalStateException: model not loaded",
        "\tat com.example.Main.main(Main.java:7)",
        "2024-02-03 10:00:02.000 INFO next",
        "",
        "2024-02-03 10:00:03.000 INFO after an empty line",
    ]);
    assert_eq!(
        out,
        [
            "early line that belongs to nothing",
            "2024-02-03 10:00:00.000 INFO start",
            "2024-02-03 10:00:01.000 ERROR request failed\njava.lang.IllegalStateException: model not loaded\n\tat com.example.Main.main(Main.java:7)",
            "2024-02-03 10:00:02.000 INFO next\n",
        ]
    );
    assert_eq!(job.end(), ["2024-02-03 10:00:03.000 INFO after an empty line"]);
}

#[test]
fn blocks_end_at_the_line_limit_and_by_time() {
    let mut job = Job::new("^START", 3, 400);
    let out = job.lines(&["pre1", "START a", "1", "2", "3", "4", "START b", "x"]);
    assert_eq!(out, ["pre1", "START a\n1\n2", "3\n4"]);
    assert_eq!(job.after(Duration::from_millis(399)), [""; 0]);
    assert_eq!(job.after(Duration::from_millis(1)), ["START b\nx"]);
    assert_eq!(job.lines(&["late", "START c"]), ["late"]);
    assert_eq!(job.end(), ["START c"]);

    let mut job = Job::new("^#", 3, 500);
    let out = job.lines(&["#1 a", "b", "c", "d", "e", "#2 f", "g", "#3 h", "#4 i", "j", "k"]);
    assert_eq!(out, ["#1 a\nb\nc", "d\ne", "#2 f\ng", "#3 h", "#4 i\nj\nk"]);
    assert!(job.end().is_empty());
}

#[test]
fn waiting_counts_from_the_last_line() {
    let mut job = Job::new("^>", 128, 600);
    job.lines(&["> one"]);
    assert!(job.after(Duration::from_millis(500)).is_empty());
    job.lines(&["two"]);
    assert!(job.after(Duration::from_millis(500)).is_empty());
    assert_eq!(job.after(Duration::from_millis(100)), ["> one\ntwo"]);
}

#[test]
fn a_block_has_the_time_labels_values_and_metadata_of_its_first_line() {
    let mut job = Job::new("^START", 3, 400);
    let mut first = entry(&[("job", "j")], "START a");
    extract(&mut first, "level", text("error"));
    first.metadata.push((Arc::from("trace"), "t1".to_owned()));
    first.origin = Origin { file: 7, begin: 100 };
    assert!(job.process(first).is_empty());
    let more = |number: u64| {
        let mut more = entry(&[("job", "j")], "more");
        more.timestamp_ns += 5_000;
        more.origin = Origin { file: 7, begin: 100 + 10 * number };
        more
    };
    job.process(more(1));
    let block = job.process(more(2)).remove(0);
    job.process(more(3));
    let rest = job.flush(true).remove(0);

    for (entry, expected, begin) in [(&block, "START a\nmore\nmore", 100), (&rest, "more", 130)] {
        assert_eq!((line(entry), entry.timestamp_ns), (expected, NOW_NS));
        assert_eq!(labels(entry), "{job=\"j\"}");
        assert_eq!(entry.extracted.get("level"), Some(ValueRef::Text(b"error")));
        assert_eq!(entry.metadata, [(Arc::from("trace"), "t1".to_owned())]);
        assert_eq!(entry.origin, Origin { file: 7, begin });
    }
}

#[test]
fn streams_are_kept_apart() {
    let mut job = Job::new(r"^(Traceback|\[)", 128, 1000);
    let mut out = Vec::new();
    for (stream, text) in [
        ("stderr", "Traceback (most recent call last):"),
        ("stdout", "[info] step 1"),
        ("stderr", "  File \"train.py\""),
        ("stdout", "  detail of step 1"),
        ("stderr", "ValueError: bad shape"),
        ("stdout", "[info] step 2"),
    ] {
        out.extend(
            job.read(stream, text).iter().map(|entry| (line(entry).to_owned(), entry.timestamp_ns)),
        );
    }
    assert_eq!(out, [("[info] step 1\n  detail of step 1".to_owned(), NOW_NS + 1)]);
    assert_eq!(
        job.end(),
        [
            "Traceback (most recent call last):\n  File \"train.py\"\nValueError: bad shape",
            "[info] step 2"
        ]
    );
}

#[test]
fn a_released_block_comes_before_the_line_that_ends_it() {
    let mut job = Job::new("^#", 1, 1000);
    assert_eq!(job.lines(&["#1", "#2", "more"]), ["#1", "#2", "more"]);
}

#[test]
fn held_lines_hold_the_position_back() {
    let mut job = Job::new("^#", 128, 1000);
    job.lines(&["no first line yet", "#1", "a"]);
    assert_eq!(job.stage.held_since(7), Some(100));
    assert_eq!(job.stage.held_since(8), None);
    job.read("other", "#2");
    assert_eq!(job.stage.held_since(7), Some(100));
    job.lines(&["#3"]);
    assert_eq!(job.stage.held_since(7), Some(300));
    job.end();
    assert_eq!(job.stage.held_since(7), None);
}

#[test]
fn a_block_over_a_rotation_holds_both_positions_and_a_third_file_releases_it() {
    let mut job = Job::new("^#", 128, 1000);
    let mut read = |file, begin, text: &str| {
        let mut entry = entry(&[("stream", "s")], text);
        entry.origin = Origin { file, begin };
        let out: Vec<_> = job.process(entry).iter().map(|entry| line(entry).to_owned()).collect();
        (out, [1, 2, 3].map(|file| job.stage.held_since(file)))
    };
    read(1, 500, "#1");
    assert_eq!(read(2, 0, "a"), (vec![], [Some(500), Some(0), None]));
    assert_eq!(read(2, 2, "b"), (vec![], [Some(500), Some(0), None]));
    assert_eq!(read(3, 9, "c"), (vec!["#1\na\nb".to_owned()], [None, None, Some(9)]));
    assert_eq!(read(3, 11, "#2"), (vec!["c".to_owned()], [None, None, Some(11)]));
}

#[test]
fn a_block_that_grows_too_large_is_released_in_pieces() {
    let mut job = Job::new("^#", 0, 1000);
    let part = vec![b'x'; 1 << 20];
    let mut pieces = Vec::new();
    pieces.extend(job.read("s", "#"));
    for _ in 0..9 {
        pieces.extend(job.read("s", &part));
    }
    assert!(pieces.len() == 2 && pieces.iter().all(|piece| piece.line.len() <= MAX_BLOCK_BYTES));
    pieces.extend(job.flush(true));
    let whole: Vec<&[u8]> = pieces.iter().map(|piece| &piece.line[..]).collect();
    let mut expected = b"#".to_vec();
    expected.extend((0..9).flat_map(|_| [b"\n", &part[..]].concat()));
    // Between two pieces the newline that would have joined them is gone.
    assert_eq!(whole.join(&b'\n'), expected);
}

#[test]
fn what_all_streams_hold_is_bounded_and_nothing_is_lost() {
    let mut job = Job::new("^#", 128, 1000);
    let part = vec![b'x'; 3 << 20];
    let (mut out, mut read) = (0, 0);
    for round in 0..3 {
        for stream in 0..40 {
            let text = if round == 0 { &b"#"[..] } else { &part };
            read += text.len();
            let count = |entry: &Entry| entry.line.iter().filter(|byte| **byte != b'\n').count();
            out += job.read(&stream.to_string(), text).iter().map(count).sum::<usize>();
            assert!(read - out <= MAX_HELD_BYTES);
        }
    }
    let rest = job.flush(true);
    out += rest
        .iter()
        .map(|entry| entry.line.iter().filter(|byte| **byte != b'\n').count())
        .sum::<usize>();
    assert_eq!(out, read);
}

#[test]
fn streams_that_are_gone_make_room() {
    let mut job = Job::new("^#", 128, 1000);
    for stream in 0..MAX_STREAMS {
        job.read(&stream.to_string(), "#");
    }
    assert_eq!(job.read("one too many", "#").len(), 1, "passes at once");
    assert_eq!(job.after(Duration::from_secs(1)).len(), MAX_STREAMS);
    assert!(job.read("fits now", "#").is_empty());

    assert_eq!(job.after(MAX_IDLE), ["#"]);
    job.after(MAX_IDLE);
    assert!(job.stage.blocks.is_empty());
    assert_eq!(job.read("fits now", "no first line").len(), 1);
}

#[test]
fn options_that_cannot_work_are_refused() {
    let refusal = |firstline: Option<&str>, max_lines| {
        let firstline = firstline.map(str::to_owned);
        let options = MultilineOptions { firstline, max_lines, ..MultilineOptions::default() };
        MultilineStage::new(&options).unwrap_err().to_string()
    };
    assert!(refusal(None, 3).contains("must define `firstline` regular expression"));
    assert!(refusal(Some("("), 3).contains("firstline: could not compile regular expression"));
    assert!(refusal(Some("a"), -3).contains("max_lines: -3 is negative"));
}

#[test]
fn options_are_read_from_the_configuration() {
    let build = |yaml: &str| {
        let node = crate::config::yaml::parse(yaml).unwrap();
        MultilineStage::from_node(&node, &mut Vec::new())
    };
    let limits =
        build("{firstline: '^a', max_wait_time: 1s, max_lines: '7'}").unwrap().blocks.limits();
    assert_eq!((limits.wait, limits.lines), (Duration::from_secs(1), 7));
    let limits = build("{firstline: '^a'}").unwrap().blocks.limits();
    assert_eq!((limits.wait, limits.lines), (Duration::from_secs(3), 128));

    let error = build("{firstline: a, max_wait_time: 3}").unwrap_err().to_string();
    assert!(error.contains("max_wait_time: invalid duration \"3\""), "{error}");
}

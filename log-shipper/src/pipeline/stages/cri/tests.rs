//! Recorded lines, limits, and what is released when.

use std::time::Duration;

use super::partials::{MAX_HELD_BYTES, MAX_LINE_BYTES, MAX_WAIT};
use super::*;
use crate::pipeline::entry::Origin;
use crate::pipeline::extracted::ValueRef;
use crate::pipeline::stages::testing::{NOW_NS, context, entry, labels, line};

/// A stage and the time around it; lines come from one file unless said otherwise.
struct Job {
    stage: CriStage,
    context: Context,
    offset: u64,
}

impl Job {
    fn new(options: CriOptions) -> Self {
        Self { stage: CriStage::new(options).unwrap(), context: context(), offset: 0 }
    }

    /// What comes out for a line of a file.
    fn read(&mut self, file: &str, text: impl AsRef<[u8]>) -> Vec<Entry> {
        let mut entry = entry(&[("filename", file)], &text);
        entry.origin = Origin { file: u64::from(file.as_bytes()[0]), begin: self.offset };
        self.offset += text.as_ref().len() as u64 + 1;
        let verdict = self.stage.process(&mut entry, &mut self.context);
        let mut out = std::mem::take(&mut self.context.released);
        if verdict == Verdict::Pass {
            out.push(entry);
        }
        out
    }

    /// The lines that come out for lines of file `f`, written `<second> <stream> <tag> <content>`.
    fn lines(&mut self, texts: &[&str]) -> Vec<String> {
        let read = |text: &&str| self.read("f", format!("2024-04-02T06:00:0{text}"));
        texts.iter().flat_map(read).map(|entry| line(&entry).to_owned()).collect()
    }

    fn flush(&mut self, end: bool) -> Vec<String> {
        self.stage.flush(end, &mut self.context);
        self.context.released.drain(..).map(|entry| line(&entry).to_owned()).collect()
    }
}

fn limits(lines: i64, size: i64, truncate: bool) -> CriOptions {
    CriOptions {
        max_partial_lines: lines,
        max_partial_line_size: size,
        max_partial_line_size_truncate: truncate,
    }
}

#[test]
fn lines_become_what_promtail_recorded() {
    let mut job = Job::new(CriOptions::default());
    for (input, stream, time, content) in [
        (
            "2024-04-02T06:07:08.123456789Z stdout F Loading model llama-3-8b",
            "stdout",
            1_712_038_028_123_456_789,
            "Loading model llama-3-8b",
        ),
        (
            "2024-04-02T06:07:08.2Z stderr F W0402 06:07:08 cuda_graph.py:77] capture skipped",
            "stderr",
            1_712_038_028_200_000_000,
            "W0402 06:07:08 cuda_graph.py:77] capture skipped",
        ),
        (
            "2024-04-02T06:07:09.000000001+02:00 stdout F zone with offset",
            "stdout",
            1_712_030_829_000_000_001,
            "zone with offset",
        ),
        ("2024-04-02T06:07:10Z stdout F ", "stdout", 1_712_038_030_000_000_000, ""),
        (
            "2024-04-02T06:07:11Z stdout F   leading and trailing blanks  ",
            "stdout",
            1_712_038_031_000_000_000,
            "  leading and trailing blanks  ",
        ),
        (
            "2024-04-02T06:07:13Z stdout X other flag",
            "stdout",
            1_712_038_033_000_000_000,
            "other flag",
        ),
        (
            "garbage stdout F time is garbage",
            "stdout",
            1_712_038_033_000_000_001,
            "time is garbage",
        ),
        (
            "2024-04-02T06:07:14Z stdout P:x weirdtag",
            "stdout",
            1_712_038_034_000_000_000,
            "weirdtag",
        ),
    ] {
        let out = job.read("f", input);
        assert_eq!(out.len(), 1, "{input}");
        assert_eq!(labels(&out[0]), format!("{{filename=\"f\", stream=\"{stream}\"}}"));
        assert_eq!((out[0].timestamp_ns, line(&out[0])), (time, content));
    }
}

#[test]
fn lines_of_another_shape_pass_unchanged() {
    let mut job = Job::new(CriOptions::default());
    for input in [
        "2024-04-02T06:07:10Z stdout F",
        "not a cri line",
        "2024-04-02T06:07:12Z stdin F unknown stream",
        "",
        "x  stdout F two blanks",
    ] {
        let out = job.read("f", input);
        assert_eq!(labels(&out[0]), "{filename=\"f\"}");
        assert_eq!((out[0].timestamp_ns, line(&out[0])), (NOW_NS, input));
    }
}

#[test]
fn the_parts_of_a_line_stay_extracted() {
    let mut job = Job::new(CriOptions::default());
    let out = job.read("f", "2024-04-02T06:07:13Z stdout F a b");
    for (name, value) in
        [("time", "2024-04-02T06:07:13Z"), ("stream", "stdout"), ("flags", "F"), ("content", "a b")]
    {
        assert_eq!(out[0].extracted.get(name), Some(ValueRef::Text(value.as_bytes())));
    }
}

#[test]
fn parts_are_joined_with_the_last_line_of_their_stream() {
    let mut job = Job::new(CriOptions::default());
    let out = job.lines(&[
        "0Z stdout P begin ",
        "1Z stdout P middle ",
        "2Z stderr F unrelated line on stderr",
        "3Z stdout F end",
        "4Z stderr P err-1 ",
        "5Z stdout F whole line",
        "6Z stderr F err-2",
        "7Z stdout F last",
        "8Z stdout P never finished",
    ]);
    assert_eq!(
        out,
        ["unrelated line on stderr", "begin middle end", "whole line", "err-1 err-2", "last"]
    );
}

#[test]
fn files_are_kept_apart() {
    let mut job = Job::new(CriOptions::default());
    assert!(job.read("a", "2024-04-02T06:00:00Z stdout P one ").is_empty());
    assert_eq!(line(&job.read("b", "2024-04-02T06:00:01Z stdout F other")[0]), "other");
    assert_eq!(line(&job.read("a", "2024-04-02T06:00:02Z stdout F two")[0]), "one two");
}

#[test]
fn a_joined_line_has_the_time_and_values_of_its_last_part_and_begins_at_the_first() {
    let mut job = Job::new(CriOptions::default());
    job.offset = 1000;
    job.read("f", "2024-04-02T06:00:00Z stdout P part1-");
    job.read("f", "2024-04-02T06:00:01Z stdout P part2-");
    assert_eq!(job.stage.held_since(u64::from(b'f')), Some(1000));
    assert_eq!(job.stage.held_since(u64::from(b'g')), None);
    let out = job.read("f", "2024-04-02T06:00:02Z stdout F part3");

    assert_eq!(line(&out[0]), "part1-part2-part3");
    assert_eq!(out[0].timestamp_ns, 1_712_037_602_000_000_000);
    assert_eq!(out[0].extracted.get("content"), Some(ValueRef::Text(b"part3")));
    assert_eq!(out[0].origin, Origin { file: u64::from(b'f'), begin: 1000 });
    assert_eq!(job.stage.held_since(u64::from(b'f')), None);
}

#[test]
fn a_line_across_two_generations_of_a_file_belongs_to_the_older_one() {
    let mut stage = CriStage::new(CriOptions::default()).unwrap();
    let mut part = |file, begin, text: &str| {
        let mut entry = entry(&[("filename", "same path")], text);
        entry.origin = Origin { file, begin };
        stage.process(&mut entry, &mut context());
        entry
    };
    part(1, 500, "2024-04-02T06:00:00Z stdout P a");
    let whole = part(2, 0, "2024-04-02T06:00:00Z stdout F b");
    assert_eq!((line(&whole), whole.origin), ("ab", Origin { file: 1, begin: 500 }));
    assert_eq!(whole.second_origin, Some(Origin { file: 2, begin: 0 }));
}

#[test]
fn parts_in_two_generations_hold_both_positions_and_a_third_releases_them() {
    let mut stage = CriStage::new(CriOptions::default()).unwrap();
    let mut part = |file, begin, text: &str| {
        let mut entry = entry(&[("filename", "same path")], text);
        entry.origin = Origin { file, begin };
        let mut context = context();
        stage.process(&mut entry, &mut context);
        let released: Vec<_> =
            context.released.iter().map(|entry| line(entry).to_owned()).collect();
        (released, [1, 2, 3].map(|file| stage.held_since(file)))
    };
    part(1, 500, "2024-04-02T06:00:00Z stdout P a");
    let (released, held) = part(2, 0, "2024-04-02T06:00:00Z stdout P b");
    assert_eq!((released.len(), held), (0, [Some(500), Some(0), None]));
    let (released, held) = part(2, 40, "2024-04-02T06:00:00Z stdout P c");
    assert_eq!((released.len(), held), (0, [Some(500), Some(0), None]));
    let (released, held) = part(3, 0, "2024-04-02T06:00:00Z stdout P d");
    assert_eq!((released, held), (vec!["abc".to_owned()], [None, None, Some(0)]));
}

#[test]
fn the_limit_of_streams_releases_the_oldest_only() {
    let mut job = Job::new(limits(1, 0, false));
    let out = job.lines(&["0Z stdout P a", "1Z stdout P b", "2Z stdout P c", "3Z stdout F d"]);
    assert_eq!(out, ["a", "b", "cd"]);

    let mut job = Job::new(limits(2, 0, false));
    let mut read = |file: &str, tag: &str, content: &str| {
        let out = job.read(file, format!("2024-04-02T06:00:00Z stdout {tag} {content}"));
        out.iter().map(line).map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(read("a", "P", "a1 ").is_empty());
    assert!(read("b", "P", "b1 ").is_empty());
    assert_eq!(read("c", "P", "c1 "), ["a1 "]);
    assert!(read("c", "P", "c2 ").is_empty(), "a stream that has its place takes no other's");
    assert_eq!(read("b", "F", "b2"), ["b1 b2"]);
    assert_eq!(read("c", "F", "c3"), ["c1 c2 c3"]);
}

#[test]
fn zero_streams_mean_a_hundred() {
    let mut job = Job::new(limits(0, 0, false));
    let mut released = 0;
    for number in 0..101 {
        let mut entry = entry(&[("pod", &number.to_string())], "2024-04-02T06:00:00Z stdout P x");
        job.stage.process(&mut entry, &mut job.context);
        released = job.context.released.len();
        assert_eq!(released, usize::from(number == 100), "{number}");
    }
    assert_eq!(released, 1);
}

#[test]
fn joined_lines_are_cut_and_single_ones_are_not() {
    let mut job = Job::new(limits(10, 24, true));
    let out = job.lines(&[
        "0Z stdout P 0123456789",
        "1Z stdout P abcdefghij",
        "2Z stdout F KLMNOPQRST",
        "3Z stdout F a full line that is longer than the limit stays whole",
        "4Z stdout P 0123456789012345678901234567890",
        "5Z stdout F tail",
    ]);
    assert_eq!(
        out,
        [
            "0123456789abcdefghijKLMN",
            "a full line that is longer than the limit stays whole",
            "012345678901234567890123",
        ]
    );

    let mut job = Job::new(limits(0, 5, true));
    assert_eq!(
        job.lines(&["0Z stdout F longer than five", "1Z stdout P abcdefgh", "2Z stdout F ij"]),
        ["longer than five", "abcde"]
    );
    let mut job = Job::new(limits(0, 0, true));
    assert_eq!(job.lines(&["1Z stdout P abcdefgh", "2Z stdout F ij"]), [""]);

    let mut job = Job::new(limits(0, 5, true));
    job.lines(&["0Z stdout P abcdefgh"]);
    job.context.now += MAX_WAIT;
    assert_eq!(job.flush(false), ["abcde"], "a part that is released alone is cut too");
}

#[test]
fn parts_that_wait_too_long_are_released_and_the_end_releases_none() {
    let mut job = Job::new(CriOptions::default());
    assert!(job.lines(&["0Z stdout P a"]).is_empty());
    let start = job.context.now;
    job.context.now = start + Duration::from_secs(1);
    assert!(job.lines(&["0Z stderr P b"]).is_empty());
    job.context.now = start + MAX_WAIT.saturating_sub(Duration::from_millis(1));
    assert!(job.flush(false).is_empty());
    job.context.now = start + MAX_WAIT;
    assert_eq!(job.flush(false), ["a"]);
    assert!(job.flush(true).is_empty());
    assert!(job.stage.held_since(u64::from(b'f')).is_some(), "b is read again after a start");
    assert_eq!(job.lines(&["9Z stderr F c"]), ["bc"]);
}

#[test]
fn a_line_that_never_ends_is_released_in_pieces() {
    let mut job = Job::new(CriOptions::default());
    let part = [&b"2024-04-02T06:00:00Z stdout P "[..], &vec![b'x'; 1 << 20]].concat();
    let mut pieces = Vec::new();
    for _ in 0..9 {
        pieces.extend(job.read("f", &part).iter().map(|entry| entry.line.len()));
    }
    assert_eq!(pieces, [MAX_LINE_BYTES, MAX_LINE_BYTES]);
}

#[test]
fn what_all_streams_hold_is_bounded() {
    let mut job = Job::new(limits(1_000, 0, false));
    let part = [&b"2024-04-02T06:00:00Z stdout P "[..], &vec![b'x'; 1 << 20]].concat();
    let mut released = 0;
    // Each part is held twice: in the line and as `content`.
    for number in 0..100_usize {
        let mut entry = entry(&[("pod", &number.to_string())], &part);
        job.stage.process(&mut entry, &mut job.context);
        released += job.context.released.drain(..).count();
        assert!((number + 1 - released) * (2 << 20) <= MAX_HELD_BYTES);
    }
    assert_eq!(100 - released, MAX_HELD_BYTES / (2 << 20));
}

#[test]
fn negative_limits_are_refused() {
    let error = CriStage::new(limits(-1, 0, false)).unwrap_err().to_string();
    assert_eq!(error, "cri stage: max_partial_lines: -1 is negative; accepted: 0 or more");
}

#[test]
fn options_are_weakly_typed_and_a_size_is_a_plain_number() {
    let build = |yaml: &str| {
        let mut warnings = Vec::new();
        let stage = CriStage::from_node(&crate::config::yaml::parse(yaml).unwrap(), &mut warnings);
        (stage, warnings)
    };
    let (stage, warnings) = build("{max_partial_lines: '3', max_partial_line_size: 5, typo: 1}");
    assert_eq!(stage.unwrap().partials.limits().streams, 3);
    assert!(
        warnings.len() == 1 && warnings[0].message.contains("unknown key typo"),
        "{warnings:?}"
    );

    let error = build("{max_partial_line_size: 5b}").0.unwrap_err().to_string();
    assert_eq!(
        error,
        "line 1, column 25: cri stage: max_partial_line_size: wrong type: the text \"5b\"; \
         accepted: an integer"
    );
    let (_, warnings) = build("{max_partial_line_size_truncate: true}");
    assert!(warnings.len() == 1 && warnings[0].message.contains("empty"), "{warnings:?}");
}

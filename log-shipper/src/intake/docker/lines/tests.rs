use proptest::prelude::*;

use super::*;

const A: &str = "2024-01-02T03:04:05.000000001Z";
const B: &str = "2024-01-02T03:04:05.000000002Z";
const A_NS: i64 = 1_704_164_645_000_000_001;

fn assembled(limit: usize, parts: &[(&[u8], bool)], is_text: bool) -> Vec<Found> {
    let mut assembler = Assembler::new(limit);
    let mut found = Vec::new();
    for (bytes, begins) in parts {
        assembler.push(bytes, *begins, is_text, &mut |next| found.push(next));
    }
    assembler.finish(&mut |next| found.push(next));
    found
}

fn frames(limit: usize, frames: &[String]) -> Vec<Found> {
    let parts: Vec<_> = frames.iter().map(|frame| (frame.as_bytes(), true)).collect();
    assembled(limit, &parts, false)
}

fn line(time_ns: i64, text: &str) -> Found {
    Found::Line(Line { time_ns, text: text.into(), is_cut: false })
}

#[test]
fn a_frame_is_a_line_and_its_time_is_taken_off() {
    let found = frames(100, &[format!("{A} one two\r\n"), format!("{B} \n"), format!("{B}\n")]);
    assert_eq!(found, [line(A_NS, "one two"), line(A_NS + 1, ""), line(A_NS + 1, "")]);
    let zone = frames(100, &["2024-01-02T04:04:05.000000001+01:00 x\n".to_owned()]);
    assert_eq!(zone, [line(A_NS, "x")]);
}

#[test]
fn parts_of_one_time_are_one_line_and_another_time_begins_another() {
    let parts = [format!("{A} ab"), format!("{A} cd"), format!("{A} ef\n"), format!("{A} g\n")];
    assert_eq!(frames(100, &parts), [line(A_NS, "abcdef"), line(A_NS, "g")]);
    // a prompt, or the last words of a container that is started again
    let parts = [format!("{A} prompt> "), format!("{B} next\n")];
    assert_eq!(frames(100, &parts), [line(A_NS, "prompt> "), line(A_NS + 1, "next")]);
    assert_eq!(frames(100, &[format!("{A} last words")]), [line(A_NS, "last words")]);
}

#[test]
fn a_line_over_the_limit_is_passed_on_once_and_the_rest_of_it_discarded() {
    let cut = Found::Line(Line { time_ns: A_NS, text: "abcd".into(), is_cut: true });
    let parts = [format!("{A} abc"), format!("{A} def"), format!("{A} g\n"), format!("{A} h\n")];
    assert_eq!(frames(4, &parts), [cut.clone(), line(A_NS, "h")]);
    // without its end, as when the container died
    let parts = [format!("{A} abcdef"), format!("{B} next\n")];
    assert_eq!(frames(4, &parts), [cut, line(A_NS + 1, "next")]);
    assert_eq!(frames(4, &[format!("{A} abcd\n")]), [line(A_NS, "abcd")], "it just fits");
}

#[test]
fn a_line_without_a_time_is_told_and_costs_only_itself() {
    let long = "x".repeat(100);
    for bad in ["no time\n", "\n", &format!("{long} y\n"), "2024-13-02T03:04:05Z x\n"] {
        let found = frames(1000, &[bad.to_owned(), format!("{A} good\n")]);
        assert_eq!(found, [Found::Malformed, line(A_NS, "good")], "{bad}");
    }
    let found = frames(1000, &["short".to_owned(), format!("{A} good\n")]);
    assert_eq!(found, [Found::Malformed, line(A_NS, "good")]);
    // a second line in a frame has no time of its own
    let found = frames(1000, &[format!("{A} one\ntwo\n"), format!("{B} three\n")]);
    assert_eq!(found, [line(A_NS, "one"), Found::Malformed, line(A_NS + 1, "three")]);
    let found = frames(1000, &[format!("{A} one "), "two three\n".to_owned()]);
    assert_eq!(found, [line(A_NS, "one two three")], "a part without a time goes on");
}

#[test]
fn without_frames_the_times_within_a_long_line_are_taken_out() {
    let part = "x".repeat(PART);
    let text = format!("{A} {part}{A} {part}{A} end\r\n{B} $ ");
    let expected = [line(A_NS, &format!("{part}{part}end")), line(A_NS + 1, "$ ")];
    assert_eq!(assembled(1 << 20, &[(text.as_bytes(), false)], true), expected);
    // They do not count: the line has 2 parts and 3 bytes.
    let length = 2 * PART + 3;
    assert_eq!(assembled(length, &[(text.as_bytes(), false)], true), expected);
    let cut = |length: usize| Line { time_ns: A_NS, text: vec![b'x'; length], is_cut: true };
    for length in [2 * PART, PART + 1, PART] {
        let found = assembled(length, &[(text.as_bytes(), false)], true);
        assert_eq!(found, [Found::Line(cut(length)), line(A_NS + 1, "$ ")], "{length}");
    }
}

#[test]
fn a_line_without_end_takes_no_memory() {
    let mut assembler = Assembler::new(1000);
    let mut lines = 0;
    for _ in 0..1000 {
        let part = format!("{A} {}", "x".repeat(PART));
        assembler.push(part.as_bytes(), true, false, &mut |_| lines += 1);
    }
    assert_eq!(lines, 1);
    assert!(assembler.text.capacity() <= 1000);
}

proptest! {
    /// The model: every line is what was written, however its bytes arrive.
    #[test]
    fn lines_survive_any_chunks(
        texts in prop::collection::vec("[ -~]{0,20}", 1..8),
        sizes in prop::collection::vec(1_usize..30, 1..20),
        is_text: bool,
    ) {
        let mut parts: Vec<(Vec<u8>, bool)> = Vec::new();
        for (number, text) in texts.iter().enumerate() {
            let whole = format!("2024-01-02T03:04:05.{:09}Z {text}\n", number + 1).into_bytes();
            let mut sizes = sizes.iter().cycle();
            let mut rest = &whole[..];
            let mut begins = !is_text;
            while !rest.is_empty() {
                let size = sizes.next().copied().unwrap_or(1).min(rest.len());
                parts.push((rest[..size].to_vec(), begins));
                begins = false;
                rest = &rest[size..];
            }
        }
        let parts: Vec<(&[u8], bool)> = parts.iter().map(|(part, begins)| (&part[..], *begins)).collect();
        let expected: Vec<_> = texts.iter().zip(A_NS..).map(|(text, ns)| line(ns, text)).collect();
        prop_assert_eq!(assembled(100, &parts, is_text), expected);
    }
}

use proptest::prelude::*;

use super::*;

/// Everything that comes out of these reads.
fn frames(reads: &[&[u8]], limit: usize) -> Vec<Result<String, FrameError>> {
    let mut framer = Framer::new(limit);
    let mut found = Vec::new();
    for read in reads {
        framer.buffer().extend_from_slice(read);
        while let Some(frame) = framer.next_frame() {
            found.push(frame);
        }
        assert!(framer.buffer().len() <= limit + 12, "{}", framer.buffer().len());
    }
    found.extend(framer.flush(true));
    let text = |frame: Bytes| String::from_utf8_lossy(&frame).into_owned();
    found.into_iter().map(|frame| frame.map(text)).collect()
}

#[expect(clippy::unnecessary_wraps, reason = "compared with what may be an error")]
fn ok(text: &str) -> Result<String, FrameError> {
    Ok(text.to_owned())
}

#[test]
fn counted_messages_may_hold_any_bytes() {
    let found = frames(&[b"5 <1>a\n3 <\n<\n4 <2>b"], 100);
    assert_eq!(found, [ok("<1>a\n"), ok("<\n<"), ok("<2>b")]);
}

#[test]
fn a_line_that_begins_no_message_continues_the_one_before() {
    let found = frames(&[b"<34>1 nontransparent msg\ngarbage\n<35>1 next\n"], 100);
    assert_eq!(found, [ok("<34>1 nontransparent msg\ngarbage"), ok("<35>1 next")]);
}

#[test]
fn silence_ends_a_message_whose_line_is_complete() {
    let mut framer = Framer::new(100);
    framer.buffer().extend_from_slice(b"<1>a");
    assert_eq!(framer.next_frame(), None);
    assert!(!framer.holds_whole_lines());
    framer.buffer().extend_from_slice(b"b\n");
    assert_eq!(framer.next_frame(), None);
    assert!(framer.holds_whole_lines());
    assert_eq!(framer.flush(false), Some(Ok(Bytes::from_static(b"<1>ab"))));
    framer.buffer().extend_from_slice(b"<2>c\n<");
    assert_eq!(framer.next_frame(), Some(Ok(Bytes::from_static(b"<2>c"))));
}

#[test]
fn a_message_that_is_too_long_is_left_out_and_the_next_is_read() {
    let long = Err(FrameError::TooLong { limit: 4 });
    assert_eq!(frames(&[b"9 123456789", b"4 <1>a"], 4), [long.clone(), ok("<1>a")]);
    assert_eq!(frames(&[b"<1>ab", b"cd\nmore\n", b"<2>c\n"], 4), [long.clone(), ok("<2>c")]);
    assert_eq!(frames(&[b"<1>abcd\n<2>c\n"], 4), [long, ok("<2>c")]);
}

#[test]
fn what_cannot_be_framed_ends_the_stream() {
    assert_eq!(frames(&[b"hello"], 9), [Err(FrameError::Begin(b'h'))]);
    assert_eq!(frames(&[b"4 <1>a<2>b\n"], 9), [ok("<1>a"), Err(FrameError::Count(b'<'))]);
    assert_eq!(frames(&[b"12345678901 x"], 9), [Err(FrameError::Count(b'1'))]);
    assert_eq!(frames(&[b"4 <1"], 9), [Err(FrameError::Truncated)]);
    assert!(FrameError::Begin(b'h').is_fatal() && !FrameError::Truncated.is_fatal());
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(&b"<1>a"[..]),
        Just(&b"\n"[..]),
        Just(&b"<"[..]),
        Just(&b"4 <1>a"[..]),
        Just(&b"12 123456789012"[..]),
        Just(&b"3 "[..]),
        Just(&b"longer than that"[..]),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn framing_does_not_depend_on_how_the_stream_is_cut(
        bytes in stream(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let mut reads = Vec::new();
        let mut begin = 0;
        for cut in cuts {
            reads.push(&bytes[begin..cut]);
            begin = cut;
        }
        reads.push(&bytes[begin..]);
        prop_assert_eq!(frames(&reads, 8), frames(&[&bytes], 8));
    }

    #[test]
    fn no_bytes_panic_the_framing(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        frames(&[&bytes], 16);
    }
}

//! Streams of syslog senders, cut into messages: by octet counts or by lines.
//!
//! Messages do not depend on how the stream came in pieces, and what is held is bounded.

use log_shipper::intake::syslog::framing::{FrameError, Framer};

use super::{CUTS, Check, Shape, Target, pieces};

/// Short, so that inputs reach it.
const LIMIT: usize = 200;

pub(super) const TARGET: Target = Target {
    name: "syslog_frames",
    about: "a stream of syslog messages",
    seeds,
    words: &[
        "<34>1 - - - - - - text\n",
        "<34>",
        "5 <1>a\n",
        "23 <34>1 - - - - - - text\n",
        "200 ",
        "201 ",
        "9999999999 ",
        "18446744073709551616 ",
        "0 ",
        "\n<",
        "\n",
        "\r\n",
        " ",
        "<",
    ],
    start,
};

fn seeds() -> Vec<Vec<u8>> {
    [
        "<34>1 nontransparent msg\ngarbage\n<35>1 next\n",
        "5 <1>a\n3 <\n<\n4 <2>b",
        "\n\n4 <1>a\r\n6 <12>bc\n",
        "250 <1>long",
        "12345678901 x",
        "hello",
        "4 <1",
    ]
    .map(Into::into)
    .into()
}

fn frames<'a>(reads: impl Iterator<Item = &'a [u8]>) -> Vec<Result<Vec<u8>, FrameError>> {
    let mut framer = Framer::new(LIMIT);
    let mut found = Vec::new();
    for read in reads {
        framer.buffer().extend_from_slice(read);
        while let Some(frame) = framer.next_frame() {
            found.push(frame.map(|frame| frame.to_vec()));
        }
        assert!(framer.buffer().len() <= LIMIT + 12, "{} are held", framer.buffer().len());
    }
    found.extend(framer.flush(true).map(|frame| frame.map(|frame| frame.to_vec())));
    found
}

fn start() -> Check {
    Box::new(|input| {
        let whole = frames(std::iter::once(input));
        for cut in CUTS {
            assert_eq!(frames(pieces(input, cut)), whole, "in pieces of {cut}");
        }
        let bytes: usize = whole.iter().flatten().map(Vec::len).sum();
        assert!(bytes <= input.len(), "{bytes} bytes of messages");
        assert!(whole.iter().flatten().all(|frame| frame.len() <= LIMIT));
        let broken = whole.iter().position(|frame| frame.as_ref().is_err_and(FrameError::is_fatal));
        assert!(broken.is_none_or(|at| at + 1 == whole.len()), "nothing follows a fatal error");
        let errors: Vec<_> =
            whole.iter().filter_map(|frame| frame.as_ref().err()).take(8).collect();
        let errors: Vec<_> = errors.into_iter().map(std::mem::discriminant).collect();
        Shape::of((errors, whole.len().min(8), input.first().is_some_and(u8::is_ascii_digit)))
    })
}

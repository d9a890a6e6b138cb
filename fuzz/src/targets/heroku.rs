//! A body of Heroku's drains: what is read and written as counted frames reads the same.

use log_shipper::intake::heroku_drain::frames::{Frame, FrameError, Frames};

use super::{Check, Shape, Target};

pub(super) const TARGET: Target = Target {
    name: "heroku",
    about: "a body of a Heroku drain",
    seeds,
    words: &[
        "<40>1 2012-11-30T06:45:29+00:00 host app web.3 - ",
        "16 <1>1 - h a p - x",
        "<1>",
        " - ",
        "1 ",
        "0 ",
        "9999999999 ",
        "18446744073709551616 ",
        " ",
        "\n",
        "2012-11-30T06:45:29.123456789+00:00",
        "-262143-01-01T00:00:00Z",
    ],
    start,
};

fn seeds() -> Vec<Vec<u8>> {
    let counted = |message: &str| format!("{} {message}", message.len());
    let two = counted("<40>1 2012-11-30T06:45:29+00:00 host app web.3 - State changed\n")
        + &counted("<45>1 2012-11-30T06:45:29.5+01:00 h a p id two\nlines\n");
    let bad = format!("{}{}", counted("no syslog"), counted("<1>1 - h a p - x"));
    vec![two.clone().into(), bad.into(), two[..two.len() - 3].into(), "5".into()]
}

fn start() -> Check {
    Box::new(|input| {
        let found: Vec<_> = Frames::new(input).collect();
        assert!(found.len() <= input.len());
        let frames: Vec<Frame<'_>> = found.iter().filter_map(|frame| frame.ok()).collect();
        let parts = |frame: &Frame<'_>| {
            frame.host.len() + frame.app.len() + frame.process.len() + frame.id.len()
        };
        let bytes: usize = frames.iter().map(|frame| parts(frame) + frame.line.len()).sum();
        assert!(bytes <= input.len(), "{bytes} bytes of messages");
        let mut written = Vec::new();
        for frame in &frames {
            let fields = [&b"<1>1 -"[..], frame.host, frame.app, frame.process, frame.id];
            let message = [&fields.join(&b' '), &b" "[..], frame.line, b"\n"].concat();
            written.extend(format!("{} ", message.len()).into_bytes());
            written.extend(message);
        }
        let again: Vec<_> = Frames::new(&written).collect();
        let expected: Vec<_> =
            frames.iter().map(|frame| Ok(Frame { timestamp_ns: None, ..*frame })).collect();
        assert_eq!(again, expected);
        let ends_early = matches!(found.last(), Some(Err(FrameError::Length { .. })));
        let times = frames.iter().filter(|frame| frame.timestamp_ns.is_some()).count();
        Shape::of((found.len().min(8), frames.len().min(8), times.min(4), ends_early))
    })
}

//! The log of a container as an engine sends it, with frames or without.
//!
//! Lines do not depend on how the answer came in pieces, and none is longer than the limit.

use log_shipper::intake::docker::frames::Demultiplexer;
use log_shipper::intake::docker::lines::{Assembler, Found};

use super::{CUTS, Check, Shape, Target, pieces};

/// Two parts of an engine, so that lines of several parts are whole and longer ones are cut.
const LIMIT: usize = 32 << 10;

pub(super) const TARGET: Target = Target {
    name: "docker_log",
    about: "the log of a container as an engine sends it",
    seeds,
    words: &[
        "\x01\0\0\0\0\0\0\x20",
        "\x02\0\0\0\0\0\0\x05",
        "\x01\0\0\0\0\0\0\0",
        "\0\0\0\0\0\0\0\x01",
        "\x03\0\0\0\0\0\0\x01",
        "\x04\0\0\0\0\0\0\x01",
        "\x01\0\0\0\x7f\x7f\x7f\x7f",
        "2024-01-02T03:04:05.123456789Z ",
        "2024-01-02T03:04:05.123456790Z ",
        "2024-01-02T03:04:05+01:00 ",
        "text\n",
        "\r\n",
        "\n",
        " ",
    ],
    start,
};

const TIME: &str = "2024-01-02T03:04:05.123456789Z ";

fn seeds() -> Vec<Vec<u8>> {
    let frame = |kind: u8, text: &str| {
        let length = u32::try_from(text.len()).expect("a short text").to_be_bytes();
        [&[kind, 0, 0, 0], &length[..], text.as_bytes()].concat()
    };
    let line = |text: &str| format!("{TIME}{text}");
    let long = "x".repeat(16 << 10);
    vec![
        [frame(1, &line("out\n")), frame(2, &line("err\r\n")), frame(1, &line("open"))].concat(),
        [frame(1, &line(&long)), frame(1, &line(&long)), frame(1, &line("end\n"))].concat(),
        [frame(1, "short"), frame(1, "no time at all, and long enough\n"), frame(0, "x")].concat(),
        format!("{}{}", line("one\r\n"), line("two\n")).into(),
        format!("{}{}{}", line(&long), line(&long), line("end\n")).into(),
        frame(9, "x"),
    ]
}

type Lines = (Vec<(usize, Found)>, bool);

fn lines<'a>(reads: impl Iterator<Item = &'a [u8]>) -> Lines {
    let mut demultiplexer = Demultiplexer::default();
    let mut assemblers = [Assembler::new(LIMIT), Assembler::new(LIMIT)];
    let mut found = Vec::new();
    let mut is_log = true;
    for read in reads {
        let pushed = demultiplexer.push(read, |piece| {
            let stream = piece.stream.index();
            let mut find = |line| found.push((stream, line));
            assemblers[stream].push(piece.bytes, piece.begins, piece.is_text, &mut find);
        });
        if pushed.is_err() {
            is_log = false;
            break;
        }
    }
    for (stream, assembler) in assemblers.iter_mut().enumerate() {
        assembler.finish(&mut |line| found.push((stream, line)));
    }
    (found, is_log)
}

fn start() -> Check {
    Box::new(|input| {
        let (found, is_log) = lines(std::iter::once(input));
        for cut in CUTS {
            assert!(lines(pieces(input, cut)) == (found.clone(), is_log), "in pieces of {cut}");
        }
        let (mut bytes, mut cut, mut malformed) = (0, 0_usize, 0_usize);
        for (_, found) in &found {
            match found {
                Found::Line(line) => {
                    assert!(line.text.len() <= LIMIT);
                    bytes += line.text.len();
                    cut += usize::from(line.is_cut);
                }
                Found::Malformed => malformed += 1,
            }
        }
        assert!(bytes <= input.len(), "{bytes} bytes of lines");
        Shape::of((
            found.len().min(8),
            cut.min(2),
            malformed.min(4),
            is_log,
            input.first() > Some(&3),
        ))
    })
}

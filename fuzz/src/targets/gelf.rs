//! A datagram of GELF: a message, or what chunks make of it.
//!
//! What is read and written reads and writes the same again; chunks in any order make the message
//! whole.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use log_shipper::intake::gelf::chunks::{Chunks, MAGIC};
use log_shipper::intake::gelf::message;
use prometheus_model::label_set::LabelSet;

use super::{Check, Shape, Target};

const FROM: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Bytes of a message once it is unpacked.
const MAX_UNPACKED: usize = 4 << 20;

/// Longest escape of one byte.
const ESCAPE: usize = 6;

pub(super) const TARGET: Target = Target {
    name: "gelf",
    about: "a GELF message, plain or compressed, or its chunks",
    seeds,
    words: &[
        "{",
        "}",
        "\"version\":\"1.1\"",
        "\"host\":\"h\"",
        "\"short_message\":",
        "\"full_message\":",
        "\"timestamp\":1700000000.123456",
        "\"level\":",
        "\"facility\":",
        "\"_a\":",
        "\"_b\":{\"c\":[1,2.5,null,true]}",
        ",",
        ":",
        "\"",
        "1e400",
        "1e-400",
        "-0.0",
        "1e21",
        "123456789012345678901234567890",
        "9.2e9",
        "[",
        "]",
        "\\u003c",
        "\\ud800",
        "<&>",
        "\u{2028}",
        "\x1e\x0f12345678\x00\x02",
        "\x1e\x0f12345678\x01\x02",
        "\x1f",
        "x",
    ],
    start,
};

fn seeds() -> Vec<Vec<u8>> {
    let plain = br#"{"version":"1.1","host":"h.example","short_message":"a <b> & c","full_message":"two\nlines","timestamp":1385053862.3072,"level":1,"facility":"f","_user_id":9001,"_n":-0.5e-7,"_o":{"a":[1,null,true,"x"]},"skipped":1}"#;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
    let mut bomb = ZlibEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(plain).expect("a vector takes all");
    zlib.write_all(plain).expect("a vector takes all");
    bomb.write_all(&vec![b'['; 5 << 20]).expect("a vector takes all");
    let chunk = |number, content: &[u8]| [&MAGIC[..], b"12345678", &[number, 2], content].concat();
    let mut seeds =
        [gzip.finish(), zlib.finish(), bomb.finish()].map(|packed| packed.expect("all was taken"));
    let mut seeds = std::mem::take(&mut seeds).to_vec();
    seeds.push([plain, &b"\0"[..]].concat());
    seeds.push(br#"{"short_message":"x"}"#.to_vec());
    seeds.push(br#"{"level":"x"}"#.to_vec());
    seeds.push([chunk(1, b"\"x\"}"), chunk(0, b"{\"host\":")].concat());
    seeds
}

fn start() -> Check {
    let begin = Instant::now();
    Box::new(move |input| {
        let sizes = [1 + input.len() / 100, 1 + input.len() / 3];
        for size in sizes {
            assert_eq!(put_together(input, size, begin), input, "from chunks of {size}");
        }
        let datagrams = received(input, begin);
        let message = match message::parse(input) {
            Ok(message) => message,
            Err(error) => return Shape::of((datagrams, Shape::of_message(&error.to_string()))),
        };
        let written = message.write();
        let is_packed = matches!(input, [0x1f | 0x78, ..]);
        let most = if is_packed { MAX_UNPACKED } else { input.len() };
        assert!(written.len() <= ESCAPE * most + 100, "{} bytes", written.len());
        let again = message::parse(&written).expect("what was written is read");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert_eq!(text(&again.write()), text(&written));
        assert_eq!(again.timestamp_ns(), message.timestamp_ns());
        let mut labels = [LabelSet::new(), LabelSet::new()];
        message.label(&mut labels[0]);
        again.label(&mut labels[1]);
        assert_eq!(labels[0], labels[1]);
        let time = message.timestamp_ns().is_some();
        Shape::of((is_packed, labels[0].len(), time, written.len().min(1024).ilog2()))
    })
}

/// What chunks of this size make of a message, the last one first.
fn put_together(message: &[u8], size: usize, now: Instant) -> Vec<u8> {
    let mut chunks = Chunks::default();
    let parts: Vec<_> = message.chunks(size).collect();
    let count = u8::try_from(parts.len()).expect("some hundred");
    for (number, part) in (0..count).zip(&parts).rev() {
        let datagram = [&MAGIC[..], b"identity", &[number, count], part].concat();
        let (whole, given_up) = chunks.add(FROM, &datagram, now).expect("it is a chunk");
        assert_eq!(given_up, 0);
        if let Some(whole) = whole {
            assert_eq!(number, 0, "it is complete with the last one");
            return whole;
        }
    }
    Vec::new()
}

/// The input as datagrams that begin where a chunk would: how many were chunks, and whole.
fn received(input: &[u8], now: Instant) -> (usize, usize) {
    let mut chunks = Chunks::default();
    let (mut taken, mut whole, mut bytes) = (0, 0, 0);
    let mut rest = input;
    while !rest.is_empty() {
        let next = rest[1..].windows(2).position(|two| two == MAGIC);
        let (datagram, after) = rest.split_at(next.map_or(rest.len(), |next| next + 1));
        rest = after;
        if let Ok((message, _)) = chunks.add(FROM, datagram, now) {
            taken += 1;
            whole += usize::from(message.is_some());
            bytes += message.map_or(0, |message| message.len());
        }
    }
    assert!(bytes <= input.len());
    let open = chunks.expire(now + Duration::from_secs(5));
    assert!(usize::try_from(open).is_ok_and(|open| open + whole <= taken));
    assert_eq!(chunks.expire(now + Duration::from_secs(5)), 0);
    (taken.min(8), whole.min(8))
}

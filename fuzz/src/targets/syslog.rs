//! One syslog message, as RFC 5424 and as RFC 3164.
//!
//! What RFC 5424 reads and writes reads as the same message; labels are no larger than a message of
//! that length can make them.

use std::error::Error as _;

use log_shipper::intake::syslog::decode::{Decoder, Format, Sender};
use log_shipper::intake::syslog::{rfc3164, rfc5424};

use super::{Check, Shape, Target};

/// Bytes of labels for a byte of the message: the id of an element and what stands around it come
/// once more with each of its parameters.
const MAX_GROWTH: usize = 32;

/// Labels that are always there.
const OWN_BYTES: usize = 400;

pub(super) const TARGET: Target = Target {
    name: "syslog",
    about: "a syslog message",
    seeds,
    words: &[
        "<34>",
        "<191>",
        "<192>",
        "1 ",
        "999 ",
        "- ",
        "2003-10-11T22:14:15.003Z ",
        "9999-12-31T23:59:59.999999999-23:59 ",
        "Oct 11 22:14:15 ",
        "Feb 29 00:00:60 ",
        "host ",
        "su[7]: ",
        "[a@1 b=\"c\"]",
        "[a]",
        " c=\"d\"",
        "\\\"",
        "\\]",
        "\\\\",
        "]",
        "[",
        "=\"",
        "\u{feff}",
        ": ",
        "::1 ",
    ],
    start,
};

fn seeds() -> Vec<Vec<u8>> {
    let parameters: String = (0..1000).map(|number| format!(" {number}=\"\"")).collect();
    let many = format!("<34>1 - - - - - [{}{parameters}] x", "a".repeat(64));
    let mut seeds = vec![many.into_bytes()];
    let known = [
        "<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 \
         iut=\"3\" eventID=\"1011\"][x y=\"a\\\"b\\]c\\\\\"] An application event",
        "<34>1 - - - - - -",
        "<34>1 1985-04-12T19:20:50.52-04:00 h a 1 - - \u{feff}text",
        "<34>Oct 11 22:14:15 mymachine su[7]: 'su root' failed",
        "<13>Feb  5 17:32:18 10.0.0.99 Use the BFG!",
        "<0>2003-10-11T22:14:15.003Z h tag: text",
        "<7>::1 text",
        "no priority",
    ];
    seeds.extend(known.map(Vec::from));
    seeds
}

fn start() -> Check {
    let sender = Sender { address: "10.0.0.1".into(), name: "router.example.".into() };
    let decoder = |format, whole_message| Decoder {
        format,
        labels: [("job", "syslog")].into_iter().collect(),
        label_structured_data: true,
        whole_message,
        incoming_time: true,
    };
    let decoders = [
        decoder(Format::Rfc5424, false),
        decoder(Format::Rfc5424, true),
        decoder(Format::Rfc3164, false),
    ];
    Box::new(move |input| {
        if let Ok(message) = rfc5424::parse(input) {
            let written = message.write();
            assert!(written.len() <= 3 * input.len() + 16, "{} bytes", written.len());
            assert_eq!(rfc5424::parse(&written).as_ref(), Ok(&message), "{written:?}");
        }
        if let Ok(message) = rfc3164::parse(input, "2026-11-24T12:00:00Z".parse().expect("a time"))
        {
            assert!(input.ends_with(message.text));
        }
        let shapes = decoders.each_ref().map(|decoder| {
            let now = "2026-11-24T12:00:00Z".parse().expect("it is one");
            match decoder.decode(input, &sender, now) {
                Ok(Some(decoded)) => {
                    let bytes: usize =
                        decoded.labels.iter().map(|(name, value)| name.len() + value.len()).sum();
                    let most = MAX_GROWTH * input.len() + OWN_BYTES;
                    assert!(bytes <= most, "{bytes} bytes of labels of {}", input.len());
                    let time = decoded.timestamp_ns.is_some();
                    Shape::of((decoded.labels.len().min(20), time, decoded.line.is_empty()))
                }
                Ok(None) => Shape::of("no text"),
                Err(error) => Shape::of_message(&format!("{error} {:?}", error.source().is_some())),
            }
        });
        Shape::of(shapes)
    })
}

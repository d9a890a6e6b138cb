//! The `cri` stage: several lines of one stream through a fresh pipeline.
//!
//! The judge of how a line is split is Promtail's own pattern.

use std::sync::Arc;

use go_compat::regexp::Regexp;
use log_shipper::pipeline::extracted::ValueRef;
use log_shipper::pipeline::stage::Verdict;
use prometheus_model::label_set::LabelSet;

use super::{Check, Shape, Target, context, entry, pipeline};
use crate::recordings;

const PATTERN: &str =
    r"^(?s)(?P<time>\S+?) (?P<stream>stdout|stderr) (?P<flags>\S+?) (?P<content>.*)$";
const PARTS: [&str; 4] = ["time", "stream", "flags", "content"];

pub(super) const TARGET: Target = Target {
    name: "cri",
    about: "lines of a container runtime, whole and in parts",
    seeds,
    words: &[
        "2024-01-02T03:04:05.123456789Z",
        "2024-01-02T03:04:05+01:00",
        " stdout ",
        " stderr ",
        "P",
        "F",
        " P ",
        " F ",
        "P:x",
        "\n",
        "\n2024-01-02T03:04:05Z stdout P ",
        "\t",
        "\x0b",
        "\x0c",
    ],
    start,
};

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = recordings::logs("cri");
    seeds.push(b"2024-01-02T03:04:05Z stdout P a\n2024-01-02T03:04:06Z stdout F b".to_vec());
    seeds
}

fn start() -> Check {
    let plain = pipeline("[{cri: {}}]");
    let cut = pipeline(
        "[{cri: {max_partial_lines: 2, max_partial_line_size: 16, max_partial_line_size_truncate: \
         true}}]",
    );
    let pattern = Regexp::new(PATTERN).expect("Promtail has it");
    let labels: Arc<LabelSet> = Arc::new([("job", "fuzz")].into_iter().collect());
    Box::new(move |input| {
        let (mut whole, mut parts, mut released) = (0, 0, 0);
        let mut locations = pattern.capture_locations();
        for (is_plain, pipeline) in [(true, &plain), (false, &cut)] {
            let mut pipeline = pipeline.fork();
            let mut context = context();
            let mut is_waiting = false;
            for line in input.split(|byte| *byte == b'\n') {
                let mut entry = entry(&labels, line);
                let verdict = pipeline.process(&mut entry, &mut context);
                let is_split = pattern.captures_read(&mut locations, line);
                let part = |group| {
                    let (begin, end) = locations.get(group).expect("each group took part");
                    &line[begin..end]
                };
                let is_part = is_split && part(3) == b"P";
                assert_eq!(verdict, if is_part { Verdict::Hold } else { Verdict::Pass });
                if verdict == Verdict::Hold {
                    assert_eq!(pipeline.held_since(entry.origin.file), Some(0), "it holds a part");
                } else if is_split {
                    for (group, name) in PARTS.iter().enumerate() {
                        if *name == "stream" || !is_waiting {
                            let value = entry.extracted.get(name);
                            assert_eq!(value, Some(ValueRef::Text(part(group + 1))), "{name}");
                        }
                    }
                    if !is_waiting {
                        assert_eq!(entry.line, part(4));
                    }
                } else {
                    assert_eq!(entry.line, line, "another line stays as it is");
                }
                assert!(
                    is_plain || !is_waiting || !is_split || entry.line.len() <= 16 + line.len()
                );
                is_waiting |= is_part;
                whole += usize::from(is_split && !is_part);
                parts += usize::from(is_part);
            }
            released += context.released.len();
        }
        Shape::of([whole, parts, released].map(|count| count.min(8)))
    })
}

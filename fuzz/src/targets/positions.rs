//! `positions.yaml`: what is read and written reads the same again, and so does any path.

use log_shipper::tail::positions_file::{Positions, load, to_yaml};

use super::memory_file::MemoryFile;
use super::{Check, Shape, Target};

pub(super) const TARGET: Target = Target {
    name: "positions",
    about: "the positions file",
    seeds,
    words: &[
        "positions:",
        "\n  ",
        "/var/log/a.log",
        ": ",
        "\"",
        "'",
        "\\",
        "{",
        "}",
        "[",
        "]",
        "- ",
        "cursor-",
        "? ",
        "| ",
        "> ",
        "&a ",
        "*a",
        "<<: ",
        "!!str ",
        "#",
        "---\n",
        "...\n",
        "~",
        "null",
        "\t",
        "%YAML",
        "\\U0001F600",
        "\\x00",
        "\\u2028",
    ],
    start,
};

fn seeds() -> Vec<Vec<u8>> {
    [
        "positions: {}\n",
        "positions:\n  /var/log/pods/ns_pod_uid/app/0.log: \"123456\"\n  /b.log: 7\n",
        "positions:\n  cursor-journal: \"s=1;i=2;b=3\"\n  \"/with: \\\"x\\\" \\u00e9\": '5'\n",
        "positions: {/a: '1', ? /b : 2}\n",
        "positions:\n  - /a\n",
    ]
    .map(Into::into)
    .into()
}

fn start() -> Check {
    let file = MemoryFile::new();
    Box::new(move |input| {
        let text_of = |text: &[u8]| load(&file.with(text));
        let written = |positions: &Positions| {
            let text = to_yaml(positions);
            let again = text_of(text.as_bytes());
            assert_eq!(again.as_ref().ok(), Some(positions), "written as {text:?}: {again:?}");
        };
        // Any text may be a path.
        let lossy = String::from_utf8_lossy(input);
        written(&lossy.lines().map(|line| (line.to_owned(), lossy.len().to_string())).collect());
        match text_of(lossy.as_bytes()) {
            Ok(positions) => {
                written(&positions);
                Shape::of(positions.len().min(8))
            }
            Err(error) => {
                Shape::of_message(&format!("{error} {:?}", std::error::Error::source(&error)))
            }
        }
    })
}

//! A damaged journal file. The first byte picks one of the files that systemd wrote; then follow
//! changes, each a place (three bytes, counted in words that are not zero), a number of bytes up to
//! eight, and the bytes.
//!
//! Whatever is damaged, reading ends, and what is read is bounded and reads the same again.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;

use flate2::read::GzDecoder;
use log_shipper::intake::journal::cursor::Start;
use log_shipper::intake::journal::journal_file::JournalFile;

use super::memory_file::MemoryFile;
use super::{Check, Shape, Target};

/// Bytes of an entry: twice that of a field.
const MAX_ENTRY_BYTES: usize = 8 << 20;

/// Entries that are read of one file; the files have 40.
const MAX_ENTRIES: usize = 300;

const FILES: [&[u8]; 5] = [
    include_bytes!("../../../log-shipper/src/intake/journal/fixtures/plain.journal.gz"),
    include_bytes!("../../../log-shipper/src/intake/journal/fixtures/zstd.journal.gz"),
    include_bytes!("../../../log-shipper/src/intake/journal/fixtures/compact-zstd.journal.gz"),
    include_bytes!("../../../log-shipper/src/intake/journal/fixtures/lz4.journal.gz"),
    include_bytes!("../../../log-shipper/src/intake/journal/fixtures/xz.journal.gz"),
];

pub(super) const TARGET: Target = Target {
    name: "journal",
    about: "changes to a file of systemd's journal",
    seeds,
    words: &[
        "\0\0\0\x08LPKSHHRH",
        "\x0b\0\0\x08\0\0\0\0\0\0\0\0",
        "\x08\0\0\x01\x7f",
        "\0\x01\0\x08\x01\0\0\0\0\0\0\0",
        "\0\x02\0\x08\x03\0\0\0\0\0\0\0",
        "\0\x03\0\x08\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f",
        "\0\x04\0\x04\x7f\x7f\x7f\x7f",
        "\x08\0\0\0\0\0\0\0",
        "\x10\0\0\0\0\0\0\0",
        "\x7f\x7f\x7f\x7f",
        "\x01",
        "\x03",
        "\x06",
    ],
    start,
};

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for file in 0..5 {
        seeds.push(vec![file]);
        // The header, and some places that lie behind it.
        for place in (0..2600_u32).step_by(if file == 0 { 20 } else { 200 }) {
            let [low, middle, high, _] = place.to_le_bytes();
            seeds.push([&[file, low, middle, high, 8][..], &[0xff; 8]].concat());
            seeds.push(vec![file, low, middle, high, 1, 8]);
        }
    }
    seeds
}

/// A file, and where it can be changed.
struct Damaged {
    file: MemoryFile,
    content: Vec<u8>,
    words: Vec<usize>,
}

impl Damaged {
    fn new(packed: &[u8]) -> Self {
        let mut content = Vec::new();
        GzDecoder::new(packed).read_to_end(&mut content).expect("the file is packed");
        let is_used = |at: &usize| content[*at..*at + 8] != [0; 8];
        let words = (0..content.len() - 8).step_by(8).filter(is_used).collect();
        let file = MemoryFile::new();
        file.with(&content);
        Self { file, content, words }
    }
}

/// The places, and what stands there instead.
fn changes<'a>(mut rest: &'a [u8], words: &[usize]) -> Vec<(usize, &'a [u8])> {
    let mut changes = Vec::new();
    while let [low, middle, high, count, bytes @ ..] = rest {
        let place = u32::from_le_bytes([*low, *middle, *high, 0]) as usize;
        let (bytes, after) = bytes.split_at(bytes.len().min(usize::from(*count % 9)));
        changes.push((words[place % words.len()], bytes));
        rest = after;
    }
    changes
}

/// The numbers of its entries with their fields, and how many errors there were.
fn read(file: File) -> (Vec<(u64, usize)>, usize) {
    let Ok(mut journal) = JournalFile::new(file, Start::At(0)) else { return (Vec::new(), 1) };
    let (mut entries, mut errors) = (Vec::new(), 0);
    while entries.len() + errors < MAX_ENTRIES {
        let before = journal.position();
        match journal.peek() {
            Ok(None) => break,
            Err(_) => {
                errors += 1;
                journal.skip();
            }
            Ok(Some(key)) => match journal.take(true) {
                Ok(entry) => {
                    let bytes = entry.fields.iter().map(|field| field.whole().len()).sum();
                    assert!(bytes <= MAX_ENTRY_BYTES, "{bytes} bytes of an entry");
                    assert_eq!(entry.key, key);
                    errors += entry.damage.len();
                    entries.push((key.number, bytes));
                }
                Err(_) => {
                    errors += 1;
                    journal.skip();
                }
            },
        }
        assert!(journal.position() > before, "it moves on");
    }
    (entries, errors)
}

fn start() -> Check {
    let files = FILES.map(Damaged::new);
    Box::new(move |input| {
        let Some((which, rest)) = input.split_first() else { return Shape::of("nothing") };
        let damaged = &files[usize::from(*which) % files.len()];
        let changes = changes(rest, &damaged.words);
        for (at, bytes) in &changes {
            damaged.file.file().write_all_at(bytes, *at as u64).expect("there is memory");
        }
        let open = || File::open(damaged.file.path()).expect("it is there");
        let result = std::panic::catch_unwind(|| (read(open()), read(open())));
        // The next input finds the file as it was.
        for (at, bytes) in &changes {
            let original = &damaged.content[*at..*at + bytes.len()];
            damaged.file.file().write_all_at(original, *at as u64).expect("there is memory");
        }
        let (first, second) = match result {
            Ok(both) => both,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        assert_eq!(first, second, "it reads the same again");
        if changes.is_empty() {
            assert_eq!((first.0.len(), first.1), (40, 0), "nothing was damaged");
        }
        Shape::of((first.0.len(), first.1.min(8), which % 5))
    })
}

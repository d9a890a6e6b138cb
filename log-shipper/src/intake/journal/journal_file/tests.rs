use std::io::Write;
use std::os::unix::fs::FileExt;

use proptest::prelude::*;

use super::super::fixture::{self, Described, ENTRIES, FIRST_US, FORMS};
use super::*;

const ALL: Start = Start::At(0);

fn file_of(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn journal(form: &str, start: Start) -> JournalFile {
    JournalFile::new(file_of(&fixture::bytes(form)), start).unwrap()
}

/// Reads to the end; damage is left out.
fn drain(journal: &mut JournalFile) -> (Vec<Entry>, Vec<ReadError>) {
    let (mut entries, mut errors) = (Vec::new(), Vec::new());
    loop {
        let taken = match journal.peek() {
            Ok(None) => return (entries, errors),
            Ok(Some(key)) => journal.take(true).inspect(|entry| assert_eq!(entry.key, key)),
            Err(error) => Err(error),
        };
        match taken {
            Ok(entry) => entries.push(entry),
            Err(error) => {
                if matches!(error, ReadError::Unreachable { .. }) {
                    journal.give_up();
                } else {
                    journal.skip();
                }
                errors.push(error);
            }
        }
    }
}

fn numbers(journal: &mut JournalFile) -> Vec<u64> {
    drain(journal).0.iter().map(|entry| entry.key.number).collect()
}

fn described(form: &str, entry: &Entry) -> Described {
    assert!(entry.damage.is_empty(), "{form}: {:?}", entry.damage);
    let cursor = entry.key.to_string();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let fields = entry.fields.iter();
    let mut fields: Vec<_> =
        fields.map(|field| (text(field.name()), field.value().to_vec())).collect();
    fields.sort();
    (cursor.split_once(';').unwrap().1.to_owned(), fields)
}

#[test]
fn every_form_reads_as_journalctl_read_it() {
    let expected = fixture::expected();
    assert_eq!(expected.len() as u64, ENTRIES);
    for (form, _) in FORMS {
        let (entries, errors) = drain(&mut journal(form, ALL));
        assert!(errors.is_empty(), "{form}: {errors:?}");
        let found: Vec<_> = entries.iter().map(|entry| described(form, entry)).collect();
        for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
            assert_eq!(found, expected, "{form}: entry {index}");
        }
        assert_eq!(found.len(), expected.len(), "{form}");
    }
}

#[test]
fn reading_begins_behind_a_cursor_or_at_a_time() {
    let (entries, _) = drain(&mut journal("compact-zstd", ALL));
    for index in [0, 17, 39] {
        let after = Start::After(entries[index].key);
        let expected: Vec<u64> = (index as u64 + 2..=ENTRIES).collect();
        assert_eq!(numbers(&mut journal("compact-zstd", after)), expected);
        let at = Start::At(FIRST_US + index as u64 * 1000);
        let expected: Vec<u64> = (index as u64 + 1..=ENTRIES).collect();
        assert_eq!(numbers(&mut journal("compact-zstd", at)), expected);
    }
    assert!(numbers(&mut journal("plain", Start::At(u64::MAX))).is_empty());
}

#[test]
fn what_is_appended_is_seen_after_a_look() {
    let bytes = fixture::bytes("zstd");
    let file = file_of(&bytes);
    let count = |entries: u64| file.write_all_at(&entries.to_le_bytes(), 152).unwrap();
    count(10);
    let mut journal = JournalFile::new(file.try_clone().unwrap(), ALL).unwrap();
    assert_eq!(numbers(&mut journal), (1..=10).collect::<Vec<_>>());
    count(25);
    assert!(numbers(&mut journal).is_empty());
    journal.refresh().unwrap();
    assert_eq!(numbers(&mut journal), (11..=25).collect::<Vec<_>>());
    assert!(!journal.is_done());
    file.write_all_at(&[2], 16).unwrap();
    journal.refresh().unwrap();
    assert!(journal.is_done());
    file.write_all_at(&[0; 16], 24).unwrap();
    let error = journal.refresh().unwrap_err().to_string();
    assert_eq!(error, "is damaged at byte 24: it has become another file");
}

#[test]
fn a_damaged_entry_costs_only_itself_and_a_damaged_field_only_that() {
    let bytes = fixture::bytes("plain");
    let file = file_of(&bytes);
    let mut journal = JournalFile::new(file.try_clone().unwrap(), ALL).unwrap();
    let (fifth, _) = journal.key_at(4).unwrap();
    file.write_all_at(&[99], fifth).unwrap();
    let (seventh, _) = journal.key_at(6).unwrap();
    file.write_all_at(&[7], seventh + ENTRY_ITEMS).unwrap();
    journal.refresh().unwrap();
    let (entries, errors) = drain(&mut journal);
    assert_eq!(entries.len() as u64, ENTRIES - 1);
    assert_eq!(errors.len(), 1);
    let damaged: Vec<_> = entries.iter().filter(|entry| !entry.damage.is_empty()).collect();
    assert_eq!(damaged.len(), 1);
    assert_eq!(damaged[0].key.number, 7);
    assert!(damaged[0].fields.len() > 3);
}

#[test]
fn a_chain_of_lists_that_turns_back_ends() {
    let file = file_of(&fixture::bytes("plain"));
    let mut journal = JournalFile::new(file.try_clone().unwrap(), ALL).unwrap();
    let first = journal.header.first_array;
    file.write_all_at(&first.to_le_bytes(), first + OBJECT_HEADER).unwrap();
    journal.arrays.clear();
    journal.refresh().unwrap();
    let (entries, errors) = drain(&mut journal);
    assert!(!entries.is_empty());
    assert!(errors[0].to_string().contains("run in a circle"), "{errors:?}");
    assert_eq!(errors.len(), 1);
}

#[test]
fn a_file_that_is_cut_off_gives_what_it_still_holds() {
    let bytes = fixture::bytes("plain");
    let mut journal = JournalFile::new(file_of(&bytes), ALL).unwrap();
    let (middle, _) = journal.key_at(20).unwrap();
    let cut = file_of(&bytes[..usize::try_from(middle).unwrap()]);
    let (entries, errors) = drain(&mut JournalFile::new(cut, ALL).unwrap());
    assert_eq!(entries.len(), 20);
    assert!(!errors.is_empty());
    for end in [0, 1, 207] {
        let empty = JournalFile::new(file_of(&bytes[..end]), ALL);
        assert!(matches!(empty, Err(ReadError::Incomplete)));
    }
}

/// A file, and where its objects lie: between them and the header are tables that are not read.
struct Target {
    file: File,
    bytes: Vec<u8>,
    objects: std::ops::Range<usize>,
}

impl Target {
    fn new(form: &str) -> Self {
        let bytes = fixture::bytes(form);
        let header = journal(form, ALL).header;
        let begin = usize::try_from(header.first_array).unwrap() - 8 * 1024;
        let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
        Self { file: file_of(&bytes), bytes, objects: begin..end }
    }
}

#[test]
fn changed_bytes_never_panic_nor_go_on_for_ever() {
    let targets: Vec<Target> = FORMS.iter().map(|(form, _)| Target::new(form)).collect();
    let change = (0.0..1.0_f64, any::<bool>(), any::<u8>());
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) };
    proptest!(config, |(
        form in 0..FORMS.len(), changes in proptest::collection::vec(change, 1..30)
    )| {
        let target = &targets[form];
        let places: Vec<u64> = changes.iter().map(|(place, in_header, byte)| {
            let range = if *in_header && changes.len() < 5 { 8..208 } else { target.objects.clone() };
            #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation,
                clippy::cast_sign_loss, reason = "a random place")]
            let at = range.start as u64 + (place * range.len() as f64) as u64;
            target.file.write_all_at(&[*byte], at).unwrap();
            at
        }).collect();
        let opened = JournalFile::new(target.file.try_clone().unwrap(), Start::At(FIRST_US));
        if let Ok(mut journal) = opened {
            let most = journal.header.entries;
            let (entries, errors) = drain(&mut journal);
            prop_assert!((entries.len() + errors.len()) as u64 <= most);
        }
        for at in places {
            let byte = target.bytes[usize::try_from(at).unwrap()];
            target.file.write_all_at(&[byte], at).unwrap();
        }
    });
}

/// A file with one entry, which names the same field of 5 MiB so many times.
fn with_large_entry(fields: u64) -> Vec<u8> {
    let object = |kind: u8, body: &[u8]| {
        let mut bytes = vec![kind, 0, 0, 0, 0, 0, 0, 0];
        bytes.extend((16 + body.len() as u64).to_le_bytes());
        bytes.extend(body);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes
    };
    let mut bytes = vec![0; HEADER_READ];
    bytes[..8].copy_from_slice(b"LPKSHHRH");
    bytes[88..96].copy_from_slice(&(HEADER_READ as u64).to_le_bytes());
    bytes[152] = 1;
    let mut data = vec![0; 48];
    data.extend(b"A=");
    data.resize(data.len() + 5 * 1024 * 1024, b'x');
    bytes.extend(object(object::DATA, &data));
    let at = bytes.len() as u64;
    let mut entry = [1_u64, 1, 0, 0, 0, 0].map(u64::to_le_bytes).concat();
    for _ in 0..fields {
        entry.extend((HEADER_READ as u64).to_le_bytes());
        entry.extend([0; 8]);
    }
    bytes.extend(object(object::ENTRY, &entry));
    let array = bytes.len() as u64;
    bytes[176..184].copy_from_slice(&array.to_le_bytes());
    bytes.extend(object(object::ENTRY_ARRAY, &[0, at].map(u64::to_le_bytes).concat()));
    bytes
}

#[test]
fn of_an_entry_beyond_all_measure_the_first_fields_are_kept_and_the_rest_is_not_read() {
    let mut journal = JournalFile::new(file_of(&with_large_entry(4000)), ALL).unwrap();
    let (entries, errors) = drain(&mut journal);
    assert!(errors.is_empty(), "{errors:?}");
    let sizes: Vec<_> = entries[0].fields.iter().map(|field| field.whole().len()).collect();
    assert_eq!(sizes, [FIELD_LIMIT, FIELD_LIMIT]);
    let damage: Vec<_> = entries[0].damage.iter().map(ToString::to_string).collect();
    assert_eq!(damage.len(), 1);
    assert!(damage[0].ends_with("an entry is too large, further fields are left out"));
}

//! `-dry-run`: entries are printed, nothing is pushed, no position is saved.

use std::io::{self, Write};
use std::time::Instant;

use go_compat::time_layout::{Layout, Time};

use super::sink::{FindProgress, Sink};
use crate::pipeline::entry::Entry;

/// As Promtail prints times.
const TIME: &str = "2006-01-02T15:04:05.999999999-0700";

/// Prints time, labels and line with a tab between them.
#[derive(Debug)]
pub struct Printer {
    layout: Layout,
    colours: bool,
}

impl Printer {
    /// A printer to standard output; colours only where a person reads them.
    pub fn new(colours: bool) -> Self {
        Self { layout: Layout::new(TIME), colours }
    }

    fn print(&self, out: &mut impl Write, entry: &Entry) -> io::Result<()> {
        let time = self.layout.format(&Time::from_unix_ns(entry.timestamp_ns));
        let mut labels = entry.labels.to_label_set();
        labels.retain(|name, _| !name.starts_with("__"));
        if self.colours {
            write!(out, "\x1b[34m{time}\x1b[0m\t\x1b[32m{labels}\x1b[0m\t")?;
        } else {
            write!(out, "{time}\t{labels}\t")?;
        }
        out.write_all(&entry.line)?;
        out.write_all(b"\n")
    }
}

impl Sink for Printer {
    fn accept(&mut self, entry: &Entry, _: Instant, _: &FindProgress<'_>) -> bool {
        let mut out = io::stdout().lock();
        // Nobody reads it any more: there is nothing left to do for a dry run, but no harm either.
        let _ = self.print(&mut out, entry);
        false
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn flush(&mut self, _: Option<Instant>) {
        let _ = io::stdout().flush();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn an_entry_is_one_line_of_time_labels_and_text() {
        let mut entry = Entry { timestamp_ns: 1_704_164_645_500_000_000, ..Entry::default() };
        entry.line = b"hello\tthere".to_vec();
        entry.labels.set(&Arc::from("job"), "app");
        let mut out = Vec::new();
        Printer::new(false).print(&mut out, &entry).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "2024-01-02T03:04:05.5+0000\t{job=\"app\"}\thello\tthere\n");
    }
}

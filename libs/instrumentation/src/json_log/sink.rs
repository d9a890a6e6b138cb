//! Where lines go: any writer, one write for each line.
//!
//! A failing writer costs lines, never the service: no error and no panic
//! leaves this module, the lines are counted instead.

use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// A writer that threads share.
pub(super) struct Sink {
    state: Mutex<State>,
    lost: AtomicU64,
}

struct State {
    writer: Box<dyn Write + Send>,
    /// The writer took a part of the last line and then failed.
    is_torn: bool,
}

impl Sink {
    pub(super) fn new(writer: Box<dyn Write + Send>) -> Self {
        Self { state: Mutex::new(State { writer, is_torn: false }), lost: AtomicU64::new(0) }
    }

    /// Lines that did not reach the writer as a whole.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Writes a line that ends in a line feed.
    pub(super) fn write_line(&self, line: &str) {
        // a writer that panicked under the lock is no worse than one that failed
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { writer, is_torn } = &mut *state;
        let is_written = if *is_torn {
            // keep the half line from swallowing this one
            write_whole(writer, format!("\n{line}").as_bytes(), is_torn)
        } else {
            write_whole(writer, line.as_bytes(), is_torn)
        };
        if !is_written {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn write_whole(writer: &mut dyn Write, line: &[u8], is_torn: &mut bool) -> bool {
    let mut rest = line;
    while !rest.is_empty() {
        match writer.write(rest) {
            Ok(written @ 1..) => {
                rest = rest.get(written..).unwrap_or_default();
                *is_torn = !rest.is_empty();
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => return false,
        }
    }
    // for writers with a buffer of their own; a file has nothing to do here
    writer.flush().is_ok()
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use super::*;

    /// Answers each write as told and keeps what it took.
    #[derive(Clone, Default)]
    struct Scripted {
        answers: Arc<Mutex<Vec<io::Result<usize>>>>,
        taken: Arc<Mutex<Vec<u8>>>,
        writes: Arc<AtomicU64>,
    }

    impl Write for Scripted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.writes.fetch_add(1, Ordering::Relaxed);
            let answer = self.answers.lock().unwrap().pop().unwrap_or(Ok(bytes.len()))?;
            self.taken.lock().unwrap().extend_from_slice(&bytes[..answer]);
            Ok(answer)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn sink_with(answers: Vec<io::Result<usize>>) -> (Sink, Scripted) {
        let writer = Scripted::default();
        *writer.answers.lock().unwrap() = answers.into_iter().rev().collect();
        (Sink::new(Box::new(writer.clone())), writer)
    }

    fn taken(writer: &Scripted) -> String {
        String::from_utf8(writer.taken.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_line_is_one_write() {
        let (sink, writer) = sink_with(vec![]);
        sink.write_line(&format!("{}\n", "x".repeat(100_000)));
        assert_eq!(writer.writes.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_line_taken_in_parts_is_whole() {
        let (sink, writer) = sink_with(vec![Ok(2), Err(ErrorKind::Interrupted.into()), Ok(1)]);
        sink.write_line("line\n");
        assert_eq!((taken(&writer).as_str(), sink.lost()), ("line\n", 0));
    }

    #[test]
    fn a_full_or_closed_writer_costs_the_line_and_is_tried_again() {
        for failure in
            [Ok(0), Err(ErrorKind::StorageFull.into()), Err(ErrorKind::BrokenPipe.into())]
        {
            let (sink, writer) = sink_with(vec![failure]);
            sink.write_line("one\n");
            sink.write_line("two\n");
            assert_eq!((taken(&writer).as_str(), sink.lost()), ("two\n", 1));
        }
    }

    #[test]
    fn a_torn_line_does_not_swallow_the_next() {
        let (sink, writer) = sink_with(vec![
            Ok(2),
            Err(ErrorKind::StorageFull.into()),
            Err(ErrorKind::StorageFull.into()),
        ]);
        for line in ["one\n", "two\n", "three\n", "four\n"] {
            sink.write_line(line);
        }
        assert_eq!((taken(&writer).as_str(), sink.lost()), ("on\nthree\nfour\n", 2));
    }

    #[test]
    fn a_writer_that_panicked_does_not_take_logging_with_it() {
        struct Panics;
        impl Write for Panics {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                panic!("writer is broken");
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let sink = Arc::new(Sink::new(Box::new(Panics)));
        let shared = Arc::clone(&sink);
        std::thread::spawn(move || shared.write_line("one\n")).join().unwrap_err();
        assert!(sink.state.is_poisoned());
        sink.state.lock().unwrap_or_else(PoisonError::into_inner).writer = Box::new(io::sink());
        sink.write_line("two\n");
        assert_eq!(sink.lost(), 0);
    }
}

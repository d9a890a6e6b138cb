//! One followed path at its worker: the generations that are open, oldest first.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use encoding_rs::Encoding;
use prometheus_model::label_set::LabelSet;

use crate::metrics::Metrics;
use crate::metrics::files::FileCounts;
use crate::pipeline::entry::Origin;
use crate::ship::line_shipper::LineShipper;
use crate::tail::compressed_reader::{CompressedReader, Format};
use crate::tail::descriptors::{Descriptors, Permit};
use crate::tail::file_identity::{Fingerprint, Inode};
use crate::tail::line_reader::{LineReader, Newline, Outcome};
use crate::tail::mailbox::{self, Closed, Generation, Opened};
use crate::tail::position_table;

/// A file that lost its name is watched so long after its last line: a writer may not have opened
/// the new one yet.
const LINGER: Duration = Duration::from_secs(5);

/// How often a file without a name is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(250);

/// A rotated file that cannot be read is given up after this time.
const GIVE_UP: Duration = Duration::from_mins(5);

/// After an error of a file it is tried again so much later.
const ERROR_PAUSE: Duration = Duration::from_secs(1);

/// How the files of a scrape config are read.
#[derive(Debug, Clone, Default)]
pub struct ReaderOptions {
    /// Other than UTF-8.
    pub encoding: Option<&'static Encoding>,
    /// All files are compressed like this; reading begins after the delay.
    pub decompression: Option<(Format, Duration)>,
    /// Longest line in bytes.
    pub line_limit: usize,
}

/// Plain or compressed.
#[derive(Debug)]
pub enum Reader {
    /// Positions are bytes.
    Plain(LineReader),
    /// Positions are lines.
    Compressed(CompressedReader),
}

#[derive(Debug)]
struct Open {
    reader: Reader,
    generation: Arc<Generation>,
    /// It has lost its name: nothing is to come after its end but what a late writer writes.
    has_ended: bool,
    /// Its target is gone: it is left when it is read up to here.
    leave_at: Option<u64>,
    last_line: Instant,
    next_look: Instant,
    /// It could not be read since.
    failing_since: Option<Instant>,
    /// For its descriptor, while it is open.
    permit: Option<Permit>,
}

/// What a source wants next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Another turn: there is more.
    More,
    /// To be told when the file changes.
    Idle,
    /// A turn at that time.
    LookAgain(Instant),
}

/// A path and its open files.
#[derive(Debug)]
pub struct Source {
    /// Index of the scrape config.
    pub job: usize,
    /// As matched by the pattern, and as in the labels of metrics.
    pub path: Arc<str>,
    /// Stages hold lines back.
    pub is_held: bool,
    /// When the worker looks at it again by itself.
    pub timer: Option<Instant>,
    labels: Arc<LabelSet>,
    open: VecDeque<Open>,
    /// A stage or limit wants no line before this time.
    paused_until: Option<Instant>,
    encoding: Option<&'static Encoding>,
    counts: FileCounts,
}

impl Source {
    /// A source with its first file.
    pub fn open(source: mailbox::Source, options: &ReaderOptions, metrics: &Metrics) -> Self {
        let mut this = Self {
            job: source.job,
            is_held: false,
            timer: None,
            labels: source.labels,
            open: VecDeque::with_capacity(1),
            paused_until: None,
            encoding: options.encoding,
            counts: metrics.files.of(&source.path),
            path: source.path,
        };
        this.open.push_back(Open::new(source.opened, options));
        this
    }

    /// The path names another file now.
    pub fn rotate(&mut self, opened: Opened, options: &ReaderOptions) {
        self.end();
        self.open.push_back(Open::new(opened, options));
    }

    /// A file that the path named before the one it names now.
    pub fn missed(&mut self, opened: Opened, options: &ReaderOptions) {
        let mut missed = Open::new(opened, options);
        missed.has_ended = true;
        let has_current = self.open.back().is_some_and(|last| !last.has_ended);
        self.open.insert(self.open.len() - usize::from(has_current), missed);
    }

    /// The path names none of the open files any more.
    pub fn end(&mut self) {
        for open in &mut self.open {
            open.has_ended = true;
        }
    }

    /// Lines that are read from now on have these labels.
    pub fn relabel(&mut self, labels: Arc<LabelSet>) {
        self.labels = labels;
    }

    /// The target is gone: what is open is read up to `until` and left as it is.
    pub fn leave(&mut self, until: u64, shipper: &mut LineShipper) {
        for open in &mut self.open {
            open.leave_at = Some(if open.has_ended { u64::MAX } else { until });
        }
        self.close_left(shipper);
    }

    fn close_left(&mut self, shipper: &mut LineShipper) {
        let mut index = 0;
        while let Some(open) = self.open.get(index) {
            if open.leave_at.is_some_and(|until| open.reader.position() >= until) {
                self.close(index, shipper);
            } else {
                index += 1;
            }
        }
    }

    /// Stages may have released what held positions back.
    pub fn save_progress(&mut self, shipper: &LineShipper) {
        self.is_held = false;
        for open in &self.open {
            let held = shipper.held_since(self.job, open.generation.progress.file());
            self.is_held |= held.is_some();
            open.generation.progress.advance(open.reader.position(), held);
        }
    }

    /// Takes one turn: a chunk of the oldest file that has one.
    pub fn read(
        &mut self,
        buffer: &mut Vec<u8>,
        shipper: &mut LineShipper,
        metrics: &Metrics,
        descriptors: &Arc<Descriptors>,
    ) -> Turn {
        let now = shipper.now();
        if let Some(until) = self.paused_until.take_if(|until| *until > now) {
            self.paused_until = Some(until);
            return Turn::LookAgain(until);
        }
        self.close_left(shipper);
        let mut next: Option<Instant> = None;
        let mut index = 0;
        while index < self.open.len() {
            let look = self.open[index].next_look;
            if look > now {
                next = Some(next.map_or(look, |at| at.min(look)));
                index += 1;
                continue;
            }
            let (result, pause) = match self.open[index].reopen(Path::new(&*self.path), descriptors)
            {
                Ok(()) => self.read_one(index, buffer, shipper, metrics),
                Err(error) => (Err(error), None),
            };
            if let Some(until) = pause {
                self.paused_until = Some(until);
                return Turn::LookAgain(until);
            }
            match result {
                Ok(Outcome::More) => return Turn::More,
                Ok(Outcome::Truncated) => {
                    self.truncated(index, metrics, shipper);
                    return Turn::More;
                }
                Ok(Outcome::AtEnd) => {}
                Err(error) => {
                    tracing::warn!(path = &*self.path, %error, "file cannot be read, trying again");
                    let open = &mut self.open[index];
                    open.next_look = now + ERROR_PAUSE;
                    let since = *open.failing_since.get_or_insert(now);
                    if (open.has_ended || open.leave_at.is_some()) && since + GIVE_UP <= now {
                        tracing::error!(
                            path = &*self.path,
                            "giving up a rotated file that cannot be read"
                        );
                        metrics.files_given_up.inc();
                        self.close(index, shipper);
                    }
                    continue;
                }
            }
            let open = &mut self.open[index];
            open.failing_since = None;
            if open.leave_at.is_some() {
                // Nothing more is there; a line without its end is somebody else's.
                self.close(index, shipper);
                continue;
            }
            if !open.has_ended {
                if descriptors.is_scarce() {
                    open.close();
                }
                index += 1;
                continue;
            }
            if open.last_line + LINGER <= now {
                self.finish(index, buffer, shipper, metrics);
                continue;
            }
            open.next_look = now + LOOK;
            next = Some(next.map_or(open.next_look, |at| at.min(open.next_look)));
            index += 1;
        }
        match next {
            Some(at) => Turn::LookAgain(at),
            None => Turn::Idle,
        }
    }

    /// Reads one chunk of one file and ships its lines.
    fn read_one(
        &mut self,
        index: usize,
        buffer: &mut Vec<u8>,
        shipper: &mut LineShipper,
        metrics: &Metrics,
    ) -> (io::Result<Outcome>, Option<Instant>) {
        let open = &mut self.open[index];
        let file = open.generation.progress.file();
        let (job, labels, encoding) = (self.job, &self.labels, self.encoding);
        let mut lines = 0;
        let mut pause = None;
        let mut ship = |bytes: &[u8], begin: u64, is_cut: bool| {
            lines += 1;
            if is_cut {
                metrics.lines_cut.inc();
            }
            let line = decode(encoding, bytes, begin);
            Reader::flow(shipper.ship(job, labels, &line, Origin { file, begin }), &mut pause)
        };
        let result = match &mut open.reader {
            Reader::Plain(reader) => {
                reader.read(buffer, &mut |line| ship(line.bytes, line.begin, line.is_cut))
            }
            Reader::Compressed(reader) => {
                reader.read(&mut |line| ship(line.bytes, line.begin, line.is_cut))
            }
        };
        if lines > 0 {
            self.counts.read_lines(lines);
            open.last_line = shipper.now();
            let held = shipper.held_since(job, file);
            self.is_held |= held.is_some();
            open.generation.progress.advance(open.reader.position(), held);
            open.remember_beginning();
        }
        if index + 1 == self.open.len() {
            self.show_sizes();
        }
        (result, pause)
    }

    fn show_sizes(&self) {
        let Some(open) = self.open.back() else { return };
        self.counts.set_read_bytes(open.reader.position());
        if let Some(Ok(metadata)) = open.reader.file().map(File::metadata) {
            self.counts.set_file_bytes(metadata.len());
        }
    }

    /// The file was truncated or rewritten in place: it begins anew. If it was copied first, what
    /// was not read of it is in the copy.
    fn truncated(&mut self, index: usize, metrics: &Metrics, shipper: &mut LineShipper) {
        metrics.truncations.inc();
        let open = &mut self.open[index];
        let Reader::Plain(reader) = &mut open.reader else { return };
        let copy = find_copy(Path::new(&*self.path), reader, open.generation.inode);
        tracing::info!(
            path = &*self.path,
            position = reader.position(),
            copy = copy.as_ref().map(|(path, _)| tracing::field::display(path.display())),
            "file was truncated, reading it from the start"
        );
        let rest = copy.map(|(_, file)| reader.at_same_position(file));
        reader.restart();
        open.generation.set_beginning(Fingerprint::default());
        open.generation.progress.restart();
        open.generation.progress.advance(0, None);
        if let Some(rest) = rest {
            // Its lines have no position of their own: the copy is read at once.
            let position = rest.position();
            let progress = shipper.unsaved_file(position);
            let nowhere = Inode { device: 0, inode: 0 };
            let generation = Generation::new(nowhere, progress, Fingerprint::default());
            let mut copy = Open::of(Reader::Plain(rest), generation, None);
            copy.has_ended = true;
            // A copy is complete when the file is truncated: nothing is to wait for.
            copy.last_line = Instant::now().checked_sub(LINGER).unwrap_or(copy.last_line);
            self.open.insert(index, copy);
        }
    }

    /// The end of a file that lost its name: its last line needs no newline.
    fn finish(
        &mut self,
        index: usize,
        buffer: &mut Vec<u8>,
        shipper: &mut LineShipper,
        metrics: &Metrics,
    ) {
        let open = &mut self.open[index];
        let file = open.generation.progress.file();
        let (job, labels, encoding) = (self.job, &self.labels, self.encoding);
        if let Reader::Plain(reader) = &mut open.reader {
            let mut lines = 0;
            let result = reader.finish(buffer, &mut |line| {
                lines += 1;
                if line.is_cut {
                    metrics.lines_cut.inc();
                }
                let text = decode(encoding, line.bytes, line.begin);
                let origin = Origin { file, begin: line.begin };
                let _ = shipper.ship(job, labels, &text, origin);
                std::ops::ControlFlow::Continue(())
            });
            if let Err(error) = result {
                tracing::warn!(path = &*self.path, %error, "the end of a rotated file cannot be read");
            }
            self.counts.read_lines(lines);
        }
        self.close(index, shipper);
    }

    fn close(&mut self, index: usize, shipper: &mut LineShipper) {
        let open = self.open.remove(index).expect("it is open");
        let progress = &open.generation.progress;
        let position = open.reader.position();
        let held = shipper.held_since(self.job, progress.file());
        progress.advance(position, held);
        shipper.leave_file(self.job, progress.file());
        let beginning = match &open.reader {
            Reader::Plain(reader) => reader.fingerprint(),
            Reader::Compressed(reader) => Fingerprint::read(reader.file()).unwrap_or_default(),
        };
        let metadata = open.reader.file().map(File::metadata);
        let has_name = metadata.is_some_and(|found| found.is_ok_and(|file| file.nlink() > 0));
        let at = SystemTime::now();
        let closed = Closed { position, beginning, at, has_name };
        let _ = open.generation.closed.set(Box::new(closed));
        let path = &*self.path;
        if open.leave_at.is_some() {
            tracing::info!(path, position, "left a file: its target is gone");
        } else {
            tracing::info!(path, position, "finished a file that was rotated or removed");
        }
    }
}

impl Open {
    fn new(opened: Opened, options: &ReaderOptions) -> Self {
        let Opened { file, permit, start, generation } = opened;
        let limit = options.line_limit;
        match options.decompression {
            None => {
                let newline = newline_of(options.encoding);
                let reader = Reader::Plain(LineReader::new(file, start, newline, limit));
                Self::of(reader, generation, Some(permit))
            }
            Some((format, delay)) => {
                let reader = CompressedReader::new(file, format, start, limit);
                let mut open = Self::of(Reader::Compressed(reader), generation, Some(permit));
                open.next_look += delay;
                open
            }
        }
    }

    fn of(reader: Reader, generation: Arc<Generation>, permit: Option<Permit>) -> Self {
        let now = Instant::now();
        Self {
            reader,
            generation,
            has_ended: false,
            leave_at: None,
            last_line: now,
            next_look: now,
            failing_since: None,
            permit,
        }
    }

    /// Gives up the descriptor of a file that is read to its end for now.
    fn close(&mut self) {
        if let Reader::Plain(reader) = &mut self.reader {
            reader.close();
            self.permit = None;
        }
    }

    /// Opens the file again if it was closed: it may have another name by now.
    fn reopen(&mut self, path: &Path, descriptors: &Arc<Descriptors>) -> io::Result<()> {
        let Reader::Plain(reader) = &mut self.reader else { return Ok(()) };
        if reader.file().is_some() {
            return Ok(());
        }
        let permit = descriptors.take().ok_or_else(|| io::Error::other("too many open files"))?;
        let file = position_table::open_inode(path, self.generation.inode)?;
        reader.reopen(file);
        self.permit = Some(permit);
        Ok(())
    }

    /// For the side file: how the file begins, once that is known.
    fn remember_beginning(&self) {
        if let Reader::Plain(reader) = &self.reader
            && reader.fingerprint().length > self.generation.beginning().length
        {
            self.generation.set_beginning(reader.fingerprint());
        }
    }
}

impl Reader {
    fn position(&self) -> u64 {
        match self {
            Self::Plain(reader) => reader.position(),
            Self::Compressed(reader) => reader.position(),
        }
    }

    fn file(&self) -> Option<&File> {
        match self {
            Self::Plain(reader) => reader.file(),
            Self::Compressed(reader) => Some(reader.file()),
        }
    }
}

fn newline_of(encoding: Option<&'static Encoding>) -> Newline {
    match encoding {
        Some(encoding) if encoding == encoding_rs::UTF_16LE => Newline::Utf16Le,
        Some(encoding) if encoding == encoding_rs::UTF_16BE => Newline::Utf16Be,
        _ => Newline::Byte,
    }
}

/// To UTF-8. A byte order mark at the beginning of the file is no text.
fn decode<'a>(encoding: Option<&'static Encoding>, bytes: &'a [u8], begin: u64) -> Cow<'a, [u8]> {
    let Some(encoding) = encoding else { return Cow::Borrowed(bytes) };
    let (text, _) = if begin == 0 {
        encoding.decode_with_bom_removal(bytes)
    } else {
        encoding.decode_without_bom_handling(bytes)
    };
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

/// The copy that was made of a file before it was truncated, if it has more than was read: a file
/// beside it that begins alike and has the same bytes before the position.
fn find_copy(path: &Path, reader: &LineReader, own: Inode) -> Option<(PathBuf, File)> {
    if reader.fingerprint().length == 0 {
        return None;
    }
    let name = path.file_name()?.as_encoded_bytes();
    let mut copies: Vec<_> = std::fs::read_dir(path.parent()?)
        .ok()?
        .flatten()
        .filter(|entry| entry.file_name().as_encoded_bytes().starts_with(name))
        .filter_map(|entry| Some((entry.metadata().ok()?, entry.path())))
        .filter(|(metadata, _)| metadata.is_file() && metadata.len() > reader.position())
        .filter(|(metadata, _)| Inode::of(metadata) != own)
        .collect();
    copies.sort_by_key(|(metadata, _)| Reverse(metadata.modified().ok()));
    copies.into_iter().find_map(|(_, path)| {
        let file = File::open(&path).ok()?;
        let is_copy = reader.fingerprint().is_of(&file).ok()?
            && reader.tail().is_before(&file, reader.position()).ok()?;
        is_copy.then_some((path, file))
    })
}

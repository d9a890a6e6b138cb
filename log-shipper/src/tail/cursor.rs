//! How far a source is done that is no file: its messages are numbered on their way, and the
//! positions file gets the source's own text for the last one that is done.
//!
//! A source marks every message before it sends it, in the order of the source.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::file_identity::FileId;
use super::positions_file::Positions;
use super::progress::Progress;

#[derive(Debug, Default)]
struct Marks {
    next: u64,
    /// Numbers with their text, oldest first; those that are done are taken out.
    open: VecDeque<(u64, Arc<str>)>,
    reached: Option<Arc<str>>,
}

/// Shared by the source, the worker that ships its messages and the writer of positions.
#[derive(Debug)]
pub struct Cursor {
    key: String,
    progress: Arc<Progress>,
    marks: Mutex<Marks>,
}

impl Cursor {
    /// `key` stands in the positions file and begins with `cursor-`; `number` is new for the
    /// process; `start` is what the file says.
    pub fn new(key: String, number: FileId, start: Option<String>) -> Arc<Self> {
        let marks = Marks { reached: start.map(Arc::from), ..Marks::default() };
        Arc::new(Self { key, progress: Progress::new(number, 0), marks: Mutex::new(marks) })
    }

    fn marks(&self) -> MutexGuard<'_, Marks> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key in the positions file.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What is on its way, by number.
    pub fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }

    /// The number of the next message; `text` is saved once it and all before it are done.
    pub fn mark(&self, text: &str) -> u64 {
        let mut marks = self.marks();
        let number = marks.next;
        marks.next += 1;
        match marks.open.back_mut() {
            // One text for several messages: the last of them decides.
            Some((last, known)) if **known == *text => *last = number,
            _ => marks.open.push_back((number, Arc::from(text))),
        }
        number
    }

    /// The text to save: that of the last message before which everything is done.
    pub fn reached(&self) -> Option<String> {
        let position = self.progress.position();
        let mut marks = self.marks();
        while let Some((number, _)) = marks.open.front()
            && *number < position
        {
            marks.reached = marks.open.pop_front().map(|(_, text)| text);
        }
        marks.reached.as_deref().map(str::to_owned)
    }
}

/// Ends the key of a text that is more exact than Promtail's.
pub(super) const EXACT: &str = "/exact";

pub(super) fn exact_key(key: &str) -> String {
    format!("{key}{EXACT}")
}

pub(super) fn for_promtail(text: &str) -> &str {
    text.split_once(' ').map_or(text, |(short, _)| short)
}

/// Puts the text of a source among the positions. Of one with spaces, what stands before the first
/// is for Promtail, which reads no more; all of it has its own key.
pub(super) fn save_text(positions: &mut Positions, key: &str, text: String) {
    let short = for_promtail(&text).to_owned();
    if short == text {
        positions.remove(&exact_key(key));
    } else {
        positions.insert(exact_key(key), text);
    }
    positions.insert(key.to_owned(), short);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_message_is_saved_when_everything_before_it_is_done() {
        let cursor = Cursor::new("cursor-job".to_owned(), 7, Some("start".to_owned()));
        let numbers: Vec<u64> = ["a", "b", "b", "c"].map(|text| cursor.mark(text)).to_vec();
        assert_eq!(numbers, [0, 1, 2, 3]);
        assert_eq!(cursor.reached().as_deref(), Some("start"));
        let progress = cursor.progress();
        progress.enter(1, 0);
        progress.enter(2, 2);
        progress.advance(4, None);
        assert_eq!(cursor.reached().as_deref(), Some("start"));
        progress.settle(1);
        assert_eq!(cursor.reached().as_deref(), Some("a"), "one with the text b is on its way");
        progress.settle(2);
        assert_eq!(cursor.reached().as_deref(), Some("c"));
    }
}

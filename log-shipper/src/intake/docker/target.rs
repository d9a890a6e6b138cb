//! One container, and whether it is to be read.
//!
//! At most one reader is at work for a container. What happens meanwhile is noted, and decides what
//! comes when the reader has ended.

use std::sync::Arc;

use tokio::sync::watch;

use super::objects::Container;
use super::place::Place;
use super::reader::StreamLabels;
use crate::tail::cursor::Cursor;

const CURSOR_PREFIX: &str = "cursor-";

/// Length of a container's id, in hexadecimal digits.
const ID_DIGITS: usize = 64;

/// Where the place of a container is saved, as in Promtail.
pub(super) fn cursor_key(id: &str) -> String {
    format!("{CURSOR_PREFIX}{id}")
}

/// Whether a place is that of a container.
pub(super) fn is_cursor_key(key: &str) -> bool {
    key.strip_prefix(CURSOR_PREFIX)
        .is_some_and(|id| id.len() == ID_DIGITS && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// There may be something that was not read.
    Due,
    /// A reader is at work.
    Read { again: bool, is_destroyed: bool },
    /// It was read to its end, or is none of ours, until it is seen to run.
    Done,
    /// The engine does not give its log, until it is started.
    Refused,
}

/// One container.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) container: Container,
    pub(super) labels: watch::Sender<StreamLabels>,
    /// From the first reading on.
    pub(super) cursor: Option<Arc<Cursor>>,
    /// Where the next reader begins.
    pub(super) place: Place,
    state: State,
    /// The engine did not give its log the last time.
    is_refused: bool,
}

impl Target {
    /// `is_due`: it is to be read at once.
    pub(super) fn new(container: Container, is_due: bool) -> Self {
        Self {
            container,
            labels: watch::Sender::default(),
            cursor: None,
            place: Place::default(),
            state: if is_due { State::Due } else { State::Done },
            is_refused: false,
        }
    }

    /// Tells a reader only if they are others.
    pub(super) fn set_labels(&mut self, labels: StreamLabels) {
        self.labels.send_if_modified(|known| {
            let is_other = *known != labels;
            *known = labels;
            is_other
        });
    }

    /// Whether a reader is to be started now.
    pub(super) fn is_due(&self) -> bool {
        self.state == State::Due && self.labels.borrow().wanted().is_some()
    }

    /// A reader is at work from now on.
    pub(super) fn begin(&mut self) {
        self.state = State::Read { again: false, is_destroyed: false };
    }

    /// What the engine says of it now.
    pub(super) fn saw(&mut self, container: Container) {
        if self.state == State::Done && container.is_running() {
            self.state = State::Due;
        }
        self.container = container;
    }

    /// It began to run.
    pub(super) fn was_started(&mut self) {
        match &mut self.state {
            State::Read { again, .. } => *again = true,
            state => *state = State::Due,
        }
    }

    /// It does not exist any more; whether it is still read.
    pub(super) fn destroy(&mut self) -> bool {
        match &mut self.state {
            State::Read { is_destroyed, .. } => *is_destroyed = true,
            _ => return false,
        }
        true
    }

    /// Its reader has ended; whether it does not exist any more.
    pub(super) fn end(&mut self, place: Place) -> bool {
        self.place = place;
        let State::Read { again, is_destroyed } = self.state else { return false };
        self.state = if again { State::Due } else { State::Done };
        is_destroyed
    }

    /// The engine does not give its log; whether that is news. The start of a container may be told
    /// twice, by the list and by an event.
    pub(super) fn refuse(&mut self) -> bool {
        if self.state == State::Done {
            self.state = State::Refused;
        }
        !std::mem::replace(&mut self.is_refused, true)
    }

    /// The engine gave its log.
    pub(super) fn accept(&mut self) {
        self.is_refused = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(is_due: bool) -> Target {
        let mut target = Target::new(Container::default(), is_due);
        target.set_labels(StreamLabels([Some(Arc::default()), None]));
        target
    }

    fn in_state(state: &str) -> Container {
        Container { state: state.to_owned(), ..Container::default() }
    }

    fn begins(target: &mut Target) -> bool {
        let is_due = target.is_due();
        if is_due {
            target.begin();
        }
        is_due
    }

    #[test]
    fn a_container_is_read_once_until_it_runs_again() {
        let mut target = target(true);
        assert!(begins(&mut target));
        assert!(!begins(&mut target), "one reader at a time");
        assert!(!target.end(Place::default()));
        target.saw(in_state("exited"));
        assert!(!begins(&mut target));
        target.saw(in_state("running"));
        assert!(begins(&mut target));
    }

    #[test]
    fn a_start_while_the_last_lines_are_read_is_not_missed() {
        let mut target = target(true);
        assert!(begins(&mut target));
        target.was_started();
        target.end(Place::default());
        assert!(begins(&mut target));
        assert!(target.destroy(), "its reader reads to the end first");
        assert!(target.end(Place::default()));
        assert!(!target.destroy());
    }

    #[test]
    fn a_log_that_is_refused_is_asked_for_again_after_a_start_only() {
        let mut target = target(true);
        assert!(begins(&mut target));
        target.end(Place::default());
        assert!(target.refuse() && !target.refuse());
        target.saw(in_state("running"));
        assert!(!begins(&mut target));
        target.was_started();
        assert!(begins(&mut target));
    }

    #[test]
    fn a_container_whose_streams_are_all_dropped_waits_for_other_labels() {
        let mut target = Target::new(Container::default(), true);
        assert!(!begins(&mut target));
        target.set_labels(StreamLabels([None, Some(Arc::default())]));
        assert!(begins(&mut target));
    }

    #[test]
    fn places_of_containers_are_told_from_those_of_journals() {
        assert!(is_cursor_key(&cursor_key(&"0a".repeat(32))));
        assert!(!is_cursor_key("cursor-systemd"));
        assert!(!is_cursor_key(&format!("journal-{}", "0a".repeat(32))));
    }
}

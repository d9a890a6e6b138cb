//! A list of stages and the order in which entries go through it.

use super::entry::{Entry, FileId};
use super::stage::{Context, Stage, Verdict};

/// The stages of one scrape config, or of one `match`.
#[derive(Debug, Default)]
pub struct Pipeline {
    stages: Vec<Box<dyn Stage>>,
}

impl Pipeline {
    /// A pipeline of these stages.
    pub fn new(stages: Vec<Box<dyn Stage>>) -> Self {
        Self { stages }
    }

    /// Takes one entry through all stages. Entries that stages release on the way end up in
    /// `context.released`, in order, and belong before `entry`.
    pub fn process(&mut self, entry: &mut Entry, context: &mut Context) -> Verdict {
        self.process_from(0, entry, context)
    }

    fn process_from(&mut self, first: usize, entry: &mut Entry, context: &mut Context) -> Verdict {
        for index in first..self.stages.len() {
            let mark = context.released.len();
            let verdict = self.stages[index].process(entry, context);
            if context.released.len() > mark {
                self.finish_released(mark, index + 1, context);
            }
            if verdict != Verdict::Pass {
                return verdict;
            }
        }
        Verdict::Pass
    }

    /// Takes what was released since `mark` through the stages from `next` on.
    fn finish_released(&mut self, mark: usize, next: usize, context: &mut Context) {
        for mut entry in context.released.split_off(mark) {
            if self.process_from(next, &mut entry, context) == Verdict::Pass {
                context.released.push(entry);
            }
        }
    }

    /// See [`Stage::flush`].
    pub fn flush(&mut self, end: bool, context: &mut Context) {
        for index in 0..self.stages.len() {
            let mark = context.released.len();
            self.stages[index].flush(end, context);
            if context.released.len() > mark {
                self.finish_released(mark, index + 1, context);
            }
        }
    }

    /// See [`Stage::held_since`].
    pub fn held_since(&self, file: FileId) -> Option<u64> {
        self.stages.iter().filter_map(|stage| stage.held_since(file)).min()
    }

    /// See [`Stage::fork`].
    #[must_use]
    pub fn fork(&self) -> Self {
        Self { stages: self.stages.iter().map(|stage| stage.fork()).collect() }
    }
}

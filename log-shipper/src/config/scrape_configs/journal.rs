//! `journal`: entries of systemd's journal.

use std::path::PathBuf;

use daemon_runtime::durations::GoDuration;

use crate::config::decode::{Block, Fields};
use crate::config::label_map::LabelMap;

/// The block `journal`. Keys are the field names.
#[derive(Debug, Clone, PartialEq)]
pub struct Journal {
    /// How old an entry may be to be read; stronger than the saved cursor. Default 7h.
    pub max_age: GoDuration,
    /// The line is the whole entry as JSON. Default false: its message.
    pub json: bool,
    /// Labels of all entries.
    pub labels: LabelMap,
    /// Folder of the journal. Default empty: the system's.
    pub path: PathBuf,
    /// `FIELD=value`, separated by spaces; an entry must have all. Default empty: every entry.
    pub matches: String,
}

impl Default for Journal {
    fn default() -> Self {
        Self {
            max_age: GoDuration::from_secs(7 * 3600),
            json: false,
            labels: LabelMap::default(),
            path: PathBuf::new(),
            matches: String::new(),
        }
    }
}

impl Block for Journal {
    const TYPE: &'static str = "scrapeconfig.JournalTargetConfig";

    fn fields(&mut self, fields: &mut Fields<'_>) {
        fields.field("max_age", &mut self.max_age);
        fields.field("json", &mut self.json);
        fields.field("labels", &mut self.labels);
        fields.field("path", &mut self.path);
        fields.field("matches", &mut self.matches);
    }
}

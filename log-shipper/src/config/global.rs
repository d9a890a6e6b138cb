//! `global`: how often a followed file is looked at.

use daemon_runtime::durations::GoDuration;

use super::decode::{Block, Fields};

/// The block `global`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Global {
    /// Polling of followed files.
    pub file_watch_config: FileWatch,
}

impl Block for Global {
    const TYPE: &'static str = "config.GlobalConfig";

    fn fields(&mut self, fields: &mut Fields<'_>) {
        fields.field("file_watch_config", &mut self.file_watch_config);
    }
}

/// `global.file_watch_config`: the pause doubles from the first value to the second while nothing
/// changes.
#[derive(Debug, Clone, PartialEq)]
pub struct FileWatch {
    /// Shortest pause; above zero. Default 250ms.
    pub min_poll_frequency: GoDuration,
    /// Longest pause; not below the shortest. Default 250ms.
    pub max_poll_frequency: GoDuration,
}

impl Default for FileWatch {
    fn default() -> Self {
        let pause = GoDuration::from_millis(250);
        Self { min_poll_frequency: pause, max_poll_frequency: pause }
    }
}

impl FileWatch {
    /// What a start refuses.
    pub(super) fn problem(&self) -> Option<String> {
        let (min, max) = (self.min_poll_frequency, self.max_poll_frequency);
        if min <= GoDuration::ZERO {
            return Some(format!(
                "global.file_watch_config: min_poll_frequency {min} must be above zero"
            ));
        }
        (max < min).then(|| {
            format!(
                "global.file_watch_config: max_poll_frequency {max} must not be below \
                 min_poll_frequency {min}"
            )
        })
    }
}

impl Block for FileWatch {
    const TYPE: &'static str = "watch.PollingFileWatcherConfig";

    fn fields(&mut self, fields: &mut Fields<'_>) {
        fields.field("min_poll_frequency", &mut self.min_poll_frequency);
        fields.field("max_poll_frequency", &mut self.max_poll_frequency);
    }
}

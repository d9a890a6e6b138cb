//! `wal`: Promtail's write-ahead log.

use std::path::PathBuf;

use daemon_runtime::byte_counts::ByteCount;
use daemon_runtime::durations::GoDuration;

use super::decode::{Block, Fields};

/// The block `wal`. The keys are in camel case, unlike all others.
#[derive(Debug, Clone, PartialEq)]
pub struct Wal {
    /// Default false.
    pub enabled: bool,
    /// Folder of the log. Default empty; needed where it is enabled.
    pub dir: PathBuf,
    /// From `cleanSegmentsOlderThan`; accepted without effect: a segment is deleted when everything
    /// in it has been delivered, and not before. Default 1h.
    pub clean_segments_older_than: GoDuration,
    /// From `watchConfig`; accepted without effect: what is written is read at once.
    pub watch_config: WalWatch,
    /// Most bytes on disk for one client; reading of logs waits when they are used. Not in Promtail.
    /// Default 1 GiB.
    pub max_size: ByteCount,
}

impl Default for Wal {
    fn default() -> Self {
        Self {
            enabled: false,
            dir: PathBuf::new(),
            clean_segments_older_than: GoDuration::from_secs(3600),
            watch_config: WalWatch::default(),
            max_size: ByteCount(1 << 30),
        }
    }
}

impl Wal {
    /// What a start refuses.
    pub(super) fn problem(&self) -> Option<String> {
        (self.enabled && self.dir.as_os_str().is_empty())
            .then(|| "wal: enabled, but dir names no folder".to_owned())
    }
}

impl Block for Wal {
    const TYPE: &'static str = "wal.Config";

    fn fields(&mut self, fields: &mut Fields<'_>) {
        fields.field("enabled", &mut self.enabled);
        fields.field("dir", &mut self.dir);
        fields.field("cleanSegmentsOlderThan", &mut self.clean_segments_older_than);
        fields.field("watchConfig", &mut self.watch_config);
        fields.field("max_size", &mut self.max_size);
    }
}

/// `wal.watchConfig`: how often the log is read.
#[derive(Debug, Clone, PartialEq)]
pub struct WalWatch {
    /// From `minReadFrequency`. Default 250ms.
    pub min_read_frequency: GoDuration,
    /// From `maxReadFrequency`. Default 1s.
    pub max_read_frequency: GoDuration,
}

impl Default for WalWatch {
    fn default() -> Self {
        Self {
            min_read_frequency: GoDuration::from_millis(250),
            max_read_frequency: GoDuration::from_secs(1),
        }
    }
}

impl Block for WalWatch {
    const TYPE: &'static str = "wal.WatchConfig";

    fn fields(&mut self, fields: &mut Fields<'_>) {
        fields.field("minReadFrequency", &mut self.min_read_frequency);
        fields.field("maxReadFrequency", &mut self.max_read_frequency);
    }
}

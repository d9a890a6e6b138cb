//! `gelf`: messages in Graylog's format, over UDP.

use crate::config::decode::{Block, Fields};
use crate::config::label_map::LabelMap;

/// The block `gelf`. Keys are the field names.
#[derive(Debug, Clone, PartialEq)]
pub struct Gelf {
    /// `host:port`. Default `:12201`.
    pub listen_address: String,
    /// Labels of all messages.
    pub labels: LabelMap,
    /// Takes the message's time. Default false: that of its arrival.
    pub use_incoming_timestamp: bool,
}

impl Default for Gelf {
    fn default() -> Self {
        Self {
            listen_address: ":12201".to_owned(),
            labels: LabelMap::default(),
            use_incoming_timestamp: false,
        }
    }
}

impl Block for Gelf {
    const TYPE: &'static str = "scrapeconfig.GelfTargetConfig";

    fn fields(&mut self, fields: &mut Fields<'_>) {
        fields.field("listen_address", &mut self.listen_address);
        fields.field("labels", &mut self.labels);
        fields.field("use_incoming_timestamp", &mut self.use_incoming_timestamp);
    }
}

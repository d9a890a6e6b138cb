//! `loki_push_api`: what others push.

use crate::config::decode::{Block, Fields};
use crate::config::label_map::LabelMap;
use crate::config::server::Server;

/// The block `loki_push_api`. Keys are the field names.
#[derive(Debug, Clone, PartialEq)]
pub struct PushApi {
    /// A server of its own.
    pub server: Server,
    /// Labels of everything; stronger than those of the sender.
    pub labels: LabelMap,
    /// Takes the sender's times. Default false: that of the arrival.
    pub use_incoming_timestamp: bool,
    /// Bytes of a request. Default 100 MiB (Promtail since 3.6).
    pub max_send_msg_size: Option<i64>,
}

impl Default for PushApi {
    fn default() -> Self {
        Self {
            server: Server::of_source(),
            labels: LabelMap::default(),
            use_incoming_timestamp: false,
            max_send_msg_size: None,
        }
    }
}

impl Block for PushApi {
    const TYPE: &'static str = "scrapeconfig.PushTargetConfig";

    fn fields(&mut self, fields: &mut Fields<'_>) {
        fields.field("server", &mut self.server);
        fields.field("labels", &mut self.labels);
        fields.field("use_incoming_timestamp", &mut self.use_incoming_timestamp);
        fields.field("max_send_msg_size", &mut self.max_send_msg_size);
    }
}

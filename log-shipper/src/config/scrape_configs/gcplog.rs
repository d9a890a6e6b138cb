//! `gcplog`: log entries that Google's Pub/Sub pushes, or that are pulled from it.

use daemon_runtime::durations::GoDuration;

use crate::config::decode::{Block, Fields};
use crate::config::label_map::LabelMap;
use crate::config::server::Server;

/// The block `gcplog`. Keys are the field names.
#[derive(Debug, Clone, PartialEq)]
pub struct GcpLog {
    /// Of a pull.
    pub project_id: String,
    /// Of a pull.
    pub subscription: String,
    /// Labels of all entries.
    pub labels: LabelMap,
    /// Takes the entry's time. Default false: that of its arrival.
    pub use_incoming_timestamp: bool,
    /// The line is the whole entry. Default false: its text, if it has one.
    pub use_full_line: bool,
    /// `pull` or `push`. Default `pull`.
    pub subscription_type: String,
    /// How long a push may wait. Default 0: without end.
    pub push_timeout: GoDuration,
    /// The server of a push.
    pub server: Server,
}

impl Default for GcpLog {
    fn default() -> Self {
        Self {
            project_id: String::new(),
            subscription: String::new(),
            labels: LabelMap::default(),
            use_incoming_timestamp: false,
            use_full_line: false,
            subscription_type: "pull".to_owned(),
            push_timeout: GoDuration::ZERO,
            server: Server::of_source(),
        }
    }
}

impl Block for GcpLog {
    const TYPE: &'static str = "scrapeconfig.GcplogTargetConfig";

    fn fields(&mut self, fields: &mut Fields<'_>) {
        fields.field("project_id", &mut self.project_id);
        fields.field("subscription", &mut self.subscription);
        fields.field("labels", &mut self.labels);
        fields.field("use_incoming_timestamp", &mut self.use_incoming_timestamp);
        fields.field("use_full_line", &mut self.use_full_line);
        fields.field("subscription_type", &mut self.subscription_type);
        fields.field("push_timeout", &mut self.push_timeout);
        fields.field("server", &mut self.server);
    }
}

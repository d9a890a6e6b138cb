//! `heroku_drain`: what Heroku's HTTPS drains send.

use crate::config::decode::{Block, Fields};
use crate::config::label_map::LabelMap;
use crate::config::server::Server;

/// The block `heroku_drain`. Keys are the field names.
#[derive(Debug, Clone, PartialEq)]
pub struct HerokuDrain {
    /// A server of its own.
    pub server: Server,
    /// Labels of all messages.
    pub labels: LabelMap,
    /// Takes the message's time. Default false: that of its arrival.
    pub use_incoming_timestamp: bool,
}

impl Default for HerokuDrain {
    fn default() -> Self {
        Self {
            server: Server::of_source(),
            labels: LabelMap::default(),
            use_incoming_timestamp: false,
        }
    }
}

impl Block for HerokuDrain {
    const TYPE: &'static str = "scrapeconfig.HerokuDrainTargetConfig";

    fn fields(&mut self, fields: &mut Fields<'_>) {
        fields.field("server", &mut self.server);
        fields.field("labels", &mut self.labels);
        fields.field("use_incoming_timestamp", &mut self.use_incoming_timestamp);
    }
}

//! What a source passes on.

use std::sync::Arc;

use prometheus_model::label_set::LabelSet;

use crate::tail::cursor::Cursor;

/// One message with its labels.
#[derive(Debug, Clone, Default)]
pub struct Message {
    /// After relabelling: no name begins with two underscores but that of the tenant.
    pub labels: Arc<LabelSet>,
    /// Any bytes; bounded by the source.
    pub line: Vec<u8>,
    /// Nanoseconds since 1970, UTC; `None` for the time at which it is processed.
    pub timestamp_ns: Option<i64>,
    /// Structured metadata.
    pub metadata: Vec<(Arc<str>, String)>,
    /// Where the source is to go on after it, and its number there.
    pub mark: Option<(Arc<Cursor>, u64)>,
}

/// A message and the scrape config that it belongs to.
#[derive(Debug)]
pub struct Delivery {
    /// Index of the scrape config.
    pub job: usize,
    /// The message.
    pub message: Message,
}

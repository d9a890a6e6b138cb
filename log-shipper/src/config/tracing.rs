//! `tracing`: Promtail's own traces. Accepted without effect.

use super::decode::{Block, Fields};

/// The block `tracing`.
#[derive(Debug, Clone, PartialEq)]
pub struct Tracing {
    /// Default true.
    pub enabled: bool,
    /// Default true.
    pub profiling_enabled: bool,
}

impl Default for Tracing {
    fn default() -> Self {
        Self { enabled: true, profiling_enabled: true }
    }
}

impl Block for Tracing {
    const TYPE: &'static str = "tracing.Config";

    fn fields(&mut self, fields: &mut Fields<'_>) {
        fields.field("enabled", &mut self.enabled);
        fields.field("profiling_enabled", &mut self.profiling_enabled);
    }
}

//! What a server does wrong when it is told to.

/// How a push is answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Fault {
    /// It is accepted.
    #[default]
    None,
    /// This status, with a body and perhaps `Retry-After` in seconds. Nothing is stored.
    Status(u16, Option<u32>),
    /// The connection is closed without an answer. Nothing is stored.
    Close,
    /// No answer ever comes. Nothing is stored.
    Silence,
}

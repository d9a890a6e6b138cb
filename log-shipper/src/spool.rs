//! `wal`: batches on disk until Loki has them, so that a slow client holds up nobody and a crash
//! costs nothing.
//!
//! A batch is settled towards its files when it is on disk, and leaves the disk when it is settled
//! by Loki. What a crash leaves half written was not settled, and comes from its files again.

pub mod place;
pub mod queue;
pub mod record;
pub mod segments;

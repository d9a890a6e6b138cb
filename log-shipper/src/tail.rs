//! Files to lines: what is the same file, where it was read to, what rotation did to it.
//!
//! A position is an offset in bytes. Nothing is kept in memory between two reads but offsets: an
//! unfinished line is read again from the file when its end is there.

pub mod compressed_reader;
pub mod cursor;
pub mod descriptors;
pub mod file_identity;
pub mod file_records;
pub mod follow;
pub mod line_reader;
pub mod mailbox;
pub mod notify_watch;
pub mod position_table;
pub mod positions_file;
pub mod progress;
pub mod recent_file;

//! Where a template finds its data.

use super::value::Value;

/// The data of one rendering: the map that `.` stands for, and the time.
///
/// Both are asked for while the template runs, so that only what it reads is prepared.
pub trait Fields {
    /// The value that `.name` gives; `None` prints as `<no value>`.
    fn get(&self, name: &str) -> Option<Value>;

    /// Every name and value, for templates that use the map as a whole, as in `toJson .`.
    fn all(&self) -> Vec<(String, Value)>;

    /// The current time in nanoseconds since 1970, for `now`, `ago` and their like.
    fn now_unix_ns(&self) -> i64;
}

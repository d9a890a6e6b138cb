//! What a whole process shows: the example service, and a logger installed for good.

#![expect(clippy::unwrap_used, reason = "a test helper that fails fails its test")]

mod example;
mod installed;

//! What became of the alerts: the report on noise, why a thing was told or not, and the page that
//! shows both.
//!
//! All of it is read from what was written down when it was decided; nothing is decided again. Texts
//! of alerts are anybody's: the page shows them as texts, never as markup.

mod class;
mod noise;
mod page;
mod serve;
mod style;
#[cfg(test)]
mod tests;
mod timeline;

pub use class::ClassReport;
pub use noise::Report;
pub use serve::router;
pub use timeline::{Line, explain};

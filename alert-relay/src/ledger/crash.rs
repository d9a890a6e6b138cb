//! Points at which a test lets the process end as if it had been killed.
//!
//! Without the feature `crash-points` there are none.

/// Where the process may end; the numbers are the rows of the table of effects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Point {
    /// Before the journal's sync.
    BeforeSync,
    /// After the sync, before anybody is told.
    AfterSync,
    /// A delivery is planned and stored, and was handed to nobody.
    Planned,
    /// It is stored that an attempt begins, and it has not begun.
    Started,
    /// The attempt has ended, and that is not stored.
    Called,
    /// It is stored that the attempt has ended.
    Receipt,
}

#[cfg(feature = "crash-points")]
const POINTS: [(&str, Point); 6] = [
    ("before-sync", Point::BeforeSync),
    ("after-sync", Point::AfterSync),
    ("planned", Point::Planned),
    ("started", Point::Started),
    ("called", Point::Called),
    ("receipt", Point::Receipt),
];

/// A text that names no crash point.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no crash point: POINT:COUNT is accepted, POINT one of {points}")]
pub struct CrashPointError {
    text: String,
    points: String,
}

/// Where the process is to end, if anywhere.
#[derive(Debug, Clone, Default)]
pub struct CrashPoints {
    #[cfg(feature = "crash-points")]
    at: Option<(Point, u32)>,
}

#[cfg(feature = "crash-points")]
impl CrashPoints {
    /// From `POINT:COUNT`: at the count-th time that the point is reached.
    ///
    /// # Errors
    /// The text is another one.
    pub fn parse(text: &str) -> Result<Self, CrashPointError> {
        let parsed = text.split_once(':').and_then(|(name, count)| {
            let (_, point) = POINTS.iter().find(|(known, _)| *known == name)?;
            Some((*point, count.parse().ok().filter(|count| *count > 0)?))
        });
        let points = || POINTS.map(|(name, _)| name).join(", ");
        let error = || CrashPointError { text: text.to_owned(), points: points() };
        Ok(Self { at: Some(parsed.ok_or_else(error)?) })
    }

    pub(super) fn reach(&mut self, point: Point) {
        if let Some((at, left)) = &mut self.at
            && *at == point
        {
            *left -= 1;
            if *left == 0 {
                std::process::abort();
            }
        }
    }
}

#[cfg(not(feature = "crash-points"))]
impl CrashPoints {
    #[expect(clippy::unused_self, reason = "there is something in it with the feature")]
    pub(super) fn reach(&mut self, _: Point) {}
}

#[cfg(all(test, feature = "crash-points"))]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_point_is_told_with_those_that_are() {
        assert!(CrashPoints::parse("started:2").is_ok());
        for text in ["", "started", "started:0", "started:x", "stopped:1"] {
            let error = CrashPoints::parse(text).unwrap_err().to_string();
            assert!(error.contains("before-sync, after-sync, planned, started"), "{error}");
        }
    }
}

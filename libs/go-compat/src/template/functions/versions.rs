//! `semverCompare`: whether a version lies in a range, as sprig 3.3 has it from the library that it
//! uses, release 3.3.
//!
//! A pre-release is in no range that does not name one itself; `!=` with a whole version is the
//! exception.

mod constraint;
mod version;

use self::constraint::Constraints;
use self::version::Version;
use super::{Arguments, Builtin, Outcome, exactly};
use crate::template::limits::failed;
use crate::template::value::Value;

pub(super) const TABLE: &[Builtin] = &[exactly("semverCompare", 2, compare)];

fn compare(call: &mut Arguments<'_>) -> Outcome {
    let (range, version) = (call.characters(0)?, call.characters(1)?);
    let Some(constraints) = Constraints::parse(&range) else {
        return failed(format!("improper constraint: {range}"));
    };
    let Some(version) = Version::parse(&version) else {
        return failed("Invalid Semantic Version");
    };
    Ok(Value::Bool(constraints.accept(&version)))
}

#[cfg(test)]
mod tests {
    use crate::template::tests::{render_with, rendered};

    /// As the documentation of the function has its rules.
    #[test]
    fn ranges_are_those_of_the_documentation() {
        for (range, inside, outside) in [
            ("1.2.3", &["1.2.3", "v1.2.3", "1.2.3+build"][..], &["1.2.4", "1.2.3-rc.1"][..]),
            ("=1.2", &["1.2.0", "1.2.9"], &["1.3.0"]),
            ("!=1.2.3", &["1.2.4", "1.2.4-rc.1", "1.2.3-rc.1"], &["1.2.3"]),
            ("!=1.2.x", &["1.3.0", "2.2.0"], &["1.2.0", "1.2.7", "1.3.0-rc.1"]),
            ("!=1", &["2.0.0"], &["1.0.0", "1.9.9"]),
            (">1.2.3", &["1.2.4", "2.0.0"], &["1.2.3", "1.2.2", "1.3.0-rc.1"]),
            (">1.2.3-alpha.1", &["1.2.3-alpha.2", "1.2.3"], &["1.2.3-alpha.1"]),
            (">11", &["12.0.0"], &["11.1.0", "10.0.0"]),
            (">11.1", &["11.2.0"], &["11.1.1"]),
            ("<1.2", &["1.1.9"], &["1.2.0"]),
            (">= 1.2.x", &["1.2.0", "3.0.0"], &["1.1.9"]),
            ("=>1.2.3", &["1.2.3"], &["1.2.2"]),
            ("<= 2.x", &["2.9.9", "1.0.0"], &["3.0.0"]),
            ("=<2.1", &["2.1.7"], &["2.2.0", "3.0.0"]),
            ("<=2.1.3", &["2.1.3"], &["2.1.4"]),
            ("*", &["0.0.1", "9.9.9"], &["1.0.0-rc.1"]),
            ("~1.2.3", &["1.2.3", "1.2.9"], &["1.3.0", "1.2.2"]),
            ("~1", &["1.0.0", "1.9.0"], &["2.0.0", "0.9.0"]),
            ("~>2.3", &["2.3.0", "2.3.9"], &["2.4.0"]),
            ("~1.x", &["1.0.0", "1.9.9"], &["2.0.0"]),
            ("^1.2.3", &["1.2.3", "1.9.9"], &["2.0.0", "1.2.2"]),
            ("^1.2.x", &["1.2.0", "1.9.0"], &["2.0.0"]),
            ("^0.2.3", &["0.2.3", "0.2.9"], &["0.3.0"]),
            ("^0.0.3", &["0.0.3"], &["0.0.4", "0.1.0"]),
            ("^0.0", &["0.0.9"], &["0.1.0"]),
            ("^0", &["0.9.0"], &["1.0.0"]),
            ("1.2 - 1.4.5", &["1.2.0", "1.4.5"], &["1.4.6", "1.1.9"]),
            (">=1.0, 2.3.4 - 4.5", &["4.5.9", "2.3.4"], &["4.6.0", "2.3.3"]),
            (">= 1.2, < 3.0.0 || >= 4.2.3", &["1.2.0", "2.9.9", "4.2.3"], &["3.0.0", "4.2.2"]),
            (">=1.2 <1.4", &["1.3.0"], &["1.4.0"]),
            (">= 1.2.3-0", &["1.2.3-rc.1", "1.2.3"], &["1.2.2"]),
        ] {
            for (versions, expected) in [(inside, "true"), (outside, "false")] {
                for version in versions {
                    let call = format!(r#"{{{{ semverCompare "{range}" "{version}" }}}}"#);
                    assert_eq!(rendered(&call), expected, "{call}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_range_or_version_is_an_error_of_the_template() {
        for (range, version) in [
            ("badConstraint", "1.2.3"),
            ("", "1.2.3"),
            ("1.2.0", "badVersion"),
            ("1.2.0", ""),
            ("1.2.0", "1.2.3.4"),
            ("1.2.0", "1.2.3-01"),
            ("1.2.0", "99999999999999999999.0.0"),
            (">1.2>1.0", "1.2.3"),
            ("1.2,", "1.2.3"),
            ("1.0 1.2 - 1.4", "1.2.3"),
            ("1x", "1.2.3"),
            (">=1.2 - 1.4", "1.2.3"),
            ("||1.2", "1.2.3"),
        ] {
            let call = format!(r#"{{{{ semverCompare "{range}" "{version}" }}}}"#);
            assert!(render_with(&call, &[]).is_err(), "{call}");
        }
    }
}

//! What a server does wrong when it is told to.

use std::collections::BTreeMap;

use serde::Deserialize;

/// How a push is answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Fault {
    /// It is accepted.
    #[default]
    None,
    /// This status, perhaps with `Retry-After` in seconds. Nothing is stored.
    Status(u16, Option<u32>),
    /// An answer with all that belongs to it. Nothing is stored.
    Answer(Answer),
    /// The connection is closed without an answer. Nothing is stored.
    Close,
    /// No answer ever comes. Nothing is stored.
    Silence,
    /// The entries are stored, then the other fault happens: the answer is lost, not the push.
    Stored(Box<Fault>),
    /// The other fault happens before the body of the request is read.
    Early(Box<Fault>),
}

/// An ordered answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status, 100 to 999.
    pub status: u16,
    /// Body, without a newline added.
    pub body: String,
    /// Headers; those that HTTP does not allow are left out.
    pub headers: Vec<(String, String)>,
}

impl Fault {
    /// The faults that happen before the body is read, and after it.
    pub(super) fn split_early(self) -> (Self, Self) {
        match self {
            Self::Early(fault) => (*fault, Self::None),
            fault => (Self::None, fault),
        }
    }
}

/// A fault as `POST /test/faults` reads it. No key at all: pushes are accepted.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::struct_excessive_bools, reason = "keys of an order that a person types")]
struct FaultOrder {
    status: Option<u16>,
    body: Option<String>,
    headers: BTreeMap<String, String>,
    retry_after: Option<u32>,
    close: bool,
    silence: bool,
    stored: bool,
    early: bool,
}

/// What `POST /test/faults` reads: a standing fault, a script for the next pushes, or both.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Order {
    standing: Option<FaultOrder>,
    script: Option<Vec<FaultOrder>>,
}

/// An order that was read: what is `None` stays as it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Faults {
    pub(super) standing: Option<Fault>,
    pub(super) script: Option<Vec<Fault>>,
}

impl TryFrom<FaultOrder> for Fault {
    type Error = String;

    fn try_from(order: FaultOrder) -> Result<Self, String> {
        let has_answer = order.body.is_some() || !order.headers.is_empty();
        let fault = match (order.status, order.close, order.silence) {
            (Some(status), false, false) if !(200..=999).contains(&status) => {
                return Err(format!("status {status}: 200 to 999 are accepted"));
            }
            (Some(status), false, false) if has_answer => {
                let retry_after = order.retry_after.map(|seconds| seconds.to_string());
                let retry_after = retry_after.map(|seconds| ("Retry-After".to_owned(), seconds));
                Self::Answer(Answer {
                    status,
                    body: order.body.unwrap_or_default(),
                    headers: order.headers.into_iter().chain(retry_after).collect(),
                })
            }
            (Some(status), false, false) => Self::Status(status, order.retry_after),
            (None, _, _) if has_answer || order.retry_after.is_some() => {
                return Err("body, headers and retry_after need a status".to_owned());
            }
            (None, true, false) => Self::Close,
            (None, false, true) => Self::Silence,
            (None, false, false) if !order.stored && !order.early => Self::None,
            _ => return Err("one of status, close and silence is wanted".to_owned()),
        };
        match (order.stored, order.early) {
            (true, true) => Err("what is not read cannot be stored: stored or early".to_owned()),
            (true, false) => Ok(Self::Stored(Box::new(fault))),
            (false, true) => Ok(Self::Early(Box::new(fault))),
            (false, false) => Ok(fault),
        }
    }
}

/// Reads the body of `POST /test/faults`: `{"standing": FAULT, "script": [FAULT, ...]}`, or a
/// standing fault alone. A FAULT is `{"status": 429, "retry_after": 2}`, `{"status": 400, "body":
/// "no", "headers": {"a": "b"}}`, `{"close": true}`, `{"silence": true}` or `{}`; with `"stored":
/// true` the entries are kept all the same, with `"early": true` the body is not read.
pub(super) fn parse(body: &[u8]) -> Result<Faults, String> {
    let value: serde_json::Value =
        serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let is_order = value.get("standing").is_some() || value.get("script").is_some();
    let order = if is_order {
        Order::deserialize(value).map_err(|error| error.to_string())?
    } else {
        let standing = FaultOrder::deserialize(value).map_err(|error| error.to_string())?;
        Order { standing: Some(standing), script: None }
    };
    let script = order.script.map(|script| script.into_iter().map(Fault::try_from).collect());
    Ok(Faults {
        standing: order.standing.map(Fault::try_from).transpose()?,
        script: script.transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(text: &str) -> Fault {
        parse(text.as_bytes()).unwrap().standing.unwrap()
    }

    #[test]
    fn every_fault_can_be_ordered() {
        assert_eq!(standing("{}"), Fault::None);
        assert_eq!(standing(r#"{"status": 503}"#), Fault::Status(503, None));
        assert_eq!(standing(r#"{"status": 429, "retry_after": 2}"#), Fault::Status(429, Some(2)));
        assert_eq!(standing(r#"{"close": true}"#), Fault::Close);
        assert_eq!(
            standing(r#"{"silence": true, "stored": true}"#),
            Fault::Stored(Box::new(Fault::Silence))
        );
        let answer = r#"{"status": 413, "body": "big", "headers": {"a": "b"}, "early": true}"#;
        let headers = vec![("a".to_owned(), "b".to_owned())];
        let expected = Answer { status: 413, body: "big".to_owned(), headers };
        assert_eq!(standing(answer), Fault::Early(Box::new(Fault::Answer(expected))));
    }

    #[test]
    fn a_script_leaves_the_standing_fault_alone() {
        let faults = parse(br#"{"script": [{"status": 500}, {}]}"#).unwrap();
        let script = Some(vec![Fault::Status(500, None), Fault::None]);
        assert_eq!(faults, Faults { standing: None, script });
    }

    #[test]
    fn orders_that_make_no_sense_are_refused() {
        for (text, why) in [
            ("[", "EOF"),
            (r#"{"stat": 1}"#, "unknown field `stat`, expected one of `status`"),
            (r#"{"status": 99}"#, "200 to 999"),
            (r#"{"status": 500, "close": true}"#, "one of status"),
            (r#"{"body": "x"}"#, "need a status"),
            (r#"{"stored": true}"#, "one of status"),
            (r#"{"close": true, "stored": true, "early": true}"#, "stored or early"),
        ] {
            let error = parse(text.as_bytes()).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}

//! The kubelet's Pods API, where it exists: UID, phase and labels of pods without the API server.
//!
//! ```text
//! ListPodsResponse { 1: repeated Pod }
//! Pod        { 1: ObjectMeta  3: PodStatus }
//! ObjectMeta { 1: name  3: namespace  5: uid  11: repeated entry { 1: key  2: value } }
//! PodStatus  { 1: phase }
//! ```
//!
//! Only pods that hold a device are kept. The API is young: the package of its service changes with
//! its version, so the newest is tried first, and the one that exists is remembered.

use std::collections::BTreeMap;

use super::grpc::{CallError, Channel};
use super::pod_labels::PodLabels;
use super::protobuf::{Malformed, fields};

/// Newest first.
const LISTS: [&str; 3] = ["/v1.Pods/ListPods", "/v1beta1.Pods/ListPods", "/v1alpha1.Pods/ListPods"];

/// Namespace and name.
pub(super) type PodName = (String, String);

/// What is known of a pod.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct PodDetails {
    pub(super) uid: Option<String>,
    /// Those that are shown, with legal names.
    pub(super) labels: Vec<(String, String)>,
    /// It has ended: it holds its devices in the books only.
    pub(super) has_ended: bool,
}

/// Asks for pods.
#[derive(Debug)]
pub(super) struct PodsApi {
    channel: Channel,
    /// Of [`LISTS`], once one has answered.
    method: Option<&'static str>,
}

impl PodsApi {
    pub(super) const fn new(channel: Channel) -> Self {
        Self { channel, method: None }
    }

    /// The socket.
    pub(super) fn socket(&self) -> &std::path::Path {
        self.channel.socket()
    }

    /// Fills in the pods that are asked for.
    pub(super) async fn fill(
        &mut self,
        pods: &mut BTreeMap<PodName, PodDetails>,
        labels: &PodLabels,
    ) -> Result<(), CallError> {
        let mut last = None;
        for method in LISTS {
            if self.method.is_some_and(|known| known != method) {
                continue;
            }
            let on_field = |number, bytes: &[u8]| {
                if number != 1 {
                    return;
                }
                // a pod that cannot be read has no details; the others have theirs
                let Ok(Some((name, details))) = decode(bytes, labels, pods) else { return };
                pods.insert(name, details);
            };
            match self.channel.call(method, &[], on_field).await {
                Ok(()) => {
                    self.method = Some(method);
                    return Ok(());
                }
                Err(error) if error.is_unimplemented() => {
                    // the kubelet may be another one now
                    self.method = None;
                    last = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        last.map_or(Ok(()), Err)
    }
}

/// `None` for a pod that is not asked for.
fn decode(
    message: &[u8],
    shown: &PodLabels,
    wanted: &BTreeMap<PodName, PodDetails>,
) -> Result<Option<(PodName, PodDetails)>, Malformed> {
    let mut name = PodName::default();
    let mut details = PodDetails::default();
    let mut labels = Vec::new();
    for field in fields(message) {
        match field? {
            (1, metadata) => {
                for field in fields(metadata.bytes()) {
                    match field? {
                        (1, text) => name.1 = text.text().into_owned(),
                        (3, text) => name.0 = text.text().into_owned(),
                        (5, text) => details.uid = Some(text.text().into_owned()),
                        (11, entry) if !shown.is_empty() => {
                            labels.push(decode_entry(entry.bytes())?);
                        }
                        _ => {}
                    }
                }
            }
            (3, status) => {
                for field in fields(status.bytes()) {
                    if let (1, phase) = field? {
                        details.has_ended = matches!(phase.bytes(), b"Succeeded" | b"Failed");
                    }
                }
            }
            _ => {}
        }
    }
    if !wanted.contains_key(&name) {
        return Ok(None);
    }
    details.labels = shown.choose(labels);
    Ok(Some((name, details)))
}

fn decode_entry(message: &[u8]) -> Result<(String, String), Malformed> {
    let mut entry = (String::new(), String::new());
    for field in fields(message) {
        match field? {
            (1, key) => entry.0 = key.text().into_owned(),
            (2, value) => entry.1 = value.text().into_owned(),
            _ => {}
        }
    }
    Ok(entry)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use stack_tests::kubelet::Pod;

    use super::*;

    fn wanted() -> BTreeMap<PodName, PodDetails> {
        BTreeMap::from([(("ml".to_owned(), "vllm-0".to_owned()), PodDetails::default())])
    }

    #[test]
    fn uid_phase_and_wanted_labels_are_read() {
        let pod = Pod::new("ml", "vllm-0").label("team", "a").label("hash", "b").phase("Failed");
        let labels = PodLabels::new(&["team".to_owned()]).unwrap();
        let (name, details) = decode(&pod.pod_message(), &labels, &wanted()).unwrap().unwrap();
        assert_eq!(name, ("ml".to_owned(), "vllm-0".to_owned()));
        let expected = PodDetails {
            uid: Some("uid-of-vllm-0".to_owned()),
            labels: vec![("team".to_owned(), "a".to_owned())],
            has_ended: true,
        };
        assert_eq!(details, expected);
    }

    #[test]
    fn pods_that_hold_nothing_are_not_kept() {
        let pod = Pod::new("ml", "other").pod_message();
        assert_eq!(decode(&pod, &PodLabels::default(), &wanted()), Ok(None));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = decode(&bytes, &PodLabels::default(), &wanted());
        }
    }
}

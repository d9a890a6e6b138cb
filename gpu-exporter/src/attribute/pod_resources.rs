//! The kubelet's `PodResources` API, version 1: which container was given which devices.
//!
//! ```text
//! ListPodResourcesResponse { 1: repeated PodResources }
//! PodResources       { 1: name  2: namespace  3: repeated ContainerResources }
//! ContainerResources { 1: name  2: repeated ContainerDevices  5: repeated DynamicResource }
//! ContainerDevices   { 1: resource_name  2: repeated device_ids }
//! DynamicResource    { 2: claim_name  3: claim_namespace  4: repeated ClaimResource }
//! ClaimResource      { 1: repeated CDIDevice { 1: name }  2: driver  3: pool  4: device  5: share_id }
//! ```
//!
//! Pods are handed on one by one; nothing here keeps them.

use super::grpc::{CallError, Channel};
use super::owner::Claim;
use super::protobuf::{Malformed, fields};

const LIST: &str = "/v1.PodResourcesLister/List";

/// A device that a container was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Given {
    /// By a device plugin.
    Device {
        /// `nvidia.com/gpu`, ...
        resource: String,
        /// In one of many forms.
        id: String,
    },
    /// By dynamic resource allocation.
    Claimed {
        /// What the claim says of the device.
        claim: Claim,
        /// Names of its CDI devices.
        cdi_devices: Vec<String>,
    },
}

/// A pod, with what its containers were given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct PodDevices {
    pub(super) namespace: String,
    pub(super) pod: String,
    /// Each with the name of its container.
    pub(super) given: Vec<(String, Given)>,
}

/// Asks for all pods of the node. Returns how many could not be read.
pub(super) async fn list(
    channel: &mut Channel,
    mut on_pod: impl FnMut(PodDevices),
) -> Result<u64, CallError> {
    let mut malformed = 0;
    let on_field = |number, bytes: &[u8]| {
        if number == 1 {
            match decode(bytes) {
                Ok(pod) if pod.given.is_empty() => {}
                Ok(pod) => on_pod(pod),
                Err(Malformed) => malformed += 1,
            }
        }
    };
    channel.call(LIST, &[], on_field).await?;
    Ok(malformed)
}

fn decode(message: &[u8]) -> Result<PodDevices, Malformed> {
    let mut pod = PodDevices::default();
    for field in fields(message) {
        match field? {
            (1, name) => pod.pod = name.text().into_owned(),
            (2, namespace) => pod.namespace = namespace.text().into_owned(),
            (3, container) => decode_container(container.bytes(), &mut pod.given)?,
            _ => {}
        }
    }
    Ok(pod)
}

fn decode_container(message: &[u8], given: &mut Vec<(String, Given)>) -> Result<(), Malformed> {
    let begin = given.len();
    let mut name = String::new();
    for field in fields(message) {
        match field? {
            (1, text) => name = text.text().into_owned(),
            (2, devices) => decode_devices(devices.bytes(), given)?,
            (5, dynamic) => decode_dynamic(dynamic.bytes(), given)?,
            _ => {}
        }
    }
    // the name may come after the devices
    for (container, _) in &mut given[begin..] {
        container.clone_from(&name);
    }
    Ok(())
}

fn decode_devices(message: &[u8], given: &mut Vec<(String, Given)>) -> Result<(), Malformed> {
    let mut resource = String::new();
    let mut ids = Vec::new();
    for field in fields(message) {
        match field? {
            (1, name) => resource = name.text().into_owned(),
            (2, id) => ids.push(id.text().into_owned()),
            _ => {}
        }
    }
    given.extend(ids.into_iter().map(|id| {
        let resource = resource.clone();
        (String::new(), Given::Device { resource, id })
    }));
    Ok(())
}

fn decode_dynamic(message: &[u8], given: &mut Vec<(String, Given)>) -> Result<(), Malformed> {
    let begin = given.len();
    let (mut name, mut namespace) = (String::new(), String::new());
    for field in fields(message) {
        match field? {
            (2, text) => name = text.text().into_owned(),
            (3, text) => namespace = text.text().into_owned(),
            (4, resource) => {
                let (claim, cdi_devices) = decode_claim(resource.bytes())?;
                given.push((String::new(), Given::Claimed { claim, cdi_devices }));
            }
            _ => {}
        }
    }
    for (_, device) in &mut given[begin..] {
        if let Given::Claimed { claim, .. } = device {
            claim.name.clone_from(&name);
            claim.namespace.clone_from(&namespace);
        }
    }
    Ok(())
}

fn decode_claim(message: &[u8]) -> Result<(Claim, Vec<String>), Malformed> {
    let mut claim = Claim::default();
    let mut cdi_devices = Vec::new();
    for field in fields(message) {
        match field? {
            (1, device) => {
                for field in fields(device.bytes()) {
                    if let (1, name) = field? {
                        cdi_devices.push(name.text().into_owned());
                    }
                }
            }
            (2, text) => claim.driver = text.text().into_owned(),
            (3, text) => claim.pool = text.text().into_owned(),
            (4, text) => claim.device = text.text().into_owned(),
            (5, text) => claim.share_id = Some(text.text().into_owned()),
            _ => {}
        }
    }
    Ok((claim, cdi_devices))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use stack_tests::kubelet::{Container, Pod};

    use super::*;

    #[test]
    fn devices_and_claims_are_read_with_their_container() {
        let container = Container::new("server")
            .device("nvidia.com/gpu", &["GPU-a", "GPU-b"])
            .claim("weights", "ml", "gpu.nvidia.com", "n1", "gpu-0")
            .share_id("s-1")
            .cdi_device("k8s.gpu.nvidia.com/claim=x-gpu-0");
        let pod = Pod::new("ml", "vllm-0").container(container).container(Container::new("proxy"));
        let device = |id: &str| {
            let (resource, id) = ("nvidia.com/gpu".to_owned(), id.to_owned());
            ("server".to_owned(), Given::Device { resource, id })
        };
        let claim = Claim {
            name: "weights".to_owned(),
            namespace: "ml".to_owned(),
            driver: "gpu.nvidia.com".to_owned(),
            pool: "n1".to_owned(),
            device: "gpu-0".to_owned(),
            share_id: Some("s-1".to_owned()),
        };
        let cdi_devices = vec!["k8s.gpu.nvidia.com/claim=x-gpu-0".to_owned()];
        let claimed = ("server".to_owned(), Given::Claimed { claim, cdi_devices });
        let expected = PodDevices {
            namespace: "ml".to_owned(),
            pod: "vllm-0".to_owned(),
            given: vec![device("GPU-a"), device("GPU-b"), claimed],
        };
        assert_eq!(decode(&pod.resources_message()), Ok(expected));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = decode(&bytes);
        }

        #[test]
        fn no_damage_makes_it_panic(at: prop::sample::Index, byte: u8, cut: prop::sample::Index) {
            let container = Container::new("server")
                .device("nvidia.com/gpu", &["GPU-a"])
                .claim("weights", "ml", "gpu.nvidia.com", "n1", "gpu-0");
            let mut message = Pod::new("ml", "vllm-0").container(container).resources_message();
            let position = at.index(message.len());
            message[position] = byte;
            message.truncate(cut.index(message.len()) + 1);
            let _ = decode(&message);
        }
    }
}

//! Pods as the kubelet's two APIs send them, in protobuf.

/// A pod, for both APIs.
#[derive(Debug, Clone, Default)]
pub struct Pod {
    namespace: String,
    name: String,
    uid: String,
    phase: String,
    labels: Vec<(String, String)>,
    containers: Vec<Container>,
}

/// A container, and what it was given.
#[derive(Debug, Clone, Default)]
pub struct Container {
    name: String,
    devices: Vec<(String, Vec<String>)>,
    claims: Vec<Claim>,
}

#[derive(Debug, Clone, Default)]
struct Claim {
    name: String,
    namespace: String,
    driver: String,
    pool: String,
    device: String,
    share_id: Option<String>,
    cdi_devices: Vec<String>,
}

impl Pod {
    /// A running pod without containers.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            uid: format!("uid-of-{name}"),
            phase: "Running".to_owned(),
            ..Self::default()
        }
    }

    /// Adds a container.
    #[must_use]
    pub fn container(mut self, container: Container) -> Self {
        self.containers.push(container);
        self
    }

    /// Adds a label.
    #[must_use]
    pub fn label(mut self, name: &str, value: &str) -> Self {
        self.labels.push((name.to_owned(), value.to_owned()));
        self
    }

    /// `Running`, `Succeeded`, `Failed`, ...
    #[must_use]
    pub fn phase(mut self, phase: &str) -> Self {
        phase.clone_into(&mut self.phase);
        self
    }

    /// Its `v1.PodResources`.
    pub fn resources_message(&self) -> Vec<u8> {
        let mut message = Vec::new();
        put(&mut message, 1, self.name.as_bytes());
        put(&mut message, 2, self.namespace.as_bytes());
        for container in &self.containers {
            put(&mut message, 3, &container.message());
        }
        message
    }

    /// Its `k8s.io.api.core.v1.Pod`, with a specification that nobody here reads.
    pub fn pod_message(&self) -> Vec<u8> {
        let mut metadata = Vec::new();
        put(&mut metadata, 1, self.name.as_bytes());
        put(&mut metadata, 3, self.namespace.as_bytes());
        put(&mut metadata, 5, self.uid.as_bytes());
        for (name, value) in &self.labels {
            let mut entry = Vec::new();
            put(&mut entry, 1, name.as_bytes());
            put(&mut entry, 2, value.as_bytes());
            put(&mut metadata, 11, &entry);
        }
        let mut status = Vec::new();
        put(&mut status, 1, self.phase.as_bytes());
        let mut message = Vec::new();
        put(&mut message, 1, &metadata);
        put(&mut message, 2, &[0x1A, 6, b'A', b'l', b'w', b'a', b'y', b's']);
        put(&mut message, 3, &status);
        message
    }
}

impl Container {
    /// A container that was given nothing.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// Adds devices of one resource of a device plugin.
    #[must_use]
    pub fn device(mut self, resource: &str, ids: &[&str]) -> Self {
        let ids = ids.iter().map(|id| (*id).to_owned()).collect();
        self.devices.push((resource.to_owned(), ids));
        self
    }

    /// Adds a claim of one device.
    #[must_use]
    pub fn claim(
        mut self,
        name: &str,
        namespace: &str,
        driver: &str,
        pool: &str,
        device: &str,
    ) -> Self {
        let [name, namespace, driver, pool, device] =
            [name, namespace, driver, pool, device].map(str::to_owned);
        let (share_id, cdi_devices) = (None, Vec::new());
        self.claims.push(Claim { name, namespace, driver, pool, device, share_id, cdi_devices });
        self
    }

    /// The last claim is of a share.
    #[must_use]
    pub fn share_id(mut self, id: &str) -> Self {
        if let Some(claim) = self.claims.last_mut() {
            claim.share_id = Some(id.to_owned());
        }
        self
    }

    /// The last claim has a CDI device of this name.
    #[must_use]
    pub fn cdi_device(mut self, name: &str) -> Self {
        if let Some(claim) = self.claims.last_mut() {
            claim.cdi_devices.push(name.to_owned());
        }
        self
    }

    fn message(&self) -> Vec<u8> {
        let mut message = Vec::new();
        put(&mut message, 1, self.name.as_bytes());
        for (resource, ids) in &self.devices {
            let mut devices = Vec::new();
            put(&mut devices, 1, resource.as_bytes());
            for id in ids {
                put(&mut devices, 2, id.as_bytes());
            }
            // a NUMA node: TopologyInfo { 1: NUMANode { 1: 1 } }
            put(&mut devices, 3, &[0x0A, 2, 8, 1]);
            put(&mut message, 2, &devices);
        }
        // CPUs, packed
        put(&mut message, 3, &[1, 2, 3]);
        for claim in &self.claims {
            put(&mut message, 5, &claim.message());
        }
        message
    }
}

impl Claim {
    fn message(&self) -> Vec<u8> {
        let mut resource = Vec::new();
        for name in &self.cdi_devices {
            let mut device = Vec::new();
            put(&mut device, 1, name.as_bytes());
            put(&mut resource, 1, &device);
        }
        put(&mut resource, 2, self.driver.as_bytes());
        put(&mut resource, 3, self.pool.as_bytes());
        put(&mut resource, 4, self.device.as_bytes());
        if let Some(id) = &self.share_id {
            put(&mut resource, 5, id.as_bytes());
        }
        let mut message = Vec::new();
        put(&mut message, 2, self.name.as_bytes());
        put(&mut message, 3, self.namespace.as_bytes());
        put(&mut message, 4, &resource);
        message
    }
}

/// Appends a field with a length.
pub(super) fn put(message: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    message.push(number << 3 | 2);
    let mut length = bytes.len();
    while length >= 0x80 {
        message.push(length.to_le_bytes()[0] | 0x80);
        length >>= 7;
    }
    message.push(length.to_le_bytes()[0]);
    message.extend_from_slice(bytes);
}

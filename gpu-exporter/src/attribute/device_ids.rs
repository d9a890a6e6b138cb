//! The ids that device plugins give to GPUs, and the devices that they stand for.
//!
//! A lookup asks nobody: it compares with what sampling knows, so an id without a device costs
//! nothing but its line in the log, once.

use std::sync::Arc;

use super::owner::DeviceKey;
use crate::nvml::identity::{Identity, MigIdentity};
use crate::sample::snapshot::Snapshot;

/// The devices that ids are compared with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KnownDevices {
    /// GPUs, also those that are down.
    pub gpus: Vec<Arc<Identity>>,
    /// MIG instances, each with the UUID of its GPU.
    pub mig: Vec<(String, MigIdentity)>,
}

impl KnownDevices {
    /// Those of a snapshot.
    pub fn of(snapshot: &Snapshot) -> Self {
        let mut known = Self::default();
        for device in &snapshot.devices {
            known.gpus.push(Arc::clone(&device.identity));
            for instance in &device.mig {
                known.mig.push((device.identity.uuid.clone(), instance.identity.as_ref().clone()));
            }
        }
        known
    }

    /// With the instances that were known `before` of GPUs that do not answer now: whoever holds one
    /// still does.
    #[must_use]
    pub fn or_as_before(mut self, before: &Self, snapshot: &Snapshot) -> Self {
        for device in snapshot.devices.iter().filter(|device| !device.is_up) {
            let of_it = |(gpu, _): &&(String, MigIdentity)| *gpu == device.identity.uuid;
            self.mig.extend(before.mig.iter().filter(of_it).cloned());
        }
        self
    }

    fn uuid(&self, uuid: &str) -> Option<DeviceKey> {
        if let Some(gpu) = self.gpus.iter().find(|gpu| gpu.uuid.eq_ignore_ascii_case(uuid)) {
            return Some(DeviceKey::Gpu(gpu.uuid.clone()));
        }
        let same = |(_, mig): &&(String, MigIdentity)| mig.uuid.eq_ignore_ascii_case(uuid);
        let (gpu, mig) = self.mig.iter().find(same)?;
        Some(DeviceKey::Mig(gpu.clone(), mig.gpu_instance))
    }

    pub(super) fn index(&self, index: u32) -> Option<&Identity> {
        self.gpus.iter().find(|gpu| gpu.index == index).map(AsRef::as_ref)
    }

    pub(super) fn instance(&self, gpu: &str, gpu_instance: u32) -> Option<DeviceKey> {
        let is_it = |(parent, mig): &(String, MigIdentity)| {
            parent.eq_ignore_ascii_case(gpu) && mig.gpu_instance == gpu_instance
        };
        let (parent, _) = self.mig.iter().find(|entry| is_it(entry))?;
        Some(DeviceKey::Mig(parent.clone(), gpu_instance))
    }

    /// The device that an id stands for.
    pub(super) fn resolve(&self, id: &DeviceId<'_>) -> Option<DeviceKey> {
        match id.form {
            Form::Uuid(uuid) => self.uuid(uuid),
            Form::Instance { gpu, gpu_instance } => self.instance(gpu, gpu_instance),
            Form::Numbered { index, gpu_instance: Some(instance) } => {
                self.instance(&self.index(index)?.uuid, instance)
            }
            Form::Numbered { index, gpu_instance: None } | Form::Index(index) => {
                Some(DeviceKey::Gpu(self.index(index)?.uuid.clone()))
            }
        }
    }
}

/// How an id names its device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form<'a> {
    /// `GPU-...` or `MIG-...`.
    Uuid(&'a str),
    /// `MIG-GPU-<uuid>/<gi>/<ci>`, of drivers before R470.
    Instance { gpu: &'a str, gpu_instance: u32 },
    /// `nvidia<N>`, `nvidia<N>/gi<G>`.
    Numbered { index: u32, gpu_instance: Option<u32> },
    /// A number alone.
    Index(u32),
}

/// An id of a device plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DeviceId<'a> {
    pub(super) form: Form<'a>,
    /// `7` of `GPU-...::7`.
    pub(super) replica: Option<&'a str>,
    /// `2` of `nvidia0/vgpu2`.
    pub(super) virtual_gpu: Option<&'a str>,
}

impl<'a> DeviceId<'a> {
    /// `None` if the id has none of the forms that GPUs have.
    pub(super) fn parse(id: &'a str) -> Option<Self> {
        let (base, replica) = match id.split_once("::") {
            Some((base, replica)) => (base, Some(replica)),
            None => (id, None),
        };
        let mut virtual_gpu = None;
        let form = if let Some(legacy) = base.strip_prefix("MIG-").filter(|id| id.contains('/')) {
            let mut parts = legacy.split('/');
            let (gpu, instance, compute) = (parts.next()?, parts.next()?, parts.next()?);
            if parts.next().is_some() || !gpu.starts_with("GPU-") || number(compute).is_none() {
                return None;
            }
            Form::Instance { gpu, gpu_instance: number(instance)? }
        } else if base.starts_with("GPU-") || base.starts_with("MIG-") {
            Form::Uuid(base)
        } else if let Some(rest) = base.strip_prefix("nvidia") {
            let mut parts = rest.split('/').peekable();
            let index = number(parts.next()?)?;
            let gpu_instance = match parts.peek().and_then(|part| part.strip_prefix("gi")) {
                Some(instance) => {
                    parts.next();
                    Some(number(instance)?)
                }
                None => None,
            };
            if let Some(part) = parts.next() {
                let shown = part.strip_prefix("vgpu")?;
                number(shown)?;
                virtual_gpu = Some(shown);
            }
            if parts.next().is_some() {
                return None;
            }
            Form::Numbered { index, gpu_instance }
        } else {
            Form::Index(number(base)?)
        };
        Some(Self { form, replica, virtual_gpu })
    }

    /// Whether other containers may have the same device.
    pub(super) const fn is_shared(&self) -> bool {
        self.replica.is_some() || self.virtual_gpu.is_some()
    }

    /// Whether the id says by itself that it is a GPU's: a number alone may be of any device.
    pub(super) const fn is_distinctive(&self) -> bool {
        !matches!(self.form, Form::Index(_))
    }
}

/// Digits only: Rust's own parser takes a plus sign.
fn number(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(in super::super) fn gpu(index: u32) -> Arc<Identity> {
        let uuid = format!("GPU-{index:08x}-1111-2222-3333-444444444444");
        Arc::new(Identity { uuid, index, minor: Some(index), ..Identity::default() })
    }

    /// Two GPUs; the second has the instances 7 and 9.
    pub(in super::super) fn two_gpus() -> KnownDevices {
        let instance = |gpu_instance: u32, profile: &str| {
            let uuid = format!("MIG-{gpu_instance:08x}-aaaa-bbbb-cccc-dddddddddddd");
            let profile = profile.to_owned();
            (gpu(1).uuid.clone(), MigIdentity { uuid, gpu_instance, profile, compute_instance: 0 })
        };
        KnownDevices {
            gpus: vec![gpu(0), gpu(1)],
            mig: vec![instance(7, "1g.10gb"), instance(9, "2g.20gb")],
        }
    }

    fn resolve(id: &str) -> Option<(DeviceKey, Option<&str>, Option<&str>)> {
        let id = DeviceId::parse(id)?;
        Some((two_gpus().resolve(&id)?, id.replica, id.virtual_gpu))
    }

    #[test]
    fn every_form_of_an_id_finds_its_device() {
        let first = || DeviceKey::Gpu(gpu(0).uuid.clone());
        let instance = |number| DeviceKey::Mig(gpu(1).uuid.clone(), number);
        let uuid = "GPU-00000000-1111-2222-3333-444444444444";
        let parent = "GPU-00000001-1111-2222-3333-444444444444";
        let mig = "MIG-00000007-aaaa-bbbb-cccc-dddddddddddd";
        let cases = [
            (uuid.to_owned(), first(), None, None),
            (format!("{uuid}::3"), first(), Some("3"), None),
            (mig.to_owned(), instance(7), None, None),
            (format!("{mig}::7"), instance(7), Some("7"), None),
            (format!("MIG-{parent}/9/0"), instance(9), None, None),
            (format!("MIG-{parent}/9/0::1"), instance(9), Some("1"), None),
            ("nvidia0".to_owned(), first(), None, None),
            ("nvidia0::2".to_owned(), first(), Some("2"), None),
            ("nvidia0/vgpu4".to_owned(), first(), None, Some("4")),
            ("nvidia1/gi7".to_owned(), instance(7), None, None),
            ("nvidia1/gi9/vgpu0".to_owned(), instance(9), None, Some("0")),
            ("0".to_owned(), first(), None, None),
            ("0::1".to_owned(), first(), Some("1"), None),
        ];
        for (id, device, replica, virtual_gpu) in cases {
            assert_eq!(resolve(&id), Some((device, replica, virtual_gpu)), "{id}");
        }
    }

    #[test]
    fn other_ids_find_nothing() {
        let parent = "GPU-00000001-1111-2222-3333-444444444444";
        let ids = [
            "",
            "::1",
            "GPU-",
            "GPU-ffffffff-1111-2222-3333-444444444444",
            "MIG-",
            "MIG-GPU-/7/0",
            &format!("MIG-{parent}/7"),
            &format!("MIG-{parent}/8/0"),
            &format!("MIG-{parent}/7/0/0"),
            "nvidia",
            "nvidia9",
            "nvidia+0",
            "nvidia0/gi7",
            "nvidia1/gi8",
            "nvidia0/",
            "nvidia0/vgpu",
            "nvidia0/vgpu1/vgpu2",
            "nvidia0/vgpu1/gi7",
            "nvidia99999999999",
            "nvidiactl",
            "99999999999",
            "-1",
            "eth0",
        ];
        for id in ids {
            assert_eq!(resolve(id), None, "{id:?}");
        }
    }

    #[test]
    fn instances_of_a_gpu_that_does_not_answer_are_those_before() {
        use crate::sample::snapshot::DeviceSnapshot;
        let shown = |is_up| {
            let device = |index| {
                Arc::new(DeviceSnapshot {
                    identity: gpu(index),
                    is_up,
                    ..DeviceSnapshot::default()
                })
            };
            Snapshot { devices: vec![device(0), device(1)], ..Snapshot::default() }
        };
        let known =
            |is_up| KnownDevices::of(&shown(is_up)).or_as_before(&two_gpus(), &shown(is_up));
        assert_eq!(known(false), two_gpus());
        assert_eq!(known(true).mig, [], "it says itself that it has none");
    }

    proptest! {
        #[test]
        fn no_id_makes_it_panic(id in "\\PC*|(MIG-)?(GPU-|nvidia)?[0-9a-f/:givpu-]{0,24}") {
            let _ = resolve(&id);
        }

        #[test]
        fn what_is_put_into_an_id_is_read_from_it(index: u32, gi: Option<u32>, vgpu: Option<u32>) {
            let part = |name, number: Option<u32>| {
                number.map_or_else(String::new, |number| format!("/{name}{number}"))
            };
            let id = format!("nvidia{index}{}{}", part("gi", gi), part("vgpu", vgpu));
            let parsed = DeviceId::parse(&id).unwrap();
            prop_assert_eq!(parsed.form, Form::Numbered { index, gpu_instance: gi });
            prop_assert_eq!(parsed.virtual_gpu.map(str::to_owned), vgpu.map(|n| n.to_string()));
        }
    }
}

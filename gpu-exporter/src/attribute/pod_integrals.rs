//! What each pod has used, as counters: GPU-seconds and joules, added up while it held a device
//! alone.
//!
//! A join at scrape time cannot do this: it gives the whole step between two scrapes to whoever holds
//! the device at its end. Of a device that several pods share nothing is counted, for nobody can
//! say whose it was.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::owner::{Allocations, DeviceKey};
use crate::sample::scale::{Micros, Nanos, Sum};

/// How long the counters of a pod stay that holds nothing any more, so that the last scrape is not
/// missed.
pub const KEEP: Duration = Duration::from_mins(10);

/// A pod, by the labels that its series have. A successor of the same name goes on with its sums.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodKey {
    /// Namespace of the pod.
    pub namespace: String,
    /// Name of the pod.
    pub pod: String,
}

/// Counters of a device, or of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Usage {
    /// Seconds at work. `None`: not known.
    pub busy_seconds: Option<f64>,
    /// Energy in joules. `None`: not known.
    pub energy_joules: Option<f64>,
}

/// Nothing is added where a counter is missing, began anew or is no number: sums never go down.
fn add<const PARTS: u64>(sum: &mut Option<Sum<PARTS>>, before: Option<f64>, now: Option<f64>) {
    let (Some(before), Some(now)) = (before, now) else { return };
    let step = now - before;
    if step.is_finite() && step >= 0.0 {
        sum.get_or_insert_default().add(step);
    }
}

#[derive(Debug)]
struct Used {
    busy: Option<Nanos>,
    energy: Option<Micros>,
    held_at: Instant,
}

impl Used {
    fn add(&mut self, before: Usage, now: Usage) {
        add(&mut self.busy, before.busy_seconds, now.busy_seconds);
        add(&mut self.energy, before.energy_joules, now.energy_joules);
    }

    fn usage(&self) -> Usage {
        Usage {
            busy_seconds: self.busy.map(Sum::total),
            energy_joules: self.energy.map(Sum::total),
        }
    }
}

#[derive(Debug)]
struct Last {
    usage: Usage,
    /// Who held the device alone.
    holder: Option<PodKey>,
}

/// Adds up. Bounded by the devices, and by the pods that held one in the last 10 minutes.
#[derive(Debug, Default)]
pub struct PodIntegrals {
    devices: BTreeMap<DeviceKey, Last>,
    pods: BTreeMap<PodKey, Used>,
}

impl PodIntegrals {
    /// Takes the counters of all devices as they are at `now`. A step counts if the same pod held
    /// the device alone at its begin and at its end.
    pub fn update(
        &mut self,
        devices: impl IntoIterator<Item = (DeviceKey, Usage)>,
        allocations: &Allocations,
        now: Instant,
    ) {
        let mut last_devices = std::mem::take(&mut self.devices);
        for (device, usage) in devices {
            let holder = only_holder(allocations, &device);
            let last = last_devices.remove(&device);
            if let Some(pod) = &holder {
                let sum = self.pods.entry(pod.clone()).or_insert_with(|| Used {
                    busy: None,
                    energy: None,
                    held_at: now,
                });
                sum.held_at = now;
                if let Some(last) = last.filter(|last| last.holder == holder) {
                    sum.add(last.usage, usage);
                }
            }
            self.devices.insert(device, Last { usage, holder });
        }
        self.pods.retain(|_, sum| now.saturating_duration_since(sum.held_at) <= KEEP);
    }

    /// The sums, by pod.
    pub fn pods(&self) -> impl Iterator<Item = (&PodKey, Usage)> {
        self.pods.iter().map(|(pod, sum)| (pod, sum.usage()))
    }
}

/// The pod, if there is just one. Containers of one pod count as one.
fn only_holder(allocations: &Allocations, device: &DeviceKey) -> Option<PodKey> {
    let mut owners = allocations.of(device).iter().map(|allocation| &allocation.owner);
    let first = owners.next()?;
    let same = owners.all(|owner| owner.namespace == first.namespace && owner.pod == first.pod);
    same.then(|| PodKey { namespace: first.namespace.clone(), pod: first.pod.clone() })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::super::owner::{Allocation, Owner};
    use super::*;

    fn device() -> DeviceKey {
        DeviceKey::Gpu("GPU-1".to_owned())
    }

    fn held_by(pods: &[&str]) -> Allocations {
        let allocation = |pod: &&str| Allocation {
            owner: Arc::new(Owner { pod: (*pod).to_owned(), ..Owner::default() }),
            resource: String::new(),
            replica: None,
            virtual_gpu: None,
            claim: None,
        };
        let by_device = [(device(), pods.iter().map(allocation).collect())].into();
        Allocations { by_device, ..Allocations::default() }
    }

    fn usage(busy: f64, energy: f64) -> Usage {
        Usage { busy_seconds: Some(busy), energy_joules: Some(energy) }
    }

    fn sums(integrals: &PodIntegrals) -> Vec<(&str, Usage)> {
        integrals.pods().map(|(pod, usage)| (pod.pod.as_str(), usage)).collect()
    }

    #[test]
    fn a_pod_gets_what_its_device_did_while_it_held_it_alone() {
        let mut integrals = PodIntegrals::default();
        let now = Instant::now();
        let steps: [(&[&str], f64); 7] = [
            (&["a"], 100.0),
            (&["a"], 101.0),
            (&["a", "a"], 103.0),
            (&["a", "b"], 110.0),
            (&["b"], 120.0),
            (&["b"], 121.0),
            (&[], 130.0),
        ];
        for (pods, busy) in steps {
            integrals.update([(device(), usage(busy, busy * 10.0))], &held_by(pods), now);
        }
        assert_eq!(sums(&integrals), [("a", usage(3.0, 30.0)), ("b", usage(1.0, 10.0))]);
    }

    #[test]
    fn a_sum_of_many_steps_has_the_digits_of_its_counters() {
        let mut integrals = PodIntegrals::default();
        let now = Instant::now();
        for step in 0..=1_000_u32 {
            // as they are read: 587.036 J a second
            let read = usage(f64::from(step * 70) / 1e3, f64::from(step * 587_036) / 1e3);
            integrals.update([(device(), read)], &held_by(&["a"]), now);
        }
        assert_eq!(sums(&integrals), [("a", usage(70.0, 587_036.0))]);
    }

    #[test]
    fn a_counter_that_is_missing_or_starts_anew_adds_nothing() {
        let mut integrals = PodIntegrals::default();
        let now = Instant::now();
        let unknown = Usage::default();
        for usage in [usage(9.0, 9.0), usage(1.0, f64::NAN), unknown, usage(5.0, 5.0)] {
            integrals.update([(device(), usage)], &held_by(&["a"]), now);
        }
        assert_eq!(sums(&integrals), [("a", unknown)], "a missing value is not 0");
        integrals.update([(device(), usage(6.0, 7.0))], &held_by(&["a"]), now);
        assert_eq!(sums(&integrals), [("a", usage(1.0, 2.0))]);
    }

    #[test]
    fn pods_and_devices_that_are_gone_are_forgotten() {
        let mut integrals = PodIntegrals::default();
        let mut now = Instant::now();
        for number in 0..1_000 {
            let pod = format!("pod-{number}");
            integrals.update([(device(), usage(0.0, 0.0))], &held_by(&[&pod]), now);
            now += Duration::from_mins(1);
        }
        assert_eq!(integrals.pods().count(), 11);
        integrals.update([], &Allocations::default(), now + KEEP);
        assert_eq!((integrals.pods().count(), integrals.devices.len()), (0, 0));
    }

    proptest! {
        #[test]
        fn sums_never_go_down(steps: Vec<(Option<f64>, bool)>) {
            let mut integrals = PodIntegrals::default();
            let mut highest = 0.0;
            for (busy_seconds, is_held) in steps {
                let pods: &[&str] = if is_held { &["a"] } else { &[] };
                let usage = Usage { busy_seconds, energy_joules: None };
                integrals.update([(device(), usage)], &held_by(pods), Instant::now());
                for (_, usage) in integrals.pods() {
                    let sum = usage.busy_seconds.unwrap_or(0.0);
                    prop_assert!(sum >= highest, "{sum} after {highest}");
                    highest = sum;
                }
            }
        }
    }
}

//! From holds to [`Allocations`]: owners with their details, and one pod where only one can be.
//!
//! Some kubelets go on listing pods that have ended. Of two pods with one exclusive device the one
//! that runs has it; where nobody says which runs, it is the one that came later.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::holds::Hold;
use super::owner::{Allocation, Allocations, DeviceKey, Owner};
use super::pods_api::{PodDetails, PodName};

/// In which round each pod was first seen. Holds the pods of the last round only.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    round: u64,
    first_seen: BTreeMap<PodName, u64>,
}

impl Arrivals {
    fn update(&mut self, holds: &[Hold]) {
        self.round += 1;
        let seen = |hold: &Hold| {
            let round = self.first_seen.get(&hold.pod).copied().unwrap_or(self.round);
            (hold.pod.clone(), round)
        };
        self.first_seen = holds.iter().map(seen).collect();
    }
}

/// Makes the allocations of one round.
pub(super) fn assemble(
    mut holds: Vec<Hold>,
    details: &BTreeMap<PodName, PodDetails>,
    arrivals: &mut Arrivals,
    taken: Instant,
) -> Allocations {
    arrivals.update(&holds);
    let holders = exclusive_holders(&holds, details, arrivals);
    holds.retain(|hold| {
        hold.is_shared || holders.get(&hold.device).is_none_or(|holder| *holder == hold.pod)
    });

    let mut owners: BTreeMap<(PodName, String), Arc<Owner>> = BTreeMap::new();
    let mut allocations = Allocations { taken: Some(taken), ..Allocations::default() };
    for hold in holds {
        let owner = owners.entry((hold.pod, hold.container)).or_insert_with_key(|key| {
            let ((namespace, pod), container) = key.clone();
            let details = details.get(&key.0).cloned().unwrap_or_default();
            let (pod_uid, pod_labels) = (details.uid, details.labels);
            Arc::new(Owner { namespace, pod, container, pod_uid, pod_labels })
        });
        let allocation = Allocation {
            owner: Arc::clone(owner),
            resource: hold.resource,
            replica: hold.replica,
            virtual_gpu: hold.virtual_gpu,
            claim: hold.claim,
        };
        let of_device = allocations.by_device.entry(hold.device).or_default();
        // a device is listed once per NUMA node
        if !of_device.contains(&allocation) {
            of_device.push(allocation);
        }
    }
    allocations
}

/// The pod that has each device which only one can have.
fn exclusive_holders(
    holds: &[Hold],
    details: &BTreeMap<PodName, PodDetails>,
    arrivals: &Arrivals,
) -> BTreeMap<DeviceKey, PodName> {
    let rank = |pod: &PodName| {
        let has_ended = details.get(pod).is_some_and(|details| details.has_ended);
        (!has_ended, arrivals.first_seen.get(pod).copied())
    };
    let mut holders: BTreeMap<DeviceKey, PodName> = BTreeMap::new();
    for hold in holds.iter().filter(|hold| !hold.is_shared) {
        let holder = holders.entry(hold.device.clone()).or_insert_with(|| hold.pod.clone());
        // of two that came together, the one that is listed later
        if rank(&hold.pod) >= rank(holder) {
            holder.clone_from(&hold.pod);
        }
    }
    holders
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hold(pod: &str, container: &str, replica: Option<&str>) -> Hold {
        Hold {
            pod: ("ml".to_owned(), pod.to_owned()),
            container: container.to_owned(),
            device: DeviceKey::Gpu("GPU-1".to_owned()),
            resource: "nvidia.com/gpu".to_owned(),
            replica: replica.map(str::to_owned),
            virtual_gpu: None,
            claim: None,
            is_shared: replica.is_some(),
        }
    }

    fn pods(allocations: &Allocations) -> Vec<String> {
        let of_device = allocations.of(&DeviceKey::Gpu("GPU-1".to_owned()));
        let shown = |allocation: &Allocation| {
            format!("{}/{}", allocation.owner.pod, allocation.owner.container)
        };
        of_device.iter().map(shown).collect()
    }

    fn assembled(arrivals: &mut Arrivals, holds: Vec<Hold>) -> Vec<String> {
        pods(&assemble(holds, &BTreeMap::new(), arrivals, Instant::now()))
    }

    #[test]
    fn a_shared_device_has_all_its_pods() {
        let holds = vec![hold("a", "c", Some("0")), hold("b", "c", Some("1"))];
        assert_eq!(assembled(&mut Arrivals::default(), holds), ["a/c", "b/c"]);
    }

    #[test]
    fn an_exclusive_device_has_the_pod_that_runs() {
        let ended = PodDetails { has_ended: true, ..PodDetails::default() };
        let details = BTreeMap::from([(("ml".to_owned(), "b".to_owned()), ended)]);
        let holds = vec![hold("a", "c", None), hold("b", "c", None)];
        let allocations = assemble(holds, &details, &mut Arrivals::default(), Instant::now());
        assert_eq!(pods(&allocations), ["a/c"]);
    }

    #[test]
    fn where_nobody_says_which_runs_the_later_one_has_it() {
        let mut arrivals = Arrivals::default();
        assert_eq!(assembled(&mut arrivals, vec![hold("b", "c", None)]), ["b/c"]);
        let both = vec![hold("a", "c", None), hold("b", "c", None)];
        assert_eq!(assembled(&mut arrivals, both.clone()), ["a/c"]);
        assert_eq!(assembled(&mut arrivals, both), ["a/c"], "in the next round as well");
    }

    #[test]
    fn two_containers_of_a_pod_both_have_it_and_repeats_count_once() {
        let holds = vec![hold("a", "init", None), hold("a", "c", None), hold("a", "c", None)];
        assert_eq!(assembled(&mut Arrivals::default(), holds), ["a/init", "a/c"]);
    }

    #[test]
    fn pods_that_are_gone_are_forgotten() {
        let mut arrivals = Arrivals::default();
        for number in 0..100 {
            assembled(&mut arrivals, vec![hold(&format!("pod-{number}"), "c", None)]);
        }
        assert_eq!(arrivals.first_seen.len(), 1);
    }
}

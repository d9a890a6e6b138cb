//! What pages say of the containers that hold a device.
//!
//! A label of a pod comes from outside: it must not take the place of a label that a series has
//! already, because a name that is there twice makes the whole page unreadable.

use prometheus_model::label_set::is_valid_label_name;

use crate::attribute::owner::{Allocation, Owner};

/// The one container that holds a device, however many shares of it. `None` where there are several:
/// then its series, which are there once, are nobody's.
pub(super) fn sole(allocations: &[Allocation]) -> Option<&Allocation> {
    let (first, others) = allocations.split_first()?;
    others.iter().all(|other| is_same(&first.owner, &other.owner)).then_some(first)
}

fn is_same(one: &Owner, other: &Owner) -> bool {
    (&one.namespace, &one.pod, &one.container) == (&other.namespace, &other.pod, &other.container)
}

/// The labels of a pod that can be shown beside labels of these names.
pub(super) fn pod_labels(
    owner: &Owner,
    is_taken: impl Fn(&str) -> bool,
) -> impl Iterator<Item = (&str, &str)> {
    let mut last = None;
    owner.pod_labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).filter(
        move |(name, _)| {
            // sorted: what is there twice follows itself
            let is_first = last.replace(*name) != Some(*name);
            is_first && is_valid_label_name(name) && !name.starts_with("__") && !is_taken(name)
        },
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn allocation(pod: &str) -> Allocation {
        let owner = Owner { pod: pod.to_owned(), ..Owner::default() };
        Allocation {
            owner: Arc::new(owner),
            resource: String::new(),
            replica: None,
            virtual_gpu: None,
            claim: None,
        }
    }

    #[test]
    fn several_shares_of_one_container_are_one_holder() {
        assert!(sole(&[]).is_none());
        assert!(sole(&[allocation("a"), allocation("a")]).is_some());
        assert!(sole(&[allocation("a"), allocation("b")]).is_none());
    }

    #[test]
    fn labels_of_a_pod_give_way() {
        let names = ["__meta", "app", "app", "pod", "x-y"];
        let owner = Owner {
            pod_labels: names.iter().map(|name| ((*name).to_owned(), "v".to_owned())).collect(),
            ..Owner::default()
        };
        let shown: Vec<_> = pod_labels(&owner, |name| name == "pod").collect();
        assert_eq!(shown, [("app", "v")]);
    }
}

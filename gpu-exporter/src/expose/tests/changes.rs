//! Labels are kept from page to page: no page may show it.

use proptest::prelude::*;

use super::*;

/// What can change between two pages.
#[derive(Debug, Clone)]
enum Change {
    Held(u8),
    Index(u32),
    Instances(Vec<u32>),
    Devices(u32),
    Driver(bool),
    Counters(bool),
    Temperature(f64),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (0..3_u8).prop_map(Change::Held),
        (0..3_u32).prop_map(Change::Index),
        prop::collection::vec(0..3_u32, 0..3).prop_map(Change::Instances),
        (0..3_u32).prop_map(Change::Devices),
        any::<bool>().prop_map(Change::Driver),
        any::<bool>().prop_map(Change::Counters),
        (0.0..100.0).prop_map(Change::Temperature),
    ]
}

#[derive(Debug)]
struct Node {
    devices: Vec<DeviceSnapshot>,
    held: Arc<Allocations>,
    is_up: bool,
    has_all_counters: bool,
}

impl Node {
    fn apply(&mut self, change: Change) {
        let first = self.devices.first_mut();
        match (change, first) {
            (Change::Held(0), _) => self.held = Arc::new(Allocations::default()),
            (Change::Held(pod), _) => self.held = on_gpu(0, vec![held_by(&pod.to_string())]),
            (Change::Devices(count), _) => {
                self.devices = (0..count).map(|index| gpu(index, &[])).collect();
            }
            (Change::Driver(is_up), _) => self.is_up = is_up,
            (Change::Counters(all), _) => self.has_all_counters = all,
            (Change::Index(index), Some(first)) => {
                Arc::make_mut(&mut first.identity).index = index;
            }
            (Change::Instances(all), Some(first)) => {
                Arc::make_mut(&mut first.identity).is_mig = !all.is_empty();
                first.mig = (0..).zip(all).map(|(ci, gi)| instance(gi, ci, &[])).collect();
            }
            (Change::Temperature(value), Some(first)) => {
                first.readings.set(Reading::TemperatureGpu, Some(value));
            }
            (_, None) => {}
        }
    }

    fn counters(&self) -> Counters {
        if self.has_all_counters {
            return Counters::built_in();
        }
        Counters::parse("dcgm_gpu_temp, gauge, t\nDCGM_FI_DRIVER_VERSION, label, v")
    }

    fn page(&self, pages: &Pages) -> String {
        let mut seen = snapshot(self.devices.clone());
        if !self.is_up {
            seen.driver = DriverState::Down("released".to_owned());
        }
        page_of(pages, &[Naming::Native, Naming::Dcgm], &seen, &self.held)
    }
}

proptest! {
    #[test]
    fn a_page_does_not_depend_on_those_before(
        changes in prop::collection::vec(change(), 1..12)
    ) {
        let mut node = Node {
            devices: vec![gpu(0, &[(Reading::TemperatureGpu, 40.0)])],
            held: Arc::new(Allocations::default()),
            is_up: true,
            has_all_counters: true,
        };
        let kept = Pages::new(&config(), node.counters());
        for change in changes {
            let new_counters = matches!(change, Change::Counters(_));
            node.apply(change);
            if new_counters {
                kept.replace_counters(node.counters());
            }
            let fresh = Pages::new(&config(), node.counters());
            prop_assert_eq!(node.page(&kept), node.page(&fresh));
        }
    }
}

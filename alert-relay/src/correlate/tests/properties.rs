//! What holds for any sequence.

use proptest::prelude::*;

use super::*;
use crate::incident::Observation;

const ALERTS: [&str; 10] = [
    NODE,
    "GpuLost critical cluster=a node=n1 gpu=0",
    "GpuLost critical cluster=a node=n1 gpu=1",
    "PodNotReady warning cluster=a node=n1 namespace=ml pod=p",
    "RedisDown critical cluster=a service=redis",
    "HighErrorRate critical cluster=a service=s1",
    "HighErrorRate critical cluster=a service=pay",
    "HighErrorRate warning cluster=a service=s1",
    "Disk warning cluster=a node=n2 team=office",
    "TargetDown critical cluster=a node=m",
];
const NODE: &str = "NodeDown critical cluster=a node=n1";

#[derive(Debug, Clone)]
enum Step {
    Fires(usize),
    Ends(usize),
    Wait(u64),
    Silence(usize, bool),
    Gone(usize),
    Acknowledge,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let which = 0..ALERTS.len();
    let step = prop_oneof![
        5 => which.clone().prop_map(Step::Fires),
        4 => which.clone().prop_map(Step::Ends),
        4 => prop_oneof![1_u64..20, 40_u64..400, 500_u64..4_000].prop_map(Step::Wait),
        1 => (which.clone(), any::<bool>()).prop_map(|(one, on)| Step::Silence(one, on)),
        1 => which.prop_map(Step::Gone),
        1 => Just(Step::Acknowledge),
    ];
    proptest::collection::vec(step, 1..60)
}

fn started() -> Relay {
    let mut relay = Relay::new();
    relay.now = Moment::parse("2026-11-24T01:30:00Z").unwrap();
    relay
}

/// Does a step; `copies`: how often each webhook arrives.
fn step(relay: &mut Relay, step: &Step, copies: usize) -> Vec<Notice> {
    let mut notices = Vec::new();
    match step {
        Step::Fires(one) => {
            let labels = ALERTS[*one];
            let identity = alert(labels, relay.now, None).identity;
            let known = relay.engine.alerts.get(&identity).filter(|one| one.status.is_firing());
            let since = known.map_or(relay.now, |known| known.status.starts_at);
            for _ in 0..copies {
                notices.extend(relay.tell(alert(labels, since, None)));
            }
        }
        Step::Ends(one) => {
            let labels = ALERTS[*one];
            let identity = alert(labels, relay.now, None).identity;
            let since = relay.engine.alerts.get(&identity).map(|one| one.status.starts_at);
            for _ in 0..copies {
                notices.extend(relay.tell(alert(
                    labels,
                    since.unwrap_or(relay.now),
                    Some(relay.now),
                )));
            }
        }
        Step::Wait(seconds) => notices.extend(relay.wait(*seconds)),
        Step::Silence(one, on) => {
            let alert = alert(ALERTS[*one], relay.now, None);
            let silenced_by = if *on { vec!["s".to_owned()] } else { Vec::new() };
            let (identity, fingerprint) = (alert.identity, alert.fingerprint);
            let one = Observation { identity, fingerprint, silenced_by, inhibited_by: vec![] };
            notices.extend(relay.give(&Input::Seen { alerts: vec![one] }));
        }
        Step::Gone(one) => {
            let identity = alert(ALERTS[*one], relay.now, None).identity;
            notices.extend(relay.give(&Input::Gone { alerts: vec![identity] }));
        }
        Step::Acknowledge => {
            let first = relay.engine.open().next().map(|incident| incident.id.clone());
            if let Some(incident) = first {
                let who = "ann".to_owned();
                notices.extend(relay.give(&Input::Acknowledged { incident, who }));
            }
        }
    }
    notices
}

/// All that fires and pages is told, will be told at a known time, or is held back for a reason.
fn nothing_is_lost(relay: &Relay) -> Result<(), TestCaseError> {
    let engine = &relay.engine;
    for (identity, alert) in &engine.alerts {
        let status = &alert.status;
        if !status.is_firing() || !alert.pages {
            continue;
        }
        if status.maintenance.is_some() || status.is_silenced {
            continue;
        }
        let member_of = status.incident.clone().expect("an incident");
        let case = &engine.incidents[&member_of];
        prop_assert!(case.incident.firing.contains(identity));
        let root = engine.root(&member_of);
        let told_by = &engine.incidents[&root];
        prop_assert!(told_by.is_root(), "{:?}", told_by.incident);
        let waits = told_by.incident.firing.iter().chain(&case.incident.firing).any(|one| {
            engine.alerts[one].status.tell_at.is_some_and(|at| {
                at <= relay.now.after(Duration::from_mins(10))
                    || engine.alerts[one].status.is_silenced
            })
        });
        let orphan = told_by.plan.orphans_at.is_some();
        prop_assert!(
            told_by.incident.is_paged || waits || orphan,
            "{:?} of {:?}",
            status,
            told_by.incident
        );
    }
    Ok(())
}

/// What an engine is, without what a restart may renumber.
fn picture(relay: &Relay) -> String {
    let alerts: Vec<_> =
        relay.engine.alerts.iter().map(|(id, one)| (id, &one.status, one.timer)).collect();
    let cases =
        relay.engine.incidents.iter().map(|(id, case)| {
            (id, &case.incident, &case.plan, case.own, case.critical, case.timer)
        });
    let history: Vec<_> = relay.engine.history.iter().collect();
    let cases: Vec<_> = cases.collect();
    format!("{alerts:#?} {cases:#?} {history:#?} {:#?}", relay.engine.timers)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn copies_change_nothing(steps in steps()) {
        let (mut once, mut twice) = (started(), started());
        for one in &steps {
            let heard = step(&mut once, one, 1);
            let also = step(&mut twice, one, 2);
            prop_assert_eq!(heard, also);
        }
        prop_assert_eq!(picture(&once), picture(&twice));
    }

    #[test]
    fn a_restart_at_any_time_changes_nothing(steps in steps()) {
        let (mut always, mut again) = (started(), started());
        for one in &steps {
            let heard = step(&mut always, one, 1);
            let also = step(&mut again, one, 1);
            again.restart();
            prop_assert_eq!(heard, also);
            prop_assert_eq!(picture(&always), picture(&again));
        }
    }

    #[test]
    fn what_pages_is_never_lost_and_everything_ends(steps in steps()) {
        let mut relay = started();
        for one in &steps {
            let (events, notices) = (relay.events.len(), relay.notices.len());
            step(&mut relay, one, 1);
            nothing_is_lost(&relay)?;
            if let Step::Fires(one) = one {
                let identity = alert(ALERTS[*one], relay.now, None).identity;
                let explained = relay.events[events..].iter().any(|event| match event {
                    Event::Opened { alert, .. } | Event::Suppressed { alert, .. } => {
                        *alert == identity
                    }
                    _ => false,
                });
                prop_assert!(explained || relay.notices.len() > notices, "{one}");
            }
        }
        for one in 0..ALERTS.len() {
            step(&mut relay, &Step::Gone(one), 1);
        }
        relay.wait(3_600);
        prop_assert_eq!(relay.engine.open().count(), 0);
    }

    #[test]
    fn copies_of_a_pair_in_any_order_within_a_minute_are_one(
        episodes in proptest::collection::vec((1_u64..120, 61_u64..600), 1..8),
        delays in proptest::collection::vec(0_u64..60, 16),
    ) {
        let begin = started().now;
        let mut webhooks = Vec::new();
        let mut at = begin;
        for (on, off) in &episodes {
            let end = at.after(Duration::from_secs(*on));
            webhooks.push((at, alert(NODE, at, None)));
            webhooks.push((end, alert(NODE, at, Some(end))));
            at = end.after(Duration::from_secs(*off));
        }
        let mut once = started();
        for (at, alert) in &webhooks {
            let pause = at.since(once.now).as_secs();
            once.wait(pause);
            once.tell(alert.clone());
        }
        let mut twice: Vec<_> = webhooks.iter().cloned().map(|(at, alert)| (at, 0, alert)).collect();
        for (index, (at, alert)) in webhooks.iter().enumerate() {
            let late = at.after(Duration::from_secs(delays[index % delays.len()]));
            twice.push((late, 1, alert.clone()));
        }
        twice.sort_by_key(|(at, copy, _)| (*at, *copy));
        let mut pair = started();
        for (at, _, alert) in twice {
            let pause = at.since(pair.now).as_secs();
            pair.wait(pause);
            pair.tell(alert);
        }
        once.wait(3_000);
        pair.wait(3_000);
        let heard = |relay: &Relay| kinds(&relay.notices);
        prop_assert_eq!(heard(&once), heard(&pair));
    }
}

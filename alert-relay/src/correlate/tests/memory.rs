//! How much is kept.

use super::*;

#[test]
fn nothing_is_kept_of_alerts_that_ended_long_ago() {
    let mut relay = Relay::new();
    for count in 0..50 {
        let alert = format!("TargetDown critical cluster=a node=n{count}");
        relay.fires(&alert);
        relay.wait(30);
        relay.ends(&alert);
    }
    relay.wait(25 * 3_600);
    assert_eq!((relay.engine.alerts.len(), relay.engine.incidents.len()), (0, 0));
    assert_eq!((relay.engine.next_wake(), relay.engine.ended.len()), (None, 0));
    let tables: Vec<_> = relay.rows.keys().map(|(table, _)| *table).collect();
    assert!(tables.iter().all(|table| *table == Table::Classes), "{tables:?}");
}

#[test]
fn labels_that_never_come_again_are_bounded_and_what_fires_stays() {
    let mut relay = Relay::new();
    let stays = "NodeDown critical cluster=a node=stays";
    relay.fires(stays);
    let ended = |from: usize, to: usize, at: Moment| -> Vec<Told> {
        let one = |count| alert(&format!("Churn info pod=p{count} namespace=x"), at, None);
        (from..to).map(|count| Told { alert: one(count), fires_until: None }).collect()
    };
    let source = alertmanager();
    for batch in 0..25 {
        let mut told = ended(batch * 1_000, batch * 1_000 + 1_000, relay.now);
        relay.give(&Input::Alerts { source: source.clone(), told: told.clone(), rejected: vec![] });
        for one in &mut told {
            one.alert.ends_at = Some(relay.now);
        }
        relay.give(&Input::Alerts { source: source.clone(), told, rejected: vec![] });
    }
    assert_eq!(relay.engine.ended.len(), MOST_ENDED);
    assert_eq!(relay.engine.alerts.len(), MOST_ENDED + 1);
    assert_eq!(relay.only().name, "NodeDown");
}

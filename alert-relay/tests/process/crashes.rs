//! The table of effects: at each point at which the process may end nothing is lost, and something
//! is sent twice only where the table says so.

use stack_tests::patience::await_condition;

use crate::fixture::Relay;

/// Ends the process at a point, sends the alert again as Alertmanager would unless it was answered,
/// and says how often the page was sent.
fn sent_when_ended_at(point: &str) -> usize {
    let mut relay = Relay::new();
    relay.start(&[("ALERT_RELAY_CRASH_AT", point)]);
    let answer = relay.alert("A");
    assert_eq!(relay.await_end(), -6, "{point}: {}", relay.log());
    relay.start(&[]);
    if !answer.is_ok_and(|status| status == 200) {
        assert_eq!(relay.alert("A").ok(), Some(200), "{point}");
    }
    // A second one comes behind whatever is left of the first.
    assert_eq!(relay.alert("B").ok(), Some(200), "{point}");
    let own = |relay: &Relay| {
        let sent = relay.lines("sent");
        let last = sent.last().cloned();
        (sent.iter().filter(|key| Some(*key) != last.as_ref()).count(), sent.len())
    };
    await_condition("both are sent", || {
        let (first, all) = own(&relay);
        first >= 1 && all > first
    });
    assert_eq!(relay.stop(), 0, "{point}");
    let dump = relay.dump();
    assert!(!dump.contains("\"table\":\"deliveries\""), "{point}: {dump}");
    own(&relay).0
}

#[test]
fn no_page_is_lost_at_any_point_and_none_is_repeated_but_after_its_call() {
    assert_eq!(sent_when_ended_at("before-sync:1"), 1);
    assert_eq!(sent_when_ended_at("after-sync:1"), 1);
    assert_eq!(sent_when_ended_at("planned:1"), 1);
    assert_eq!(sent_when_ended_at("started:1"), 1);
    assert_eq!(sent_when_ended_at("called:1"), 2, "nobody knows whether it arrived");
    assert_eq!(sent_when_ended_at("receipt:1"), 1);
}

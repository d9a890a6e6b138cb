//! Beginning again, flapping, probation.

use super::*;
use crate::incident::Feedback;

const NODE: &str = "NodeDown critical cluster=a node=n1";
const ERRORS: &str = "HighErrorRate critical cluster=a service=s1";

/// Fires for some seconds, and is quiet for some.
fn episode(relay: &mut Relay, alert: &str, on: u64, off: u64) -> usize {
    let before = relay.pages();
    relay.fires(alert);
    relay.wait(on);
    relay.ends(alert);
    relay.wait(off);
    relay.pages() - before
}

#[test]
fn what_begins_again_soon_goes_on_and_pages_when_it_stays() {
    let mut relay = Relay::new();
    assert_eq!(episode(&mut relay, NODE, 300, 300), 1);
    let first = relay.incident("NodeDown").id.clone();
    relay.fires(NODE);
    assert_eq!((relay.only().id.clone(), relay.pages()), (first.clone(), 1));
    assert_eq!(kinds(&relay.wait(599)), []);
    assert_eq!(kinds(&relay.wait(1)), [(Kind::Escalate, true)]);
    relay.ends(NODE);
    relay.wait(901);
    assert_eq!(kinds(&relay.fires(NODE)), [(Kind::Open, true)], "after the window it is a new one");
    let second = relay.only().id.clone();
    assert_eq!((second.key, second.number), (first.key, 2));
}

#[test]
fn a_flapper_has_one_notice_and_pages_when_it_has_become_an_outage() {
    let mut relay = Relay::new();
    for _ in 0..6 {
        episode(&mut relay, NODE, 60, 60);
    }
    assert!(relay.only().is_flapping, "open though it does not fire");
    let pages = relay.pages();
    assert_eq!(pages, 1);
    (0..6).for_each(|_| assert_eq!(episode(&mut relay, NODE, 60, 60), 0));
    relay.fires(NODE);
    assert_eq!(kinds(&relay.wait(600)), [(Kind::Escalate, true)]);
    assert!(!relay.only().is_flapping);
}

#[test]
fn a_flapper_has_ended_when_it_was_quiet_long_enough() {
    let mut relay = Relay::new();
    for _ in 0..6 {
        episode(&mut relay, NODE, 60, 60);
    }
    assert_eq!(kinds(&relay.wait(839)), []);
    assert_eq!(kinds(&relay.wait(1)), [(Kind::Resolve, false)], "900 s after its end");
}

#[test]
fn late_copies_begin_nothing_but_what_fires_now_does() {
    let mut relay = Relay::new();
    let begin = relay.now;
    relay.fires(NODE);
    relay.wait(60);
    relay.ends(NODE);
    relay.wait(10);
    assert_eq!(relay.tell(alert(NODE, begin, None)), []);
    assert_eq!(relay.engine.open().count(), 0);
    let told = vec![Told { alert: alert(NODE, begin, None), fires_until: None }];
    let source = Source::Reconciliation("http://alertmanager".to_owned());
    relay.give(&Input::Alerts { source, told, rejected: Vec::new() });
    assert_eq!(relay.engine.open().count(), 1);
    // The end of the first episode, told again, does not end the second one.
    let again = relay.now.after(Duration::from_mins(10));
    relay.ends(NODE);
    relay.wait(600);
    relay.tell(alert(NODE, again, None));
    relay.tell(alert(NODE, begin, Some(begin.after(Duration::from_mins(1)))));
    assert_eq!(relay.engine.open().count(), 1);
}

#[test]
fn a_class_that_ends_by_itself_is_visible_but_wakes_nobody_for_a_while() {
    let mut relay = Relay::new();
    for count in 0..12 {
        episode(&mut relay, &format!("TargetDown critical cluster=a node=n{count}"), 200, 3_600);
    }
    assert_eq!(relay.pages(), 10);
    let real = "TargetDown critical cluster=a node=real";
    assert_eq!(kinds(&relay.fires(real)), [(Kind::Open, false)]);
    assert_eq!(relay.reasons(real), [Reason::Held]);
    assert_eq!(kinds(&relay.wait(260)), [(Kind::Escalate, true)], "240 s and 20 s for the news");
    let incident = relay.only().id.clone();
    relay.give(&Input::Judged { incident, who: "ann".into(), feedback: Feedback::Useful });
    relay.ends(real);
    relay.wait(3_600);
    assert_eq!(
        kinds(&relay.fires("TargetDown critical cluster=a node=next")),
        [(Kind::Open, true)]
    );
}

#[test]
fn so_many_at_once_are_no_blip() {
    let mut relay = Relay::new();
    for count in 0..12 {
        episode(&mut relay, &format!("TargetDown critical cluster=a node=n{count}"), 200, 3_600);
    }
    let before = relay.pages();
    for count in 0..5 {
        relay.fires(&format!("TargetDown critical cluster=a node=m{count}"));
    }
    assert_eq!(relay.pages() - before, 1, "with the fifth");
}

#[test]
fn a_trouble_that_keeps_coming_back_pages_once_it_is_longer_than_it_ever_was() {
    let mut relay = Relay::new();
    for count in 0..30 {
        episode(&mut relay, ERRORS, if count % 3 == 0 { 500 } else { 150 }, 5_400);
    }
    let before = relay.pages();
    relay.fires(ERRORS);
    assert_eq!(kinds(&relay.wait(599)), []);
    assert_eq!(kinds(&relay.wait(1)), [(Kind::Escalate, true)]);
    assert_eq!(relay.pages() - before, 1);
    let other = "HighErrorRate critical cluster=a service=other";
    assert_eq!(kinds(&relay.fires(other)), [(Kind::Open, true)], "its class has another history");
}

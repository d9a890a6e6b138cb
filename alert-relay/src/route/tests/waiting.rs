//! Messages that can wait.

use super::*;
use crate::incident::Reason;

fn office(world: &mut World, number: u32) -> IncidentId {
    let id = world.incident(number, Severity::Warning);
    world.change(&id, |incident| {
        incident.opening_labels.insert("team".to_owned(), "office".to_owned());
    });
    id
}

fn suppressed(world: &World, wanted: Reason) -> usize {
    let is_it =
        |event: &&Event| matches!(event, Event::Suppressed { reason, .. } if *reason == wanted);
    world.events.iter().filter(is_it).count()
}

#[test]
fn what_can_wait_arrives_as_one_digest_when_people_begin_to_work() {
    let mut world = World::new();
    let ids: Vec<_> = (1..=3).map(|number| office(&mut world, number)).collect();
    for id in &ids {
        world.tell(Kind::Open, id);
        world.wait(60);
    }
    world.tell(Kind::Resolve, &ids[0]);
    world.tell(Kind::Update, &ids[1]);
    assert_eq!(suppressed(&world, Reason::BusinessHours), 3);
    world.restart();
    let begin = Moment::parse("2026-11-25T09:00:00Z").unwrap();
    assert_eq!(world.router.next_due("team"), Some(begin));
    world.now = begin;
    let digest = world.next("team").unwrap();
    assert_eq!((digest.kind, digest.incidents.clone()), (Kind::Digest, ids.clone()));
    world.accept(digest.id);
    // told once: its end is no message of its own
    world.tell(Kind::Resolve, &ids[1]);
    assert_eq!(world.send("team"), []);
}

#[test]
fn inside_of_the_hours_nothing_waits() {
    let mut world = World::new();
    world.now = Moment::parse("2026-11-25T09:00:00Z").unwrap();
    let id = office(&mut world, 1);
    world.tell(Kind::Open, &id);
    assert_eq!(world.send("team"), [Kind::Open]);
}

#[test]
fn what_gets_critical_while_it_waits_is_told_at_once() {
    let mut world = World::new();
    let ids = [office(&mut world, 1), office(&mut world, 2)];
    for id in &ids {
        world.tell(Kind::Open, id);
    }
    world.change(&ids[0], |incident| incident.severity = Severity::Critical);
    world.tell(Kind::Escalate, &ids[0]);
    assert_eq!(world.send("team"), [Kind::Open]);
    assert_eq!(world.send("oncall"), [Kind::Open]);
    world.now = Moment::parse("2026-11-25T09:00:00Z").unwrap();
    assert_eq!(world.next("team").unwrap().incidents, [ids[1].clone()]);
}

#[test]
fn a_channel_has_its_limit_but_not_for_critical_ones() {
    let mut world = World::new();
    for number in 1..=8 {
        let id = world.incident(number, Severity::Warning);
        world.tell(Kind::Open, &id);
        world.wait(1);
    }
    assert_eq!(world.send("team"), [Kind::Open; 3]);
    assert_eq!(suppressed(&world, Reason::ChannelLimit), 5);
    let critical = world.incident(9, Severity::Critical);
    world.tell(Kind::Open, &critical);
    assert_eq!(world.send("team"), [Kind::Open]);
    world.wait(600);
    let digest = world.next("team").unwrap();
    assert_eq!((digest.kind, digest.incidents.len()), (Kind::Digest, 5));
}

#[test]
fn a_digest_of_the_engine_is_split_by_destination() {
    let mut world = World::new();
    let (warning, error) =
        (world.incident(1, Severity::Warning), world.incident(2, Severity::Error));
    let notice = Notice {
        kind: Kind::Digest,
        incidents: vec![warning.clone(), error.clone()],
        severity: Severity::Error,
        is_page: false,
        text: String::new(),
    };
    world.notice(notice);
    assert_eq!(world.next("team").unwrap().incidents, [warning]);
    let to_pager = world.next("second").unwrap();
    assert_eq!((to_pager.kind, to_pager.incidents), (Kind::Open, vec![error]));
}

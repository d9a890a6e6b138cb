//! Destinations that do not take messages.

use super::*;

fn retry(world: &World, seconds: u64) -> Answer {
    let not_before = world.now.after(Duration::from_secs(seconds));
    Answer::Retry { not_before, is_ambiguous: false, problem: "503".to_owned() }
}

fn refused() -> Answer {
    Answer::Refused { problem: "invalid event".to_owned() }
}

#[test]
fn a_page_that_is_not_accepted_within_a_minute_is_told_by_others_once() {
    let mut world = World::new();
    let id = world.incident(1, Severity::Critical);
    world.tell(Kind::Open, &id);
    assert_eq!(world.router.next_wake().unwrap().since(world.now), Duration::from_mins(1));
    let open = world.next("oncall").unwrap();
    world.answer(open.id, &retry(&world, 1));
    world.wait(59);
    assert_eq!(world.send("second"), []);
    world.wait(1);
    world.restart();
    world.wait(60);
    assert_eq!(world.send("second"), [Kind::Open]);
    assert_eq!(world.send("mail"), [Kind::Open]);
    // triggers never expire, and all who know of it hear of its end
    world.wait(100_000);
    assert_eq!(world.send("oncall"), [Kind::Open]);
    world.tell(Kind::Resolve, &id);
    for name in ["oncall", "second", "mail"] {
        assert_eq!(world.send(name), [Kind::Resolve], "{name}");
    }
}

#[test]
fn a_page_that_waits_for_its_turn_falls_back_too() {
    let mut world = World::new();
    let id = world.incident(1, Severity::Critical);
    world.tell(Kind::Open, &id);
    world.next("oncall").unwrap();
    world.wait(60);
    // it hangs in a call: the deadline is looked at when it is answered or read again
    world.restart();
    world.tick();
    assert_eq!(world.send("second"), [Kind::Open]);
}

#[test]
fn a_stand_in_for_an_incident_that_ended_meanwhile_ends_it_too() {
    let mut world = World::new();
    let id = world.incident(1, Severity::Critical);
    world.tell(Kind::Open, &id);
    world.tell(Kind::Resolve, &id);
    world.wait(60);
    assert_eq!(world.send("second"), [Kind::Open, Kind::Resolve]);
    assert_eq!(world.send("mail"), [Kind::Open], "one mail says both");
}

#[test]
fn a_refused_page_is_kept_told_by_others_and_complained_about() {
    let mut world = World::new();
    let id = world.incident(1, Severity::Critical);
    world.tell(Kind::Open, &id);
    let open = world.next("oncall").unwrap();
    world.answer(open.id, &refused());
    assert_eq!(world.send("second"), [Kind::Open]);
    let complaint = world.router.lanes.alone("team").next().unwrap();
    assert_eq!(complaint.text, "destination oncall does not take messages: invalid event");
    world.restart();
    let dead: Vec<_> = world.router.dead_letters().map(|dead| dead.id).collect();
    assert_eq!(dead, [open.id]);
    assert!(world.router.needs(&id));
    assert!(world.events.iter().any(|event| matches!(event, Event::DeadLettered { .. })));
    // sent again, it is a page like any other; its end follows
    world.tell(Kind::Resolve, &id);
    assert!(world.dead_letter(open.id, true));
    assert_eq!(world.send("oncall"), [Kind::Open, Kind::Resolve]);
    assert!(!world.dead_letter(open.id, true));
}

#[test]
fn a_dropped_dead_letter_is_gone() {
    let mut world = World::new();
    let id = world.incident(1, Severity::Warning);
    world.tell(Kind::Open, &id);
    let open = world.next("team").unwrap();
    world.answer(open.id, &refused());
    assert!(world.dead_letter(open.id, false));
    world.restart();
    assert_eq!(world.router.dead_letters().count(), 0);
    assert!(!world.router.needs(&id));
}

#[test]
fn what_waits_behind_a_refused_beginning_is_withdrawn() {
    let mut world = World::new();
    let id = world.incident(1, Severity::Critical);
    world.tell(Kind::Open, &id);
    let open = world.next("oncall").unwrap();
    world.tell(Kind::Acknowledge, &id);
    world.tell(Kind::Resolve, &id);
    world.answer(open.id, &refused());
    assert_eq!(world.send("oncall"), []);
}

#[test]
fn a_broken_destination_is_tried_again_while_others_tell_even_what_is_no_page() {
    let mut world = World::with(
        &CONFIG.replace("channel: ml-alerts}", "channel: ml-alerts}\n    fallback: [mail]"),
    );
    let id = world.incident(1, Severity::Warning);
    world.tell(Kind::Open, &id);
    let open = world.next("team").unwrap();
    let not_before = world.now.after(Duration::from_mins(5));
    world.answer(open.id, &Answer::Broken { not_before, problem: "invalid_auth".to_owned() });
    assert_eq!(world.send("mail"), [Kind::Open, Kind::Internal]);
    world.wait(300);
    assert_eq!(world.send("team"), [Kind::Open]);
    // broken again within ten minutes: no second complaint
    let id = world.incident(2, Severity::Warning);
    world.tell(Kind::Open, &id);
    let open = world.next("team").unwrap();
    world.answer(open.id, &Answer::Broken { not_before: world.now, problem: "x".to_owned() });
    assert_eq!(world.send("mail"), [Kind::Open]);
}

#[test]
fn updates_go_stale_and_resolves_after_a_day() {
    let mut world = World::new();
    let id = world.incident(1, Severity::Error);
    world.tell(Kind::Open, &id);
    world.send("bot");
    world.tell(Kind::Update, &id);
    let update = world.next("bot");
    assert_eq!(update, None, "it waits ten seconds");
    world.wait(600);
    assert_eq!(world.router.queue("bot").0, 0);
    world.tell(Kind::Resolve, &id);
    world.wait(86_399);
    assert_eq!(world.router.queue("bot").0, 1);
    world.wait(1);
    assert_eq!(world.router.queue("bot").0, 0);
    let dead = world.router.dead_letters().find(|dead| dead.destination == "bot").unwrap();
    assert!(
        matches!(&dead.state, DeliveryState::Dead { problem, .. } if problem.contains("86400 s"))
    );
}

#[test]
fn a_message_to_a_destination_that_is_gone_goes_where_it_would_go_today() {
    let mut world = World::new();
    let id = world.incident(1, Severity::Critical);
    world.tell(Kind::Open, &id);
    world.send("team");
    let without = CONFIG
        .replace("  - name: oncall\n    pagerduty: {routing_key_file: /k/oncall}\n    fallback: [second, mail]\n", "")
        .replace("[oncall, team]", "[second, team]");
    world.router.reconfigure(parse(&without));
    assert!(world.router.next_wake().is_some_and(|wake| wake <= world.now));
    world.tick();
    assert_eq!(world.send("second"), [Kind::Open]);
    assert_eq!(world.router.dead_letters().count(), 1);
    assert!(world.router.next_wake().is_none_or(|wake| wake > world.now));
}

#[test]
fn an_attempt_whose_answer_never_came_is_made_again_and_known_to_be_one() {
    let mut world = World::new();
    let id = world.incident(1, Severity::Warning);
    world.tell(Kind::Open, &id);
    let open = world.next("team").unwrap();
    world.start(open.id);
    let began = world.now;
    world.now = world.now.after(Duration::from_secs(5));
    world.restart();
    let again = world.next("team").unwrap();
    assert_eq!((again.id, again.attempts, again.ambiguous_since), (open.id, 1, Some(began)));
    let answer =
        Answer::Retry { not_before: world.now, is_ambiguous: true, problem: String::new() };
    world.answer(open.id, &answer);
    let third = world.next("team").unwrap();
    assert_eq!((third.attempts, third.ambiguous_since), (1, Some(began)));
}

#[test]
fn numbers_are_not_used_again_after_a_restart() {
    let mut world = World::new();
    let id = world.incident(1, Severity::Warning);
    world.tell(Kind::Open, &id);
    let first = world.next("team").unwrap().id;
    world.accept(first);
    world.restart();
    world.tell(Kind::Resolve, &id);
    assert!(world.next("team").unwrap().id > first);
}

#[test]
fn a_row_that_is_no_delivery_is_named() {
    let rows: [(&[u8], &[u8]); 1] = [(&[0, 17], b"{}")];
    let error = Router::restore(parse(CONFIG), rows, []).unwrap_err();
    assert_eq!(error.to_string(), "row 0011 of the table deliveries is no delivery");
}

#[test]
fn dead_letters_and_messages_about_the_relay_are_bounded() {
    let mut world = World::new();
    for number in 0..MAX_INTERNAL + 20 {
        let text = format!("problem {number}");
        let notice = |is_page, text: &str| Notice {
            kind: Kind::Internal,
            incidents: Vec::new(),
            severity: Severity::Error,
            is_page,
            text: text.to_owned(),
        };
        world.notice(notice(number == 0, &text));
        world.notice(notice(false, &text));
    }
    assert_eq!(world.router.queue("team").0, MAX_INTERNAL);
    let pages = world.router.lanes.alone("team").filter(|one| one.is_page);
    assert_eq!(pages.count(), 1, "the page is the oldest, and stays");
    for number in 0..u32::try_from(MAX_DEAD).unwrap() + 3 {
        let id = world.incident(number, Severity::Error);
        world.tell(Kind::Open, &id);
        let open = world.next("bot").unwrap();
        world.answer(open.id, &refused());
    }
    assert_eq!(
        world.router.dead_letters().filter(|dead| dead.destination == "bot").count(),
        MAX_DEAD
    );
}

#[test]
fn a_stand_in_that_knows_the_incident_is_not_told_of_it_again() {
    let mut world = World::new();
    let id = world.incident(1, Severity::Critical);
    world.tell(Kind::Open, &id);
    world.wait(60);
    for name in ["second", "mail", "oncall"] {
        assert_eq!(world.send(name), [Kind::Open], "{name}");
    }
    world.tell(Kind::Escalate, &id);
    assert_eq!(world.send("second"), [Kind::Escalate]);
    assert_eq!(world.send("mail"), [Kind::Escalate]);
    world.wait(60);
    assert_eq!(world.send("second"), []);
    assert_eq!(world.send("mail"), []);
}

use super::*;

fn at(text: &str) -> Moment {
    Moment::parse(text).unwrap()
}

fn window(start: &str, hours: u64, rule: &str, zone: &str) -> Window {
    Window::parse(start, None, Some(Duration::from_hours(hours)), Some(rule), zone).unwrap()
}

#[test]
fn a_single_window_has_a_beginning_and_an_end_in_its_zone() {
    let window =
        Window::parse("2026-11-24T02:00", Some("2026-11-24T03:00"), None, None, "Europe/Berlin")
            .unwrap();
    assert_eq!(window.ends(at("2026-11-24T00:59:59Z")), None);
    assert_eq!(window.ends(at("2026-11-24T01:00:00Z")), Some(at("2026-11-24T02:00:00Z")));
    assert_eq!(window.ends(at("2026-11-24T02:00:00Z")), None);
}

#[test]
fn a_weekly_window_keeps_its_local_hour_when_clocks_change() {
    let window = window("2026-10-18T04:00", 1, "FREQ=WEEKLY;BYDAY=SU", "Europe/Berlin");
    assert!(window.ends(at("2026-10-18T02:30:00Z")).is_some(), "summer time");
    assert!(window.ends(at("2026-10-25T02:30:00Z")).is_none());
    assert!(window.ends(at("2026-10-25T03:30:00Z")).is_some(), "winter time since 03:00");
    assert!(window.ends(at("2026-10-26T03:30:00Z")).is_none(), "a Monday");
}

#[test]
fn rules_with_intervals_numbered_days_and_ends() {
    let days = |rule: &str, start: &str| -> Vec<String> {
        let window = window(start, 1, rule, "UTC");
        let first: Date = "2026-01-01".parse().unwrap();
        let days = first.series(jiff::Span::new().days(1)).take(120);
        let on =
            days.filter(|day| window.ends(moment(day.at(12, 30, 0, 0), &TimeZone::UTC)).is_some());
        on.map(|day| day.to_string()[5..].to_owned()).collect()
    };
    let start = "2026-01-06T12:00";
    assert_eq!(
        days("FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU", start),
        ["01-06", "01-11", "01-20", "01-25"]
    );
    assert_eq!(days("FREQ=MONTHLY;BYDAY=-1FR;COUNT=2", start), ["01-30", "02-27"]);
    assert_eq!(days("FREQ=MONTHLY;BYDAY=2TU", start), ["01-13", "02-10", "03-10", "04-14"]);
    assert_eq!(days("FREQ=MONTHLY;BYMONTHDAY=-1", start), ["01-31", "02-28", "03-31", "04-30"]);
    assert_eq!(days("FREQ=DAILY;INTERVAL=10;UNTIL=20260126T120000Z", start).len(), 3);
    assert_eq!(days("FREQ=DAILY;INTERVAL=10;UNTIL=20260126T115959Z", start).len(), 2);
    assert_eq!(days("FREQ=DAILY;BYDAY=MO;UNTIL=20260120", start), ["01-12", "01-19"]);
}

#[test]
fn a_window_over_midnight_is_found_from_the_day_before() {
    let window = window("2026-01-01T23:00", 3, "FREQ=DAILY", "UTC");
    assert_eq!(window.ends(at("2026-02-02T01:59:00Z")), Some(at("2026-02-02T02:00:00Z")));
    assert_eq!(window.ends(at("2026-02-02T02:00:00Z")), None);
}

#[test]
fn what_is_not_understood_is_refused_with_its_key() {
    let parse = |end, duration, rule, zone| {
        Window::parse("2026-01-01T00:00", end, duration, rule, zone).unwrap_err()
    };
    let hour = Some(Duration::from_hours(1));
    assert_eq!(parse(None, None, None, "UTC").0, "end");
    assert_eq!(parse(Some("2026-01-01T00:00"), None, None, "UTC").0, "end");
    assert_eq!(parse(None, hour, None, "Europe/Nowhere").0, "time_zone");
    for rule in [
        "",
        "FREQ=YEARLY",
        "FREQ=DAILY;BYHOUR=3",
        "FREQ=WEEKLY;BYDAY=1SU",
        "FREQ=DAILY;COUNT=2;UNTIL=20260101",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=DAILY;UNTIL=soon",
        "FREQ=MONTHLY;BYDAY=ä",
    ] {
        assert_eq!(parse(None, hour, Some(rule), "UTC").0, "rrule", "{rule}");
    }
}

#[test]
fn hours_begin_in_local_time_on_days_of_23_and_25_hours() {
    let weekdays = ["mon", "sun"].map(str::to_owned);
    let hours = Hours::parse("Europe/Berlin", &weekdays, "09:00", "17:00").unwrap();
    let begin = |now: &str| hours.next(at(now)).map(|begin| begin.to_string());
    // Sunday 2026-03-29 has 23 hours, Sunday 2026-10-25 has 25.
    assert_eq!(begin("2026-03-28T22:00:00Z").unwrap(), "2026-03-29T07:00:00.000Z");
    assert_eq!(begin("2026-10-24T22:00:00Z").unwrap(), "2026-10-25T08:00:00.000Z");
    assert_eq!(begin("2026-10-25T15:59:00Z"), None, "within");
    assert_eq!(begin("2026-10-25T16:00:00Z").unwrap(), "2026-10-26T08:00:00.000Z");
    assert_eq!(begin("2026-10-26T16:00:00Z").unwrap(), "2026-11-01T08:00:00.000Z");
    assert!(Hours::parse("UTC", &["monday".to_owned()], "09:00", "17:00").is_err());
    assert!(Hours::parse("UTC", &weekdays, "17:00", "09:00").is_err());
}

//! Times as Promtail 3.4.6 read them, and the rules of Go's parser.

use proptest::prelude::*;

use super::*;

fn parse_in(layout: &str, text: &str, zone: &Zone) -> Result<String, ParseTimeError> {
    let layout = Layout::named(layout).unwrap_or_else(|| Layout::new(layout));
    layout.parse(text.as_bytes(), zone).map(|time| format!("{:?}", time.in_zone(&Zone::utc())))
}

fn parse(layout: &str, text: &str) -> Result<String, ParseTimeError> {
    parse_in(layout, text, &Zone::utc())
}

#[test]
fn fractions_are_read_though_the_layout_has_none() {
    let layout = "2006-01-02 15:04:05";
    assert_eq!(parse(layout, "2024-01-02 03:04:05.678").unwrap(), "2024-01-02T03:04:05.678Z");
    assert_eq!(parse(layout, "2024-01-02 03:04:05,9").unwrap(), "2024-01-02T03:04:05.9Z");
    assert!(parse(layout, "2024-1-2 03:04:05").is_err());
    assert_eq!(parse("2006-1-2 15:04:05", "2024-1-2 03:04:05").unwrap(), "2024-01-02T03:04:05Z");
    assert_eq!(parse("05.000", "07.1239").unwrap_err(), ParseTimeError::ExtraText { at: 6 });
    assert!(parse("05.000", "07.12").is_err());
    assert_eq!(parse("05.999", "07").unwrap(), "0000-01-01T00:00:07Z");
    assert_eq!(parse("2006-01-02 15:04:05,000", "2024-01-02 03:04:05,678").unwrap(), "2024-01-02T03:04:05.678Z");
}

#[test]
fn rfc_3339_has_offsets_and_any_number_of_digits() {
    for layout in ["RFC3339", "RFC3339Nano"] {
        assert_eq!(parse(layout, "2024-01-02T03:04:05.123456789123+01:30").unwrap(), "2024-01-02T01:34:05.123456789Z");
        assert_eq!(parse(layout, "2024-01-02T03:04:05Z").unwrap(), "2024-01-02T03:04:05Z");
        assert_eq!(parse(layout, "2024-01-02T03:04:05,5Z").unwrap(), "2024-01-02T03:04:05.5Z");
        for wrong in ["2024-01-02T03:04:05", "2024-01-02 03:04:05Z", "2024-02-30T03:04:05Z", "2024-01-02T24:04:05Z", "2024-01-02T03:04:05Zx", ""] {
            assert!(parse(layout, wrong).is_err(), "{wrong}");
        }
    }
}

#[test]
fn the_quick_way_agrees_with_the_long_one() {
    let layout = Layout::named("RFC3339").unwrap();
    for text in ["2024-01-02T03:04:05.12Z", "0001-12-31T23:59:59-07:00", "2024-02-29T00:00:00.000000001+23:59"] {
        let quick = parse::rfc3339(text.as_bytes()).unwrap();
        let long = parse::parse(&layout.chunks, text.as_bytes(), &Zone::utc()).unwrap();
        assert_eq!(quick, long, "{text}");
    }
}

#[test]
fn days_of_the_year_and_names_in_any_case() {
    assert_eq!(parse("2006-002", "2024-060").unwrap(), "2024-02-29T00:00:00Z");
    assert_eq!(parse("2006-002", "2023-366").unwrap_err(), ParseTimeError::OutOfRange { what: "day-of-year" });
    assert_eq!(parse("ANSIC", "tue JAN  2 03:04:05 2024").unwrap(), "2024-01-02T03:04:05Z");
    assert_eq!(parse("Jan _2 3:04PM 2006", "Jan 12 3:04PM 2024").unwrap(), "2024-01-12T15:04:00Z");
    assert_eq!(parse("RFC850", "Tuesday, 02-Jan-24 03:04:05 UTC").unwrap(), "2024-01-02T03:04:05Z");
}

#[test]
fn zones_have_names_abbreviations_and_summer_time() {
    let berlin = Zone::named("Europe/Berlin").unwrap();
    let layout = "2006-01-02 15:04:05";
    assert_eq!(parse_in(layout, "2024-01-02 03:04:05", &berlin).unwrap(), "2024-01-02T02:04:05Z");
    assert_eq!(parse_in(layout, "2024-07-02 03:04:05", &berlin).unwrap(), "2024-07-02T01:04:05Z");
    let unknown = "Tue Jan  2 03:04:05 PST 2024";
    assert_eq!(parse("UnixDate", unknown).unwrap(), "2024-01-02T03:04:05Z");
    let angeles = Zone::named("America/Los_Angeles").unwrap();
    assert_eq!(parse_in("UnixDate", unknown, &angeles).unwrap(), "2024-01-02T11:04:05Z");
    assert_eq!(parse("RFC1123Z", "Tue, 02 Jan 2024 03:04:05 -0700").unwrap(), "2024-01-02T10:04:05Z");
    assert!(Zone::named("Mars/Base").unwrap_err().to_string().contains("Mars/Base"));
}

#[test]
fn a_time_without_a_year_belongs_to_the_nearest_one() {
    let layout = Layout::new("Jan _2 15:04:05");
    assert!(!layout.has_year());
    let near = |text: &str, now: &str| {
        let now = Layout::named("RFC3339").unwrap().parse(now.as_bytes(), &Zone::utc()).unwrap();
        let time = layout.parse(text.as_bytes(), &Zone::named("America/New_York").unwrap()).unwrap();
        format!("{:?}", time.with_year_near(&now).in_zone(&Zone::utc()))
    };
    assert_eq!(near("Jul  4 10:00:00", "2026-05-01T00:00:00Z"), "2026-07-04T14:00:00Z");
    assert_eq!(near("Dec 31 10:00:00", "2026-01-01T00:00:00Z"), "2025-12-31T15:00:00Z");
    assert_eq!(near("Jan  1 10:00:00", "2026-12-31T00:00:00Z"), "2027-01-01T15:00:00Z");
    assert_eq!(near("Feb 29 10:00:00", "2026-05-01T00:00:00Z"), "2026-03-01T15:00:00Z");
}

#[test]
fn formatting_writes_every_part() {
    let time = Time::from_unix_ns(1_704_164_645_067_800_000);
    let format = |layout: &str| Layout::new(layout).format(&time);
    assert_eq!(format("Mon Monday Jan January 1 01 2 02 _2 002"), "Tue Tuesday Jan January 1 01 2 02  2 002");
    assert_eq!(format("15 3 03 4 04 5 05 PM pm 06 2006"), "03 3 03 4 04 5 05 AM am 24 2024");
    assert_eq!(format("05.000 05,999999 MST Z07:00 -0700"), "05.067 05,0678 UTC Z +0000");
    let east = time.in_zone(&Zone::named("Asia/Kolkata").unwrap());
    assert_eq!(Layout::new("15:04 MST Z07:00 -07").format(&east), "08:34 IST +05:30 +05");
    assert_eq!(Time::from_unix_ns(-1).unix_ns(), Some(-1));
}

proptest! {
    #[test]
    fn what_is_formatted_is_read_again(unix_ns in -4_000_000_000_000_000_000_i64..8_000_000_000_000_000_000) {
        for layout in ["RFC3339Nano", "2006-002 15:04:05.999999999 -07:00"] {
            let layout = Layout::named(layout).unwrap_or_else(|| Layout::new(layout));
            let text = layout.format(&Time::from_unix_ns(unix_ns));
            let time = layout.parse(text.as_bytes(), &Zone::utc()).unwrap();
            prop_assert_eq!(time.unix_ns(), Some(unix_ns));
        }
    }

    #[test]
    fn no_layout_and_no_text_make_it_panic(layout in ".{0,40}", text in ".{0,40}") {
        let layout = Layout::new(&layout);
        let _ = layout.parse(text.as_bytes(), &Zone::utc());
        let _ = layout.format(&Time::from_unix_ns(0));
    }
}

//! Times as Promtail 3.4.6 read them, and the rules of Go's parser.

use proptest::prelude::*;

use super::*;

fn layout(text: &str) -> Layout {
    Layout::named(text).unwrap_or_else(|| Layout::new(text))
}

fn parse_in(format: &str, text: &str, zone: &str) -> Result<Time, ParseTimeError> {
    layout(format).parse(text.as_bytes(), &Zone::named(zone).unwrap())
}

fn parse(format: &str, text: &str) -> Result<String, ParseTimeError> {
    let time = parse_in(format, text, "UTC")?;
    Ok(format!("{:?}", time.in_zone(&Zone::utc())))
}

fn unix_ns(format: &str, text: &str, zone: &str) -> Option<i64> {
    parse_in(format, text, zone).ok()?.unix_ns()
}

#[test]
fn rfc_3339_reads_as_recorded() {
    for (text, expected) in [
        ("2024-05-06T07:08:09.123456789Z", Some(1_714_979_289_123_456_789)),
        ("2024-05-06T07:08:09+05:30", Some(1_714_959_489_000_000_000)),
        ("2024-05-06T07:08:09.1-11:00", Some(1_715_018_889_100_000_000)),
        ("2024-05-06", None),
        ("2024-05-06T24:00:00Z", None),
        ("2024-05-06T23:59:60Z", None),
        ("2024-02-30T00:00:00Z", None),
        ("", None),
        ("1969-12-31T23:59:59.5Z", Some(-500_000_000)),
        ("2024-05-06T07:08:09.1234567891Z", Some(1_714_979_289_123_456_789)),
        // beyond the record, by Go's rules
        ("2024-05-06T7:08:09Z", Some(1_714_979_289_000_000_000)),
        ("2024-05-06T07:08:09,5Z", Some(1_714_979_289_500_000_000)),
        ("2024-05-06T07:08:09", None),
        ("2024-05-06 07:08:09Z", None),
        ("2024-05-06t07:08:09z", None),
        ("2024-05-06T07:08:09.Z", None),
        ("2024-05-06T07:08:09Zx", None),
        ("2024-05-06T07:08:09+25:00", None),
        ("2024-05-06T07:08:09+24:60", Some(1_714_889_289_000_000_000)),
        ("2024-13-06T07:08:09Z", None),
    ] {
        for format in ["RFC3339", "RFC3339Nano"] {
            assert_eq!(unix_ns(format, text, "UTC"), expected, "{format} {text}");
        }
    }
}

#[test]
fn layouts_read_as_recorded() {
    let nginx = "02/Jan/2006:15:04:05 -0700";
    for (format, text, expected) in [
        (nginx, "25/Oct/2023:10:30:45 +0200", Some(1_698_222_645_000_000_000)),
        (nginx, "25/OCT/2023:10:30:45 +0200", Some(1_698_222_645_000_000_000)),
        (nginx, "25/okt/2023:10:30:45 +0200", None),
        (nginx, "5/Oct/2023:10:30:45 +0200", None),
        ("2006-01-02 15:04:05,000", "2023-10-25 10:30:46,789", Some(1_698_229_846_789_000_000)),
        ("ANSIC", "Wed Oct 25 10:30:47 2023", Some(1_698_229_847_000_000_000)),
        ("01/02/2006 03:04:05 PM", "10/25/2023 11:30:48 PM", Some(1_698_276_648_000_000_000)),
        ("2006-01-02 15:04:05", "2024-01-02 03:04:05.678", Some(1_704_164_645_678_000_000)),
        ("2006-01-02 15:04:05", "2024-01-02 03:04:05,9", Some(1_704_164_645_900_000_000)),
        ("2006-01-02 15:04:05", "2024-1-2 03:04:05", None),
        ("2006-002", "2024-060", Some(1_709_164_800_000_000_000)),
        ("UnixDate", "Tue Jan  2 03:04:05 PST 2024", Some(1_704_164_645_000_000_000)),
    ] {
        assert_eq!(unix_ns(format, text, "UTC"), expected, "{format} {text}");
    }
}

#[test]
fn named_layouts_read_as_recorded() {
    for (name, text, expected) in [
        ("RFC1123", "Thu, 29 Feb 2024 12:13:14 GMT", Some(1_709_208_794)),
        ("RFC1123Z", "Thu, 29 Feb 2024 12:13:14 +0530", Some(1_709_188_994)),
        ("RFC850", "Thursday, 29-Feb-24 12:13:14 PST", Some(1_709_208_794)),
        ("RFC822", "29 Feb 24 12:13 JST", Some(1_709_208_780)),
        ("RFC822Z", "29 Feb 24 12:13 +0900", Some(1_709_176_380)),
        ("UnixDate", "Thu Feb 29 12:13:14 CET 2024", Some(1_709_208_794)),
        ("RubyDate", "Thu Feb 29 12:13:14 +0100 2024", Some(1_709_205_194)),
        ("ANSIC", "Thu Feb 29 12:13:14 2024", Some(1_709_208_794)),
        ("RFC1123", "Fri, 30 Feb 2024 12:13:14 GMT", None),
        ("RFC1123", "thu, 29 feb 2024 12:13:14 GMT", Some(1_709_208_794)),
        // a weekday that is not the right one
        ("RFC1123", "Mon, 29 Feb 2024 12:13:14 GMT", Some(1_709_208_794)),
    ] {
        let expected = expected.map(|seconds: i64| seconds * NANOS_PER_SECOND);
        assert_eq!(unix_ns(name, text, "UTC"), expected, "{name} {text}");
    }
    assert_eq!(Layout::names().filter(|name| Layout::named(name).is_some()).count(), 10);
    assert!(Layout::named("Unix").is_none());
}

#[test]
fn a_zone_applies_across_the_change_to_summer_time_as_recorded() {
    for (text, expected) in [
        ("2024-03-31 01:59:59.999", 1_711_846_799_999_000_000),
        ("2024-03-31 02:30:00.000", 1_711_848_600_000_000_000),
        ("2024-03-31 03:00:00.000", 1_711_846_800_000_000_000),
        ("2024-10-27 02:30:00.000", 1_729_992_600_000_000_000),
        ("2024-07-01 12:00:00.5", 1_719_828_000_500_000_000),
        ("2024-12-24 18:00:00", 1_735_059_600_000_000_000),
    ] {
        let read = unix_ns("2006-01-02 15:04:05.999", text, "Europe/Berlin");
        assert_eq!(read, Some(expected), "{text}");
    }
    let offset_in_text = unix_ns("RFC1123Z", "Tue, 02 Jan 2024 03:04:05 -0700", "Europe/Berlin");
    assert_eq!(offset_in_text, Some(1_704_189_845_000_000_000));
}

#[test]
fn yearless_times_belong_to_the_nearest_year() {
    let yearless = Layout::new("Jan _2 15:04:05");
    assert!(!yearless.has_year());
    let near = |text: &str, now: &str| {
        let time = parse_in("Jan _2 15:04:05", text, "America/New_York").unwrap();
        assert_eq!(time.year(), 0);
        let time = time.with_year_near(&parse_in("RFC3339", now, "UTC").unwrap());
        format!("{:?}", time.in_zone(&Zone::utc()))
    };
    assert_eq!(near("Jul  4 05:06:07", "2026-05-01T00:00:00Z"), "2026-07-04T09:06:07Z");
    assert_eq!(near("Jul 14 15:16:17", "2026-05-01T00:00:00Z"), "2026-07-14T19:16:17Z");
    assert_eq!(near("Aug 01 00:00:00", "2026-05-01T00:00:00Z"), "2026-08-01T04:00:00Z");
    assert_eq!(near("Jul  4 5:06:07", "2026-05-01T00:00:00Z"), "2026-07-04T09:06:07Z");
    assert_eq!(near("Dec 31 10:00:00", "2026-01-01T00:00:00Z"), "2025-12-31T15:00:00Z");
    assert_eq!(near("Jan  1 10:00:00", "2026-12-31T00:00:00Z"), "2027-01-01T15:00:00Z");
    assert_eq!(near("Nov 30 10:00:00", "2026-01-01T00:00:00Z"), "2026-11-30T15:00:00Z");
    assert_eq!(near("Feb 29 10:00:00", "2026-05-01T00:00:00Z"), "2026-03-01T15:00:00Z");
    assert_eq!(near("Feb 29 10:00:00", "2024-05-01T00:00:00Z"), "2024-02-29T15:00:00Z");
    assert!(yearless.parse(b"Xyz 01 00:00:00", &Zone::utc()).is_err());

    let with_year = parse_in("RFC3339", "2020-02-03T04:05:06Z", "UTC").unwrap();
    assert_eq!(with_year.with_year_near(&Time::from_unix_ns(0)), with_year);
}

#[test]
fn fractions_follow_the_seconds_of_any_layout() {
    assert_eq!(parse("05.000", "07.123").unwrap(), "0000-01-01T00:00:07.123Z");
    assert_eq!(parse("05.000", "07,123").unwrap(), "0000-01-01T00:00:07.123Z");
    assert_eq!(parse("05.000", "07.1239").unwrap_err(), ParseTimeError::ExtraText { at: 6 });
    assert!(parse("05.000", "07.12").is_err());
    assert!(parse("05.000", "07").is_err());
    assert_eq!(parse("05.999", "07").unwrap(), "0000-01-01T00:00:07Z");
    assert_eq!(parse("05,999", "07.12345").unwrap(), "0000-01-01T00:00:07.12345Z");
    assert_eq!(parse("5Z07:00", "7.5Z").unwrap(), "0000-01-01T00:00:07.5Z");
    assert_eq!(parse("05 x .00", "07 x .25").unwrap(), "0000-01-01T00:00:07.25Z");
    assert!(parse("05 .00", "07.5 .25").is_err(), "the layout's own fraction is the only one");
    assert!(parse("05.009", "07.009").is_err(), "not a fraction, so the seconds took it");
    assert!(parse("15:04", "07:08.5").is_err());
}

#[test]
fn widths_follow_the_layout() {
    for (format, text, expected) in [
        ("2006-1-2", "2024-11-02", Some("2024-11-02T00:00:00Z")),
        ("2006-1-2", "2024-1-2", Some("2024-01-02T00:00:00Z")),
        ("2006 _2 1", "2024  2 1", Some("2024-01-02T00:00:00Z")),
        ("2006:_2", "2024:_2", None),
        ("2006:_2", "2024: 2", Some("2024-01-02T00:00:00Z")),
        ("_2006", "_2024", Some("2024-01-01T00:00:00Z")),
        ("2006:__2", "2024:  2", Some("2024-01-02T00:00:00Z")),
        ("2006:__2", "2024: 60", Some("2024-02-29T00:00:00Z")),
        ("2006-002", "2024-60", None),
        ("2006-002", "2023-366", None),
        ("2006-002", "2024-366", Some("2024-12-31T00:00:00Z")),
        ("2006-002", "2024-000", None),
        ("2006-002 01", "2024-060 03", None),
        ("2006-002 01-02", "2024-060 02-29", Some("2024-02-29T00:00:00Z")),
        ("06", "69", Some("1969-01-01T00:00:00Z")),
        ("06", "68", Some("2068-01-01T00:00:00Z")),
        ("2006", "24", None),
        ("2006", "0000", Some("0000-01-01T00:00:00Z")),
        ("15:4:5", "7:8:9", Some("0000-01-01T07:08:09Z")),
        ("15:04", "7:08", Some("0000-01-01T07:08:00Z")),
        ("15:04", "07:8", None),
        ("3PM", "12AM", Some("0000-01-01T00:00:00Z")),
        ("3pm", "12pm", Some("0000-01-01T12:00:00Z")),
        ("3PM", "1pm", None),
        ("03 PM", "13 PM", None),
        ("January 2", "FEBRUARY 3", Some("0000-02-03T00:00:00Z")),
        ("Jan 2", "February 3", None),
        ("Month 2", "Month 3", Some("0000-01-03T00:00:00Z")),
        ("Monday 2", "tUESDAY 3", Some("0000-01-03T00:00:00Z")),
        ("15  04 ", "07 08", Some("0000-01-01T07:08:00Z")),
        ("15 04", "07   08", Some("0000-01-01T07:08:00Z")),
        ("15 04", "07\t08", None),
        ("", "", Some("0000-01-01T00:00:00Z")),
        ("", "x", None),
    ] {
        assert_eq!(parse(format, text).ok().as_deref(), expected, "{format} {text}");
    }
}

#[test]
fn offsets_are_read_in_the_form_of_the_layout() {
    for (format, text, expected) in [
        ("15-07", "05+02", Some("0000-01-01T03:00:00Z")),
        ("15 -07:00", "05 +02:30", Some("0000-01-01T02:30:00Z")),
        ("15 -07:00", "05 +0230", None),
        ("15 -07:00", "05 Z", None),
        ("15 -070000", "05 -023015", Some("0000-01-01T07:30:15Z")),
        ("15 -07:00:00", "05 -02:30:15", Some("0000-01-01T07:30:15Z")),
        ("15Z0700", "05+0230", Some("0000-01-01T02:30:00Z")),
        ("15Z0700", "05Z", Some("0000-01-01T05:00:00Z")),
        ("15Z07", "05-01", Some("0000-01-01T06:00:00Z")),
        ("15 -0700", "05 2500", None),
        ("15 -0700", "05 +2500", None),
        ("15 -0700", "05 +0061", None),
    ] {
        assert_eq!(parse(format, text).ok().as_deref(), expected, "{format} {text}");
    }
}

#[test]
fn abbreviations_mean_what_the_zone_says() {
    let format = "2006-01-02 15:04 MST";
    let seconds = |text: &str, zone: &str| parse_in(format, text, zone).unwrap().unix().0;
    assert_eq!(seconds("2024-01-02 03:04 CET", "Europe/Berlin"), 1_704_161_040);
    assert_eq!(seconds("2024-01-02 03:04 CEST", "Europe/Berlin"), 1_704_157_440);
    assert_eq!(seconds("2024-01-02 03:04 PST", "Europe/Berlin"), 1_704_164_640);
    assert_eq!(seconds("2024-01-02 03:04 UTC", "Europe/Berlin"), 1_704_164_640);
    assert_eq!(seconds("2024-01-02 03:04 GMT-3", "Europe/Berlin"), 1_704_164_640);
    assert!(parse_in(format, "2024-01-02 03:04 cet", "Europe/Berlin").is_err());

    let shown = |text: &str, zone: &str| {
        let time = parse_in(format, text, zone).unwrap();
        Layout::new("15:04 MST -0700").format(&time)
    };
    assert_eq!(shown("2024-01-02 03:04 PST", "UTC"), "03:04 PST +0000");
    assert_eq!(shown("2024-01-02 03:04 GMT-3", "UTC"), "00:04 GMT-3 -0300");
    assert_eq!(shown("2024-01-02 03:04 CEST", "Europe/Berlin"), "02:04 CET +0100");
    let offset = parse_in("RFC3339", "2024-01-02T03:04:05+01:00", "Europe/Berlin").unwrap();
    assert_eq!(Layout::new("15:04 MST").format(&offset), "03:04 CET");
    let other = parse_in("RFC3339", "2024-01-02T03:04:05+05:30", "Europe/Berlin").unwrap();
    assert_eq!(Layout::new("15:04 MST").format(&other), "03:04 +0530");
    let both = parse_in("15:04 -0700 MST", "03:04 -0800 PST", "UTC").unwrap();
    assert_eq!(Layout::new("15:04 MST -0700").format(&both), "03:04 PST -0800");
}

#[test]
fn errors_name_the_part_and_the_place() {
    for (format, text, expected) in [
        ("2006-01-02", "2024-xx-02", r#"cannot parse the text from byte 5 as "01""#),
        ("2006-01-02", "2024/01/02", "cannot parse the text from byte 4 as the layout's own text"),
        ("2006-01-02", "2023-02-29", "day out of range"),
        ("2006-01-02", "2024-00-01", "month out of range"),
        ("2006-01-02", "2024-01-00", "day out of range"),
        ("15:04", "24:00", "hour out of range"),
        ("15:04", "23:60", "minute out of range"),
        ("15:04:05", "23:59:60", "second out of range"),
        ("Z07:00", "+25:00", "time zone offset hour out of range"),
        ("2006-002", "2023-366", "day-of-year out of range"),
        ("2006-002 01", "2024-060 03", "day-of-year does not match month"),
        ("15", "101", "extra text from byte 2"),
    ] {
        assert_eq!(parse(format, text).unwrap_err().to_string(), expected, "{format} {text}");
    }
}

#[test]
fn formatting_writes_every_part() {
    let time = Time::from_unix_ns(1_704_164_645_067_800_000);
    let format = |layout: &str| Layout::new(layout).format(&time);
    assert_eq!(format("Mon Monday Jan January 1 01"), "Tue Tuesday Jan January 1 01");
    assert_eq!(format("2 02 _2 002 __2 06 2006 _2006"), "2 02  2 002   2 24 2024 _2024");
    assert_eq!(format("15 3 03 4 04 5 05 PM pm"), "03 3 03 4 04 5 05 AM am");
    assert_eq!(format("5.000 5,999999 5.0000000000"), "5.067 5,0678 5.067800000");
    assert_eq!(format("MST Z07:00 Z0700 -0700 -07:00:00"), "UTC Z Z +0000 +00:00:00");
    assert_eq!(format("Month é 7.009 Junk"), "Month é 7.009 Junk");
    let whole = Time::from_unix_ns(0).in_zone(&Zone::named("Asia/Kolkata").unwrap());
    let shown = Layout::new("15:04.999 MST Z07:00 -07 -070000").format(&whole);
    assert_eq!(shown, "05:30 IST +05:30 +05 +053000");
    let year_minus_1 = parse_in("2006", "0000", "UTC").unwrap();
    let west = year_minus_1.in_zone(&Zone::named("America/New_York").unwrap());
    assert_eq!(Layout::new("2006 06").format(&west), "-0001 00");
}

#[test]
fn nanoseconds_since_1970_have_their_limits() {
    for unix_ns in [i64::MIN, -1, 0, 1, i64::MAX] {
        assert_eq!(Time::from_unix_ns(unix_ns).unix_ns(), Some(unix_ns));
    }
    assert_eq!(parse_in("2006", "2263", "UTC").unwrap().unix_ns(), None);
    assert_eq!(parse_in("2006", "1969", "UTC").unwrap().unix(), (-31_536_000, 0));
}

proptest! {
    #[test]
    fn what_is_formatted_is_read_again(
        unix_ns: i64,
        zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "America/St_Johns"]),
    ) {
        let zone = Zone::named(zone).unwrap();
        let time = Time::from_unix_ns(unix_ns).in_zone(&zone);
        for format in [
            "RFC3339Nano",
            "Monday, 2 January 2006 3:04:05.999999999 PM -07:00:00",
            "2006-002 15:04:05.000000000 Z070000",
        ] {
            let layout = layout(format);
            // RFC 3339 cannot say the seconds of offsets before the railways
            if format == "RFC3339Nano" && time.offset() % 60 != 0 {
                continue;
            }
            let text = layout.format(&time);
            let read = layout.parse(text.as_bytes(), &zone).unwrap();
            prop_assert_eq!(read.unix_ns(), Some(unix_ns), "{}", text);
            prop_assert_eq!(read.year(), time.year());
        }
    }

    #[test]
    fn the_quick_way_of_rfc_3339_agrees_with_the_general_one(
        text in "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9]([.,][0-9]{0,11})?(Z|[+-][0-2][0-9]:[0-6][0-9])?",
        zone in prop::sample::select(vec!["UTC", "Europe/Berlin"]),
    ) {
        let zone = Zone::named(zone).unwrap();
        if let Some(quick) = rfc3339::parse(text.as_bytes(), &zone) {
            let general = parse::parse(&chunks::split(RFC3339_NANO), text.as_bytes(), &zone);
            prop_assert_eq!(Ok(quick), general);
        }
    }

    #[test]
    fn no_layout_and_no_text_make_it_panic(
        format in "(2006|01|Jan|_2|002|15|3|04|05|[.,]0|[.,]9|PM|MST|Z07:00|-0700| |.){0,12}",
        text: Vec<u8>,
        unix_ns: i64,
    ) {
        let layout = Layout::new(&format);
        let _ = layout.parse(&text, &Zone::utc());
        let written = layout.format(&Time::from_unix_ns(unix_ns));
        let _ = layout.parse(written.as_bytes(), &Zone::utc());
    }
}

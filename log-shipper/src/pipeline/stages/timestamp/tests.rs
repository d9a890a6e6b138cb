//! Recorded times for every kind of format, and lines without one.

use super::*;
use crate::pipeline::extracted::Value;
use crate::pipeline::stages::testing::{NOW_NS, entry, extract, run, text};

fn options(format: &str) -> TimestampOptions {
    TimestampOptions {
        source: "t".to_owned(),
        format: format.to_owned(),
        ..TimestampOptions::default()
    }
}

/// Times of lines with these texts, all of one stream. `None` is a line without a value.
fn times<'a>(
    options: &TimestampOptions,
    texts: impl IntoIterator<Item = Option<&'a str>>,
) -> Vec<i64> {
    let mut stage = TimestampStage::new(options).unwrap();
    let time = |value: Option<&str>| {
        let mut entry = entry(&[("job", "app")], "");
        if let Some(value) = value {
            extract(&mut entry, "t", text(value));
        }
        run(&mut stage, &mut entry);
        entry.timestamp_ns
    };
    texts.into_iter().map(time).collect()
}

/// Seconds, as the recorded results have them.
fn at(seconds: i64) -> i64 {
    seconds * 1_000_000_000
}

#[test]
fn unreadable_times_follow_the_last_time_of_the_stream() {
    let lines = [
        Some("x"),
        Some("2024-05-06T07:08:09Z"),
        Some("y"),
        Some("z"),
        Some("2024-05-06T07:08:08Z"),
        Some(""),
        None,
        Some("2024-05-06T07:08:10.999999999Z"),
        Some("-"),
    ];
    let mut fudged = options("RFC3339");
    fudged.action_on_failure = Some("fudge".to_owned());
    let good = at(1_714_979_289);
    let expected = [
        NOW_NS,
        good,
        good + 1,
        good + 2,
        good - at(1),
        good - at(1) + 1,
        good - at(1) + 2,
        good + 1_999_999_999,
        good + at(2),
    ];
    assert_eq!(times(&fudged, lines), expected);
    assert_eq!(times(&options("RFC3339"), lines), expected, "fudge is the default");
}

#[test]
fn each_stream_has_its_own_last_time() {
    let mut stage = TimestampStage::new(&options("RFC3339")).unwrap();
    let mut time = |level: &str, value: &str| {
        let mut entry = entry(&[("level", level)], "");
        extract(&mut entry, "t", text(value));
        run(&mut stage, &mut entry);
        entry.timestamp_ns
    };
    let good = time("INFO", "2023-10-25T10:30:45.200000Z");
    assert_eq!(good, at(1_698_229_845) + 200_000_000);
    assert_eq!(time("INFO", "2023-10-25T10:30:45.300000"), good + 1);
    assert_eq!(time("ERROR", "2023-10-25T10:30:45.500000"), NOW_NS);
    assert_eq!(time("INFO", "2023-10-25T10:30:45.400000"), good + 2);
}

#[test]
fn a_fork_knows_no_times() {
    let mut stage = TimestampStage::new(&options("RFC3339")).unwrap();
    let mut good = entry(&[], "");
    extract(&mut good, "t", text("2024-05-06T07:08:09Z"));
    run(&mut stage, &mut good);
    let mut bad = entry(&[], "");
    run(&mut *stage.fork(), &mut bad);
    assert_eq!(bad.timestamp_ns, NOW_NS);
}

#[test]
fn with_skip_unreadable_times_stay_the_time_of_reading() {
    let mut skip = options("RFC3339Nano");
    skip.action_on_failure = Some("skip".to_owned());
    let cases = [
        ("2024-05-06T07:08:09.123456789Z", 1_714_979_289_123_456_789),
        ("2024-05-06T07:08:09+05:30", 1_714_959_489_000_000_000),
        ("2024-05-06T07:08:09.1-11:00", 1_715_018_889_100_000_000),
        ("2024-05-06", NOW_NS),
        ("2024-05-06T24:00:00Z", NOW_NS),
        ("2024-05-06T23:59:60Z", NOW_NS),
        ("2024-02-30T00:00:00Z", NOW_NS),
        ("", NOW_NS),
        ("1969-12-31T23:59:59.5Z", -500_000_000),
        ("2024-05-06T07:08:09.1234567891Z", 1_714_979_289_123_456_789),
    ];
    assert_eq!(
        times(&skip, cases.map(|(text, _)| Some(text))),
        cases.map(|(_, expected)| expected)
    );
}

#[test]
fn the_first_format_that_fits_wins() {
    let mut layouts = options("02/Jan/2006:15:04:05 -0700");
    layouts.fallback_formats =
        ["2006-01-02 15:04:05,000", "ANSIC", "01/02/2006 03:04:05 PM", "Unix"]
            .map(str::to_owned)
            .to_vec();
    let cases = [
        ("25/Oct/2023:10:30:45 +0200", 1_698_222_645_000_000_000),
        ("2023-10-25 10:30:46,789", 1_698_229_846_789_000_000),
        ("Wed Oct 25 10:30:47 2023", 1_698_229_847_000_000_000),
        ("10/25/2023 11:30:48 PM", 1_698_276_648_000_000_000),
        ("1698229849", 1_698_229_849_000_000_000),
        ("25/okt/2023:10:30:45 +0200", 1_698_229_849_000_000_001),
        ("25/OCT/2023:10:30:45 +0200", 1_698_222_645_000_000_000),
        ("5/Oct/2023:10:30:45 +0200", 1_698_222_645_000_000_001),
        ("none", 1_698_222_645_000_000_002),
    ];
    assert_eq!(
        times(&layouts, cases.map(|(text, _)| Some(text))),
        cases.map(|(_, expected)| expected)
    );

    let mut units = options("UnixUs");
    units.action_on_failure = Some("skip".to_owned());
    units.fallback_formats = vec!["UnixNs".to_owned(), "UnixMs".to_owned()];
    assert_eq!(
        times(&units, [Some("1600000000123456"), Some("0"), Some("-7"), Some("16.5"), Some("abc")]),
        [1_600_000_000_123_456_000, 0, -7000, NOW_NS, NOW_NS]
    );
}

#[test]
fn named_layouts_with_abbreviations_that_shift_nothing() {
    let mut named = options("RFC1123");
    named.action_on_failure = Some("skip".to_owned());
    named.fallback_formats =
        ["RFC1123Z", "RFC850", "RFC822", "RFC822Z", "UnixDate", "RubyDate", "ANSIC"]
            .map(str::to_owned)
            .to_vec();
    let cases = [
        ("Thu, 29 Feb 2024 12:13:14 GMT", at(1_709_208_794)),
        ("Thu, 29 Feb 2024 12:13:14 +0530", at(1_709_188_994)),
        ("Thursday, 29-Feb-24 12:13:14 PST", at(1_709_208_794)),
        ("29 Feb 24 12:13 JST", at(1_709_208_780)),
        ("29 Feb 24 12:13 +0900", at(1_709_176_380)),
        ("Thu Feb 29 12:13:14 CET 2024", at(1_709_208_794)),
        ("Thu Feb 29 12:13:14 +0100 2024", at(1_709_205_194)),
        ("Thu Feb 29 12:13:14 2024", at(1_709_208_794)),
        ("Fri, 30 Feb 2024 12:13:14 GMT", NOW_NS),
        ("thu, 29 feb 2024 12:13:14 GMT", at(1_709_208_794)),
    ];
    assert_eq!(
        times(&named, cases.map(|(text, _)| Some(text))),
        cases.map(|(_, expected)| expected)
    );
}

#[test]
fn times_without_a_zone_are_read_in_the_location_across_a_change_of_the_clock() {
    let mut berlin = options("2006-01-02 15:04:05.999");
    berlin.location = Some("Europe/Berlin".to_owned());
    let cases = [
        ("2024-03-31 01:59:59.999", 1_711_846_799_999_000_000),
        ("2024-03-31 02:30:00.000", 1_711_848_600_000_000_000),
        ("2024-03-31 03:00:00.000", 1_711_846_800_000_000_000),
        ("2024-10-27 02:30:00.000", 1_729_992_600_000_000_000),
        ("2024-07-01 12:00:00.5", 1_719_828_000_500_000_000),
        ("2024-12-24 18:00:00", 1_735_059_600_000_000_000),
    ];
    assert_eq!(
        times(&berlin, cases.map(|(text, _)| Some(text))),
        cases.map(|(_, expected)| expected)
    );
}

#[test]
fn syslog_times_belong_to_the_current_year_in_their_location() {
    let mut syslog = options("Jan _2 15:04:05");
    syslog.location = Some("America/New_York".to_owned());
    // 2024, as NOW_NS
    assert_eq!(
        times(
            &syslog,
            [
                "Jul  4 05:06:07",
                "Jul 14 15:16:17",
                "Aug 01 00:00:00",
                "Jul  4 5:06:07",
                "Xyz 01 00:00:00"
            ]
            .map(Some)
        ),
        [
            at(1_720_083_967),
            at(1_720_984_577),
            at(1_722_484_800),
            at(1_720_083_967),
            at(1_720_083_967) + 1,
        ]
    );
}

#[test]
fn numbers_of_json_are_times_and_null_is_none() {
    let mut stage = TimestampStage::new(&options("Unix")).unwrap();
    let mut time = |value: Value| {
        let mut entry = entry(&[], "");
        extract(&mut entry, "t", value);
        run(&mut stage, &mut entry);
        entry.timestamp_ns
    };
    assert_eq!(time(Value::Null), NOW_NS);
    assert_eq!(time(Value::Number(1_700_000_000.5)), 1_700_000_000_500_000_000);
}

#[test]
fn options_that_cannot_work_are_refused() {
    let refusal = |change: fn(&mut TimestampOptions)| {
        let mut options = options("RFC3339");
        change(&mut options);
        TimestampStage::new(&options).unwrap_err().to_string()
    };
    let error = refusal(|options| options.source.clear());
    assert!(error.contains("source: timestamp source value is required"), "{error}");
    let error = refusal(|options| options.format.clear());
    assert!(error.contains("format: timestamp format is required"), "{error}");
    let error = refusal(|options| options.location = Some("Mars/Base".to_owned()));
    assert!(error.contains("location: invalid location specified"), "{error}");
    let error = refusal(|options| options.action_on_failure = Some("drop".to_owned()));
    assert!(error.contains("invalid action on failure \"drop\"; accepted: skip, fudge"), "{error}");
}

#[test]
fn options_are_read_from_the_configuration() {
    let build = |yaml: &str| {
        let node = crate::config::yaml::parse(yaml).unwrap();
        TimestampStage::from_node(&node, &mut Vec::new())
    };
    let stage = build(
        "{source: t, format: Unix, fallback_formats: [RFC3339, '15:04'], location: Europe/Berlin, action_on_failure: skip}",
    );
    let stage = stage.unwrap();
    assert_eq!((stage.formats.len(), stage.streams.is_none()), (3, true));

    let error = build("{source: t, format: '15:04', location: Mars/Base}").unwrap_err().to_string();
    assert!(error.starts_with("line 1, column 40: timestamp stage: location: "), "{error}");
}

//! Go's time layouts. The first line is a layout, the second a time zone, the rest a text.
//!
//! What was read in one of Go's own layouts and is written again reads as the same. Others may say
//! one thing twice, and differently.

use go_compat::time_layout::{Layout, Time, Zone};

use super::{Check, NOW_NS, Shape, Target, first_line};
use crate::recordings;

pub(super) const TARGET: Target = Target {
    name: "time_layout",
    about: "a Go layout, a time zone and a text, one per line",
    seeds,
    words: &[
        "2006",
        "06",
        "01",
        "1",
        "Jan",
        "January",
        "02",
        "2",
        "_2",
        "002",
        "__2",
        "15",
        "03",
        "3",
        "04",
        "4",
        "05",
        "5",
        "PM",
        "pm",
        "MST",
        "-0700",
        "-07:00",
        "-07",
        "-070000",
        "-07:00:00",
        "Z0700",
        "Z07:00",
        "Z07",
        "Mon",
        "Monday",
        ".000",
        ".999999999",
        ",000",
        "Z",
        "+01:00",
        "UTC",
        "GMT+3",
        "CEST",
        "Europe/Berlin",
        "America/New_York",
        "Asia/Kolkata",
        "\n",
        "Feb 29",
        "December",
        "24:00",
        "23:59:60",
        "0000",
        "9999",
        "-24:00",
        "+23:59",
    ],
    start,
};

fn seeds() -> Vec<Vec<u8>> {
    let mut layouts = recordings::values("format");
    layouts.extend(Layout::names().map(str::to_owned));
    layouts.extend(recordings::values("fallback_formats"));
    layouts.extend(
        ["2006-002 15:04", "Jan _2 03:04:05.000PM 2006 -07", "02/Jan/2006:15:04:05 -0700"]
            .map(str::to_owned),
    );
    let zones = ["", "Europe/Berlin", "America/New_York", "Asia/Kolkata"];
    let times = [NOW_NS, 0, -1, i64::MAX, i64::MIN, 951_782_400_000_000_000];
    let seed = |(at, layout): (usize, &String)| {
        let zone = zones[at % zones.len()];
        let time = Time::from_unix_ns(times[at % times.len()]);
        // A named layout is one, too, to the parser of layouts.
        let known = Layout::named(layout).unwrap_or_else(|| Layout::new(layout));
        format!("{layout}\n{zone}\n{}", known.format(&time)).into_bytes()
    };
    layouts.iter().enumerate().map(seed).collect()
}

fn start() -> Check {
    Box::new(|input| {
        let (layout, rest) = first_line(input);
        let (zone, text) = first_line(rest);
        let Ok(zone) = Zone::named(&zone) else { return Shape::of("no zone") };
        let named = Layout::named(&layout);
        let is_named = named.is_some();
        let layout = named.unwrap_or_else(|| Layout::new(&layout));
        for unix_ns in [NOW_NS, i64::MIN, i64::MAX] {
            layout.format(&Time::from_unix_ns(unix_ns).in_zone(&zone));
        }
        let time = match layout.parse(text, &zone) {
            Ok(time) => time,
            Err(error) => return Shape::of_message(&error.to_string()),
        };
        let near = time.with_year_near(&Time::from_unix_ns(NOW_NS));
        assert!(time.year() == 0 || near == time, "a year stays as it is");
        let written = layout.format(&time);
        // Go reads `12:00 GMT+3` as 12:00 UTC, and writes that as `15:00 GMT+3`.
        if is_named && !written.contains("GMT") {
            let again = layout.parse(written.as_bytes(), &zone).expect("what was written is read");
            assert_eq!(layout.format(&again), written);
        }
        Shape::of((time.unix_ns().is_some(), layout.has_year(), written.len().min(40)))
    })
}

//! Pages as a scraper sees them.

use proptest::prelude::*;

use super::*;

fn page(format: Format, fill: impl Fn(&mut Writer)) -> String {
    let mut writer = Writer::new(format);
    fill(&mut writer);
    String::from_utf8(writer.finish()).unwrap()
}

#[test]
fn names_stay_as_given_in_the_text_format() {
    let text = page(Format::Text004, |writer| {
        writer.family("read_bytes_total", MetricType::Gauge, "a \"gauge\"\nwith \\");
        writer.sample(&[("path", "/a \"b\"\\\n")], 1.5);
        writer.family("reclaimed_space", MetricType::Counter, "a counter");
        writer.sample(&[], u64::MAX);
    });
    let expected = "# HELP read_bytes_total a \"gauge\"\\nwith \\\\\n# TYPE read_bytes_total gauge\n\
         read_bytes_total{path=\"/a \\\"b\\\"\\\\\\n\"} 1.5\n\
         # HELP reclaimed_space a counter\n# TYPE reclaimed_space counter\n\
         reclaimed_space 18446744073709551615\n";
    assert_eq!(text, expected);
}

#[test]
fn prepared_labels_stand_before_others_and_are_escaped_once() {
    let prepared = PreparedLabels::new([("a", "\"\\"), ("b", "2")]);
    let text = page(Format::Text004, |writer| {
        writer.family("x", MetricType::Gauge, "");
        writer.prepared_sample(&prepared, &[("c", "\n")], 1_u64);
        writer.prepared_sample(&PreparedLabels::default(), &[], 2_u64);
        writer.family("y", MetricType::Histogram, "");
        writer.prepared_histogram(&prepared, &[1.0], &[1, 1], 3.0);
    });
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let labels = r#"a="\"\\",b="2""#;
    let expected = [
        format!(r#"x{{{labels},c="\n"}} 1"#),
        "x 2".to_owned(),
        format!(r#"y_bucket{{{labels},le="1"}} 1"#),
        format!(r#"y_bucket{{{labels},le="+Inf"}} 2"#),
        format!("y_sum{{{labels}}} 3"),
        format!("y_count{{{labels}}} 2"),
    ];
    assert_eq!(lines, expected);
}

#[test]
fn fixed_numbers_have_their_decimals_whatever_they_are() {
    let shown = |value, decimals| Number::Fixed(value, decimals).to_string();
    assert_eq!(shown(0.5, 6), "0.500000");
    assert_eq!(shown(1e15, 0), "1000000000000000");
    assert_eq!(shown(-3.0, 0), "-3");
    assert_eq!(shown(f64::NAN, 6), "NaN");
    assert_eq!(shown(f64::INFINITY, 6), "+Inf");
}

#[test]
fn a_family_may_be_gone_on_with_after_another() {
    let text = page(Format::Text004, |writer| {
        for value in [1_u64, 2] {
            writer.family("x", MetricType::Gauge, "");
            writer.sample(&[], value);
            writer.family("y", MetricType::Gauge, "");
            writer.sample(&[], value);
        }
    });
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(lines, ["x 1", "x 2", "y 1", "y 2"]);
}

#[test]
fn open_metrics_has_its_own_rules_for_counters_bounds_and_help() {
    let text = page(Format::OpenMetrics100, |writer| {
        writer.family("lines_total", MetricType::Counter, "\"lines\"");
        writer.sample(&[], 3_u64);
        writer.family("space", MetricType::Counter, "no suffix");
        writer.sample(&[], 1_u64);
        writer.family("took_seconds", MetricType::Histogram, "time");
        writer.histogram(&[("a", "b")], &[0.5, 1.0], &[1, 0, 2], 4.25);
    });
    let expected = "# HELP lines \\\"lines\\\"\n# TYPE lines counter\nlines_total 3\n\
         # HELP space no suffix\n# TYPE space unknown\nspace 1\n\
         # HELP took_seconds time\n# TYPE took_seconds histogram\n\
         took_seconds_bucket{a=\"b\",le=\"0.5\"} 1\ntook_seconds_bucket{a=\"b\",le=\"1.0\"} 1\n\
         took_seconds_bucket{a=\"b\",le=\"+Inf\"} 3\ntook_seconds_sum{a=\"b\"} 4.25\n\
         took_seconds_count{a=\"b\"} 3\n# EOF\n";
    assert_eq!(text, expected);
}

#[test]
fn a_counter_whose_stem_is_taken_keeps_its_name_in_open_metrics() {
    let text = page(Format::OpenMetrics100, |writer| {
        for (name, kind) in [("files_total", MetricType::Counter), ("files", MetricType::Gauge)] {
            writer.family(name, kind, "");
            writer.sample(&[], 1_u64);
        }
    });
    let expected = "# HELP files \n# TYPE files gauge\nfiles 1\n\
         # HELP files_total \n# TYPE files_total unknown\nfiles_total 1\n# EOF\n";
    assert_eq!(text, expected);
}

#[test]
fn a_family_begun_twice_stays_together_and_another_type_is_left_out() {
    let text = page(Format::Text004, |writer| {
        writer.family("b", MetricType::Gauge, "b");
        writer.sample(&[], f64::NAN);
        writer.family("a", MetricType::Counter, "first");
        writer.sample(&[("n", "1")], 1_u64);
        writer.family("b", MetricType::Gauge, "b");
        writer.sample(&[("n", "1")], f64::NEG_INFINITY);
        writer.family("a", MetricType::Counter, "second");
        writer.sample(&[("n", "2")], 2_u64);
        writer.family("a", MetricType::Gauge, "other");
        writer.sample(&[("n", "3")], 3_u64);
    });
    let expected = "# HELP a first\n# TYPE a counter\na{n=\"1\"} 1\na{n=\"2\"} 2\n\
         # HELP b b\n# TYPE b gauge\nb NaN\nb{n=\"1\"} -Inf\n";
    assert_eq!(text, expected);
}

#[test]
fn what_has_no_samples_or_no_name_is_not_on_the_page() {
    let text = page(Format::Text004, |writer| {
        writer.sample(&[], 1_u64);
        writer.family("empty", MetricType::Gauge, "empty");
        writer.family("a b", MetricType::Gauge, "a space\n");
        writer.sample(&[], 1_u64);
    });
    assert_eq!(text, "");
}

#[test]
fn summaries_have_quantiles_sum_and_count() {
    let fill = |writer: &mut Writer| {
        writer.family("took", MetricType::Summary, "");
        writer.summary(&[("a", "b")], &[(0.5, 2.0), (1.0, 3.0)], 1e6, 7);
    };
    let samples = "took{a=\"b\",quantile=\"0.5\"} 2\ntook{a=\"b\",quantile=\"1\"} 3\n\
         took_sum{a=\"b\"} 1e+06\ntook_count{a=\"b\"} 7\n";
    let expected = format!("# HELP took \n# TYPE took summary\n{samples}");
    assert_eq!(page(Format::Text004, fill), expected);
    assert!(page(Format::OpenMetrics100, fill).contains("quantile=\"1.0\"} 3\n"));
}

#[test]
fn metric_names_are_those_of_prometheus() {
    for name in ["a", "_", "job:rate5m", ":x", "DCGM_FI_DEV_GPU_UTIL"] {
        assert!(is_valid_metric_name(name), "{name}");
    }
    for name in ["", "1a", "a-b", "a.b", "ä"] {
        assert!(!is_valid_metric_name(name), "{name}");
    }
}

proptest! {
    #[test]
    fn any_label_value_is_one_line_and_reads_back(value in any::<String>()) {
        for format in [Format::Text004, Format::OpenMetrics100] {
            let text = page(format, |writer| {
                writer.family("m", MetricType::Gauge, "");
                writer.sample(&[("l", &value)], 1_u64);
            });
            let sample = text.split('\n').nth(2).unwrap();
            let quoted = sample.strip_prefix("m{l=\"").unwrap().strip_suffix("\"} 1").unwrap();
            let mut read = String::new();
            let mut chars = quoted.chars();
            while let Some(char) = chars.next() {
                prop_assert_ne!(char, '"');
                read.push(match char {
                    '\\' => match chars.next() {
                        Some('n') => '\n',
                        Some(escaped) => escaped,
                        None => return Err(TestCaseError::fail("a lone backslash")),
                    },
                    char => char,
                });
            }
            prop_assert_eq!(&read, &value);
        }
    }
}

use std::error::Error;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};
use tracing_subscriber::Registry;

use super::*;

/// Keeps what is written, by write.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<String>>>);

impl Captured {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    fn only_line(&self) -> String {
        let [line] = self.take().try_into().expect("one write");
        assert_eq!(line.find('\n'), Some(line.len() - 1), "one line: {line:?}");
        line
    }

    fn only_json(&self) -> Value {
        let line = self.only_line();
        let value: Value = serde_json::from_str(&line).expect(&line);
        // the reader keeps one of two equal keys, so their number tells
        let again = serde_json::to_string(&value).expect("a value");
        assert_eq!(again.len(), line.len() - 1, "a key is there twice: {line}");
        value
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().push(String::from_utf8(bytes.to_vec()).expect("UTF-8"));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Keeps subscribers of two tests from being there at the same time: `tracing` remembers for the
/// whole process what any of them lets through, and is told about a new one while it is asked.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// 2023-10-25T10:30:45.123Z and a bit.
fn clock() -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(1_698_229_845_123_999)
}

fn logging(builder: Builder, log: impl FnOnce(&LogControl)) -> Captured {
    let _alone = alone();
    let captured = Captured::default();
    let (layer, control) = builder.clock(clock).writer(captured.clone()).layer();
    tracing::subscriber::with_default(Registry::default().with(layer), || log(&control));
    captured
}

fn service() -> Builder {
    builder("ml-inference")
}

#[test]
fn a_line_has_the_fixed_keys_first_and_in_order() {
    let lines = logging(service().environment("prod"), |_| {
        tracing::warn!(model_name = "fraud-detector", trace_id = "t", "slow {}", "prediction");
    });
    assert_eq!(
        lines.only_line(),
        concat!(
            r#"{"timestamp":"2023-10-25T10:30:45.123Z","level":"WARN","service":"ml-inference","#,
            r#""environment":"prod","message":"slow prediction","trace_id":"t","#,
            r#""model_name":"fraud-detector"}"#,
            "\n"
        )
    );
}

#[test]
fn a_field_has_the_json_type_of_its_value() {
    let lines = logging(service(), |_| {
        tracing::info!(
            signed = -1,
            unsigned = u64::MAX,
            wide = i128::MIN,
            float = 45.2,
            whole = 3.0,
            huge = 1e300,
            nan = f64::NAN,
            infinite = f64::NEG_INFINITY,
            truth = true,
            text = "x",
            shown = %1,
            debugged = ?Some("y"),
            bytes = &b"a\xff\n"[..],
            absent = tracing::field::Empty,
            r#type = "keyword",
            "two words" = 2,
        );
    });
    let line = lines.only_line();
    assert!(
        line.ends_with(concat!(
            r#","signed":-1,"unsigned":18446744073709551615,"#,
            r#""wide":-170141183460469231731687303715884105728,"float":45.2,"whole":3.0,"#,
            r#""huge":1e300,"nan":"NaN","infinite":"-Inf","truth":true,"text":"x","shown":"1","#,
            r#""debugged":"Some(\"y\")","bytes":"a�\n","type":"keyword","two words":2}"#,
            "\n"
        )),
        "{line}"
    );
    assert!(line.contains(r#""message":"","#), "{line}");
}

#[test]
fn an_error_is_logged_with_its_causes() {
    #[derive(Debug, thiserror::Error)]
    #[error("push refused")]
    struct PushError(#[source] io::Error);

    let error = PushError(io::Error::other("connection reset"));
    let lines = logging(service(), |_| {
        tracing::error!(error = &error as &dyn Error, "batch kept");
    });
    assert_eq!(lines.only_json()["error"], "push refused: connection reset");
}

#[test]
fn the_innermost_span_with_a_trace_id_gives_it_and_inner_fields_win() {
    let lines = logging(service(), |_| {
        let outer =
            tracing::info_span!("request", trace_id = "outer", endpoint = "/v1", status = 1);
        let inner = tracing::info_span!(parent: &outer, "handler", trace_id = "inner", status = 2);
        let plain = tracing::info_span!(parent: &inner, "model", model_name = "fraud");
        plain.in_scope(|| tracing::info!(status = 3, "done"));
    });
    let line = lines.only_json();
    assert_eq!(line["trace_id"], "inner");
    assert_eq!(line["status"], 3);
    assert_eq!(line["model_name"], "fraud");
    assert_eq!(line["endpoint"], "/v1");
}

#[test]
fn an_id_recorded_later_is_used_and_is_text_whatever_its_type() {
    let lines = logging(service(), |_| {
        let span = tracing::info_span!("request", trace_id = tracing::field::Empty, status = 1);
        span.record("trace_id", 7);
        span.record("status", 2);
        span.in_scope(|| tracing::info!(span_id = 8, "done"));
    });
    let line = lines.only_json();
    assert_eq!((&line["trace_id"], &line["span_id"]), (&json!("7"), &json!("8")));
    assert_eq!(line["status"], 2);
}

#[test]
fn without_an_id_there_is_no_key_for_it() {
    let line = logging(service(), |_| tracing::info!("x")).only_json();
    let keys: Vec<_> = line.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["timestamp", "level", "service", "message"]);
}

#[test]
fn a_field_named_like_a_fixed_key_is_kept_under_another() {
    let lines = logging(service(), |_| {
        let span = tracing::info_span!("request", message = "of the span", service = "other");
        span.in_scope(|| tracing::info!(level = 3, timestamp = 0, level_field = 4, "x"));
    });
    let line = lines.only_json();
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["level_field"], 3);
    assert_eq!(line["level_field_field"], 4);
    assert_eq!(line["timestamp_field"], 0);
    assert_eq!(line["service_field"], "other");
    assert_eq!(line["message"], "x");
    assert_eq!(line["message_field"], "of the span");
}

#[test]
fn control_characters_never_break_the_line() {
    let hostile = "\u{0}\n\r\t\u{1b}[2J\u{7f}\u{85}\u{2028}\"\\";
    for format in [Format::Json, Format::Logfmt, Format::Text] {
        let lines = logging(builder(hostile).environment(hostile).format(format), |_| {
            let span = tracing::info_span!("request", trace_id = hostile, a = hostile);
            span.in_scope(|| tracing::info!(target: "a\nb", b = %hostile, "{hostile}"));
        });
        let line = lines.only_line();
        assert!(!line.trim_end_matches('\n').contains(char::is_control), "{format}: {line:?}");
        if format == Format::Json {
            let line: Value = serde_json::from_str(&line).unwrap();
            for key in ["service", "environment", "message", "trace_id", "a", "b"] {
                assert_eq!(line[key], hostile, "{key}");
            }
        }
    }
}

#[test]
fn a_long_field_is_cut_and_says_so() {
    let long = "x".repeat(MAX_FIELD_BYTES + 1);
    let line =
        logging(service(), |_| tracing::info!(whole = 1, text = %long, str = long, "{long}"))
            .only_json();
    let cut = format!("{}...(truncated)", &long[1..]);
    for key in ["text", "str", "message"] {
        assert!(line[key] == cut.as_str(), "{key}");
    }
}

#[test]
fn logfmt_is_what_prometheus_and_promtail_write() {
    let lines = logging(service().format(Format::Logfmt), |_| {
        let span = tracing::info_span!("request", trace_id = "abc");
        span.in_scope(|| {
            tracing::info!(path = "/a b", ratio = 0.5, empty = "", "starting up");
            tracing::error!(ok = false, "failed");
        });
    });
    assert_eq!(
        lines.take(),
        [
            "ts=2023-10-25T10:30:45.123Z level=info msg=\"starting up\" trace_id=abc \
             path=\"/a b\" ratio=0.5 empty=\"\"\n",
            "ts=2023-10-25T10:30:45.123Z level=error msg=failed trace_id=abc ok=false\n",
        ]
    );
}

#[test]
fn text_is_for_people_and_coloured_only_where_asked() {
    let log = |_: &LogControl| tracing::info!(target: "app::push", status = 200, "batch \"sent\"");
    let plain = logging(service().format(Format::Text), log).only_line();
    assert_eq!(plain, "2023-10-25T10:30:45.123Z  INFO app::push: batch \"sent\" status=200\n");
    let coloured = logging(service().format(Format::Text).colour(true), log).only_line();
    assert!(coloured.contains("\u{1b}[32m INFO\u{1b}[0m"), "{coloured:?}");
}

#[test]
fn the_level_holds_and_can_be_changed_while_running() {
    let lines = logging(service().level("warn".parse().unwrap()), |log| {
        for level in ["warn", "debug", "off", "off,app=trace"] {
            log.set_level(level.parse().unwrap());
            tracing::error!("{level} error");
            tracing::debug!("{level} debug");
            tracing::trace!(target: "app::push", "{level} app");
        }
    });
    let messages: Vec<_> = lines
        .take()
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["message"].clone())
        .collect();
    assert_eq!(messages, ["warn error", "debug error", "debug debug", "off,app=trace app"]);
}

#[test]
fn the_level_can_be_changed_from_a_thread_without_the_subscriber() {
    let lines = logging(service(), |log| {
        // one call site, which is known before the change
        let emit = |number: u32| tracing::info!(number, "seen");
        emit(1);
        std::thread::scope(|threads| {
            threads.spawn(|| log.set_level("debug".parse().unwrap()));
        });
        emit(2);
    });
    assert_eq!(lines.take().len(), 2);
}

#[test]
fn an_error_keeps_the_trace_id_of_a_span_below_its_level() {
    let lines = logging(service().level("error".parse().unwrap()), |_| {
        let request = tracing::info_span!("request", trace_id = "abc");
        let quiet = tracing::info_span!(parent: &request, "step", model_name = "fraud");
        assert!(quiet.is_disabled());
        request.in_scope(|| tracing::error!("failed"));
    });
    assert_eq!(lines.only_json()["trace_id"], "abc");
}

#[test]
fn a_disabled_field_is_never_shown() {
    struct Bomb;
    impl fmt::Debug for Bomb {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("shown");
        }
    }
    logging(service(), |_| tracing::debug!(bomb = ?Bomb, "x"));
}

#[test]
fn two_loggers_of_one_subscriber_both_know_the_spans() {
    let _alone = alone();
    let (json, text) = (Captured::default(), Captured::default());
    let (json_layer, _) = service().writer(json.clone()).layer();
    let (text_layer, _) = service().format(Format::Logfmt).writer(text.clone()).layer();
    let subscriber = Registry::default().with(json_layer).with(text_layer);
    tracing::subscriber::with_default(subscriber, || {
        tracing::info_span!("request", trace_id = "abc").in_scope(|| tracing::info!("x"));
    });
    assert_eq!(json.only_json()["trace_id"], "abc");
    assert!(text.only_line().ends_with("msg=x trace_id=abc\n"));
}

#[test]
fn lines_of_many_threads_never_mix() {
    let _alone = alone();
    let captured = Captured::default();
    let (layer, _) = service().writer(captured.clone()).layer();
    let dispatch = tracing::Dispatch::new(Registry::default().with(layer));
    std::thread::scope(|threads| {
        for thread in 0..4 {
            let dispatch = dispatch.clone();
            threads.spawn(move || {
                tracing::dispatcher::with_default(&dispatch, || {
                    for number in 0..100 {
                        tracing::info!(thread, number, "x");
                    }
                });
            });
        }
    });
    let mut seen: Vec<(u64, u64)> = captured
        .take()
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).expect("a whole line"))
        .map(|line| (line["thread"].as_u64().unwrap(), line["number"].as_u64().unwrap()))
        .collect();
    seen.sort_unstable();
    let all: Vec<_> = (0..4).flat_map(|thread| (0..100).map(move |n| (thread, n))).collect();
    assert_eq!(seen, all);
}

#[test]
fn a_closed_writer_is_counted() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let _alone = alone();
    let (layer, log) = service().writer(writer).layer();
    tracing::subscriber::with_default(Registry::default().with(layer), || tracing::info!("x"));
    assert_eq!(log.lost_lines(), 1);
}

#[test]
fn a_full_disk_is_counted() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let _alone = alone();
    let (layer, log) = service().writer(full).layer();
    tracing::subscriber::with_default(Registry::default().with(layer), || tracing::info!("x"));
    assert_eq!(log.lost_lines(), 1);
}

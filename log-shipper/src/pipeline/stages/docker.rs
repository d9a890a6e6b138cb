//! `docker`: lines of Docker's json-file driver become what the container wrote.
//!
//! Leaves `output`, `stream` and `timestamp` in the extracted map. The newline that the driver
//! stores at the end of a line stays, as in Promtail. A line that is no JSON object passes
//! unchanged. Per stream 16 bytes are held, for lines whose time cannot be read.

use std::sync::Arc;

use go_compat::time_layout::{Layout, Zone};

use super::error::StageError;
use super::json::paths::{Found, Paths};
use super::json::values::set;
use super::options::Options;
use super::stream_key::StreamKeys;
use super::timestamp::last_times::LastTimes;
use crate::config::Finding;
use crate::config::yaml::Node;
use crate::pipeline::entry::Entry;
use crate::pipeline::extracted::ValueRef;
use crate::pipeline::stage::{Context, Stage, Verdict};

/// Keys of the driver, and the names their values are extracted under.
const KEYS: [(&str, &str); 3] = [("log", "output"), ("stream", "stream"), ("time", "timestamp")];
const LOG: usize = 0;
const STREAM: usize = 1;
const TIME: usize = 2;

/// What the forks of a stage share.
#[derive(Debug)]
struct Shared {
    paths: Paths,
    names: [Arc<str>; 3],
    layout: Layout,
    zone: Zone,
}

/// See the module.
#[derive(Debug)]
pub struct DockerStage {
    shared: Arc<Shared>,
    found: Found,
    keys: StreamKeys,
    times: LastTimes,
}

impl DockerStage {
    /// The stage has no options.
    pub fn new() -> Self {
        Self::with(Arc::new(Shared {
            paths: Paths::new(KEYS.map(|(key, _)| [key])),
            names: KEYS.map(|(_, name)| Arc::from(name)),
            layout: Layout::named("RFC3339Nano").expect("Go has a layout of this name"),
            zone: Zone::utc(),
        }))
    }

    fn with(shared: Arc<Shared>) -> Self {
        let (keys, times) = (StreamKeys::default(), LastTimes::default());
        Self { shared, found: Found::default(), keys, times }
    }

    /// Reads the options, of which there are none.
    ///
    /// # Errors
    ///
    /// What is neither a map nor nothing.
    pub fn from_node(node: &Node, warnings: &mut Vec<Finding>) -> Result<Self, StageError> {
        Options::strict("docker", node)?.finish(warnings);
        Ok(Self::new())
    }
}

impl Default for DockerStage {
    fn default() -> Self {
        Self::new()
    }
}

impl Stage for DockerStage {
    fn process(&mut self, entry: &mut Entry, _: &mut Context) -> Verdict {
        let Self { shared, found, keys, times } = self;
        if shared.paths.find(&entry.line, found).is_err() {
            return Verdict::Pass;
        }
        for (path, name) in shared.names.iter().enumerate() {
            set(&mut entry.extracted, name, found.get(path).map(|span| &entry.line[span]));
        }
        let Shared { names, layout, zone, .. } = &**shared;
        let value = |index: usize| entry.extracted.get(&names[index]);

        if let Some(stream) = value(STREAM).and_then(ValueRef::to_text)
            && entry.labels.get(&names[STREAM]) != Some(&*stream)
        {
            entry.labels.set(&names[STREAM], &stream);
        }
        let time = value(TIME).and_then(ValueRef::to_bytes);
        let time = time.and_then(|text| layout.parse(&text, zone).ok()?.unix_ns());
        let key = keys.key(&entry.labels);
        match time {
            Some(time_ns) => {
                entry.timestamp_ns = time_ns;
                times.remember(key, time_ns);
            }
            None => entry.timestamp_ns = times.next(key).unwrap_or(entry.timestamp_ns),
        }
        if let Some(log) = value(LOG).and_then(ValueRef::to_bytes) {
            entry.line.clear();
            entry.line.extend_from_slice(&log);
        }
        Verdict::Pass
    }

    fn fork(&self) -> Box<dyn Stage> {
        Box::new(Self::with(Arc::clone(&self.shared)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::stages::testing::{NOW_NS, entry, labels, line, run};

    #[test]
    fn lines_of_the_driver_become_what_promtail_recorded() {
        let mut stage = DockerStage::new();
        for (input, stream, time, output) in [
            (
                r#"{"log":"server started on :8000\n","stream":"stdout","time":"2024-05-01T08:00:00.123456789Z"}"#,
                "stdout",
                1_714_550_400_123_456_789,
                "server started on :8000\n",
            ),
            (
                r#"{"log":"WARN slow batch: 812ms\n","stream":"stderr","time":"2024-05-01T08:00:01Z"}"#,
                "stderr",
                1_714_550_401_000_000_000,
                "WARN slow batch: 812ms\n",
            ),
            (
                r#"{"log":"no newline at the end","stream":"stdout","time":"2024-05-01T08:00:02.5Z","attrs":{"tag":"vllm"}}"#,
                "stdout",
                1_714_550_402_500_000_000,
                "no newline at the end",
            ),
            (
                r#"{"log":"{\"level\":\"info\",\"msg\":\"nested \\\"json\\\"\"}\n","stream":"stdout","time":"2024-05-01T08:00:03.000000001Z"}"#,
                "stdout",
                1_714_550_403_000_000_001,
                "{\"level\":\"info\",\"msg\":\"nested \\\"json\\\"\"}\n",
            ),
            (
                r#"{"log":"","stream":"stdout","time":"2024-05-01T08:00:04Z"}"#,
                "stdout",
                1_714_550_404_000_000_000,
                "",
            ),
            (
                r#"{"log":"time is broken\n","stream":"stdout","time":"2024-05-01 08:00:05"}"#,
                "stdout",
                1_714_550_404_000_000_001,
                "time is broken\n",
            ),
            (
                r#"{"log":"zone +09:00\r\n","stream":"stdout","time":"2024-05-01T17:00:06+09:00"}"#,
                "stdout",
                1_714_550_406_000_000_000,
                "zone +09:00\r\n",
            ),
        ] {
            let mut entry = entry(&[("job", "app")], input);
            assert_eq!(run(&mut stage, &mut entry), Verdict::Pass);
            assert_eq!(labels(&entry), format!("{{job=\"app\", stream=\"{stream}\"}}"));
            assert_eq!((entry.timestamp_ns, line(&entry)), (time, output));
        }
    }

    #[test]
    fn a_line_that_is_no_json_passes_unchanged() {
        for input in ["this is not JSON", "", "[1]", r#"{"log":"cut off"#] {
            let mut entry = entry(&[("job", "app")], input);
            assert_eq!(run(&mut DockerStage::new(), &mut entry), Verdict::Pass);
            assert_eq!(labels(&entry), "{job=\"app\"}");
            assert_eq!((entry.timestamp_ns, line(&entry)), (NOW_NS, input));
        }
    }

    #[test]
    fn missing_keys_keep_what_the_entry_has() {
        let mut entry = entry(&[("job", "app")], r#"{"other":1}"#);
        run(&mut DockerStage::new(), &mut entry);
        assert_eq!(labels(&entry), "{job=\"app\"}");
        assert_eq!((entry.timestamp_ns, line(&entry)), (NOW_NS, r#"{"other":1}"#));
        assert_eq!(entry.extracted.get("output"), Some(ValueRef::Null));
    }

    #[test]
    fn what_was_read_stays_extracted() {
        let mut entry =
            entry(&[], r#"{"log":"a\n","stream":"stdout","time":"2024-05-01T08:00:00Z"}"#);
        run(&mut DockerStage::new(), &mut entry);
        assert_eq!(entry.extracted.get("output"), Some(ValueRef::Text(b"a\n")));
        assert_eq!(entry.extracted.get("stream"), Some(ValueRef::Text(b"stdout")));
        assert_eq!(entry.extracted.get("timestamp"), Some(ValueRef::Text(b"2024-05-01T08:00:00Z")));
    }
}

//! Makes a line of an event and of the spans it happened in.
//!
//! A field may log while it is shown, so the buffers of a thread are taken for
//! the time of a line, never borrowed, and no lock is held while fields are shown
//! but that of a span's own fields, which were made into text before.

use std::cell::Cell;
use std::sync::Arc;
use std::time::SystemTime;

use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::control::LogControl;
use super::encode::{Head, IDS, Key, Keys, Line};
use super::field::{Fields, OwnedValue, Value};
use super::format::Format;
use super::sink::Sink;

/// Bytes that a thread keeps for its next line; one huge line must not stay in every thread.
const KEPT_BYTES: usize = 64 * 1024;

const MESSAGE: &str = "message";

thread_local! {
    static BUFFERS: Cell<Buffers> = const { Cell::new(Buffers::new()) };
}

/// Memory that a line is made in.
struct Buffers {
    line: String,
    scratch: String,
    taken: Vec<Key>,
}

impl Buffers {
    const fn new() -> Self {
        Self { line: String::new(), scratch: String::new(), taken: Vec::new() }
    }

    fn take() -> Self {
        // no thread-locals in a thread that is ending
        let mut buffers = BUFFERS
            .try_with(|buffers| buffers.replace(Self::new()))
            .unwrap_or(const { Self::new() });
        buffers.line.clear();
        buffers.taken.clear();
        buffers
    }

    fn put_back(mut self) {
        if self.line.capacity() > KEPT_BYTES {
            self.line = String::new();
        }
        let _ = BUFFERS.try_with(|buffers| buffers.set(self));
    }
}

/// The fields of a span, in the order they were first given.
#[derive(Default)]
struct SpanFields(Vec<(&'static str, OwnedValue)>);

impl SpanFields {
    fn set(&mut self, name: &'static str, value: Value<'_>) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value.into(),
            None => self.0.push((name, value.into())),
        }
    }

    fn get(&self, name: &str) -> Option<Value<'_>> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_value())
    }
}

/// Writes one line per event.
pub(super) struct LineLayer {
    pub(super) service: String,
    pub(super) environment: Option<String>,
    pub(super) format: Format,
    pub(super) colour: bool,
    pub(super) clock: fn() -> SystemTime,
    pub(super) sink: Arc<Sink>,
    pub(super) control: LogControl,
}

impl LineLayer {
    fn write<S>(&self, event: &Event<'_>, spans: &Context<'_, S>, buffers: &mut Buffers)
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let Buffers { line, scratch, taken } = buffers;
        let mut line = Line { format: self.format, colour: self.colour, out: line };
        line.head(&Head {
            at: (self.clock)(),
            level: *event.metadata().level(),
            target: event.metadata().target(),
            service: &self.service,
            environment: self.environment.as_deref(),
        });

        let mut has_message = false;
        event.record(&mut Fields::new(
            scratch,
            |name| name == MESSAGE,
            |_, message| {
                if !std::mem::replace(&mut has_message, true) {
                    line.message(message);
                }
            },
        ));
        if !has_message {
            line.message(Value::Text(""));
        }

        for id in IDS {
            let mut has_id = false;
            event.record(&mut Fields::new(
                scratch,
                |name| name == id,
                |_, value| {
                    if !std::mem::replace(&mut has_id, true) {
                        line.id(id, value);
                    }
                },
            ));
            if has_id {
                continue;
            }
            for span in spans.event_scope(event).into_iter().flatten() {
                let extensions = span.extensions();
                if let Some(value) =
                    extensions.get::<SpanFields>().and_then(|fields| fields.get(id))
                {
                    line.id(id, value);
                    break;
                }
            }
        }

        let mut keys =
            Keys { format: self.format, has_environment: self.environment.is_some(), taken };
        event.record(&mut Fields::new(
            scratch,
            |name| name != MESSAGE && !IDS.contains(&name),
            |name, value| {
                if let Some(key) = keys.take(name) {
                    line.field(key, value);
                }
            },
        ));
        for span in spans.event_scope(event).into_iter().flatten() {
            if let Some(SpanFields(fields)) = span.extensions().get() {
                for (name, value) in fields {
                    if let Some(key) = keys.take(name) {
                        line.field(key, value.as_value());
                    }
                }
            }
        }
        line.end();
    }
}

impl<S> Layer<S> for LineLayer
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn on_register_dispatch(&self, subscriber: &Dispatch) {
        self.control.on_register(subscriber);
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, spans: Context<'_, S>) {
        let mut fields = SpanFields::default();
        attributes.record(&mut Fields::new(
            &mut String::new(),
            |_| true,
            |name, value| fields.set(name, value),
        ));
        if let Some(span) = spans.span(id) {
            // `replace`, not `insert`: another logger of the subscriber may have been here
            span.extensions_mut().replace(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, spans: Context<'_, S>) {
        let Some(span) = spans.span(id) else { return };
        // shown before the span is locked: showing may log
        let mut added = SpanFields::default();
        values.record(&mut Fields::new(
            &mut String::new(),
            |_| true,
            |name, value| added.set(name, value),
        ));
        let mut extensions = span.extensions_mut();
        if let Some(fields) = extensions.get_mut::<SpanFields>() {
            for (name, value) in &added.0 {
                fields.set(name, value.as_value());
            }
        }
    }

    fn on_event(&self, event: &Event<'_>, spans: Context<'_, S>) {
        let mut buffers = Buffers::take();
        self.write(event, &spans, &mut buffers);
        self.sink.write_line(&buffers.line);
        buffers.put_back();
    }
}

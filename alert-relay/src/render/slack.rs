//! Messages for Slack: a line of text, and details in one attachment, whose bar has the colour of
//! the state.
//!
//! Values stand in `plain_text` objects or in code, where nothing is markup. The sum of all text
//! stays far below 13,200 characters, above which Slack refuses a message although every documented
//! limit is kept.

use serde_json::{Value, json};

use super::Occasion;
use super::facts::{clock, duration, has_ended, links, remarks, state, title};
use super::text::{clean, code, escape, line, slack_link};
use crate::incident::{Incident, Kind, Phase, Severity};

/// Characters of the text above the attachment.
const MAX_TEXT: usize = 600;

/// Characters of summary and description together; a section may have 3,000.
const MAX_BODY: usize = 2_800;

/// Incidents that a digest names.
const MAX_LISTED: usize = 20;

/// Labels that are shown; ten is what a section may have.
const MAX_LABELS: usize = 10;

/// What is sent besides channel and timestamp.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Shown above the attachment, in notifications, and where attachments cannot be shown.
    pub text: String,
    /// The attachments; empty for text alone.
    pub attachments: Value,
}

/// An incident as it is.
pub fn incident(incident: &Incident, occasion: &Occasion<'_>) -> Message {
    let is_over = has_ended(incident);
    let head = escape(&title(incident, 400), 480);
    let repeat = if occasion.is_repeat { " (possible repeat)" } else { "" };
    let text = format!("{} {head}{repeat}", sign(incident));
    let mut blocks = Vec::new();
    if is_over {
        let struck = head.replace('~', "∼").replace('`', "ˋ");
        blocks.push(
            json!({"type": "section", "text": {"type": "mrkdwn", "text": format!("~{struck}~")}}),
        );
    }
    let mut lines = vec![state(incident, occasion.now)];
    lines.extend(remarks(incident));
    lines.push(format!("since {}", clock(incident.starts_at)));
    let lines = lines.iter().map(|text| plain(text, 300));
    let body = clean(&incident.description);
    if !body.trim().is_empty() {
        blocks.push(json!({"type": "section", "text": plain(body.trim(), MAX_BODY)}));
    }
    // ten is what a context may have
    blocks.push(json!({"type": "context", "elements": lines.take(10).collect::<Vec<_>>()}));
    let fields: Vec<Value> = labels(incident);
    if !fields.is_empty() && !is_over {
        blocks.push(json!({"type": "section", "fields": fields}));
    }
    let links: Vec<String> = links(incident, occasion.external_url)
        .iter()
        .filter_map(|(name, address)| slack_link(address, name, 700))
        .collect();
    if !links.is_empty() {
        blocks.push(
            json!({"type": "section", "text": {"type": "mrkdwn", "text": links.join("  ·  ")}}),
        );
    }
    if occasion.has_buttons && !is_over {
        blocks.push(buttons(incident));
    }
    Message { attachments: attachment(colour(incident), &text, &blocks), text }
}

/// A line for the thread of the incident, if such a message deserves one.
pub fn thread_line(incident: &Incident, occasion: &Occasion<'_>) -> Option<String> {
    let said = line(occasion.text);
    let text = match occasion.kind {
        Kind::Resolve => state(incident, occasion.now),
        Kind::Open => format!("fires again, {}", state(incident, occasion.now)),
        Kind::Escalate if said.is_empty() => format!("now {}", incident.severity.as_str()),
        Kind::Remind => {
            let open = duration(occasion.now.since(incident.starts_at));
            format!("nobody has acknowledged this for {open}")
        }
        Kind::Escalate => said,
        Kind::Update | Kind::Acknowledge | Kind::Digest | Kind::Internal => return None,
    };
    let repeat = if occasion.is_repeat { " (possible repeat)" } else { "" };
    let head = match occasion.kind {
        Kind::Escalate | Kind::Remind => format!("{}: ", escape(&title(incident, 300), 360)),
        _ => String::new(),
    };
    Some(format!("{head}{}{repeat}", escape(&text, MAX_TEXT)))
}

/// Several incidents in one message.
pub fn digest(incidents: &[Incident], occasion: &Occasion<'_>) -> Message {
    let repeat = if occasion.is_repeat { " (possible repeat)" } else { "" };
    let over = incidents.iter().filter(|incident| has_ended(incident)).count();
    let count = incidents.len();
    let noun = if count == 1 { "incident" } else { "incidents" };
    let text = format!("{count} {noun} that could wait, {over} of them over{repeat}");
    let mut blocks = Vec::new();
    for listed in incidents.iter().take(MAX_LISTED) {
        let entry =
            format!("{} {}\n{}", sign(listed), title(listed, 200), state(listed, occasion.now));
        blocks.push(json!({"type": "section", "text": plain(&entry, 400)}));
    }
    if count > MAX_LISTED {
        let more = format!("and {} more", count - MAX_LISTED);
        blocks.push(json!({"type": "context", "elements": [plain(&more, 100)]}));
    }
    let worst = incidents.iter().max_by_key(|incident| incident.severity);
    Message { attachments: attachment(worst.map_or("#999999", colour), &text, &blocks), text }
}

/// About the relay itself.
pub fn internal(occasion: &Occasion<'_>) -> Message {
    let repeat = if occasion.is_repeat { " (possible repeat)" } else { "" };
    let text = format!("alert-relay: {}{repeat}", escape(&line(occasion.text), MAX_TEXT));
    Message { text, attachments: json!([]) }
}

/// The same as text alone, for when Slack does not like the rest.
pub fn without_blocks(
    message: &Message,
    incidents: &[Incident],
    occasion: &Occasion<'_>,
) -> Message {
    let mut text = message.text.clone();
    for incident in incidents.iter().take(MAX_LISTED) {
        let entry =
            if incidents.len() > 1 { title(incident, 120) } else { clean(&incident.description) };
        text.push('\n');
        text.push_str(&escape(
            &format!("{}, {}", state(incident, occasion.now), line(&entry)),
            140,
        ));
    }
    Message { text: super::text::cut(&text, 3_500), attachments: json!([]) }
}

fn attachment(colour: &str, fallback: &str, blocks: &[Value]) -> Value {
    json!([{"color": colour, "fallback": fallback, "blocks": blocks}])
}

/// Text that is no markup. Escaped all the same: Slack reads entities everywhere.
fn plain(text: &str, max: usize) -> Value {
    let text = escape(&clean(text), max);
    // empty text is refused
    let text = if text.trim().is_empty() { "-".to_owned() } else { text };
    json!({"type": "plain_text", "text": text, "emoji": false})
}

fn labels(incident: &Incident) -> Vec<Value> {
    let hidden = ["alertname", "severity", "cluster"];
    let shown = incident.common_labels.iter().filter(|(name, _)| !hidden.contains(&name.as_str()));
    let pairs = shown.filter_map(|(name, value)| {
        let text = code(&format!("{name}={value}"), 300);
        (!text.is_empty()).then(|| json!({"type": "mrkdwn", "text": text}))
    });
    pairs.take(MAX_LABELS).collect()
}

fn buttons(incident: &Incident) -> Value {
    let value = incident.id.to_string();
    let button = |text: &str, action: &str| {
        json!({
            "type": "button",
            "text": {"type": "plain_text", "text": text},
            "action_id": action,
            "value": value,
        })
    };
    let mut elements = Vec::new();
    if incident.acknowledged.is_none() {
        elements.push(button("Acknowledge", "acknowledge"));
    }
    elements.push(button("Silence 1 h", "silence_1h"));
    elements.push(button("Silence 4 h", "silence_4h"));
    elements.push(button("Useful", "useful"));
    elements.push(button("Not actionable", "not_actionable"));
    json!({"type": "actions", "elements": elements})
}

fn sign(incident: &Incident) -> &'static str {
    match (incident.phase, incident.severity) {
        (Phase::Resolved { .. }, _) => "✅",
        (_, Severity::Critical) => "🔴",
        (_, Severity::Error) => "🟠",
        (_, Severity::Warning) => "🟡",
        (_, Severity::Info) => "🔵",
    }
}

fn colour(incident: &Incident) -> &'static str {
    match (incident.phase, incident.severity) {
        (Phase::Resolved { .. }, _) => "#2eb67d",
        (_, Severity::Critical) => "#d00000",
        (_, Severity::Error) => "#e8590c",
        (_, Severity::Warning) => "#ecb22e",
        (_, Severity::Info) => "#36a2eb",
    }
}

//! What Slack refuses in a message, by the name of its error. Lengths are in UTF-16 units, the
//! stricter way to count.

use std::collections::HashSet;

use serde_json::Value;

/// Text of all blocks together. Not documented: slackapi/bolt-js#2509.
const MAX_ALL_BLOCKS: usize = 13_200;

fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

fn text_of(value: &Value) -> usize {
    value["text"].as_str().map_or(0, length)
}

/// Why Slack would refuse a message. An edit has less room for its text.
pub fn problem_of(message: &Value, is_edit: bool) -> Option<&'static str> {
    let text = message["text"].as_str().unwrap_or_default();
    if is_edit && length(text) > 4_000 {
        return Some("msg_too_long");
    }
    let empty = Vec::new();
    let list = |name: &str| message[name].as_array().unwrap_or(&empty);
    let (attachments, blocks) = (list("attachments"), list("blocks"));
    if text.trim().is_empty() && attachments.is_empty() && blocks.is_empty() {
        return Some("no_text");
    }
    if attachments.len() > 100 {
        return Some("too_many_attachments");
    }
    let mut all: Vec<&Value> = blocks.iter().collect();
    for attachment in attachments {
        if attachment["title"].as_str().is_some_and(|title| title.chars().count() > 1_024) {
            return Some("invalid_attachments");
        }
        let inside = attachment["blocks"].as_array().unwrap_or(&empty);
        if inside.len() > 50 {
            return Some("invalid_blocks");
        }
        all.extend(inside);
    }
    if blocks.len() > 50 || !all.iter().all(|block| is_valid(block)) {
        return Some("invalid_blocks");
    }
    let mut ids = HashSet::new();
    if !all.iter().filter_map(|block| block["block_id"].as_str()).all(|id| ids.insert(id)) {
        return Some("invalid_blocks");
    }
    let total: usize = all.iter().map(|block| all_text(block)).sum();
    (total > MAX_ALL_BLOCKS).then_some("msg_blocks_too_long")
}

fn all_text(value: &Value) -> usize {
    match value {
        Value::Object(object) => object
            .iter()
            .map(|(key, value)| match value {
                Value::String(text) if key == "text" => length(text),
                other => all_text(other),
            })
            .sum(),
        Value::Array(array) => array.iter().map(all_text).sum(),
        _ => 0,
    }
}

fn is_valid(block: &Value) -> bool {
    if block["block_id"].as_str().is_some_and(|id| length(id) > 255) {
        return false;
    }
    match block["type"].as_str() {
        Some("section") => {
            let text = &block["text"];
            let fields = block["fields"].as_array();
            (is_text(text, 3_000) || (text.is_null() && fields.is_some()))
                && fields.is_none_or(|fields| {
                    (1..=10).contains(&fields.len())
                        && fields.iter().all(|field| is_text(field, 2_000))
                })
        }
        Some("header") => block["text"]["type"] == "plain_text" && is_text(&block["text"], 150),
        Some("context") => block["elements"].as_array().is_some_and(|elements| {
            (1..=10).contains(&elements.len())
                && elements
                    .iter()
                    .all(|element| element["type"] == "image" || is_text(element, 3_000))
        }),
        Some("actions") => block["elements"].as_array().is_some_and(|elements| {
            let mut ids = HashSet::new();
            (1..=25).contains(&elements.len())
                && elements.iter().all(is_button)
                && elements.iter().all(|one| ids.insert(one["action_id"].as_str()))
        }),
        Some("divider") => true,
        _ => false,
    }
}

fn is_text(value: &Value, max: usize) -> bool {
    let is_kind = value["type"] == "plain_text" || value["type"] == "mrkdwn";
    is_kind && (1..=max).contains(&text_of(value))
}

fn is_button(button: &Value) -> bool {
    let at_most =
        |name: &str, max: usize| button[name].as_str().is_none_or(|text| length(text) <= max);
    button["type"] == "button"
        && button["text"]["type"] == "plain_text"
        && is_text(&button["text"], 75)
        && at_most("value", 2_000)
        && at_most("action_id", 255)
        && at_most("url", 3_000)
}

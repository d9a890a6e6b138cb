//! Mails: the same subject for all of one incident and references to its first one, so that every
//! program shows them as one thread.
//!
//! `Message-ID` comes from the delivery: sent again after a crash it is the same mail.

use std::fmt::Write as _;

use super::Occasion;
use super::facts::{clock, constant_title, has_ended, links, remarks, state, title};
use super::text::{clean, cut, html, line};
use crate::incident::{Delivery, Incident, Receipt};

/// Incidents that a digest names.
const MAX_LISTED: usize = 50;

/// Characters of a description.
const MAX_BODY: usize = 8_000;

/// What a mail is made of; addresses come from the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// On one line.
    pub subject: String,
    /// With its angle brackets.
    pub message_id: String,
    /// Of the first mail of the incident and of the last one; empty for the first.
    pub references: Vec<String>,
    /// Plain text.
    pub text: String,
    /// The same as HTML, without anything that is fetched.
    pub html: String,
}

/// A mail from `domain`; `receipt` is that of the earlier mails of the incident.
pub fn mail(
    delivery: &Delivery,
    incidents: &[Incident],
    receipt: Option<&Receipt>,
    domain: &str,
    occasion: &Occasion<'_>,
) -> Mail {
    let about = incidents.first().map_or("relay".to_owned(), |incident| incident.id.to_string());
    let mut references: Vec<String> = Vec::new();
    for known in receipt.into_iter().flat_map(|receipt| [&receipt.place, &receipt.stamp]) {
        if !known.is_empty() && !references.contains(known) {
            references.push(known.clone());
        }
    }
    let (subject, sections) = match incidents {
        [] => ("alert-relay".to_owned(), Vec::new()),
        [one] => (constant_title(one, 180), vec![one]),
        many => {
            let subject = format!("{} incidents that could wait", many.len());
            (subject, many.iter().take(MAX_LISTED).collect())
        }
    };
    let mut text = String::new();
    let mut markup = "<!doctype html><html><body style=\"font-family:sans-serif\">".to_owned();
    let mut said = line(occasion.text);
    if occasion.is_repeat && incidents.is_empty() {
        said.push_str(" (possible repeat)");
    }
    if !said.is_empty() {
        let said = cut(&said, 1_000);
        let _ = write!(text, "{said}\r\n\r\n");
        let _ = write!(markup, "<p>{}</p>", html(&said, 4_000));
    }
    let is_alone = sections.len() == 1;
    for incident in sections {
        section(incident, is_alone, occasion, &mut text, &mut markup);
    }
    if incidents.len() > MAX_LISTED {
        let more = format!("and {} more", incidents.len() - MAX_LISTED);
        let _ = write!(text, "{more}\r\n");
        let _ = write!(markup, "<p>{more}</p>");
    }
    markup.push_str("</body></html>");
    Mail {
        subject,
        message_id: format!("<{}.{about}@{domain}>", delivery.id.0),
        references,
        text,
        html: markup,
    }
}

fn section(
    incident: &Incident,
    is_alone: bool,
    occasion: &Occasion<'_>,
    text: &mut String,
    markup: &mut String,
) {
    let colour = if has_ended(incident) { "#2eb67d" } else { "#d00000" };
    let (title, state) = (title(incident, 300), state(incident, occasion.now));
    let _ = write!(text, "{title}\r\n{}, {state}\r\n", incident.severity.as_str());
    let _ = write!(
        markup,
        "<h3 style=\"border-left:6px solid {colour};padding-left:8px\">{}</h3><p><b>{}, {}</b></p>",
        html(&title, 1_500),
        incident.severity.as_str(),
        html(&state, 300)
    );
    if is_alone {
        for remark in remarks(incident) {
            let _ = write!(text, "{remark}\r\n");
            let _ = write!(markup, "<p>{}</p>", html(&remark, 600));
        }
        let since = clock(incident.starts_at);
        let _ = write!(text, "since {since}\r\n");
        let _ = write!(markup, "<p>since {since}</p>");
        let body = cut(clean(&incident.description).trim(), MAX_BODY);
        if !body.is_empty() {
            let _ = write!(text, "\r\n{}\r\n", body.replace('\n', "\r\n"));
            let body = html(&body, 6 * MAX_BODY).replace('\n', "<br>");
            let _ = write!(markup, "<p>{body}</p>");
        }
        text.push_str("\r\n");
        markup.push_str("<table>");
        for (name, value) in incident.common_labels.iter().take(64) {
            let (name, value) = (cut(&line(name), 100), cut(&line(value), 300));
            let _ = write!(text, "{name}: {value}\r\n");
            let _ = write!(
                markup,
                "<tr><td>{}</td><td><code>{}</code></td></tr>",
                html(&name, 600),
                html(&value, 1_800)
            );
        }
        markup.push_str("</table>");
        for (name, address) in links(incident, occasion.external_url) {
            let address = address.trim();
            if address.len() <= 2_000 {
                let _ = write!(text, "{name}: {address}\r\n");
                let _ = write!(markup, "<p><a href=\"{}\">{name}</a></p>", html(address, 12_000));
            }
        }
    }
    text.push_str("\r\n");
}

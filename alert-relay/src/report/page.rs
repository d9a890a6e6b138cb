//! The page: what is open with its timeline, and the report. HTML and style, no script.

use std::fmt::Write as _;
use std::time::Duration;

use super::class::short;
use super::noise::{Report, percent};
use super::style::STYLE;
use super::timeline::{Timelines, state};
use crate::incident::{Incident, Severity};
use crate::time::Moment;

/// Incidents that the page shows with their timelines.
pub(super) const SHOWN: usize = 100;

/// Classes of the report that it shows.
const CLASSES: usize = 20;

/// Lines of a timeline that it shows; `/v1/incidents/ID` has more.
const LINES: usize = 60;

/// The characters that mean something in HTML, in texts as in quoted attributes.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // they have no place in HTML, or turn the direction of what stands around them
            '\u{0}'..='\u{8}' | '\u{b}'..='\u{1f}' | '\u{7f}'..='\u{9f}' => {
                escaped.push('\u{fffd}');
            }
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

/// The whole page. `incidents` are those that have not ended, `more` those beyond.
pub(super) fn html(
    incidents: &[Incident],
    more: usize,
    timelines: &Timelines,
    report: &Report,
    now: Moment,
) -> String {
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>{} open &middot; alert-relay</title><style>{STYLE}</style></head><body>\
         <h1>alert-relay</h1><p class=\"dim\">as of {now}</p>",
        incidents.len() + more,
    );
    let _ = write!(html, "<h2>Open incidents: {}</h2>", incidents.len() + more);
    if incidents.is_empty() {
        html.push_str("<p>Nothing is open.</p>");
    }
    for incident in incidents {
        card(&mut html, incident, timelines, now);
    }
    if more > 0 {
        let _ = write!(html, "<p>and {more} more: <a href=\"/v1/incidents\">/v1/incidents</a></p>");
    }
    numbers(&mut html, report);
    html.push_str("</body></html>\n");
    html
}

fn card(html: &mut String, incident: &Incident, timelines: &Timelines, now: Moment) {
    let severity = incident.severity.as_str();
    let _ = write!(
        html,
        "<article class=\"card {severity}\"><div><span class=\"severity\">{severity}</span> \
         <span class=\"name\">{}</span> {}</div>",
        escaped(&incident.name),
        escaped(&incident.entity),
    );
    if !incident.summary.is_empty() {
        let _ = write!(html, "<p>{}</p>", escaped(&incident.summary));
    }
    let _ = write!(
        html,
        "<p class=\"dim\">{} for {}, {} of {} alerts fire",
        escaped(&state(incident)),
        short(now.since(incident.starts_at)),
        incident.firing.len(),
        incident.total,
    );
    for (reason, alerts) in &incident.folded {
        let _ = write!(html, ", {alerts} more: {reason}");
    }
    match &incident.acknowledged {
        Some((who, at)) => {
            let _ = write!(html, ", acknowledged by {} {at}", escaped(who));
        }
        None if incident.severity >= Severity::Error => html.push_str(", not acknowledged"),
        None => {}
    }
    if !incident.silenced_by.is_empty() {
        html.push_str(", silenced");
    }
    if incident.is_flapping {
        html.push_str(", flapping");
    }
    html.push_str("</p>");
    links(html, incident);
    let (lines, left_out) = timelines.lines(&incident.id);
    let shown = &lines[lines.len().saturating_sub(LINES)..];
    let left_out = left_out + lines.len() - shown.len();
    let _ = write!(html, "<details><summary>Timeline ({})</summary><ol>", lines.len());
    if left_out > 0 {
        let _ = write!(html, "<li><span></span>{left_out} earlier lines left out</li>");
    }
    for line in shown {
        let _ =
            write!(html, "<li><time>{}</time><span>{}</span></li>", line.at, escaped(&line.text));
    }
    let id = escaped(&incident.id.to_string());
    let _ = write!(
        html,
        "</ol><p class=\"dim\"><a href=\"/v1/incidents/{id}\">{id}</a></p></details></article>"
    );
}

fn links(html: &mut String, incident: &Incident) {
    let links = [
        ("Runbook", &incident.runbook_url),
        ("Dashboard", &incident.dashboard_url),
        ("Rule", &incident.generator_url),
    ];
    let is_web = |url: &str| url.starts_with("https://") || url.starts_with("http://");
    let shown: Vec<String> = links
        .iter()
        .filter(|(_, url)| is_web(url))
        .map(|(name, url)| {
            format!("<a href=\"{}\" rel=\"noopener noreferrer\">{name}</a>", escaped(url))
        })
        .collect();
    if !shown.is_empty() {
        let _ = write!(html, "<p>{}</p>", shown.join(" &middot; "));
    }
}

fn numbers(html: &mut String, report: &Report) {
    let length = short(report.until.since(report.since));
    let _ = write!(
        html,
        "<h2>Noise of the last {length}</h2><p>{} alerts came in, {} incidents, {} pages, {} \
         actionable</p>",
        report.received,
        report.opened,
        report.pages,
        percent(report.actionable_ratio),
    );
    if !report.suppressed.is_empty() {
        let reasons: Vec<String> =
            report.suppressed.iter().map(|(reason, alerts)| format!("{alerts} {reason}")).collect();
        let _ = write!(html, "<p class=\"dim\">Not told by themselves: {}</p>", reasons.join(", "));
    }
    html.push_str("<div class=\"scroll\"><table><thead><tr><th>Class</th>");
    for head in [
        "opened",
        "folded",
        "repeats",
        "ended soon",
        "ack",
        "useful",
        "not act.",
        "pages",
        "median",
        "p90",
    ] {
        let _ = write!(html, "<th>{head}</th>");
    }
    html.push_str("</tr></thead><tbody>");
    for class in report.classes.iter().take(CLASSES) {
        let _ = write!(html, "<tr><td>{}</td>", escaped(&class.class));
        for number in [
            class.opened,
            class.folded,
            class.deduplicated,
            class.auto_resolved,
            class.acknowledged,
            class.useful,
            class.not_actionable,
            class.pages,
        ] {
            let _ = write!(html, "<td>{number}</td>");
        }
        for seconds in [class.median_seconds, class.p90_seconds] {
            let time = seconds.map(Duration::from_secs).map_or_else(|| "-".to_owned(), short);
            let _ = write!(html, "<td>{time}</td>");
        }
        html.push_str("</tr>");
        if let Some(proposal) = &class.proposal {
            let proposal = escaped(proposal);
            let _ = write!(html, "<tr><td class=\"proposal\" colspan=\"11\">{proposal}</td></tr>");
        }
    }
    html.push_str("</tbody></table></div>");
}

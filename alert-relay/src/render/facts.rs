//! What every form of a message says of an incident: its title, its state, how long, how many.

use std::time::Duration;

use super::text::{cut, line};
use crate::incident::{Incident, Phase, Reason};
use crate::time::Moment;

/// Whether it is over.
pub fn has_ended(incident: &Incident) -> bool {
    matches!(incident.phase, Phase::Resolved { .. })
}

/// `[cluster] AlertName: summary (12 affected)`, on one line, at most `max` units long. The number
/// is never cut away.
pub fn title(incident: &Incident, max: usize) -> String {
    let (head, tail) = parts(incident);
    let tail =
        if incident.total > 1 { format!("{tail} ({} affected)", incident.total) } else { tail };
    let room = max.saturating_sub(super::text::length(&tail));
    cut(&format!("{}{tail}", cut(&head, room.max(1))), max)
}

/// The title without numbers: the same for all messages of an incident, as mail programs want it.
pub fn constant_title(incident: &Incident, max: usize) -> String {
    cut(&parts(incident).0, max)
}

fn parts(incident: &Incident) -> (String, String) {
    let mut head = String::new();
    if let Some(cluster) = label(incident, &["cluster"]) {
        head = format!("[{}] ", cut(&line(cluster), 100));
    }
    let name = line(&incident.name);
    head.push_str(if name.is_empty() { "(alert without a name)" } else { &name });
    let summary = line(&incident.summary);
    if !summary.is_empty() && summary != name {
        head.push_str(": ");
        head.push_str(&summary);
    }
    (head, String::new())
}

/// The first of these labels that the incident's members share, else of the alert that opened it.
pub fn label<'i>(incident: &'i Incident, names: &[&str]) -> Option<&'i str> {
    let find = |name: &&str| {
        let common = incident.common_labels.get(*name);
        common.or_else(|| incident.opening_labels.get(*name)).filter(|value| !value.is_empty())
    };
    names.iter().find_map(find).map(String::as_str)
}

/// What it is now, in a few words: `3 of 5 firing for 12 min`, `resolved after 40 s`.
pub fn state(incident: &Incident, now: Moment) -> String {
    let lasted = |end: Moment| duration(end.since(incident.starts_at));
    if let Phase::Resolved { at } = incident.phase {
        return format!("resolved after {}", lasted(at));
    }
    let firing = incident.firing.len();
    let many = if incident.total > 1 {
        format!("{firing} of {} firing", incident.total)
    } else {
        "firing".to_owned()
    };
    format!("{many} for {}", lasted(now))
}

/// What else is to be known of it, one line each.
pub fn remarks(incident: &Incident) -> Vec<String> {
    let mut remarks = Vec::new();
    let folded: u32 = incident.folded.values().copied().fold(0, u32::saturating_add);
    if folded > 0 {
        let by = incident.folded.iter().filter(|(_, count)| **count > 0);
        let by: Vec<_> = by.map(|(reason, count)| format!("{count} {}", spoken(*reason))).collect();
        remarks.push(format!("{folded} other alerts are part of this: {}", by.join(", ")));
    }
    if let Some(parent) = &incident.parent {
        remarks.push(format!("part of incident {parent}"));
    }
    if incident.is_flapping {
        remarks.push("flapping: single changes are not told".to_owned());
    }
    if !incident.silenced_by.is_empty() {
        remarks.push("silenced in Alertmanager".to_owned());
    }
    if let Some((who, at)) = &incident.acknowledged {
        remarks.push(format!("acknowledged by {} at {}", cut(&line(who), 80), clock(*at)));
    }
    remarks
}

fn spoken(reason: Reason) -> &'static str {
    match reason {
        Reason::Duplicate => "repeated",
        Reason::SameClass => "of the same class",
        Reason::SameEntity => "of the same thing",
        Reason::Storm => "in a storm",
        Reason::Dependency => "caused by it",
        Reason::Flapping => "flapping",
        Reason::Maintenance => "in maintenance",
        Reason::Silenced => "silenced",
        Reason::Inhibited => "inhibited",
        Reason::Held => "held",
        Reason::EndedWhileHeld => "that ended soon",
        Reason::BusinessHours => "that could wait",
        Reason::ChannelLimit => "over the channel's limit",
    }
}

/// `40 s`, `12 min`, `3 h 5 min`, `2 d 4 h`.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..3_600 => format!("{minutes} min"),
        3_600..86_400 => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

/// Date and time to the second, in UTC.
pub fn clock(at: Moment) -> String {
    let text = at.to_string();
    let (date, time) = text.split_once('T').unwrap_or((&text, ""));
    format!("{date} {} UTC", time.split('.').next().unwrap_or_default())
}

/// Addresses of an incident with what they are; only those of the web.
pub fn links<'a>(
    incident: &'a Incident,
    external_url: Option<&str>,
) -> Vec<(&'static str, std::borrow::Cow<'a, str>)> {
    let page = external_url
        .map(|base| format!("{}/incidents/{}", base.trim_end_matches('/'), incident.id));
    let mut links: Vec<(&'static str, std::borrow::Cow<'a, str>)> = vec![
        ("Runbook", incident.runbook_url.as_str().into()),
        ("Dashboard", incident.dashboard_url.as_str().into()),
        ("Query", incident.generator_url.as_str().into()),
    ];
    links.extend(page.map(|page| ("Incident", page.into())));
    links.retain(|(_, address)| super::text::url(address).is_some());
    links
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::{IncidentId, IncidentKey};
    use crate::route::examples::incident;

    #[test]
    fn a_title_names_cluster_alert_and_number() {
        let mut incident = incident();
        assert_eq!(title(&incident, 200), "[eu-1] GpuDown: GPU 3 of gpu-7 is gone");
        incident.total = 12;
        assert_eq!(title(&incident, 200), "[eu-1] GpuDown: GPU 3 of gpu-7 is gone (12 affected)");
        assert_eq!(title(&incident, 30), "[eu-1] GpuDown:… (12 affected)");
        assert_eq!(constant_title(&incident, 200), "[eu-1] GpuDown: GPU 3 of gpu-7 is gone");
        incident.name = String::new();
        incident.common_labels.clear();
        incident.opening_labels.clear();
        assert!(title(&incident, 99).starts_with("(alert without a name): GPU 3"));
    }

    #[test]
    fn the_state_says_how_many_and_how_long() {
        let mut incident = incident();
        let now = incident.starts_at.after(Duration::from_secs(40));
        assert_eq!(state(&incident, now), "firing for 40 s");
        incident.total = 5;
        assert_eq!(state(&incident, now), "1 of 5 firing for 40 s");
        incident.phase = Phase::Resolved { at: now };
        assert_eq!(state(&incident, now.after(Duration::from_hours(1))), "resolved after 40 s");
    }

    #[test]
    fn what_is_hidden_is_named() {
        let mut incident = incident();
        assert!(remarks(&incident).is_empty());
        incident.folded = [(Reason::Storm, 30), (Reason::Dependency, 1)].into();
        incident.is_flapping = true;
        incident.acknowledged = Some(("ada\n".to_owned(), Moment::from_millis(1_700_000_000_000)));
        incident.parent = Some(IncidentId { key: IncidentKey::of(["x"]), number: 2 });
        incident.silenced_by = vec!["id".to_owned()];
        let remarks = remarks(&incident);
        assert_eq!(remarks[0], "31 other alerts are part of this: 30 in a storm, 1 caused by it");
        assert!(remarks[1].starts_with("part of incident ar1-"));
        assert_eq!(remarks[4], "acknowledged by ada at 2023-11-14 22:13:20 UTC");
    }

    #[test]
    fn durations_have_two_units_at_most() {
        for (seconds, text) in [
            (0, "0 s"),
            (119, "119 s"),
            (120, "2 min"),
            (3_599, "59 min"),
            (11_100, "3 h 5 min"),
            (187_200, "2 d 4 h"),
        ] {
            assert_eq!(duration(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn links_are_those_of_the_web() {
        let mut incident = incident();
        incident.dashboard_url = "javascript:x".to_owned();
        let links = links(&incident, Some("https://relay.example/"));
        let names: Vec<_> = links.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["Runbook", "Query", "Incident"]);
        assert!(links[2].1.starts_with("https://relay.example/incidents/ar1-"));
    }
}

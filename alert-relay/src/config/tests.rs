use super::*;
use crate::incident::Severity;

const SMALL: &str = r#"
destinations:
  - name: oncall
    pagerduty: {routing_key_file: /etc/keys/oncall}
  - name: team
    slack: {bot_token_file: /etc/keys/slack, channel: ml-alerts}
routes:
  - matchers: ['severity="critical"']
    destinations: [oncall, team]
    page: always
  - destinations: [team]
"#;

fn problem(text: &str) -> String {
    Config::parse(text, "relay.yml").unwrap_err().to_string()
}

#[test]
fn a_small_file_has_every_default() {
    let config = Config::parse(SMALL, "relay.yml").unwrap();
    let correlation = &config.correlation;
    assert_eq!(correlation.severities["page"], Severity::Critical);
    assert_eq!(correlation.cause_hold, minutes(1));
    assert_eq!(config.receive.max_body_bytes, 16 << 20);
    assert_eq!(
        config.destinations[0].pagerduty.as_ref().unwrap().url,
        "https://events.pagerduty.com"
    );
    assert!(config.destinations[0].interrupts() && !config.destinations[1].interrupts());
}

#[test]
fn durations_are_those_of_prometheus() {
    let text = format!("{SMALL}correlation: {{cause_hold: 1m30s, flapping: {{half_life: 1h}}}}\n");
    let correlation = Config::parse(&text, "relay.yml").unwrap().correlation;
    assert_eq!(correlation.cause_hold, Duration::from_secs(90));
    assert_eq!(correlation.flapping.half_life, minutes(60));
    let error = problem(&format!("{SMALL}correlation: {{cause_hold: soon}}\n"));
    assert!(error.contains("\"soon\" is no duration such as 90s or 1h30m"), "{error}");
}

#[test]
fn an_unknown_key_is_refused_with_its_line_and_the_accepted_ones() {
    let error = problem(&SMALL.replace("page: always", "pages: always"));
    for part in ["relay.yml", "line 10", "`pages`", "expected one of matchers, destinations, page"]
    {
        assert!(error.contains(part), "{part} is missing: {error}");
    }
}

#[test]
fn what_does_not_fit_together_is_refused_with_its_place() {
    for (from, to, expected) in [
        (
            "[team]",
            "[taem]",
            "routes[1].destinations: \"taem\" is no destination; there are oncall",
        ),
        (
            "name: team",
            "name: oncall",
            "destinations[1].name: \"oncall\" is the name of an earlier",
        ),
        (
            "{routing_key_file: /etc/keys/oncall}",
            "{}",
            "destinations[0].pagerduty: needs routing_key_file (Events API v2) or",
        ),
        ("pagerduty:", "fallback: []\n#", "destinations[0]: needs exactly one of pagerduty, slack"),
        (
            "  - destinations: [team]",
            "",
            "routes[0].matchers: the last route must match everything",
        ),
        (
            "page: always",
            "business_hours: office",
            "routes[0].business_hours: \"office\" is none of",
        ),
        ("severity=\"critical\"", "severity", "is no matcher such as severity=\"critical\""),
    ] {
        let error = problem(&SMALL.replacen(from, to, 1));
        assert!(error.contains(expected), "{to}: {error}");
    }
}

#[test]
fn inputs_that_could_never_work_are_refused_with_their_place() {
    for (keys, expected) in [
        ("heartbeats: [{name: a/b}]", "heartbeats[0].name: stands in a path"),
        ("heartbeats: [{name: a}, {name: a}]", "heartbeats[1].name: \"a\" is the name of an"),
        ("outgoing_heartbeat: {}", "outgoing_heartbeat: needs url or url_file, not both"),
        ("alertmanagers: [{url: 'http://a', interval: 0s}]", "alertmanagers[0].interval: is 0s"),
    ] {
        let error = problem(&format!("{SMALL}{keys}\n"));
        assert!(error.contains(expected), "{keys}: {error}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Config::read(Path::new("/nonexistent/relay.yml")).unwrap_err();
    assert_eq!(error.to_string(), "cannot read /nonexistent/relay.yml");
}

#[test]
fn the_first_route_that_matches_counts_and_those_that_it_continues_to() {
    let config = Config::parse(SMALL, "relay.yml").unwrap();
    let of = |labels: &[(&str, &str)]| {
        let labels = labels.iter().copied().collect();
        let taken = routes::of(&config.routes, &labels);
        taken.iter().map(|route| route.destinations.len()).collect::<Vec<_>>()
    };
    assert_eq!(of(&[("severity", "critical")]), [2]);
    assert_eq!(of(&[]), [1]);
    let text = SMALL.replace("page: always", "continue: true");
    let continued = Config::parse(&text, "relay.yml").unwrap();
    let labels = [("severity", "critical")].into_iter().collect();
    assert_eq!(routes::of(&continued.routes, &labels).len(), 2);
}

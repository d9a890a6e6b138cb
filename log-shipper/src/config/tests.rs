use std::path::Path;

use super::*;

fn config(text: &str) -> Config {
    parse(Path::new("promtail.yaml"), text, None).unwrap()
}

fn refused(text: &str) -> String {
    parse(Path::new("promtail.yaml"), text, None).unwrap_err().to_string()
}

const CLIENT: &str = "clients: [{url: 'http://loki:3100/loki/api/v1/push'}]\n";

#[test]
fn empty_and_null_blocks_are_the_defaults() {
    assert_eq!(config(""), Config::default());
    assert_eq!(config("server:\nlimits_config:\nclients: ~\nscrape_configs:\n"), Config::default());
}

#[test]
fn job_names_must_be_there_and_differ() {
    let text =
        "scrape_configs:\n  - job_name: logs\n  - job_name: logs\n  - static_configs: []\n  -\n";
    assert_eq!(
        refused(text),
        "promtail.yaml:3:15: scrape_configs[1]: found multiple scrape configs with job name \"logs\", \
         the first on line 2: names must be unique since Promtail 3.3\n\
         promtail.yaml:4:5: scrape_configs[2]: job_name is empty: every job needs a name of its own\n\
         promtail.yaml:5:4: scrape_configs[3]: job_name is empty: every job needs a name of its own"
    );
}

#[test]
fn label_names_of_static_configs_are_checked() {
    let text = "scrape_configs:\n  - job_name: a\n    static_configs:\n      - labels:\n          \
                bad.name: x\n";
    assert_eq!(
        refused(text),
        "promtail.yaml:5:11: scrape_configs[0].static_configs[0].labels: \"bad.name\" is not a valid \
         label name: letters, digits and `_` are accepted, no digit first"
    );
}

#[test]
fn what_promtail_refuses_only_at_start_is_loaded() {
    for (text, problem) in [
        ("", "failed to create client manager: at least one client config must be provided"),
        ("clients: [{}]", "client 1: url must be set"),
        (
            "clients: [{url: 'http://x'}, {url: 'http://x'}]",
            "duplicate client configs are not allowed, found duplicate for name: ",
        ),
        (
            &format!("{CLIENT}scrape_configs: [{{job_name: x}}]"),
            "no valid target scrape config defined for \"x\"",
        ),
        (
            &format!("{CLIENT}global: {{file_watch_config: {{min_poll_frequency: 1s}}}}"),
            "global.file_watch_config: max_poll_frequency 250ms must not be below \
             min_poll_frequency 1s",
        ),
        (
            &format!("{CLIENT}global: {{file_watch_config: {{min_poll_frequency: 0s}}}}"),
            "global.file_watch_config: min_poll_frequency 0s must be above zero",
        ),
        (&format!("{CLIENT}wal: {{enabled: true}}"), "wal: enabled, but dir names no folder"),
    ] {
        let error = config(text).validate_for_start().unwrap_err();
        assert_eq!(error.problems().len(), 1, "{text}: {error}");
        assert!(error.to_string().starts_with(problem), "{text}: {error}");
    }
    config(CLIENT).validate_for_start().unwrap();
}

#[test]
fn standard_input_needs_no_source() {
    let text = format!("{CLIENT}target_config: {{stdin: true}}\nscrape_configs: [{{job_name: x}}]");
    config(&text).validate_for_start().unwrap();
}

#[test]
fn the_older_block_client_is_one_more_client_and_its_labels_are_everybodys() {
    let config = config(
        "client: {url: 'http://b', external_labels: {zone: z, rack: r}}\n\
         clients: [{url: 'http://a', external_labels: {zone: own}}]\n",
    );
    let clients = config.effective_clients();
    let urls: Vec<String> = clients.iter().map(|client| client.url.to_string()).collect();
    assert_eq!(urls, ["http://a/", "http://b/"]);
    let labels: Vec<_> = clients[0].external_labels.iter().collect();
    assert_eq!(labels, [("rack", "r"), ("zone", "own")]);
}

#[test]
fn old_and_suspicious_values_are_warned_of_with_their_place() {
    let config = config(
        "options: {stream_lag_labels: a}\n\
         clients: [{url: 'http://a', batchwait: 2, stream_lag_labels: b}]\n",
    );
    assert_eq!(
        config.warnings(),
        [
            "promtail.yaml:2:40: clients[0].batchwait: 2 without a unit means nanoseconds; write 2s \
             for seconds",
            "promtail.yaml:2:62: clients[0]: stream_lag_labels has no effect: the metric of stream \
             lag was removed in Promtail 3.0",
        ]
    );
}

#[test]
fn the_effective_configuration_reads_back_and_has_no_secret() {
    let config = config(
        "server: {http_listen_port: 9080, log_level: warn}\n\
         client: {external_labels: {zone: z}}\n\
         clients:\n\
         - url: http://u:hunter2@loki/\n\
         \x20 basic_auth: {username: u, password: hunter2}\n\
         \x20 headers: {Authorization: hunter2}\n\
         scrape_configs:\n\
         - job_name: a\n\
         \x20 pipeline_stages: [{regex: {expression: '^(?P<k>\\w+): \"x\"'}}, {labels: {k: }}]\n\
         \x20 static_configs: [{targets: [localhost], labels: {__path__: /x/*.log, flag: 'yes'}}]\n\
         \x20 journal: {max_age: 1h}\n\
         limits_config: {max_line_size: 256kb}\n",
    );
    let text = config.to_yaml();
    assert!(!text.contains("hunter2"), "{text}");
    assert!(text.contains("max_line_size: 256KB") && text.contains("http_listen_port: 9080"));
    let again = parse(Path::new("p"), &text, None).unwrap();
    assert_eq!(again.to_yaml(), text);
    assert_eq!(again.scrape_configs[0].static_configs, config.scrape_configs[0].static_configs);
}

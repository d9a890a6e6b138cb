use super::*;
use crate::config::decode::tests::read;

fn job(text: &str) -> ScrapeConfig {
    let mut job = ScrapeConfig::default();
    assert_eq!(read(&mut job, text), (vec![], vec![]), "{text}");
    job
}

#[test]
fn stages_are_kept_as_they_stand() {
    let job = job("job_name: x\npipeline_stages:\n  - cri: {}\n  - labels: {level: }\n");
    assert_eq!(job.pipeline_stages.len(), 2);
    assert_eq!(job.pipeline_stages[1].line, 4);
    assert!(job.pipeline_stages[1].get("labels").unwrap().get("level").unwrap().is_null());
}

#[test]
fn a_job_without_a_source_is_refused_at_start_only() {
    assert_eq!(
        job("job_name: x\npipeline_stages: [{cri: {}}]").problems(),
        ["no valid target scrape config defined for \"x\": static_configs, file_sd_configs, \
          kubernetes_sd_configs, consul_sd_configs, consulagent_sd_configs, journal, syslog, gcplog, loki_push_api, gelf, docker_sd_configs or \
          heroku_drain is needed"]
    );
    assert!(job("job_name: x\nstatic_configs: [{labels: {__path__: /x}}]").problems().is_empty());
    // as in Promtail an empty list is a discovery that finds nothing
    assert!(job("job_name: x\nstatic_configs: []").problems().is_empty());
}

#[test]
fn sources_of_promtail_that_are_not_built_are_refused_at_start_with_an_alternative() {
    for (key, alternative) in [
        ("kafka", "loki.source.kafka"),
        ("windows_events", "loki.source.windowsevent"),
        ("azure_event_hubs", "loki.source.azure_event_hubs"),
        ("cloudflare", "Logpush"),
        ("ec2_sd_configs", "file_sd_configs"),
    ] {
        let problems = job(&format!("job_name: x\n{key}: {{a: 1}}\n")).problems();
        assert_eq!(problems.len(), 1);
        assert!(
            problems[0].starts_with(&format!("scrape config \"x\": {key} is not supported: ")),
            "{problems:?}"
        );
        assert!(problems[0].contains(alternative), "{problems:?}");
    }
}

#[test]
fn sources_of_messages_are_read_with_promtails_defaults() {
    let syslog = job("job_name: x\nsyslog: {listen_address: ':514', labels: {a: b}}");
    let Some(LineSource::Syslog(syslog)) = syslog.line_source() else { panic!("{syslog:?}") };
    assert_eq!(syslog.max_message_length, 8192);
    assert_eq!(syslog.idle_timeout.to_string(), "2m0s");
    let journal = job("job_name: x\njournal: {matches: _TRANSPORT=kernel}");
    let Some(LineSource::Journal(journal)) = journal.line_source() else { panic!("{journal:?}") };
    assert_eq!(journal.max_age.to_string(), "7h0m0s");
    let docker = "job_name: x\ndocker_sd_configs: [{host: 'unix:///d', basic_auth: {username: u}, \
                  filters: [{name: label, values: [a]}]}]";
    let docker = job(docker);
    let Some(LineSource::Docker([docker])) = docker.line_source() else { panic!("{docker:?}") };
    assert_eq!((docker.port, docker.filters.len()), (80, 1));
}

#[test]
fn of_several_sources_the_first_in_promtails_order_counts_and_the_rest_is_warned_of() {
    let mut job = ScrapeConfig::default();
    let text = "job_name: x\njournal: {}\nsyslog: {}\nstatic_configs: [{targets: [a]}]\n";
    let (errors, warnings) = read(&mut job, text);
    assert!(errors.is_empty());
    assert_eq!(job.source(), Some(Source::Files));
    assert_eq!(
        warnings,
        [
            "2:10: journal is ignored: a job has one kind of source, and this one reads \
             static_configs",
            "3:9: syslog is ignored: a job has one kind of source, and this one reads \
             static_configs",
        ]
    );
    let mut job = ScrapeConfig::default();
    let (_, warnings) = read(&mut job, "job_name: x\nsyslog: {}\njournal: {}\n");
    assert_eq!(
        warnings,
        ["2:9: syslog is ignored: a job has one kind of source, and this one reads journal"]
    );
    assert!(matches!(job.source(), Some(Source::Lines(LineSource::Journal(_)))));
}

#[test]
fn encodings_and_compressions_are_checked_at_start() {
    let valid = "job_name: x\nstatic_configs: []\nencoding: UTF-16LE\n\
                 decompression: {enabled: true, format: gz, initial_delay: 300ms}\n";
    let valid = job(valid);
    assert!(valid.problems().is_empty());
    assert_eq!(valid.reader_encoding(), Ok(Some(encoding_rs::UTF_16LE)));
    assert_eq!(valid.decompression.compression(), Some(Compression::Gzip));
    let invalid = "job_name: x\nstatic_configs: []\nencoding: klingon\n\
                   decompression: {enabled: true, format: rar}\n";
    assert_eq!(
        job(invalid).problems(),
        [
            "scrape config \"x\": encoding \"klingon\" is unknown: a name such as UTF-16LE, \
             ISO-8859-1 or Shift_JIS is accepted",
            "scrape config \"x\": decompression.format \"rar\" is unknown: gz, z and bz2 are accepted",
        ]
    );
}

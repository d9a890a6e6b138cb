//! What sources count that bring messages themselves, under Promtail's names.

use prometheus_model::instrument::{Counter, Family, Gauge, RegisterError, Registry};

/// Handles to all of them; a clone shares the same series.
#[derive(Debug, Clone)]
pub struct SourceMetrics {
    /// Journal entries passed on.
    pub journal_lines: Counter,
    /// Journal entries left out, by `error`: `no_message` or `empty_labels`.
    pub journal_errors: Family<Counter>,
    /// What could not be read of journals, by `part`: `file`, `entry` or `field`.
    pub journal_damage: Family<Counter>,
    /// Syslog messages passed on.
    pub syslog_entries: Counter,
    /// Syslog messages that could not be parsed.
    pub syslog_errors: Counter,
    /// Syslog messages without text, left out.
    pub syslog_empty: Counter,
    /// Lines of containers passed on.
    pub docker_entries: Counter,
    /// Lines of containers that could not be parsed.
    pub docker_errors: Counter,
    /// Lines of containers over the limit, cut to it.
    pub docker_lines_cut: Counter,
    /// Containers whose logs the engine cannot give, or had deleted before they were read.
    pub docker_unreadable: Counter,
    /// Containers that are read at the moment.
    pub docker_containers: Gauge,
    /// Docker engines that do not answer at the moment.
    pub docker_engines_failing: Gauge,
    /// Datagrams for which there was no room.
    pub udp_dropped: Counter,
    /// Graylog messages passed on.
    pub gelf_entries: Counter,
    /// Graylog messages that could not be parsed.
    pub gelf_errors: Counter,
    /// Entries of Pub/Sub passed on.
    pub gcp_push_entries: Counter,
    /// Requests of Pub/Sub that were refused, by `reason`.
    pub gcp_push_errors: Family<Counter>,
    /// Messages of Heroku passed on.
    pub heroku_entries: Counter,
    /// Messages of Heroku that could not be parsed.
    pub heroku_errors: Counter,
}

impl SourceMetrics {
    /// All of them at zero.
    pub fn new() -> Self {
        Self {
            journal_lines: Counter::default(),
            journal_errors: Family::new(&["error"]),
            journal_damage: Family::new(&["part"]),
            syslog_entries: Counter::default(),
            syslog_errors: Counter::default(),
            syslog_empty: Counter::default(),
            docker_entries: Counter::default(),
            docker_errors: Counter::default(),
            docker_lines_cut: Counter::default(),
            docker_unreadable: Counter::default(),
            docker_containers: Gauge::default(),
            docker_engines_failing: Gauge::default(),
            udp_dropped: Counter::default(),
            gelf_entries: Counter::default(),
            gelf_errors: Counter::default(),
            gcp_push_entries: Counter::default(),
            gcp_push_errors: Family::new(&["reason"]),
            heroku_entries: Counter::default(),
            heroku_errors: Counter::default(),
        }
    }

    /// Shows them on the page of a registry.
    ///
    /// # Errors
    /// A name is taken.
    pub fn register(&self, registry: &Registry) -> Result<(), RegisterError> {
        let counters = [
            ("journal_target_lines_total", "Journal entries passed on", &self.journal_lines),
            ("syslog_target_entries_total", "Syslog messages passed on", &self.syslog_entries),
            (
                "syslog_target_parsing_errors_total",
                "Syslog messages that could not be parsed",
                &self.syslog_errors,
            ),
            (
                "syslog_empty_messages_total",
                "Syslog messages without text, left out",
                &self.syslog_empty,
            ),
            ("docker_target_entries_total", "Lines of containers passed on", &self.docker_entries),
            (
                "docker_target_parsing_errors_total",
                "Lines of containers that could not be parsed",
                &self.docker_errors,
            ),
            ("gelf_target_entries_total", "Graylog messages passed on", &self.gelf_entries),
            (
                "gelf_target_parsing_errors_total",
                "Graylog messages that could not be parsed",
                &self.gelf_errors,
            ),
            (
                "gcp_push_target_entries_total",
                "Entries of Pub/Sub passed on",
                &self.gcp_push_entries,
            ),
            (
                "heroku_drain_target_entries_total",
                "Messages of Heroku passed on",
                &self.heroku_entries,
            ),
            (
                "heroku_drain_target_parsing_errors_total",
                "Messages of Heroku that could not be parsed",
                &self.heroku_errors,
            ),
        ];
        for (name, help, counter) in counters {
            registry.register(&format!("promtail_{name}"), help, counter.clone())?;
        }
        registry.register(
            "log_shipper_docker_lines_cut_total",
            "Lines of containers longer than max_line_size, or than 256 KiB without it",
            self.docker_lines_cut.clone(),
        )?;
        registry.register(
            "log_shipper_docker_containers_unreadable_total",
            "Containers whose logs the engine cannot give, or had deleted before they were read",
            self.docker_unreadable.clone(),
        )?;
        registry.register(
            "log_shipper_docker_containers_active",
            "Containers that are read at the moment",
            self.docker_containers.clone(),
        )?;
        registry.register(
            "log_shipper_docker_engines_failing",
            "Docker engines that do not answer: containers may be missing while it is not 0",
            self.docker_engines_failing.clone(),
        )?;
        registry.register(
            "log_shipper_udp_dropped_total",
            "Datagrams of syslog and GELF senders dropped because the queue was full",
            self.udp_dropped.clone(),
        )?;
        registry.register(
            "promtail_journal_target_parsing_errors_total",
            "Journal entries left out, by reason",
            self.journal_errors.clone(),
        )?;
        registry.register(
            "log_shipper_journal_read_errors_total",
            "Files, entries and fields of journals that could not be read",
            self.journal_damage.clone(),
        )?;
        registry.register(
            "promtail_gcp_push_target_parsing_errors_total",
            "Requests of Pub/Sub that were refused, by reason",
            self.gcp_push_errors.clone(),
        )
    }
}

impl Default for SourceMetrics {
    fn default() -> Self {
        Self::new()
    }
}

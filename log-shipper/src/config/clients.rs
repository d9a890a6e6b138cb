//! `clients`: the Lokis that every entry is pushed to.

use std::collections::BTreeMap;

use daemon_runtime::durations::GoDuration;
use daemon_runtime::secret::Secret;

use super::decode::{Block, Fields, Value as _};
use super::http_client::HttpClient;
use super::http_url::HttpUrl;
use super::label_map::LabelMap;
use super::options::NO_STREAM_LAG;
use super::yaml::{Node, to_text};

/// An item of `clients`, or the older block `client`. Keys are the field names.
#[derive(Debug, Clone, PartialEq)]
pub struct Client {
    /// Unique; default empty: made from the configuration, see [`Client::effective_name`].
    pub name: String,
    /// Full path of the push API. A user and password in it are sent as basic auth. Needed.
    pub url: HttpUrl,
    /// Longest time that an entry waits for its batch. Default 1s.
    pub batchwait: GoDuration,
    /// Bytes of a batch. Default 1 MiB.
    pub batchsize: usize,
    /// Credentials, TLS and proxy.
    pub http: HttpClient,
    /// Sent with every request, but never instead of those that a push sets itself. Not printed:
    /// many hold a token.
    pub headers: BTreeMap<String, Secret<String>>,
    /// When a failed request is repeated.
    pub backoff_config: Backoff,
    /// Labels of every entry that lacks them.
    pub external_labels: LabelMap,
    /// Time for one request. Default 10s.
    pub timeout: GoDuration,
    /// Tenant of entries that have none. Default empty: no header is sent.
    pub tenant_id: String,
    /// Drops a batch at the answer 429 instead of repeating it. Default false.
    pub drop_rate_limited_batches: bool,
    /// Does not hold up reading: what it cannot take in time is given up and counted. Not in
    /// Promtail. Default false.
    pub optional: bool,
}

impl Default for Client {
    fn default() -> Self {
        Self {
            name: String::new(),
            url: HttpUrl::default(),
            batchwait: GoDuration::from_secs(1),
            batchsize: 1 << 20,
            http: HttpClient::default(),
            headers: BTreeMap::new(),
            backoff_config: Backoff::default(),
            external_labels: LabelMap::default(),
            timeout: GoDuration::from_secs(10),
            tenant_id: String::new(),
            drop_rate_limited_batches: false,
            optional: false,
        }
    }
}

impl Client {
    /// The client that the command line and the block `client` describe, before either is read.
    pub(super) fn of_command_line() -> Self {
        let mut client = Self::default();
        client.http.follow_redirects = false;
        client
    }

    /// The configured name, or six hex digits that stay the same as long as the configuration does.
    ///
    /// Secrets have no part in them: the name is in metrics and logs.
    pub fn effective_name(&self) -> String {
        if !self.name.is_empty() {
            return self.name.clone();
        }
        let text = to_text(&Node::new(self.clone().write()));
        // FNV-1a
        let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        format!("{:06x}", hash >> 40)
    }

    /// What a start refuses.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = self.http.problems();
        if self.url.get().is_none() {
            problems.insert(0, "url must be set".to_owned());
        }
        if self.backoff_config.min_period <= GoDuration::ZERO {
            problems.push("backoff_config.min_period must be above 0".to_owned());
        }
        if self.backoff_config.max_period < self.backoff_config.min_period {
            problems.push("backoff_config.max_period must not be below min_period".to_owned());
        }
        problems
    }
}

impl Block for Client {
    const TYPE: &'static str = "client.raw";

    fn fields(&mut self, fields: &mut Fields<'_>) {
        fields.field("name", &mut self.name);
        fields.field("url", &mut self.url);
        fields.field("batchwait", &mut self.batchwait);
        fields.field("batchsize", &mut self.batchsize);
        self.http.fields(fields);
        fields.field("headers", &mut self.headers);
        fields.field("backoff_config", &mut self.backoff_config);
        fields.field("external_labels", &mut self.external_labels);
        fields.field("timeout", &mut self.timeout);
        fields.field("tenant_id", &mut self.tenant_id);
        fields.field("drop_rate_limited_batches", &mut self.drop_rate_limited_batches);
        fields.field("optional", &mut self.optional);
        fields.ignored_field("stream_lag_labels", NO_STREAM_LAG);
    }
}

/// `backoff_config`: the pause doubles from the first value to the second.
#[derive(Debug, Clone, PartialEq)]
pub struct Backoff {
    /// Default 500ms.
    pub min_period: GoDuration,
    /// Default 5m.
    pub max_period: GoDuration,
    /// Attempts, the first one included; 0: without end. `None` where nobody said so: see
    /// [`Backoff::max_attempts`].
    pub max_retries: Option<u32>,
}

impl Backoff {
    /// Promtail's default of `max_retries`.
    pub const DEFAULT_ATTEMPTS: u32 = 10;

    /// How often a batch is sent; `None`: until it is accepted. That is also what an only client
    /// does that was not told otherwise: its waiting holds nobody up and loses nothing.
    pub fn max_attempts(&self, is_only_client: bool) -> Option<u32> {
        match self.max_retries {
            Some(0) => None,
            None if is_only_client => None,
            attempts => Some(attempts.unwrap_or(Self::DEFAULT_ATTEMPTS)),
        }
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            min_period: GoDuration::from_millis(500),
            max_period: GoDuration::from_secs(300),
            max_retries: None,
        }
    }
}

impl Block for Backoff {
    const TYPE: &'static str = "backoff.Config";

    fn fields(&mut self, fields: &mut Fields<'_>) {
        fields.field("min_period", &mut self.min_period);
        fields.field("max_period", &mut self.max_period);
        if fields.are_read() {
            fields.field("max_retries", &mut self.max_retries);
        } else {
            // Promtail's page shows its default too.
            let mut shown = self.max_retries.unwrap_or(Self::DEFAULT_ATTEMPTS);
            fields.field("max_retries", &mut shown);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::decode::tests::read;

    fn client(text: &str) -> Client {
        let mut client = Client::default();
        assert_eq!(read(&mut client, text), (vec![], vec![]), "{text}");
        client
    }

    #[test]
    fn the_defaults_are_promtails() {
        let client = Client::default();
        assert_eq!(client.batchsize, 1_048_576);
        assert_eq!(client.timeout, GoDuration::from_secs(10));
        assert_eq!(client.backoff_config.max_attempts(false), Some(10));
        assert!(client.http.follow_redirects && !Client::of_command_line().http.follow_redirects);
    }

    #[test]
    fn a_written_number_of_attempts_is_obeyed_and_only_its_absence_means_no_end() {
        for (text, only, one_of_two) in [
            ("{}", None, Some(10)),
            ("backoff_config: {max_retries: }", None, Some(10)),
            ("backoff_config: {max_retries: 10}", Some(10), Some(10)),
            ("backoff_config: {max_retries: 1}", Some(1), Some(1)),
            ("backoff_config: {max_retries: 0}", None, None),
        ] {
            let backoff = client(text).backoff_config;
            assert_eq!(backoff.max_attempts(true), only, "{text}");
            assert_eq!(backoff.max_attempts(false), one_of_two, "{text}");
        }
    }

    #[test]
    fn the_default_number_of_attempts_is_written_as_promtail_shows_it() {
        for (text, shown) in [("{}", "max_retries: 10\n"), ("{max_retries: 3}", "max_retries: 3\n")]
        {
            let mut backoff = Backoff::default();
            assert_eq!(read(&mut backoff, text), (vec![], vec![]));
            let written = to_text(&Node::new(backoff.write()));
            assert!(written.ends_with(shown), "{written}");
        }
    }

    #[test]
    fn a_misspelt_key_is_refused_with_the_right_one() {
        let (errors, _) = read(&mut Client::default(), "url: http://x/\nbatch_wait: 1s\n");
        assert_eq!(errors.len(), 1);
        assert!(
            errors[0].starts_with(
                "2:1: line 2: field batch_wait not found in type client.raw; did you mean \
                 batchwait?; accepted: name, url, batchwait, "
            ),
            "{}",
            errors[0]
        );
    }

    #[test]
    fn a_name_is_made_from_the_configuration_without_its_secrets() {
        let first = client("{url: 'http://u:one@loki/', bearer_token: one}");
        let other_secret = client("{url: 'http://u:two@loki/', bearer_token: two}");
        let other_tenant = client("{url: 'http://u:one@loki/', bearer_token: one, tenant_id: t}");
        assert_eq!(first.effective_name().len(), 6);
        assert_eq!(first.effective_name(), other_secret.effective_name());
        assert_ne!(first.effective_name(), other_tenant.effective_name());
        assert_eq!(client("name: a").effective_name(), "a");
    }

    #[test]
    fn the_key_of_promtail_two_is_accepted_with_a_warning() {
        let (errors, warnings) = read(&mut Client::default(), "stream_lag_labels: filename");
        assert!(errors.is_empty());
        assert_eq!(
            warnings,
            ["1:20: stream_lag_labels has no effect: the metric of stream lag was removed in \
              Promtail 3.0"]
        );
    }
}

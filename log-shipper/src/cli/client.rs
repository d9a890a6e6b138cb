//! Flags for one more client.

use daemon_runtime::durations::GoDuration;
use daemon_runtime::go_flags::parse_bool;

use super::{set, values};
use crate::config::Config;
use crate::config::http_url::HttpUrl;
use crate::config::label_map::LabelMap;

#[derive(Debug, Clone, Default, PartialEq, clap::Args)]
#[expect(clippy::struct_field_names, reason = "clap takes them as ids, unique among all groups")]
#[command(next_help_heading = "One more client, beside those of the file")]
pub(super) struct ClientFlags {
    /// Loki's push API; without it the other flags of this group have no client to configure
    #[arg(long = "client.url", value_name = "URL")]
    client_url: Option<HttpUrl>,

    /// Longest time that an entry waits for its batch [default: 1s]
    #[arg(long = "client.batch-wait", value_name = "DURATION")]
    client_batch_wait: Option<GoDuration>,

    /// Bytes of a batch [default: 1048576]
    #[arg(long = "client.batch-size-bytes", value_name = "BYTES", value_parser = values::size)]
    client_batch_size: Option<usize>,

    /// Attempts for a batch, 0 for no end [default: no end for an only client, else 10]
    #[arg(long = "client.max-retries", value_name = "COUNT", value_parser = values::attempts)]
    client_max_retries: Option<u32>,

    /// First pause after a failure [default: 500ms]
    #[arg(long = "client.min-backoff", value_name = "DURATION")]
    client_min_backoff: Option<GoDuration>,

    /// Longest pause after failures [default: 5m]
    #[arg(long = "client.max-backoff", value_name = "DURATION")]
    client_max_backoff: Option<GoDuration>,

    /// Time for one request [default: 10s]
    #[arg(long = "client.timeout", value_name = "DURATION")]
    client_timeout: Option<GoDuration>,

    /// Tenant of entries that have none
    #[arg(long = "client.tenant-id", value_name = "TENANT")]
    client_tenant_id: Option<String>,

    /// Labels for every client, name=value,name=value; those of the file win
    #[arg(long = "client.external-labels", value_name = "LABELS", value_parser = values::labels)]
    client_external_labels: Option<LabelMap>,

    /// Drop a batch that Loki answers with 429
    #[arg(long = "client.drop-rate-limited-batches", value_parser = parse_bool)]
    client_drop_rate_limited_batches: Option<bool>,
}

impl ClientFlags {
    pub(super) fn apply(&self, config: &mut Config) {
        let client = &mut config.client;
        set(&mut client.url, self.client_url.as_ref());
        set(&mut client.batchwait, self.client_batch_wait.as_ref());
        set(&mut client.batchsize, self.client_batch_size.as_ref());
        if self.client_max_retries.is_some() {
            client.backoff_config.max_retries = self.client_max_retries;
        }
        set(&mut client.backoff_config.min_period, self.client_min_backoff.as_ref());
        set(&mut client.backoff_config.max_period, self.client_max_backoff.as_ref());
        set(&mut client.timeout, self.client_timeout.as_ref());
        set(&mut client.tenant_id, self.client_tenant_id.as_ref());
        set(&mut client.external_labels, self.client_external_labels.as_ref());
        set(&mut client.drop_rate_limited_batches, self.client_drop_rate_limited_batches.as_ref());
    }
}

//! What becomes of lines that Loki does not take at once, and what stages do with them.

use super::Advice;
use super::places::{find, items, nearest, stages};
use crate::config::FindingName;
use crate::config::scrape_configs::{ScrapeConfig, Source};
use crate::config::yaml::Node;

pub(super) fn advise(advice: &mut Advice<'_>) {
    clients(advice);
    limits(advice);
    positions(advice);
    for job in items(advice.root.get("scrape_configs")) {
        for (name, options) in stages(job.get("pipeline_stages")) {
            match name {
                "match" if !items(options.get("stages")).is_empty() => advice.add_once(
                    FindingName::MatchKeepsOrder,
                    options,
                    "lines keep their order; in Promtail those that match overtake the others",
                ),
                "cri" => advice.add_once(
                    FindingName::CriPartsStayApart,
                    options,
                    "too many unfinished lines end the oldest one; in Promtail they end all, torn",
                ),
                _ => {}
            }
        }
        if let Some(node) = find(job, &["encoding"])
            && node.raw_text().is_some_and(|name| name.to_ascii_lowercase().starts_with("utf-16"))
        {
            advice.add_once(
                FindingName::EncodingIsDecoded,
                node,
                "lines of UTF-16 end at their code units; Promtail garbles them from the second on",
            );
        }
    }
}

fn clients(advice: &mut Advice<'_>) {
    let (root, config) = (advice.root, advice.config);
    let listed = items(root.get("clients"));
    let own = root.get("client");
    let nodes: Vec<&Node> = listed.iter().chain(own).collect();
    let clients = config.effective_clients();
    let is_only_one = clients.len() == 1;
    for (client, node) in clients.iter().zip(nodes) {
        let is_default = client.backoff_config.max_retries.is_none();
        let attempts = client.backoff_config.max_attempts(is_only_one);
        let at = nearest(node, &["backoff_config", "max_retries"]);
        if is_only_one && is_default {
            advice.add(
                FindingName::BatchesKeptUntilAccepted,
                at,
                "a batch is sent until Loki accepts it, and reading waits; Promtail drops it after \
                 10 attempts",
            );
        } else if let Some(attempts) = attempts.filter(|_| !client.optional) {
            let why = if is_default { " (several clients, and max_retries is 10)" } else { "" };
            advice.add(
                FindingName::BatchesGivenUp,
                at,
                format!(
                    "a batch is lost after {attempts} attempts{why}, as in Promtail; max_retries: 0 \
                     keeps it until Loki accepts it"
                ),
            );
        }
        if client.drop_rate_limited_batches {
            advice.add(
                FindingName::RateLimitedBatchesDropped,
                nearest(node, &["drop_rate_limited_batches"]),
                "a batch that Loki answers with 429 is lost",
            );
        }
    }
    if clients.len() > 1 {
        advice.add(
            FindingName::ClientsHaveOwnQueues,
            nearest(root, &["clients"]),
            "a slow client holds the others up only when its queue is full; Promtail sends to one \
             after the other",
        );
    }
    if config.wal.enabled {
        advice.add(
            FindingName::WalIsDelivered,
            nearest(root, &["wal", "enabled"]),
            "batches on disk are delivered after a crash, at most max_size for each client; \
             Promtail deletes them by age, delivered or not",
        );
    }
}

fn limits(advice: &mut Advice<'_>) {
    let (root, limits) = (advice.root, &advice.config.limits_config);
    if limits.max_streams > 0 {
        advice.add(
            FindingName::MaxStreamsDropsEntries,
            nearest(root, &["limits_config", "max_streams"]),
            "entries of further streams are dropped and counted; Promtail sends nothing any more",
        );
    }
    if limits.readline_rate_enabled && limits.readline_rate_drop {
        advice.add(
            FindingName::ReadlineRateDrops,
            nearest(root, &["limits_config", "readline_rate_enabled"]),
            format!(
                "lines above {} a second are lost, because readline_rate_drop is true by default; \
                 readline_rate_drop: false makes reading wait",
                limits.readline_rate
            ),
        );
    }
}

fn positions(advice: &mut Advice<'_>) {
    let (root, config) = (advice.root, advice.config);
    let reads_files = |job: &ScrapeConfig| matches!(job.source(), Some(Source::Files));
    if !config.scrape_configs.iter().any(reads_files) {
        return;
    }
    let at = nearest(root, &["positions", "filename"]);
    advice.add(
        FindingName::PositionsFollowDelivery,
        at,
        "a position is saved when Loki has the line, so a crash repeats lines and loses none; \
         Promtail saves what was read",
    );
    let path = &config.positions.filename;
    if ["/tmp", "/dev/shm", "/var/tmp"].iter().any(|folder| path.starts_with(folder)) {
        advice.add(
            FindingName::PositionsNotDurable,
            at,
            format!(
                "{} may be gone after a restart, and every file is then sent again; use a folder \
                 that stays, in a pod one of the host",
                path.display()
            ),
        );
    }
}

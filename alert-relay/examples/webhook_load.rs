//! How many webhooks a relay stores: `webhook_load ADDRESS [CONNECTIONS] [SECONDS] [ALERTS]`.
//!
//! Every connection posts webhooks with `ALERTS` new alerts each, the next one when the last one was
//! answered. Prints answers per second and times of answers; anything but a 200 ends it.

use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize, default: usize| {
        arguments.get(index).and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let address = arguments.first().cloned().unwrap_or_else(|| "127.0.0.1:9095".to_owned());
    let (connections, seconds, alerts) = (number(1, 256), number(2, 10), number(3, 1));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut times = runtime.block_on(async {
        let end = Instant::now() + Duration::from_secs(seconds as u64);
        let mut tasks = JoinSet::new();
        for connection in 0..connections {
            tasks.spawn(post(address.clone(), connection, alerts, end));
        }
        let mut times = Vec::new();
        while let Some(ended) = tasks.join_next().await {
            times.extend(ended.map_err(io::Error::other)??);
        }
        Ok::<_, io::Error>(times)
    })?;
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 1000).copied().unwrap_or_default();
    writeln!(
        io::stdout(),
        "{} webhooks/s, {} alerts/s, p50 {:?}, p99 {:?}, longest {:?}",
        times.len() / seconds,
        times.len() * alerts / seconds,
        at(500),
        at(990),
        times.last().copied().unwrap_or_default()
    )
}

async fn post(
    address: String,
    connection: usize,
    alerts: usize,
    end: Instant,
) -> io::Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(&address).await?;
    stream.set_nodelay(true)?;
    let mut times = Vec::new();
    let mut answer = [0; 1024];
    while Instant::now() < end {
        let body = webhook(connection, times.len(), alerts);
        let request = format!(
            "POST /v1/alertmanager HTTP/1.1\r\nHost: relay\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let begun = Instant::now();
        stream.write_all(request.as_bytes()).await?;
        let mut length = 0;
        while !answer[..length].ends_with(b"{}\n") {
            let read = stream.read(&mut answer[length..]).await?;
            length += read;
            if read == 0 || length == answer.len() || !answer.starts_with(b"HTTP/1.1 200") {
                let text = String::from_utf8_lossy(&answer[..length]).into_owned();
                return Err(io::Error::other(text));
            }
        }
        times.push(begun.elapsed());
    }
    Ok(times)
}

/// Labels and annotations of a usual size.
fn webhook(connection: usize, number: usize, alerts: usize) -> String {
    let alert = |index: usize| {
        format!(
            r#"{{"status":"firing","labels":{{"alertname":"GPUMemoryHigh","cluster":"eu-1",
            "instance":"gpu-{connection}-{number}-{index}:9400","namespace":"ml","severity":"warning"}},
            "annotations":{{"summary":"Memory of a GPU is nearly full","description":"It has been
            above 95 % for ten minutes, see the dashboard","runbook_url":"https://runbooks/gpu"}},
            "startsAt":"2026-11-22T05:44:19.487Z","endsAt":"0001-01-01T00:00:00Z",
            "generatorURL":"http://prometheus:9090/graph?g0.expr=gpu_memory","fingerprint":""}}"#
        )
        .replace('\n', " ")
    };
    let alerts: Vec<_> = (0..alerts).map(alert).collect();
    format!(
        r#"{{"version":"4","status":"firing","receiver":"relay","groupKey":"{{}}:{{}}",
        "externalURL":"http://alertmanager:9093","truncatedAlerts":0,"alerts":[{}]}}"#,
        alerts.join(",")
    )
}

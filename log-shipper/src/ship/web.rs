//! The pages that Promtail has, under its paths: `/ready`, `/targets`, `/service-discovery`,
//! `/config`, `/reload`. Plain HTML, or JSON with `?format=json`.

use std::fmt::Write as _;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{any, get};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use super::status::Status;
use crate::metrics::Metrics;

/// Asks whoever runs the shipper to reload; the answer says how it went.
pub type ReloadRequests = mpsc::Sender<oneshot::Sender<Result<(), String>>>;

/// What the pages need.
#[derive(Debug, Clone)]
pub struct Pages {
    /// What is followed.
    pub status: Status,
    /// Whether a file is open.
    pub metrics: Metrics,
    /// `server.http_path_prefix`, without a slash at its end.
    pub prefix: String,
    /// `server.health_check_target`: not ready while no file is read.
    pub check_targets: bool,
    /// Offered with `server.enable_runtime_reload`.
    pub reload: Option<ReloadRequests>,
}

#[derive(Debug, serde::Deserialize)]
struct Options {
    #[serde(default)]
    format: String,
}

impl Pages {
    /// The routes, without the prefix.
    pub fn router(self) -> Router {
        let mut router = Router::new()
            .route("/", get(root))
            .route("/ready", get(ready))
            .route("/targets", get(targets))
            .route("/service-discovery", get(discovery))
            .route("/config", get(config));
        if self.reload.is_some() {
            router = router.route("/reload", any(reload));
        }
        router.with_state(self)
    }
}

async fn root(State(pages): State<Pages>) -> Response {
    let to = format!("{}/targets", pages.prefix);
    (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response()
}

async fn ready(State(pages): State<Pages>) -> Response {
    if pages.check_targets && pages.metrics.files_active.get() < 1.0 {
        let why = "not ready: no file is being read; see /targets\n";
        return (StatusCode::INTERNAL_SERVER_ERROR, why).into_response();
    }
    "Ready".into_response()
}

async fn targets(State(pages): State<Pages>, Query(options): Query<Options>) -> Response {
    let jobs = blocking(move || pages.status.targets()).await;
    page("Targets", &options, &jobs)
}

/// Thousands of targets take a while: not on the threads that answer and push.
async fn blocking(make: impl FnOnce() -> Value + Send + 'static) -> Value {
    tokio::task::spawn_blocking(make).await.unwrap_or_default()
}

async fn discovery(State(pages): State<Pages>, Query(options): Query<Options>) -> Response {
    let jobs = blocking(move || pages.status.discovery()).await;
    page("Service discovery", &options, &jobs)
}

async fn config(State(pages): State<Pages>, Query(options): Query<Options>) -> Response {
    let text = pages.status.config();
    if options.format == "yaml" {
        return ([(header::CONTENT_TYPE, "application/yaml")], text).into_response();
    }
    Html(html("Configuration", &format!("<pre>{}</pre>", escape(&text)))).into_response()
}

async fn reload(State(pages): State<Pages>) -> Response {
    let (answer, answered) = oneshot::channel();
    let gone = || Err("shutting down".to_owned());
    let result = match &pages.reload {
        Some(requests) if requests.send(answer).await.is_ok() => {
            answered.await.unwrap_or_else(|_| gone())
        }
        _ => gone(),
    };
    match result {
        Ok(()) => StatusCode::OK.into_response(),
        Err(why) => {
            let why = format!("failed to reload config: {why}\n");
            (StatusCode::INTERNAL_SERVER_ERROR, why).into_response()
        }
    }
}

fn page(title: &str, options: &Options, jobs: &Value) -> Response {
    if options.format == "json" {
        let json = [(header::CONTENT_TYPE, "application/json")];
        return (json, jobs.to_string()).into_response();
    }
    let mut body = String::new();
    for job in jobs.as_array().into_iter().flatten() {
        let _ = write!(body, "<h2>{}</h2>", escape(job["job"].as_str().unwrap_or_default()));
        let targets = job["targets"].as_array().map(Vec::as_slice).unwrap_or_default();
        if targets.is_empty() {
            body.push_str("<p>none</p>");
        }
        for target in targets {
            body.push_str("<table>");
            for (name, value) in target.as_object().into_iter().flatten() {
                let _ = write!(body, "<tr><th>{}</th><td>{}</td></tr>", escape(name), cell(value));
            }
            body.push_str("</table>");
        }
    }
    Html(html(title, &body)).into_response()
}

/// A value, or the pairs of an object a line each.
fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => escape(text),
        Value::Object(pairs) => {
            let lines = pairs.iter().map(|(name, value)| {
                format!("{} = {}", escape(name), escape(value.as_str().unwrap_or_default()))
            });
            lines.collect::<Vec<_>>().join("<br>")
        }
        other => escape(&other.to_string()),
    }
}

fn html(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>log-shipper: {title}</title>\
         <style>body{{font:15px system-ui;margin:2em;color:#222}}table{{border-collapse:collapse;margin:0 0 1em}}\
         th{{text-align:left;vertical-align:top;padding:.2em 1em .2em 0;font-weight:600}}\
         td{{font-family:ui-monospace,monospace;overflow-wrap:anywhere}}nav a{{margin-right:1em}}</style></head>\
         <body><nav><a href=\"targets\">targets</a><a href=\"service-discovery\">service discovery</a>\
         <a href=\"config\">configuration</a><a href=\"metrics\">metrics</a></nav><h1>{title}</h1>{body}</body></html>"
    )
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            char => escaped.push(char),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_from_outside_are_never_markup() {
        assert_eq!(cell(&Value::from("<b>\"&'")), "&lt;b&gt;&quot;&amp;&#39;");
        assert_eq!(cell(&serde_json::json!({"<": "a", "b": ">"})), "&lt; = a<br>b = &gt;");
    }
}

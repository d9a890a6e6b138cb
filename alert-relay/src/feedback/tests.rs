use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::http::{HeaderMap, HeaderValue, StatusCode};
use tempfile::TempDir;

use super::serve::Feedback as Endpoints;
use super::signature::sign;
use super::*;
use crate::access::{Submit, sample};
use crate::config::inputs::Receive;
use crate::incident::{Feedback as Said, Incident, Input, Phase};
use crate::silence::Silencer;
use crate::time::Moment;

struct Scene {
    _folder: TempDir,
    endpoints: Endpoints<sample::Known>,
    orders: tokio::sync::mpsc::Receiver<SilenceOrder>,
    inputs: Arc<Mutex<Vec<Input>>>,
    is_stored: Arc<AtomicBool>,
    incident: Incident,
    view: Arc<sample::Known>,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, secret: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, secret).unwrap();
            path
        };
        let keys = Receive {
            slack_signing_secret_file: Some(file("slack", "shh\n")),
            pagerduty_webhook_secret_files: vec![file("old", "one"), file("new", "two")],
            ..Receive::default()
        };
        let inputs: Arc<Mutex<Vec<Input>>> = Arc::default();
        let is_stored = Arc::new(AtomicBool::new(true));
        let submit: Submit = {
            let (inputs, is_stored) = (Arc::clone(&inputs), Arc::clone(&is_stored));
            Arc::new(move |taken| {
                let is_stored = is_stored.load(Ordering::SeqCst);
                inputs.lock().unwrap().extend(taken);
                Box::pin(async move { is_stored })
            })
        };
        let incident = sample::incident(1, Moment::now());
        let incidents = vec![incident.clone()];
        let view = Arc::new(sample::Known { incidents, ..Default::default() });
        let (endpoints, orders) = Endpoints::new(&keys, Arc::clone(&view), submit).unwrap();
        Self { _folder: folder, endpoints, orders, inputs, is_stored, incident, view }
    }

    fn taken(&self) -> Vec<Input> {
        std::mem::take(&mut *self.inputs.lock().unwrap())
    }

    fn press(&self, action: &str) -> String {
        let payload = serde_json::json!({
            "type": "block_actions",
            "user": {"id": "U1", "username": "ana"},
            "response_url": "https://hooks.slack.com/actions/T1/2/x",
            "actions": [{"action_id": action, "value": self.incident.id.to_string()}],
        });
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("payload", &payload.to_string()).finish()
    }
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&'static str, &str)| {
        ((*name).parse().unwrap(), HeaderValue::from_str(value).unwrap())
    };
    pairs.iter().map(pair).collect()
}

/// Signed so many seconds from now.
fn signed(secret: &str, body: &str, seconds: i64) -> HeaderMap {
    let stamp = (Moment::now().as_millis() / 1000 + seconds).to_string();
    let signature = sign(secret, &[b"v0:", stamp.as_bytes(), b":", body.as_bytes()]);
    let signature = format!("v0={signature}");
    headers(&[("x-slack-request-timestamp", &stamp), ("x-slack-signature", &signature)])
}

/// Secret, time, body and signature that Slack publishes as an example.
#[test]
fn the_signature_is_that_of_slacks_example() {
    let body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&\
        channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&\
        command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2F\
        T1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.\
        803a0bc887a14d10d2c447fce8b6703c";
    let parts: [&[u8]; 4] = [b"v0:", b"1531420618", b":", body.as_bytes()];
    assert_eq!(
        sign("8f742231b10e8888abcd99yyyzzz85a5", &parts),
        "a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
    );
}

#[tokio::test]
async fn a_pressed_button_is_an_input_once() {
    let scene = Scene::new();
    let id = scene.incident.id.clone();
    let body = scene.press(action::ACKNOWLEDGE);
    let headers = signed("shh", &body, 0);
    assert_eq!(scene.endpoints.take_slack(&headers, body.as_bytes()).await, StatusCode::OK);
    let who = "ana".to_owned();
    assert_eq!(scene.taken(), [Input::Acknowledged { incident: id.clone(), who: who.clone() }]);
    let again = scene.endpoints.take_slack(&headers, body.as_bytes()).await;
    assert_eq!((again, scene.taken()), (StatusCode::UNAUTHORIZED, Vec::new()));
    let body = scene.press(action::NOT_ACTIONABLE);
    scene.endpoints.take_slack(&signed("shh", &body, 0), body.as_bytes()).await;
    let feedback = Said::NotActionable;
    assert_eq!(scene.taken(), [Input::Judged { incident: id, who, feedback }]);
}

#[tokio::test]
async fn what_is_not_signed_well_or_in_time_is_refused() {
    let scene = Scene::new();
    let body = scene.press(action::ACKNOWLEDGE);
    let mut cut = signed("shh", &body, 0);
    let signature = cut.get("x-slack-signature").unwrap().to_str().unwrap().to_owned();
    cut.insert("x-slack-signature", signature[..20].parse().unwrap());
    for (headers, sent) in [
        (signed("other", &body, 0), body.clone()),
        (signed("shh", &body, 0), format!("{body} ")),
        (signed("shh", &body, -310), body.clone()),
        (signed("shh", &body, 310), body.clone()),
        (HeaderMap::new(), body.clone()),
        (cut, body.clone()),
    ] {
        let status = scene.endpoints.take_slack(&headers, sent.as_bytes()).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{headers:?}");
    }
    assert_eq!(scene.taken(), []);
    let within = signed("shh", &body, -290);
    assert_eq!(scene.endpoints.take_slack(&within, body.as_bytes()).await, StatusCode::OK);
}

#[tokio::test]
async fn what_cannot_be_stored_is_not_answered_well() {
    let scene = Scene::new();
    scene.is_stored.store(false, Ordering::SeqCst);
    let body = scene.press(action::USEFUL);
    let status = scene.endpoints.take_slack(&signed("shh", &body, 0), body.as_bytes()).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_silence_is_ordered_and_its_outcome_told_to_who_wanted_it() {
    let mut scene = Scene::new();
    let body = scene.press(action::SILENCE_4H);
    scene.endpoints.take_slack(&signed("shh", &body, 0), body.as_bytes()).await;
    let order = scene.orders.recv().await.unwrap();
    assert_eq!(scene.taken(), []);
    let (_keep, none) = tokio::sync::mpsc::channel(1);
    let view = Arc::clone(&scene.view);
    let worker = SilenceWorker::new(none, Silencer::new(Vec::new()), &[], view);
    let told = worker.make(&order).await;
    assert_eq!(told, "Not silenced: the relay's configuration names no Alertmanager.");
}

fn event(kind: &str, key: &str) -> String {
    serde_json::json!({"event": {
        "id": "1", "event_type": kind, "resource_type": "incident",
        "agent": {"id": "P1", "type": "user_reference", "summary": "Ana\u{7} Lee"},
        "data": {"id": "Q1", "type": "incident", "incident_key": key},
    }})
    .to_string()
}

#[tokio::test]
async fn an_acknowledgement_in_pagerduty_is_one_here_with_any_of_the_secrets() {
    let scene = Scene::new();
    let id = scene.incident.id.clone();
    let body = event("incident.acknowledged", id.key.as_str());
    let old = sign("one", &[body.as_bytes()]);
    let several = format!("v1={},v1={old}", sign("unknown", &[body.as_bytes()]));
    let take = async |body: &str, signature: &str| {
        let headers = headers(&[("x-pagerduty-signature", signature)]);
        scene.endpoints.take_pagerduty(&headers, body.as_bytes()).await
    };
    assert_eq!(take(&body, &several).await, StatusCode::OK);
    let expected = Input::Acknowledged { incident: id, who: "Ana Lee".to_owned() };
    assert_eq!(scene.taken(), [expected]);
    let new = format!("v1={}", sign("two", &[body.as_bytes()]));
    assert_eq!(take(&body, &new).await, StatusCode::OK);
    assert_eq!(scene.taken().len(), 1);
    let wrong = format!("v1={}", sign("three", &[body.as_bytes()]));
    assert_eq!(take(&body, &wrong).await, StatusCode::UNAUTHORIZED);
    assert_eq!(take(&body, "v2=0").await, StatusCode::UNAUTHORIZED);
    for (kind, key) in [
        ("incident.acknowledged", "an incident of others"),
        ("incident.acknowledged", "ar1-0000000000000000000000000000000000000000"),
        ("incident.annotated", scene.incident.id.key.as_str()),
        ("pagey.ping", ""),
    ] {
        let body = event(kind, key);
        let signature = format!("v1={}", sign("two", &[body.as_bytes()]));
        assert_eq!(take(&body, &signature).await, StatusCode::OK, "{kind} {key}");
    }
    assert_eq!(scene.taken(), []);
}

#[tokio::test]
async fn a_key_means_its_incident_that_has_not_ended() {
    let now = Moment::now();
    let (mut open, mut ended) = (sample::incident(1, now), sample::incident(1, now));
    open.id.number = 2;
    ended.id.number = 3;
    ended.phase = Phase::Resolved { at: now };
    let incidents = vec![sample::incident(2, now), ended, open.clone()];
    let view = sample::Known { incidents, ..Default::default() };
    assert_eq!(crate::access::View::latest(&view, &open.id.key), Some(open));
}

#[tokio::test]
async fn an_endpoint_without_a_secret_is_not_there() {
    let submit: Submit = Arc::new(|_| Box::pin(async { true }));
    let view = Arc::new(sample::Known::default());
    let (endpoints, _orders) = Endpoints::new(&Receive::default(), view, submit).unwrap();
    let none = HeaderMap::new();
    assert_eq!(endpoints.take_slack(&none, b"").await, StatusCode::NOT_FOUND);
    assert_eq!(endpoints.take_pagerduty(&none, b"").await, StatusCode::NOT_FOUND);
}

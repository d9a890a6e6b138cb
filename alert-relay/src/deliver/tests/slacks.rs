//! Slack, with a token and by webhook.

use stack_tests::slack::TOKEN;

use super::*;

fn chat(desk: &Desk, slack: &Slack, extra: &str) -> Arc<Worker> {
    let token = desk.secret("token", TOKEN);
    desk.worker(&format!(
        "slack: {{bot_token_file: {}, channel: alerts, url: '{}'{extra}}}",
        token.display(),
        slack.api()
    ))
}

#[tokio::test]
async fn an_incident_is_one_message_with_a_thread() {
    let (mut desk, slack) = (Desk::new(), Slack::local(&["alerts"]));
    let worker = chat(&desk, &slack, "");
    for kind in [Kind::Open, Kind::Update, Kind::Escalate, Kind::Acknowledge] {
        let answer = desk.send(&worker, kind).await;
        assert!(is_accepted(&answer), "{kind:?}: {answer:?}");
    }
    desk.resolve();
    assert!(is_accepted(&desk.send(&worker, Kind::Resolve).await));
    let top = slack.top("alerts");
    assert_eq!((top.len(), top[0].edits), (1, 4));
    assert!(top[0].text.starts_with("✅"), "{}", top[0].text);
    let all = slack.messages("alerts");
    let thread: Vec<_> =
        all.iter().filter(|one| one.thread_ts.as_ref() == Some(&top[0].ts)).collect();
    assert_eq!(thread.len(), 2);
    assert!(thread[0].is_broadcast && thread[0].text.contains("now critical"));
    assert!(!thread[1].is_broadcast && thread[1].text == "resolved after 40 s");
    let receipt = &desk.incident.receipts["d"];
    assert_eq!(
        (receipt.place.as_str(), receipt.sequence),
        (slack.id("alerts").unwrap().as_str(), 5)
    );
}

#[tokio::test]
async fn a_message_that_is_gone_is_posted_anew_and_remembered() {
    let (mut desk, slack) = (Desk::new(), Slack::local(&["alerts"]));
    let worker = chat(&desk, &slack, "");
    desk.send(&worker, Kind::Open).await;
    let first = desk.incident.receipts["d"].stamp.clone();
    slack.delete("alerts", &first);
    assert!(is_accepted(&desk.send(&worker, Kind::Update).await));
    assert_ne!(desk.incident.receipts["d"].stamp, first);
    assert!(is_accepted(&desk.send(&worker, Kind::Update).await));
    assert_eq!(slack.top("alerts").len(), 1);
}

#[tokio::test]
async fn a_message_refused_for_its_form_arrives_as_text_alone() {
    let (mut desk, slack) = (Desk::new(), Slack::local(&["alerts"]));
    let worker = chat(&desk, &slack, "");
    slack.refuse("chat.postMessage", "invalid_blocks", false);
    assert!(is_accepted(&desk.send(&worker, Kind::Open).await));
    slack.refuse("chat.update", "msg_blocks_too_long", false);
    assert!(is_accepted(&desk.send(&worker, Kind::Update).await));
    let top = slack.top("alerts");
    assert_eq!(top[0].attachments, serde_json::json!([]));
    assert!(top[0].text.contains("GpuDown") && top[0].text.contains("No answer for 30 s."));
    // refused again: a dead letter, and others are told
    slack.refuse("chat.postMessage", "no_text", false);
    slack.refuse("chat.postMessage", "no_text", false);
    desk.incident.receipts.clear();
    let answer = desk.send(&worker, Kind::Open).await;
    assert!(matches!(&answer, Answer::Refused { .. }), "{answer:?}");
}

#[tokio::test]
async fn broken_credentials_and_channels_heal_without_a_restart() {
    let (mut desk, slack) = (Desk::new(), Slack::local(&["alerts"]));
    let worker = chat(&desk, &slack, "");
    slack.set_token("xoxb-rotated");
    let answer = desk.send(&worker, Kind::Open).await;
    assert!(matches!(&answer, Answer::Broken { problem, .. } if problem == "invalid_auth"));
    desk.secret("token", "xoxb-rotated");
    assert!(is_accepted(&desk.send(&worker, Kind::Open).await));
    desk.incident.receipts.clear();
    slack.archive("alerts");
    let answer = desk.send(&worker, Kind::Open).await;
    assert!(matches!(&answer, Answer::Broken { problem, .. } if problem == "is_archived"));
}

/// What the queue has after an attempt whose answer did not come.
fn again(job: &Job, since: Moment) -> Job {
    let mut job = job.clone();
    job.delivery.attempts = 1;
    job.delivery.ambiguous_since = Some(since);
    job
}

#[tokio::test]
async fn a_post_whose_answer_was_lost_is_found_in_the_history() {
    for fault in [Fault::CloseLate, Fault::Truncated, Fault::Html] {
        let (mut desk, slack) = (Desk::new(), Slack::local(&["alerts"]));
        let id = slack.id("alerts").unwrap();
        let token = desk.secret("token", TOKEN);
        let worker = desk.worker(&format!(
            "slack: {{bot_token_file: {}, channel: {id}, url: '{}', reads_history: true}}",
            token.display(),
            slack.api()
        ));
        let began = Moment::now();
        slack.script([fault.clone()]);
        let job = desk.job(Kind::Open);
        let answer = desk.attempt(&worker, &job).await;
        assert!(
            matches!(&answer, Answer::Retry { is_ambiguous: true, .. }),
            "{fault:?}: {answer:?}"
        );
        let answer = desk.attempt(&worker, &again(&job, began)).await;
        assert!(is_accepted(&answer), "{answer:?}");
        let top = slack.top("alerts");
        assert_eq!((top.len(), &desk.incident.receipts["d"].stamp), (1, &top[0].ts));
    }
}

#[tokio::test]
async fn a_post_that_is_not_in_the_history_is_waited_for_and_then_made_again() {
    let (mut desk, slack) = (Desk::new(), Slack::local(&["alerts"]));
    let worker = chat(&desk, &slack, ", reads_history: true");
    // tells the worker the channel's id
    desk.send(&worker, Kind::Open).await;
    desk.incident.receipts.clear();
    let job = desk.job(Kind::Open);
    let answer = worker.attempt(&again(&job, Moment::now())).await;
    assert!(matches!(&answer, Answer::Retry { is_ambiguous: true, .. }), "{answer:?}");
    let long_ago = Moment::now().before(Duration::from_secs(11));
    assert!(is_accepted(&worker.attempt(&again(&job, long_ago)).await));
    let top = slack.top("alerts");
    assert!(top.len() == 2 && !top[1].text.contains("repeat"));
}

#[tokio::test]
async fn without_the_history_a_post_made_again_says_so() {
    let (mut desk, slack) = (Desk::new(), Slack::local(&["alerts"]));
    let worker = chat(&desk, &slack, "");
    slack.refuse("chat.postMessage", "internal_error", true);
    let job = desk.job(Kind::Open);
    let answer = desk.attempt(&worker, &job).await;
    assert!(matches!(&answer, Answer::Retry { is_ambiguous: true, .. }), "{answer:?}");
    assert!(is_accepted(&desk.attempt(&worker, &again(&job, Moment::now())).await));
    let top = slack.top("alerts");
    assert_eq!(top.len(), 2);
    assert!(top[1].text.ends_with("(possible repeat)"));
}

#[tokio::test]
async fn an_error_nobody_knows_is_tried_as_text_and_then_counts_as_broken() {
    let (mut desk, slack) = (Desk::new(), Slack::local(&["alerts"]));
    let worker = chat(&desk, &slack, "");
    let mut job = desk.job(Kind::Open);
    for (attempts, is_broken) in [(0, false), (5, false), (6, true)] {
        slack.refuse("chat.postMessage", "brand_new_error", false);
        job.delivery.attempts = attempts;
        let answer = worker.attempt(&job).await;
        assert_eq!(matches!(&answer, Answer::Broken { .. }), is_broken, "{attempts}: {answer:?}");
    }
    let calls = slack.calls();
    let texts: Vec<_> =
        calls.iter().map(|(_, body)| body["attachments"] == serde_json::json!([])).collect();
    assert_eq!(texts, [false, true, true]);
}

#[tokio::test]
async fn the_pace_of_a_channel_is_kept_and_a_throttled_one_sleeps() {
    let (mut desk, slack) = (Desk::new(), Slack::local(&["alerts"]));
    slack.limit_rates(true);
    let worker = chat(&desk, &slack, "");
    for number in 0..7 {
        desk.incident.receipts.clear();
        let answer = desk.send(&worker, Kind::Open).await;
        assert!(is_accepted(&answer), "{number}: {answer:?}");
    }
    slack.limit_rates(false);
    slack.script([Fault::Status(429, Some(2), r#"{"ok":false,"error":"ratelimited"}"#.to_owned())]);
    desk.incident.receipts.clear();
    let began = std::time::Instant::now();
    let answer = desk.send(&worker, Kind::Open).await;
    assert!(matches!(&answer, Answer::Retry { is_ambiguous: false, .. }), "{answer:?}");
    assert!(is_accepted(&desk.send(&worker, Kind::Open).await));
    assert!(began.elapsed() >= Duration::from_secs(2));
}

#[tokio::test]
async fn a_digest_and_a_message_about_the_relay_are_posts_of_their_own() {
    let (mut desk, slack) = (Desk::new(), Slack::local(&["alerts"]));
    let worker = chat(&desk, &slack, "");
    desk.send(&worker, Kind::Open).await;
    let mut digest = desk.job(Kind::Digest);
    digest.incidents.push(desk.incident.clone());
    assert!(is_accepted(&worker.attempt(&digest).await));
    let mut internal = desk.job(Kind::Internal);
    internal.incidents.clear();
    "Alertmanager is gone".clone_into(&mut internal.delivery.text);
    assert!(is_accepted(&worker.attempt(&internal).await));
    let top = slack.top("alerts");
    assert_eq!(top.len(), 3);
    assert_eq!(top[1].text, "2 incidents that could wait, 0 of them over");
    assert_eq!(top[2].text, "alert-relay: Alertmanager is gone");
}

#[tokio::test]
async fn a_webhook_of_slack_gets_new_messages_only_and_its_url_stays_secret() {
    let (mut desk, slack) = (Desk::new(), Slack::local(&["alerts"]));
    let url = slack.webhook("alerts");
    let file = desk.secret("url", &url);
    let worker = desk.worker(&format!("slack_webhook: {{url_file: {}}}", file.display()));
    assert!(is_accepted(&desk.send(&worker, Kind::Open).await));
    desk.resolve();
    assert!(is_accepted(&desk.send(&worker, Kind::Resolve).await));
    slack.script([Fault::Html, Fault::Status(400, None, "invalid_payload".to_owned())]);
    let answer = desk.send(&worker, Kind::Remind).await;
    assert!(matches!(&answer, Answer::Retry { is_ambiguous: true, .. }), "{answer:?}");
    assert!(is_accepted(&desk.send(&worker, Kind::Remind).await), "as text alone");
    slack.script([Fault::CloseEarly]);
    let answer = desk.send(&worker, Kind::Remind).await;
    assert!(!is_accepted(&answer) && !problem(&answer).contains("services"), "{answer:?}");
    slack.archive("alerts");
    let answer = desk.send(&worker, Kind::Remind).await;
    assert!(matches!(&answer, Answer::Broken { .. }), "{answer:?}");
    let top = slack.top("alerts");
    assert_eq!(top.len(), 4);
    assert!(top[1].text.starts_with("✅"));
    assert!(top[3].text.contains("nobody has acknowledged this"));
}

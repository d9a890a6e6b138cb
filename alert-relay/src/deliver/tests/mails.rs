//! Mail.

use stack_tests::smtp::{Fault as MailFault, MailServer, Tls};
use stack_tests::test_authority::TestAuthority;

use super::*;
use crate::route::examples::hostile;

fn mail_worker(desk: &Desk, server: &MailServer, extra: &str) -> Arc<Worker> {
    desk.worker(&format!(
        "email: {{to: [oncall@example.com, 'Ada <ada@example.com>'], from: 'Relay <relay@example.org>', \
         smarthost: 'localhost:{}'{extra}}}",
        server.port()
    ))
}

#[tokio::test]
async fn mails_of_an_incident_are_a_thread_over_one_connection() {
    let mut desk = Desk::new();
    let server = MailServer::local(Tls::None);
    let worker = mail_worker(&desk, &server, ", tls: none");
    assert!(is_accepted(&desk.send(&worker, Kind::Open).await));
    assert!(is_accepted(&desk.send(&worker, Kind::Remind).await));
    desk.resolve();
    assert!(is_accepted(&desk.send(&worker, Kind::Resolve).await));
    assert_eq!(server.connections(), 1);
    let mails = server.mails();
    let header = |index: usize, name: &str| mails[index].header(name).unwrap_or_default();
    assert_eq!(mails[0].to, ["oncall@example.com", "ada@example.com"]);
    assert_eq!(header(0, "Subject"), "[eu-1] GpuDown: GPU 3 of gpu-7 is gone");
    assert_eq!(header(0, "Subject"), header(2, "Subject"));
    assert_eq!(header(0, "References"), "");
    assert_eq!(header(1, "In-Reply-To"), header(0, "Message-ID"));
    assert_eq!(header(2, "In-Reply-To"), header(1, "Message-ID"));
    assert!(header(2, "References").starts_with(&header(0, "Message-ID")));
    assert!(header(0, "Message-ID").ends_with("@example.org>"));
    assert_eq!(header(0, "Auto-Submitted"), "auto-generated");
    assert_eq!(header(0, "List-Id"), "<alert-relay.example.org>");
    let (text, html) = (mails[0].data.find("text/plain"), mails[0].data.find("text/html"));
    assert!(text.is_some() && text < html, "plain text first");
}

#[tokio::test]
async fn a_mail_sent_again_has_its_identity() {
    let mut desk = Desk::new();
    let server = MailServer::local(Tls::None);
    let worker = mail_worker(&desk, &server, ", tls: none");
    server.script([MailFault::CloseLate]);
    let job = desk.job(Kind::Open);
    let answer = worker.attempt(&job).await;
    assert!(matches!(&answer, Answer::Retry { is_ambiguous: true, .. }), "{answer:?}");
    assert!(is_accepted(&worker.attempt(&job).await));
    let mails = server.mails();
    assert_eq!(mails.len(), 2);
    assert_eq!(mails[0].header("Message-ID"), mails[1].header("Message-ID"));
}

#[tokio::test]
async fn each_reply_has_its_meaning() {
    let mut desk = Desk::new();
    let server = MailServer::local(Tls::None);
    let worker = mail_worker(&desk, &server, ", tls: none");
    server.script([
        MailFault::Sender("451 4.3.0 later".to_owned()),
        MailFault::Data("554 5.7.1 spam".to_owned()),
        MailFault::Data("452 full".to_owned()),
        MailFault::CloseEarly,
        MailFault::Recipient("550 nobody".to_owned()),
    ]);
    for (what, is_retry) in [("451", true), ("554", false), ("452", true), ("closed", true)] {
        let answer = desk.send(&worker, Kind::Open).await;
        let expected = match &answer {
            Answer::Retry { is_ambiguous: false, .. } => is_retry,
            Answer::Refused { .. } => !is_retry,
            _ => false,
        };
        assert!(expected, "{what}: {answer:?}");
    }
    assert!(server.mails().is_empty());
    // one of two recipients
    assert!(is_accepted(&desk.send(&worker, Kind::Open).await));
    assert_eq!(server.mails()[0].to, ["ada@example.com"]);
}

#[tokio::test]
async fn passwords_go_over_tls_only_to_a_server_that_is_known() {
    let mut desk = Desk::new();
    let authority = TestAuthority::new();
    let ca = desk.secret("ca", &authority.pem());
    let password = desk.secret("password", "hunter2");
    let tls = || authority.server(&["localhost"], false, rustls::ALL_VERSIONS);
    let login = format!(", username: relay, password_file: {}", password.display());
    for (server, mode) in [
        (MailServer::local(Tls::Starttls(tls())), "starttls"),
        (MailServer::local(Tls::Implicit(tls())), "implicit"),
    ] {
        let known = format!("{login}, tls: {mode}, ca_file: {}", ca.display());
        let worker = mail_worker(&desk, &server, &known);
        let answer = desk.send(&worker, Kind::Open).await;
        assert!(is_accepted(&answer), "{mode}: {answer:?}");
        let mail = server.mails().remove(0);
        assert_eq!(mail.login, Some(("relay".to_owned(), "hunter2".to_owned())));
        let worker = mail_worker(&desk, &server, &format!("{login}, tls: {mode}"));
        let answer = desk.send(&worker, Kind::Open).await;
        assert!(!is_accepted(&answer), "{mode}: {answer:?}");
        assert_eq!(server.mails().len(), 1, "{mode}");
    }
    let plain = MailServer::local(Tls::None);
    let worker = mail_worker(&desk, &plain, &login);
    let answer = desk.send(&worker, Kind::Open).await;
    assert_eq!(problem(&answer), "the server does not offer STARTTLS");
    plain.script([MailFault::Login("535 no".to_owned())]);
    let worker = mail_worker(&desk, &plain, &format!("{login}, tls: none"));
    let answer = desk.send(&worker, Kind::Open).await;
    assert!(matches!(&answer, Answer::Broken { .. }), "{answer:?}");
    assert!(!problem(&answer).contains("hunter2"));
}

#[tokio::test]
async fn labels_add_no_header() {
    let mut desk = Desk::new();
    desk.incident = hostile();
    desk.incident.summary = "x\r\nBcc: evil@example.com\r\n\r\nbody".to_owned();
    desk.incident.name = "a\rX-Evil: 1".to_owned();
    let server = MailServer::local(Tls::None);
    let worker = mail_worker(&desk, &server, ", tls: none");
    assert!(is_accepted(&desk.send(&worker, Kind::Open).await));
    let mail = server.mails().remove(0);
    assert_eq!(mail.to.len(), 2);
    assert_eq!((mail.header("Bcc"), mail.header("X-Evil")), (None, None));
}

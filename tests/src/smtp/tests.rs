use std::io::{BufRead as _, BufReader, Write as _};

use super::*;

/// Says each line and reads an answer, its last line.
fn talk(server: &MailServer, lines: &[&str]) -> Vec<String> {
    let stream = TcpStream::connect(server.address()).unwrap();
    let mut reader = BufReader::new(&stream);
    let mut answers = Vec::new();
    let mut read = || {
        let mut line = String::new();
        while reader.read_line(&mut line).is_ok_and(|read| read > 0) {
            if line.chars().nth(3) == Some(' ') {
                break;
            }
            line.clear();
        }
        line.trim_end().to_owned()
    };
    answers.push(read());
    for line in lines {
        (&stream).write_all(format!("{line}\r\n").as_bytes()).unwrap();
        answers.push(read());
    }
    answers
}

const MAIL: [&str; 6] = [
    "EHLO me",
    "AUTH PLAIN AHVzZXIAc2VjcmV0",
    "MAIL FROM:<a@example.com>",
    "RCPT TO:<b@example.com>",
    "DATA",
    "Subject: x\r\n y\r\n\r\n..dot\r\n.",
];

#[test]
fn a_mail_is_kept_as_it_came() {
    let server = MailServer::local(Tls::None);
    let answers = talk(&server, &MAIL);
    let codes: Vec<_> = answers.iter().map(|answer| &answer[..3]).collect();
    assert_eq!(codes, ["220", "250", "235", "250", "250", "354", "250"]);
    let mail = server.mails().remove(0);
    assert_eq!((mail.from.as_str(), mail.to.len()), ("a@example.com", 1));
    assert_eq!(mail.header("subject").as_deref(), Some("x y"));
    assert!(mail.data.ends_with("\r\n\r\n.dot\r\n"));
    assert_eq!(mail.login, Some(("user".to_owned(), "secret".to_owned())));
}

#[test]
fn faults_come_at_their_place() {
    let server = MailServer::local(Tls::None);
    server.script([
        Fault::Sender("451 later".to_owned()),
        Fault::Recipient("550 nobody".to_owned()),
        Fault::Data("552 too big".to_owned()),
        Fault::CloseLate,
        Fault::CloseEarly,
    ]);
    assert_eq!(talk(&server, &MAIL)[3], "451 later");
    assert_eq!(talk(&server, &MAIL[..4])[4], "550 nobody");
    assert_eq!(talk(&server, &MAIL)[6], "552 too big");
    assert_eq!((talk(&server, &MAIL)[6].as_str(), server.mails().len()), ("", 1));
    assert_eq!((talk(&server, &MAIL[..3])[3].as_str(), server.mails().len()), ("", 1));
}

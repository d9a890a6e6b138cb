//! One connection: commands one after another, after RFC 5321.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::{Fault, Mail, Shared, Tls};

/// A longer line is no test's.
const MAX_LINE: usize = 1 << 20;

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// Serves until the peer, the drop or a fault ends the connection.
pub(super) fn serve(shared: &Shared, stream: TcpStream, tls: &Tls) -> io::Result<()> {
    let mut session = Session { shared, is_encrypted: false, login: None, fault: None };
    match tls {
        Tls::Implicit(config) => session.converse(&mut encrypt(stream, config)?, None, true),
        Tls::None => session.converse(&mut &stream, None, true),
        Tls::Starttls(config) => {
            session.converse(&mut &stream, Some(config), true)?;
            // it ended with STARTTLS, or for good
            if session.is_encrypted {
                return session.converse(&mut encrypt(stream, config)?, None, false);
            }
            Ok(())
        }
    }
}

fn encrypt(
    stream: TcpStream,
    config: &Arc<ServerConfig>,
) -> io::Result<StreamOwned<ServerConnection, TcpStream>> {
    let connection = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
    Ok(StreamOwned::new(connection, stream))
}

struct Session<'s> {
    shared: &'s Shared,
    is_encrypted: bool,
    login: Option<(String, String)>,
    fault: Option<Fault>,
}

impl Session<'_> {
    fn converse(
        &mut self,
        stream: &mut dyn Stream,
        starttls: Option<&Arc<ServerConfig>>,
        greets: bool,
    ) -> io::Result<()> {
        self.is_encrypted |= starttls.is_none() && !greets;
        let mut say = |stream: &mut dyn Stream, text: &str| {
            stream.write_all(format!("{text}\r\n").as_bytes()).and_then(|()| stream.flush())
        };
        if greets {
            say(stream, "220 test ESMTP")?;
        }
        let (mut from, mut to) = (None, Vec::new());
        while let Some(line) = read_line(stream)? {
            let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
            match verb.to_ascii_uppercase().as_str() {
                "EHLO" | "HELO" => {
                    let offer = if starttls.is_some() { "250-STARTTLS\r\n" } else { "" };
                    say(
                        stream,
                        &format!("250-test\r\n{offer}250-8BITMIME\r\n250 AUTH PLAIN LOGIN"),
                    )?;
                }
                "STARTTLS" if starttls.is_some() => {
                    say(stream, "220 go ahead")?;
                    self.is_encrypted = true;
                    return Ok(());
                }
                "AUTH" => self.log_in(stream, rest, &mut say)?,
                "MAIL" => {
                    self.fault = self.shared.change(|state| state.faults.pop_front());
                    match &self.fault {
                        Some(Fault::Sender(answer)) => {
                            (from, to) = (None, Vec::new());
                            say(stream, &answer.clone())?;
                        }
                        Some(Fault::CloseEarly) => return Ok(()),
                        _ => {
                            from = Some(address(rest));
                            to.clear();
                            say(stream, "250 ok")?;
                        }
                    }
                }
                "RCPT" if from.is_none() => say(stream, "503 no sender")?,
                "RCPT" => {
                    if let Some(Fault::Recipient(answer)) = &self.fault {
                        let answer = answer.clone();
                        self.fault = None;
                        say(stream, &answer)?;
                    } else {
                        to.push(address(rest));
                        say(stream, "250 ok")?;
                    }
                }
                "DATA" if to.is_empty() => say(stream, "503 no recipient")?,
                "DATA" => {
                    say(stream, "354 go on")?;
                    let Some(data) = read_data(stream)? else { return Ok(()) };
                    let mail = Mail {
                        from: from.take().unwrap_or_default(),
                        to: std::mem::take(&mut to),
                        data,
                        is_encrypted: self.is_encrypted,
                        login: self.login.clone(),
                    };
                    if let Some(Fault::Data(answer)) = &self.fault {
                        say(stream, &answer.clone())?;
                        continue;
                    }
                    self.shared.change(|state| state.mails.push(mail));
                    if self.fault == Some(Fault::CloseLate) {
                        return Ok(());
                    }
                    say(stream, "250 kept")?;
                }
                "RSET" | "NOOP" => say(stream, "250 ok")?,
                "QUIT" => return say(stream, "221 bye"),
                _ => say(stream, "502 what?")?,
            }
        }
        Ok(())
    }

    /// `AUTH PLAIN` with its answer on the line, and `AUTH LOGIN`.
    fn log_in(
        &mut self,
        stream: &mut dyn Stream,
        rest: &str,
        say: &mut impl FnMut(&mut dyn Stream, &str) -> io::Result<()>,
    ) -> io::Result<()> {
        let decode = |text: &str| {
            let bytes = STANDARD.decode(text.trim()).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let refusal = self.shared.change(|state| match state.faults.front() {
            Some(Fault::Login(_)) => state.faults.pop_front(),
            _ => None,
        });
        if let Some(Fault::Login(answer)) = refusal {
            return say(stream, &answer);
        }
        if let Some(answer) = rest.strip_prefix("PLAIN ") {
            let answer = decode(answer);
            let mut parts = answer.split('\0').skip(1).map(str::to_owned);
            self.login = parts.next().zip(parts.next());
        } else {
            say(stream, "334 VXNlcm5hbWU6")?;
            let user = read_line(stream)?.unwrap_or_default();
            say(stream, "334 UGFzc3dvcmQ6")?;
            let password = read_line(stream)?.unwrap_or_default();
            self.login = Some((decode(&user), decode(&password)));
        }
        say(stream, "235 welcome")
    }
}

/// What stands between angle brackets.
fn address(rest: &str) -> String {
    let inside = rest.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inside.map_or(rest, |(address, _)| address).to_owned()
}

fn read_line(stream: &mut dyn Stream) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    let mut byte = [0];
    while line.len() < MAX_LINE {
        if stream.read(&mut byte)? == 0 {
            return Ok(None);
        }
        line.push(byte[0]);
        if line.ends_with(b"\r\n") {
            line.truncate(line.len() - 2);
            return Ok(Some(String::from_utf8_lossy(&line).into_owned()));
        }
    }
    Err(io::ErrorKind::InvalidData.into())
}

/// Until a line with a dot alone; `None` if the connection ended before.
fn read_data(stream: &mut dyn Stream) -> io::Result<Option<String>> {
    let mut data = String::new();
    while let Some(line) = read_line(stream)? {
        if line == "." {
            return Ok(Some(data));
        }
        data.push_str(line.strip_prefix('.').unwrap_or(&line));
        data.push_str("\r\n");
    }
    Ok(None)
}

//! Mail by SMTP. A mail whose answer was lost is sent again under the same `Message-ID`.

use std::path::PathBuf;
use std::sync::Mutex as Lock;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail as MailCommand, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, Message};
use tokio::time::timeout;

use super::http::{TlsError, authorities};
use super::verdict::{Class, Trouble, accepted, said};
use super::worker::DeliverError;
use super::{Job, Shared};
use crate::config::destinations::{Email, EmailTls};
use crate::incident::Answer;
use crate::render::{Occasion, mail};

/// For each step of the conversation.
const STEP: Duration = Duration::from_secs(10);

/// A connection is used again for this long.
const KEPT: Duration = Duration::from_mins(1);

#[derive(Debug)]
pub(super) struct Postman {
    name: String,
    from: Mailbox,
    to: Vec<Mailbox>,
    host: String,
    port: u16,
    tls: EmailTls,
    ca_file: Option<PathBuf>,
    login: Option<(String, PathBuf)>,
    connection: Lock<Option<(Connection, Instant)>>,
    shared: Shared,
}

struct Connection(AsyncSmtpConnection);

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connection")
    }
}

impl Postman {
    pub(super) fn new(name: &str, config: &Email, shared: &Shared) -> Result<Self, DeliverError> {
        let problem = |key: &str, text: String| DeliverError::Value {
            destination: name.to_owned(),
            key: format!("email.{key}"),
            problem: text,
        };
        let mailbox = |key: &'static str, text: &String| {
            text.parse::<Mailbox>()
                .map_err(|_| problem(key, format!("{text:?} is no address such as a@example.com")))
        };
        let wanted = || problem("smarthost", format!("{:?} is no HOST:PORT", config.smarthost));
        let (host, port) = config.smarthost.rsplit_once(':').ok_or_else(wanted)?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let login = match (&config.username, &config.password_file) {
            (Some(user), Some(file)) => Some((user.clone(), file.clone())),
            (None, None) => None,
            _ => {
                let text = "needs username and password_file, or neither".to_owned();
                return Err(problem("username", text));
            }
        };
        Ok(Self {
            name: name.to_owned(),
            from: mailbox("from", &config.from)?,
            to: config.to.iter().map(|text| mailbox("to", text)).collect::<Result<_, _>>()?,
            port: port.parse().map_err(|_| wanted())?,
            host,
            tls: config.tls,
            ca_file: config.ca_file.clone(),
            login,
            connection: Lock::default(),
            shared: shared.clone(),
        })
    }

    pub(super) async fn send(&self, job: &Job, occasion: &Occasion<'_>) -> Result<Answer, Trouble> {
        let receipt = job.incidents.first().and_then(|one| one.receipts.get(&self.name));
        let domain = self.from.email.domain();
        let mail = mail::mail(&job.delivery, &job.incidents, receipt, domain, occasion);
        let message = self.message(&mail)?;
        let mut connection = self.connect().await?;
        let sent = self.transfer(&mut connection.0, &message.formatted()).await;
        if sent.is_ok() {
            let mut kept = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
            *kept = Some((connection, Instant::now()));
        }
        sent?;
        let first = receipt.map(|receipt| receipt.place.as_str()).filter(|place| !place.is_empty());
        let first = first.unwrap_or(&mail.message_id);
        Ok(accepted(receipt, first, &mail.message_id, ""))
    }

    fn message(&self, mail: &mail::Mail) -> Result<Message, Trouble> {
        let raw = |name: &'static str, value: String| {
            HeaderValue::new(HeaderName::new_from_ascii_str(name), value)
        };
        let mut builder = Message::builder()
            .from(self.from.clone())
            .message_id(Some(mail.message_id.clone()))
            .subject(mail.subject.clone())
            .raw_header(raw("Auto-Submitted", "auto-generated".to_owned()))
            .raw_header(raw("X-Auto-Response-Suppress", "All".to_owned()))
            .raw_header(raw("List-Id", format!("<alert-relay.{}>", self.from.email.domain())));
        for to in &self.to {
            builder = builder.to(to.clone());
        }
        if let Some(last) = mail.references.last() {
            builder = builder.in_reply_to(last.clone()).references(mail.references.join(" "));
        }
        let parts = MultiPart::alternative_plain_html(mail.text.clone(), mail.html.clone());
        builder.multipart(parts).map_err(|error| Trouble::new(Class::Refused, error.to_string()))
    }

    /// The connection of the last mail, or a new one.
    async fn connect(&self) -> Result<Connection, Trouble> {
        let kept = self.connection.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((mut kept, since)) = kept
            && since.elapsed() < KEPT
            && timeout(STEP, kept.0.test_connected()).await == Ok(true)
        {
            return Ok(kept);
        }
        let hello = ClientId::Domain(self.from.email.domain().to_owned());
        let parameters = match self.tls {
            EmailTls::None => None,
            EmailTls::Implicit | EmailTls::Starttls => Some(self.parameters().await?),
        };
        let implicit = parameters.clone().filter(|_| self.tls == EmailTls::Implicit);
        let server = (self.host.as_str(), self.port);
        let opening =
            AsyncSmtpConnection::connect_tokio1(server, Some(STEP), &hello, implicit, None);
        let mut connection = step(opening).await.map_err(Trouble::at_greeting)?;
        if let Some(parameters) = parameters.filter(|_| self.tls == EmailTls::Starttls) {
            if !connection.can_starttls() {
                let problem = "the server does not offer STARTTLS";
                return Err(Trouble::new(Class::Broken, problem));
            }
            step(connection.starttls(parameters, &hello)).await.map_err(Trouble::at_greeting)?;
        }
        if let Some((user, file)) = &self.login {
            let read = self.shared.credentials.read(file).await;
            let password = read.map_err(|error| Trouble::new(Class::Broken, error.to_string()))?;
            let login = Credentials::new(user.clone(), password.expose().to_owned());
            step(connection.auth(DEFAULT_MECHANISMS, &login))
                .await
                .map_err(Trouble::at_greeting)?;
        }
        Ok(Connection(connection))
    }

    async fn parameters(&self) -> Result<TlsParameters, Trouble> {
        let (host, ca_file) = (self.host.clone(), self.ca_file.clone());
        let build = move || -> Result<TlsParameters, TlsError> {
            let setup = |error: SmtpError| TlsError::Setup { problem: error.to_string() };
            let mut builder = TlsParameters::builder(host);
            for authority in ca_file.map_or_else(|| Ok(Vec::new()), |path| authorities(&path))? {
                let certificate = Certificate::from_der(authority.to_vec()).map_err(setup)?;
                builder = builder.add_root_certificate(certificate);
            }
            builder.build_rustls().map_err(setup)
        };
        match tokio::task::spawn_blocking(build).await {
            Ok(built) => built.map_err(|error| Trouble::new(Class::Broken, error.to_string())),
            Err(_) => Err(Trouble::new(Class::Retry, "the program is ending")),
        }
    }

    async fn transfer(
        &self,
        connection: &mut AsyncSmtpConnection,
        message: &[u8],
    ) -> Result<(), Trouble> {
        let from: Address = self.from.email.clone();
        step(connection.command(MailCommand::new(Some(from), Vec::new()))).await?;
        let (mut taken, mut refusal) = (0, None);
        for to in &self.to {
            match step(connection.command(Rcpt::new(to.email.clone(), Vec::new()))).await {
                Ok(_) => taken += 1,
                Err(trouble) if trouble.is_reply() => {
                    tracing::warn!(
                        destination = self.name,
                        problem = trouble.problem,
                        "recipient refused"
                    );
                    // one that may be taken later is better news than one that never is
                    if refusal.is_none() || trouble.class == Class::Retry {
                        refusal = Some(trouble);
                    }
                }
                Err(trouble) => return Err(trouble),
            }
        }
        if taken == 0 {
            return Err(refusal.unwrap_or_else(|| Trouble::new(Class::Refused, "no recipient")));
        }
        step(connection.command(Data)).await?;
        // from here on it may have been taken although no answer says so
        step(connection.message(message)).await.map(|_| ()).map_err(|trouble| {
            let is_ambiguous = !trouble.is_reply();
            Trouble { is_ambiguous, ..trouble }
        })
    }
}

async fn step<T>(doing: impl Future<Output = Result<T, SmtpError>>) -> Result<T, Trouble> {
    let Ok(done) = timeout(STEP, doing).await else {
        return Err(Trouble::new(Class::Retry, "no answer in time"));
    };
    done.map_err(|error| {
        let class = if error.is_permanent() {
            Class::Refused
        } else if error.is_tls() {
            Class::Broken
        } else {
            Class::Retry
        };
        let problem = said(&error.to_string());
        let code = error.status().map(|code| format!("{REPLY}{code} "));
        Trouble::new(class, format!("{}{problem}", code.unwrap_or_default()))
    })
}

/// Begins the problem of a reply with a code.
const REPLY: &str = "the server answered ";

impl Trouble {
    /// Whether the server said it, so that the conversation is in order.
    fn is_reply(&self) -> bool {
        self.problem.starts_with(REPLY)
    }

    /// Before a mail was begun, what is refused is not the mail.
    fn at_greeting(self) -> Self {
        let class = if self.class == Class::Refused { Class::Broken } else { self.class };
        Self { class, ..self }
    }
}

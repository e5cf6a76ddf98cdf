//! From a socket to an available session.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;

use rustls::ClientConfig;
use tidings_xmpp::sasl::{SaltedPassword, ScramSecret, TlsBinding};
use tidings_xmpp::stanza::Condition;
use tidings_xmpp::stream::client::{
    KnownFeatures, Negotiation, NegotiationError, Options, Pipelining, Ready, Registration, Sasl2, Step,
};
use tidings_xmpp::xml::FrameReader;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::account::{PASSWORD, username};
use super::{Flow, Habits, Kind, Plan, tls};

const RESOURCE: &str = "bench";
const PRESENCE: &[u8] = b"<presence/>";

thread_local! {
    /// What a login of this process taught: the costly step of a password, which is the client's cost and not
    /// the server's, and what the server offers.
    static LEARNED: RefCell<Learned> = RefCell::default();
}

#[derive(Default)]
struct Learned {
    /// Accounts that were made in bulk share a salt, so one account's serves all.
    salted: Option<SaltedPassword>,
    features: Option<KnownFeatures>,
}

/// A session, and what came behind its login.
pub(super) struct Session {
    pub(super) stream: TlsStream<TcpStream>,
    pub(super) reader: FrameReader,
    pub(super) rest: Vec<u8>,
}

fn failed(why: impl Into<String>) -> io::Error {
    io::Error::other(why.into())
}

/// Whether a device with these habits has to log in once before others can do so ahead of the answers.
pub(super) fn must_learn(habits: Habits) -> bool {
    habits.flow == Flow::Ahead && LEARNED.with_borrow(|learned| learned.features.is_none())
}

/// Logs in over a socket: STARTTLS or direct TLS, SASL, binding, presence.
pub(super) async fn login(
    config: &Arc<ClientConfig>,
    socket: TcpStream,
    plan: &Plan,
    number: usize,
) -> io::Result<Session> {
    let Kind::Device { direct, domain, habits } = &plan.kind else {
        return Err(failed("not a device"));
    };
    let mut options = options(domain, number)?;
    options.stream_management = habits.acks;
    if habits.flow == Flow::Offered {
        options.sasl2 = Some(Sasl2 { user_agent: None, tag: Some(RESOURCE.to_owned()) });
    }
    if habits.flow == Flow::Ahead {
        let known = LEARNED.with_borrow(|learned| learned.features.clone());
        options.pipelining = known.map(|known| Pipelining { known, greeting: PRESENCE.to_vec() });
    }
    let mut talk = Talk::open(config, socket, options, *direct, domain).await?;
    let ready = match talk.step().await.map_err(failed_login)? {
        Step::Ready(ready) => *ready,
        step => return Err(failed(format!("no session, but {step:?}"))),
    };
    if !ready.greeted {
        talk.out.extend_from_slice(PRESENCE);
        talk.flush().await?;
    }
    learn(ready);
    if must_learn(*habits) {
        return Err(failed("the server does not let devices send ahead of its answers (XEP-0305)"));
    }
    let (reader, _) = talk.negotiation.finish();
    Ok(Session { stream: talk.stream, reader, rest: talk.rest })
}

/// Makes an account, if there is none of its name (XEP-0077), and goes.
pub(super) async fn register(
    config: &Arc<ClientConfig>,
    socket: TcpStream,
    plan: &Plan,
    number: usize,
) -> io::Result<()> {
    let Kind::Registration { direct, domain } = &plan.kind else {
        return Err(failed("not a registration"));
    };
    let options = Options { registration: Some(Registration::default()), ..options(domain, number)? };
    let mut talk = Talk::open(config, socket, options, *direct, domain).await?;
    loop {
        match talk.step().await {
            Ok(Step::Registered) => break,
            Ok(_) => {}
            Err(Refusal::Negotiation(NegotiationError::Registration(error)))
                if error.condition == Condition::Conflict =>
            {
                break;
            }
            Err(refusal) => return Err(failed(format!("not registered: {refusal}"))),
        }
    }
    // What would have begun the login is not said.
    talk.out = b"</stream:stream>".to_vec();
    talk.flush().await
}

fn options(domain: &str, number: usize) -> io::Result<Options> {
    let mut nonce = [0; 24];
    getrandom::fill(&mut nonce).map_err(|error| failed(error.to_string()))?;
    let mut secret = ScramSecret::password(PASSWORD);
    secret.salted = LEARNED.with_borrow(|learned| learned.salted.clone());
    Ok(Options {
        domain: domain.to_owned(),
        username: username(number),
        secret,
        registration: None,
        allow_plain: true,
        resource: Some(RESOURCE.to_owned()),
        sasl2: None,
        stream_management: true,
        resume: None,
        nonce,
        pipelining: None,
    })
}

fn learn(ready: Ready) {
    LEARNED.with_borrow_mut(|learned| {
        learned.salted = ready.salted.or(learned.salted.take());
        learned.features = ready.known.or(learned.features.take());
    });
}

/// Why a negotiation came to no end.
#[derive(Debug)]
enum Refusal {
    Io(io::Error),
    Negotiation(NegotiationError),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Negotiation(error) => error.fmt(f),
        }
    }
}

fn failed_login(refusal: Refusal) -> io::Error {
    match refusal {
        Refusal::Io(error) => error,
        Refusal::Negotiation(error) => failed(format!("login refused: {error}")),
    }
}

/// A negotiation and the stream under it.
struct Talk<S> {
    stream: S,
    negotiation: Negotiation,
    out: Vec<u8>,
    /// Read, and not yet taken by the negotiation.
    rest: Vec<u8>,
}

impl Talk<TlsStream<TcpStream>> {
    /// A negotiation that has TLS under it, by STARTTLS or from the first byte.
    async fn open(
        config: &Arc<ClientConfig>,
        socket: TcpStream,
        options: Options,
        direct: bool,
        domain: &str,
    ) -> io::Result<Self> {
        let mut out = Vec::new();
        if direct {
            let stream = tls::secure(config, socket, domain).await?;
            let negotiation = Negotiation::new(options, Some(binding()), &mut out);
            return Ok(Self { stream, negotiation, out, rest: Vec::new() });
        }
        let negotiation = Negotiation::new(options, None, &mut out);
        let mut plain = Talk { stream: socket, negotiation, out, rest: Vec::new() };
        match plain.step().await.map_err(failed_login)? {
            Step::StartTls => {}
            _ => return Err(failed("no STARTTLS")),
        }
        let stream = tls::secure(config, plain.stream, domain).await?;
        let (mut negotiation, mut out) = (plain.negotiation, plain.out);
        negotiation.tls_started(binding(), &mut out);
        Ok(Self { stream, negotiation, out, rest: Vec::new() })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Talk<S> {
    async fn flush(&mut self) -> io::Result<()> {
        if !self.out.is_empty() {
            self.stream.write_all(&self.out).await?;
            self.stream.flush().await?;
            self.out.clear();
        }
        Ok(())
    }

    /// Writes and reads up to the negotiation's next step. What that step has to say stays in `out`.
    async fn step(&mut self) -> Result<Step, Refusal> {
        loop {
            self.flush().await.map_err(Refusal::Io)?;
            let mut input = self.rest.as_slice();
            let step = self.negotiation.receive(&mut input, &mut self.out).map_err(Refusal::Negotiation)?;
            let used = self.rest.len() - input.len();
            self.rest.drain(..used);
            match step {
                Step::More if !self.out.is_empty() => {}
                Step::More => {
                    let mut buffer = [0; 2048];
                    let read = self.stream.read(&mut buffer).await.map_err(Refusal::Io)?;
                    if read == 0 {
                        return Err(Refusal::Io(io::ErrorKind::UnexpectedEof.into()));
                    }
                    self.rest.extend_from_slice(buffer.get(..read).unwrap_or_default());
                }
                step => return Ok(step),
            }
        }
    }
}

/// Logins are measured without channel binding.
fn binding() -> TlsBinding {
    TlsBinding { version: "TLSv1.3", server_end_point: None, exporter: None }
}

//! From a socket to an available session.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::ClientConfig;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tidings_xmpp::sasl::{
    ClientBinding, Mechanism, SaltedPassword, ScramClient, ScramHash, ScramSecret, ScramVerifier,
};
use tidings_xmpp::xml::{Frame, FrameReader};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::account::{PASSWORD, username};
use super::device_loop::{LIMITS, contains};
use super::{Flow, Kind, Plan};

/// Connections from one source address, so that none runs out of ports.
const PER_ADDRESS: usize = 1000;

const BIND: &str = "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>\
    <resource>bench</resource></bind></iq>";
const ENABLE: &str = "<enable xmlns='urn:xmpp:sm:3' resume='true'/>";
const PRESENCE: &str = "<presence/>";
const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";
const SASL2: &str = "urn:xmpp:sasl:2";
const BIND2: &str = "urn:xmpp:bind:0";

thread_local! {
    /// The costly step of a password, by account: it is the client's cost, not the server's.
    static SALTED: RefCell<HashMap<String, SaltedPassword>> = RefCell::default();
}

/// A stream that is open, and what came behind the last answer.
pub(super) struct Talk<S> {
    pub(super) stream: S,
    pub(super) reader: FrameReader,
    pub(super) rest: Vec<u8>,
}

fn failed(why: impl Into<String>) -> io::Error {
    io::Error::other(why.into())
}

/// Connects from an address of this machine that suits the connection's number.
pub(super) async fn connect(plan: &Plan, number: usize) -> io::Result<TcpStream> {
    if !plan.address.ip().is_loopback() {
        return TcpStream::connect(plan.address).await;
    }
    let socket = TcpSocket::new_v4()?;
    let group = u16::try_from(number / PER_ADDRESS % 60_000).unwrap_or(0);
    let [high, low] = (group + 2).to_be_bytes();
    socket.bind((IpAddr::from(Ipv4Addr::new(127, plan.net, high, low)), 0).into())?;
    socket.set_nodelay(true)?;
    socket.connect(plan.address).await
}

/// The TLS handshake.
pub(super) async fn secure(
    config: &Arc<ClientConfig>,
    socket: TcpStream,
    name: &str,
) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(name.to_owned()).map_err(|error| failed(error.to_string()))?;
    TlsConnector::from(Arc::clone(config)).connect(name, socket).await
}

/// TLS 1.3 towards a server whose certificate no authority signed; no tickets are used.
pub(super) fn tls() -> Result<Arc<ClientConfig>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone))
        .with_no_client_auth();
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(config))
}

/// Logs in over a socket: STARTTLS or direct TLS, SASL, binding, presence.
pub(super) async fn login(
    config: &Arc<ClientConfig>,
    socket: TcpStream,
    plan: &Plan,
    number: usize,
) -> io::Result<Talk<TlsStream<TcpStream>>> {
    let Kind::Device { direct, domain, habits } = &plan.kind else {
        return Err(failed("not a device"));
    };
    let name = username(number);
    if habits.flow == Flow::Ahead {
        let mut talk = connected(config, socket, *direct, domain).await?;
        talk.login_ahead(domain, &name, habits.acks).await?;
        return Ok(talk);
    }
    let (mut talk, features) = open(config, socket, *direct, domain).await?;
    if habits.flow == Flow::Offered
        && let Some((mechanism, hash)) = together(&features)
    {
        talk.login_together(&name, mechanism, hash, habits.acks).await?;
        return Ok(talk);
    }
    talk.authenticate(&name, mechanism(&features)?).await?;
    talk.reader.reset();
    talk.rest.clear();
    talk.open(domain).await?;
    talk.say(BIND).await?;
    talk.bound().await?;
    if habits.acks {
        talk.say(ENABLE).await?;
        talk.enabled().await?;
    }
    talk.say(PRESENCE).await?;
    Ok(talk)
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
    let (mut talk, _) = open(config, socket, *direct, domain).await?;
    let query = format!(
        "<iq type='set' id='reg'><query xmlns='jabber:iq:register'><username>{}</username>\
         <password>{PASSWORD}</password></query></iq>",
        username(number)
    );
    let answer = talk.ask(&query).await?;
    if !contains(&answer, b"result") && !contains(&answer, b"conflict") {
        return Err(failed(format!("not registered: {}", String::from_utf8_lossy(&answer))));
    }
    talk.say("</stream:stream>").await
}

/// A stream over TLS, and its features.
async fn open(
    config: &Arc<ClientConfig>,
    socket: TcpStream,
    direct: bool,
    domain: &str,
) -> io::Result<(Talk<TlsStream<TcpStream>>, Vec<u8>)> {
    let mut talk = connected(config, socket, direct, domain).await?;
    let features = talk.open(domain).await?;
    Ok((talk, features))
}

/// A connection under TLS, on which nothing has been said.
async fn connected(
    config: &Arc<ClientConfig>,
    socket: TcpStream,
    direct: bool,
    domain: &str,
) -> io::Result<Talk<TlsStream<TcpStream>>> {
    let socket = match direct {
        true => socket,
        false => start_tls(socket, domain).await?,
    };
    let stream = secure(config, socket, domain).await?;
    Ok(Talk { stream, reader: FrameReader::new(LIMITS), rest: Vec::new() })
}

async fn start_tls(socket: TcpStream, domain: &str) -> io::Result<TcpStream> {
    let mut talk = Talk { stream: socket, reader: FrameReader::new(LIMITS), rest: Vec::new() };
    talk.open(domain).await?;
    let answer = talk.ask("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>").await?;
    match answer.starts_with(b"<proceed") {
        true => Ok(talk.stream),
        false => Err(failed("no STARTTLS")),
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Talk<S> {
    async fn say(&mut self, text: &str) -> io::Result<()> {
        self.stream.write_all(text.as_bytes()).await?;
        self.stream.flush().await
    }

    async fn ask(&mut self, text: &str) -> io::Result<Vec<u8>> {
        self.say(text).await?;
        self.next().await
    }

    /// Opens the stream, and reads the features.
    async fn open(&mut self, domain: &str) -> io::Result<Vec<u8>> {
        self.say(&header(domain)).await?;
        self.features().await
    }

    async fn features(&mut self) -> io::Result<Vec<u8>> {
        self.next_is("no features", |answer| contains(answer, b"features")).await
    }

    async fn bound(&mut self) -> io::Result<Vec<u8>> {
        self.next_is("not bound", |answer| contains(answer, b"<jid")).await
    }

    async fn enabled(&mut self) -> io::Result<Vec<u8>> {
        self.next_is("no XEP-0198", |answer| answer.starts_with(b"<enabled")).await
    }

    async fn next_is(&mut self, otherwise: &str, right: impl Fn(&[u8]) -> bool) -> io::Result<Vec<u8>> {
        let answer = self.next().await?;
        match right(&answer) {
            true => Ok(answer),
            false => Err(failed(format!("{otherwise}: {}", String::from_utf8_lossy(&answer)))),
        }
    }

    /// The next first-level element.
    async fn next(&mut self) -> io::Result<Vec<u8>> {
        loop {
            let mut input = self.rest.as_slice();
            let frame = match self.reader.read(&mut input) {
                Ok(Some(Frame::Stanza(stanza))) => Some(stanza.to_vec()),
                Ok(Some(Frame::Open(_)) | None) => None,
                Ok(Some(Frame::Close)) => return Err(failed("the server closed the stream")),
                Err(error) => return Err(failed(error.to_string())),
            };
            let left = input.len();
            let used = self.rest.len() - left;
            self.rest.drain(..used);
            match frame {
                Some(frame) => return Ok(frame),
                None if left > 0 => {}
                None => {
                    let mut buffer = [0; 2048];
                    let read = self.stream.read(&mut buffer).await?;
                    if read == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                    self.rest.extend_from_slice(buffer.get(..read).unwrap_or_default());
                }
            }
        }
    }

    async fn authenticate(&mut self, name: &str, mechanism: Mechanism) -> io::Result<()> {
        let Some(hash) = mechanism.hash() else {
            let credentials = STANDARD.encode(format!("\0{name}\0{PASSWORD}"));
            let answer = self
                .ask(&format!(
                    "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{credentials}</auth>"
                ))
                .await?;
            return expect(&answer, b"<success");
        };
        let (scram, first) = start_scram(name, hash)?;
        let challenge = self.ask(&auth(mechanism, &first)).await?;
        let (verifier, response) = respond(scram, &challenge, SASL)?;
        let success = self.ask(&response).await?;
        verify(name, verifier, &success, b"<success")
    }

    /// All that comes after the features in two round trips (XEP-0388, XEP-0386).
    async fn login_together(
        &mut self,
        name: &str,
        mechanism: Mechanism,
        hash: ScramHash,
        acks: bool,
    ) -> io::Result<()> {
        let (scram, first) = start_scram(name, hash)?;
        let (mechanism, enable) = (mechanism.name(), if acks { ENABLE } else { "" });
        let challenge = self
            .ask(&format!(
                "<authenticate xmlns='{SASL2}' mechanism='{mechanism}'><initial-response>{first}</initial-response>\
                 <bind xmlns='{BIND2}'><tag>bench</tag>{enable}</bind></authenticate>"
            ))
            .await?;
        let (verifier, response) = respond(scram, &challenge, SASL2)?;
        let success = self.ask(&response).await?;
        verify(name, verifier, &success, b"<additional-data>")?;
        if !contains(&success, b"<bound") || (acks && !contains(&success, b"<enabled")) {
            return Err(failed(format!("not bound: {}", String::from_utf8_lossy(&success))));
        }
        self.features().await?;
        self.say(PRESENCE).await
    }

    /// All of a login, from the header to presence, in two round trips (XEP-0305). It is
    /// taken for granted that the server offers SCRAM-SHA-256.
    async fn login_ahead(&mut self, domain: &str, name: &str, acks: bool) -> io::Result<()> {
        let header = header(domain);
        let (scram, first) = start_scram(name, ScramHash::Sha256)?;
        let auth = auth(Mechanism::ScramSha256, &first);
        self.say(&format!("{header}{auth}")).await?;
        self.features().await?;
        let challenge = self.next().await?;
        let (verifier, response) = respond(scram, &challenge, SASL)?;
        let enable = if acks { ENABLE } else { "" };
        self.say(&format!("{response}{header}{BIND}{enable}{PRESENCE}")).await?;
        let success = self.next().await?;
        verify(name, verifier, &success, b"<success")?;
        // What came behind the success belongs to the new stream.
        self.reader.reset();
        self.features().await?;
        self.bound().await?;
        if acks {
            self.enabled().await?;
        }
        Ok(())
    }
}

fn header(domain: &str) -> String {
    format!(
        "<?xml version='1.0'?><stream:stream to='{domain}' version='1.0' xmlns='jabber:client' \
         xmlns:stream='http://etherx.jabber.org/streams'>"
    )
}

/// SCRAM's first message, encoded.
fn start_scram(name: &str, hash: ScramHash) -> io::Result<(ScramClient, String)> {
    let mut nonce = [0; 18];
    getrandom::fill(&mut nonce).map_err(|error| failed(error.to_string()))?;
    // Accounts that were made in bulk share a salt, too.
    let salted = SALTED.with_borrow(|all| all.get(name).or_else(|| all.values().next()).cloned());
    let mut secret = ScramSecret::password(PASSWORD);
    secret.salted = salted;
    let scram = ScramClient::new(hash, name, secret, ClientBinding::Unsupported, &nonce);
    let first = STANDARD.encode(scram.first());
    Ok((scram, first))
}

fn auth(mechanism: Mechanism, first: &str) -> String {
    format!("<auth xmlns='{SASL}' mechanism='{}'>{first}</auth>", mechanism.name())
}

/// Its last message, in `<response/>`.
fn respond(scram: ScramClient, challenge: &[u8], profile: &str) -> io::Result<(ScramVerifier, String)> {
    expect(challenge, b"<challenge")?;
    let message = payload(challenge, b"<challenge")?;
    let (verifier, last) = scram.respond(&message).map_err(|error| failed(error.to_string()))?;
    let last = STANDARD.encode(last);
    Ok((verifier, format!("<response xmlns='{profile}'>{last}</response>")))
}

/// The server's proof lies in `holder`.
fn verify(name: &str, verifier: ScramVerifier, success: &[u8], holder: &[u8]) -> io::Result<()> {
    expect(success, b"<success")?;
    let salted = verifier.verify(&payload(success, holder)?).map_err(|error| failed(error.to_string()))?;
    SALTED.with_borrow_mut(|all| all.insert(name.to_owned(), salted));
    Ok(())
}

/// How to log in: the best that the server offers, without channel binding.
fn mechanism(features: &[u8]) -> io::Result<Mechanism> {
    [Mechanism::ScramSha256, Mechanism::ScramSha1, Mechanism::Plain]
        .into_iter()
        .find(|mechanism| contains(features, format!(">{}<", mechanism.name()).as_bytes()))
        .ok_or_else(|| {
            let features = String::from_utf8_lossy(features);
            failed(format!("neither SCRAM-SHA-256, SCRAM-SHA-1 nor PLAIN is offered: {features}"))
        })
}

/// How to log in by XEP-0388 with a resource by XEP-0386; `None` where the server does not
/// offer that, or no SCRAM.
fn together(features: &[u8]) -> Option<(Mechanism, ScramHash)> {
    let offered = contains(features, SASL2.as_bytes()) && contains(features, BIND2.as_bytes());
    let mechanism = mechanism(features).ok().filter(|_| offered)?;
    Some((mechanism, mechanism.hash()?))
}

/// The answer to a step of a login, if it is the one that was hoped for.
fn expect(answer: &[u8], start: &[u8]) -> io::Result<()> {
    match answer.starts_with(start) {
        true => Ok(()),
        false => Err(failed(format!("login refused: {}", String::from_utf8_lossy(answer)))),
    }
}

/// The base64 text of the element that starts so.
fn payload(element: &[u8], start: &[u8]) -> io::Result<Vec<u8>> {
    let text = std::str::from_utf8(element).map_err(|error| failed(error.to_string()))?;
    let start = std::str::from_utf8(start).unwrap_or_default();
    let holder = text.find(start).and_then(|at| text.get(at..)).unwrap_or_default();
    let inner = holder.split_once('>').and_then(|(_, rest)| rest.split_once('<')).map(|(inner, _)| inner);
    match inner {
        Some(inner) => STANDARD.decode(inner.trim()).map_err(|error| failed(error.to_string())),
        None => Err(failed(format!("SASL went wrong: {text}"))),
    }
}

/// Trusts anyone: what is measured is a server of one's own.
#[derive(Debug)]
struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(names: &[&str]) -> Option<Mechanism> {
        let names: String = names.iter().map(|name| format!("<mechanism>{name}</mechanism>")).collect();
        mechanism(format!("<stream:features><mechanisms>{names}</mechanisms></stream:features>").as_bytes())
            .ok()
    }

    #[test]
    fn the_best_mechanism_that_is_offered_is_taken() {
        let both = ["PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"];
        assert_eq!(offered(&both), Some(Mechanism::ScramSha256));
        assert_eq!(offered(&["PLAIN", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-1"]), Some(Mechanism::ScramSha1));
        assert_eq!(offered(&["SCRAM-SHA-1-PLUS", "PLAIN"]), Some(Mechanism::Plain));
        assert_eq!(offered(&["EXTERNAL", "SCRAM-SHA-256-PLUS"]), None);
    }

    #[test]
    fn one_login_takes_all_along_where_the_server_lets_it() {
        let features =
            |rest: &str| format!("<features><mechanism>SCRAM-SHA-256</mechanism>{rest}</features>");
        let (login, bind) =
            (format!("<authentication xmlns='{SASL2}'/>"), format!("<bind xmlns='{BIND2}'/>"));
        assert_eq!(together(features("").as_bytes()), None);
        assert_eq!(together(features(&login).as_bytes()), None);
        let scram = Some((Mechanism::ScramSha256, ScramHash::Sha256));
        assert_eq!(together(features(&format!("{login}{bind}")).as_bytes()), scram);
        assert_eq!(together(format!("<mechanism>PLAIN</mechanism>{login}{bind}").as_bytes()), None);
    }

    #[test]
    fn a_refusal_is_shown() {
        assert!(expect(b"<success xmlns='x'/>", b"<success").is_ok());
        let refused = expect(b"<failure><invalid-mechanism/></failure>", b"<challenge").unwrap_err();
        assert!(refused.to_string().contains("invalid-mechanism"), "{refused}");
    }
}

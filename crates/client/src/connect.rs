//! One attempt to get a session: TCP, TLS, and the negotiation in it.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::ServerName;
use tidings_xmpp::sasl::{SaltedPassword, ScramSecret};
use tidings_xmpp::stream::client::{
    KnownFeatures, Negotiation, NegotiationError, Options, Pipelining, Ready, Registration, Resume, Sasl2,
    Step,
};
use tidings_xmpp::xml::{FrameReader, StreamContext};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::account::Account;
use crate::error::{ClientError, LoginError};
use crate::opening::Opening;
use crate::random::Random;
use crate::tls::{CertificateFault, Tls, binding, certificate_error};

/// What a device's resource begins with.
pub(crate) const RESOURCE: &str = "tidings";

/// What a stream runs over.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Makes connections to the server.
pub(crate) trait Dial: Send + Sync {
    fn dial(&self) -> BoxFuture<'_, io::Result<Box<dyn Io>>>;
}

/// Makes them by TCP.
pub(crate) struct Tcp {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Dial for Tcp {
    fn dial(&self) -> BoxFuture<'_, io::Result<Box<dyn Io>>> {
        Box::pin(async {
            let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
            // Small writes, each of which is complete.
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Box<dyn Io>)
        })
    }
}

/// Where and how to connect: the same for all attempts.
pub(crate) struct Target {
    /// For messages.
    pub(crate) address: String,
    pub(crate) domain: String,
    pub(crate) direct_tls: bool,
    pub(crate) dial: Box<dyn Dial>,
    pub(crate) tls: Tls,
    pub(crate) timeout: Duration,
    pub(crate) token: Option<String>,
    pub(crate) allow_plain: bool,
    /// By RFC 6120; the server makes one of [`RESOURCE`] and the user agent by XEP-0388.
    pub(crate) resource: String,
    /// What tells this device apart from others of the account: a UUID.
    pub(crate) user_agent: String,
    pub(crate) random: Arc<dyn Random>,
}

/// The account that connects, and what the device learned while connecting.
pub(crate) struct LoginState {
    pub(crate) account: Account,
    /// Where the account is kept.
    pub(crate) path: Option<PathBuf>,
    /// An earlier registration may have gone through unseen.
    pub(crate) uncertain: bool,
    pub(crate) salted: Option<SaltedPassword>,
    /// What the server offered at the last login, if it takes things said ahead.
    pub(crate) known: Option<KnownFeatures>,
}

/// A session that has just begun or been resumed.
pub(crate) struct Link {
    pub(crate) io: Box<dyn Io>,
    pub(crate) reader: FrameReader,
    pub(crate) context: StreamContext,
    /// What came behind the negotiation.
    pub(crate) left: Vec<u8>,
    pub(crate) ready: Ready,
    /// What a new session has said already, if its greeting was said ahead.
    pub(crate) said: Option<Opening>,
}

impl LoginState {
    fn save(&self) -> Result<(), ClientError> {
        match &self.path {
            Some(path) => Ok(self.account.save(path)?),
            None => Ok(()),
        }
    }
}

/// Makes one attempt. The login comes back with what it has learned.
///
/// A known server is not waited for (XEP-0305). Where that fails, and not for a password
/// that is wrong in any case, the server is known no more: the next attempt goes step by
/// step, and goes at once where this one would end the device.
pub(crate) async fn connect(
    target: Arc<Target>,
    mut login: LoginState,
    resume: Option<Resume>,
    opening: Opening,
) -> (LoginState, Result<Link, ClientError>) {
    let attempt = async {
        let knew = login.known.is_some();
        match negotiate(&target, &mut login, resume.clone(), opening).await {
            Err(Failure::Negotiation(error)) if knew && step_by_step_may_help(&error) => {
                tracing::debug!(%error, "logging in step by step");
                login.known = None;
                negotiate(&target, &mut login, resume, opening).await
            }
            // Our own registration, of which only the answer was lost.
            Err(Failure::Negotiation(error)) if error.is_username_taken() && login.uncertain => {
                login.account.registered = true;
                let result = negotiate(&target, &mut login, resume, opening).await;
                login.account.registered = result.is_ok();
                if result.is_ok() { login.save().map_err(Failure::from).and(result) } else { result }
            }
            result => result,
        }
    };
    let result = match tokio::time::timeout(target.timeout, Box::pin(attempt)).await {
        Ok(result) => result.map_err(ClientError::from),
        Err(_) => Err(ClientError::Timeout(target.timeout)),
    };
    (login, result)
}

/// Why an attempt failed.
enum Failure {
    Negotiation(NegotiationError),
    Other(ClientError),
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::Other(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Other(error.into())
    }
}

impl From<Failure> for ClientError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Negotiation(error) => LoginError::from(error).into(),
            Failure::Other(error) => error,
        }
    }
}

fn step_by_step_may_help(error: &NegotiationError) -> bool {
    match error {
        NegotiationError::Changed => true,
        error => error.is_permanent() && !error.is_wrong_password(),
    }
}

async fn negotiate(
    target: &Target,
    login: &mut LoginState,
    resume: Option<Resume>,
    opening: Opening,
) -> Result<Link, Failure> {
    let mut nonce = [0; 24];
    target.random.fill(&mut nonce);
    let options = Options {
        domain: target.domain.clone(),
        username: login.account.username.clone(),
        secret: ScramSecret { password: Some(login.account.password.clone()), salted: login.salted.clone() },
        registration: (!login.account.registered)
            .then(|| Registration { token: target.token.clone(), repeated: login.uncertain }),
        allow_plain: target.allow_plain,
        resource: Some(target.resource.clone()),
        sasl2: Some(Sasl2 { user_agent: Some(target.user_agent.clone()), tag: Some(RESOURCE.to_owned()) }),
        stream_management: true,
        resume,
        nonce,
        pipelining: login
            .known
            .as_ref()
            .map(|known| Pipelining { greeting: opening.to_bytes(known), known: known.clone() }),
    };

    let connect_error = |source| ClientError::Connect { address: target.address.clone(), source };
    let mut io = target.dial.dial().await.map_err(connect_error)?;
    // From here on we send ahead; the server is known again once it lets us in.
    login.known = None;
    let mut out = Vec::new();
    let mut negotiation = if target.direct_tls {
        let (stream, tls) = start_tls(target, io).await?;
        io = stream;
        Negotiation::new(options, Some(tls), &mut out)
    } else {
        Negotiation::new(options, None, &mut out)
    };

    let mut buffer = vec![0; 4096];
    let mut left: Vec<u8> = Vec::new();
    loop {
        let mut input = left.as_slice();
        let step = negotiation.receive(&mut input, &mut out);
        let used = left.len() - input.len();
        left.drain(..used);
        // Credentials are on disk before the server learns them.
        if matches!(step, Ok(Step::Registering)) {
            // An invitation may be for a name that the device did not choose.
            negotiation.username().clone_into(&mut login.account.username);
            login.account.certificate = target.tls.known();
            login.save()?;
        }
        if !out.is_empty() {
            io.write_all(&out).await?;
            io.flush().await?;
            out.clear();
        }
        match step {
            Ok(Step::More) => {
                let read = io.read(&mut buffer).await?;
                if read == 0 {
                    return Err(Failure::Negotiation(NegotiationError::Closed));
                }
                left.extend_from_slice(buffer.get(..read).unwrap_or_default());
            }
            Ok(Step::StartTls) => {
                let (stream, tls) = start_tls(target, io).await?;
                io = stream;
                left.clear();
                negotiation.tls_started(tls, &mut out);
            }
            Ok(Step::Registering) => login.uncertain = true,
            Ok(Step::Registered) => {
                login.account.registered = true;
                login.uncertain = false;
                login.save()?;
            }
            Ok(Step::Ready(ready)) => {
                login.salted.clone_from(&ready.salted);
                login.known.clone_from(&ready.known);
                // Its proof makes an account's first server the right one.
                if login.account.certificate != target.tls.known() && target.tls.known().is_some() {
                    login.account.certificate = target.tls.known();
                    login.save()?;
                }
                let (reader, context) = negotiation.finish();
                let said = ready.greeted.then_some(opening);
                return Ok(Link { io, reader, context, left, ready: *ready, said });
            }
            Err(error) => {
                forget_refused(login, &error);
                return Err(Failure::Negotiation(error));
            }
        }
    }
}

/// Removes the credentials of an account that will not be.
fn forget_refused(login: &mut LoginState, error: &NegotiationError) {
    let refused = matches!(error, NegotiationError::Registration(_)) && error.is_permanent();
    if refused && !error.is_username_taken() {
        login.uncertain = false;
        if let Some(path) = &login.path
            && let Err(error) = std::fs::remove_file(path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %path.display(), %error, "cannot remove the account file");
        }
    }
}

async fn start_tls(
    target: &Target,
    io: Box<dyn Io>,
) -> Result<(Box<dyn Io>, tidings_xmpp::sasl::TlsBinding), ClientError> {
    let name = ServerName::try_from(target.domain.clone())
        .map_err(|_| ClientError::Configuration(format!("{:?} is no domain", target.domain)))?;
    let connector = TlsConnector::from(Arc::clone(&target.tls.config));
    match connector.connect(name, io).await {
        Ok(stream) => {
            let binding = binding(stream.get_ref().1);
            Ok((Box::new(stream), binding))
        }
        Err(error) => Err(match certificate_error(&error) {
            Some(CertificateFault::Changed(changed)) => changed.into(),
            Some(CertificateFault::Untrusted(why)) => ClientError::Untrusted(why),
            None => ClientError::Tls(error),
        }),
    }
}

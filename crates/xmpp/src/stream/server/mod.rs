//! The server's side of everything between the first byte and a bound resource, or a
//! resumed session: headers, STARTTLS, SASL, in-band registration, XEP-0078, binding.
//!
//! [`Negotiation`] takes what the frame reader cut and appends what is to be written.
//! What it cannot know it asks: [`Step::Ask`] carries a [`Question`], and the driver
//! comes back with an [`Answer`] before it passes any other input.
//!
//! Each stage is a type of its own and is taken by value at each step. The one before
//! TLS has no code that reads a credential, and only a positive verdict makes the one
//! after login.

mod feature_cache;
mod login;
mod pre_tls;
mod question;
mod request;
mod resource_binding;
mod sasl2_inline;
mod settings;

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

pub use self::feature_cache::FeatureCache;
pub use self::question::{Answer, Bound, Question, Resumed, Step, Verdict};
pub use self::settings::{RegisterOffer, Settings};

use self::login::{Exchange, Login, LoginAsked};
use self::pre_tls::PreTls;
use self::resource_binding::{ResourceBinding, ResourceBindingAsked};
use self::sasl2_inline::Sasl2Inline;
use super::{Opening, StreamCondition, StreamError, write_close, write_header};
use crate::ns;
use crate::sasl::TlsBinding;
use crate::xml::{Element, StreamHeader};

/// Failed attempts on one stream before it is closed.
pub const MAX_FAILURES: u8 = 5;

/// Fills a buffer with unpredictable random bytes.
pub type Entropy<'a> = &'a mut dyn FnMut(&mut [u8]);

/// One stream until it is bound; see the [module's documentation](self).
#[derive(Debug)]
pub struct Negotiation {
    features: Arc<FeatureCache>,
    stage: Stage,
    /// Our header of the current stream is out.
    open: bool,
    /// Which of the served domains this stream is for; 0 is the default one.
    domain: usize,
    secure: bool,
    authenticated: bool,
}

#[derive(Debug)]
enum Stage {
    PreTls(PreTls),
    /// `<proceed/>` is out; TLS comes next.
    Handshake,
    Login(Login, Exchange),
    LoginAsked(Login, LoginAsked),
    Binding(ResourceBinding),
    BindingAsked(ResourceBinding, ResourceBindingAsked),
    /// The driver has been asked for what a login of XEP-0388 brought along.
    Inline(Box<Sasl2Inline>),
    /// Bound or resumed.
    Done,
    /// The end of the stream is out; nothing is written any more.
    Over,
}

/// Where a step leads, or how the stream ends.
type Outcome = Result<(Stage, Step), StreamError>;

/// What every step may need.
struct Context<'a> {
    features: &'a FeatureCache,
    settings: &'a Settings,
    domain: &'a str,
    entropy: Entropy<'a>,
    out: &'a mut Vec<u8>,
}

impl Context<'_> {
    fn send(&mut self, element: &Element) {
        element.write(self.out, ns::CLIENT);
    }

    fn random<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        (self.entropy)(&mut bytes);
        bytes
    }
}

impl Negotiation {
    /// A fresh connection. `tls` is set where TLS came first (direct TLS).
    pub fn new(features: Arc<FeatureCache>, tls: Option<TlsBinding>) -> Self {
        let secure = tls.is_some();
        let stage = match tls {
            Some(tls) => Stage::Login(Login::new(features.settings.bindable(tls)), Exchange::Idle),
            None => Stage::PreTls(PreTls::default()),
        };
        Self { features, stage, open: false, domain: 0, secure, authenticated: false }
    }

    /// The peer opened its stream.
    pub fn open(&mut self, header: &StreamHeader, entropy: Entropy<'_>, out: &mut Vec<u8>) -> Step {
        if matches!(self.stage, Stage::Over) {
            return Step::Close;
        }
        let outcome = match self.try_open(header, entropy, out) {
            Ok(()) => Ok((self.take(), Step::Continue)),
            Err(error) => Err(error),
        };
        self.settle(outcome, out)
    }

    /// The peer sent a whole first-level element.
    pub fn stanza(&mut self, element: Element, entropy: Entropy<'_>, out: &mut Vec<u8>) -> Step {
        let (stage, open) = (self.take(), self.open);
        let mut context = self.context(entropy, out);
        let outcome = match stage {
            Stage::Over => Ok((Stage::Over, Step::Close)),
            _ if !open => Err(StreamCondition::BadFormat.into()),
            Stage::PreTls(pre_tls) => pre_tls.stanza(&element, &mut context),
            Stage::Login(login, exchange) => login.stanza(exchange, element, &mut context),
            Stage::Binding(binding) => binding.stanza(element, &mut context),
            Stage::Handshake
            | Stage::LoginAsked(..)
            | Stage::BindingAsked(..)
            | Stage::Inline(_)
            | Stage::Done => Err(out_of_turn()),
        };
        self.settle(outcome, out)
    }

    /// The peer closed its stream.
    pub fn close(&mut self, out: &mut Vec<u8>) -> Step {
        self.end(out);
        Step::Close
    }

    /// TLS is up, after [`Step::StartTls`]. The peer opens a new stream next; whatever
    /// it sent before counts for nothing.
    pub fn tls_started(&mut self, tls: TlsBinding) {
        if matches!(self.stage, Stage::Handshake | Stage::PreTls(_)) {
            let tls = self.features.settings.bindable(tls);
            self.stage = Stage::Login(Login::new(tls), Exchange::Idle);
            self.open = false;
            self.secure = true;
        }
    }

    /// The reply to [`Step::Ask`].
    pub fn answer(&mut self, answer: Answer, entropy: Entropy<'_>, out: &mut Vec<u8>) -> Step {
        let stage = self.take();
        let mut context = self.context(entropy, out);
        let outcome = match stage {
            Stage::LoginAsked(login, asked) => login.answer(asked, answer, &mut context),
            Stage::BindingAsked(binding, asked) => binding.answer(asked, answer, &mut context),
            Stage::Inline(inline) => inline.answer(answer, &mut context),
            Stage::Over => Ok((Stage::Over, Step::Close)),
            _ => Err(out_of_turn()),
        };
        self.settle(outcome, out)
    }

    /// Ends the stream with an error; after a header, which is written first if the
    /// current stream has none yet.
    pub fn fail(&mut self, error: StreamError, out: &mut Vec<u8>) {
        if matches!(self.stage, Stage::Over) {
            return;
        }
        if !self.open {
            // Without an id: this stream is over before the client could refer to it.
            self.write_header(None, true, out);
        }
        error.write(out);
        self.open = false;
        self.stage = Stage::Over;
    }

    /// Whether the peer has logged in.
    pub fn authenticated(&self) -> bool {
        self.authenticated
    }

    /// Whether the peer is at registering: it has asked for the form, or has registered.
    pub fn registering(&self) -> bool {
        matches!(&self.stage, Stage::Login(login, _) | Stage::LoginAsked(login, _) if login.registering())
    }

    /// Whether TLS is up.
    pub fn secure(&self) -> bool {
        self.secure
    }

    /// The served domain that the peer opened its stream to; the default one until it has.
    pub fn domain(&self) -> &str {
        self.features.settings.domain_at(self.domain)
    }

    /// The username as the client spelt it; after SASL and before a resource is bound.
    pub fn username(&self) -> Option<&str> {
        match &self.stage {
            Stage::Binding(binding) | Stage::BindingAsked(binding, _) => Some(binding.username()),
            Stage::Inline(inline) => Some(inline.username()),
            _ => None,
        }
    }

    fn try_open(
        &mut self,
        header: &StreamHeader,
        entropy: Entropy<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), StreamError> {
        if self.open {
            // A client that sent it ahead of a login which then failed, for one.
            return Err(StreamError::with_text(StreamCondition::BadFormat, "the stream is open already"));
        }
        let version = match header.version.as_deref() {
            None => Version::Old,
            Some(version) => Version::parse(version).ok_or(StreamCondition::UnsupportedVersion)?,
        };
        let domain = self.features.settings.find_domain(header.to.as_deref());
        if let Some(domain) = domain
            && !self.authenticated
        {
            self.domain = domain;
        }

        let mut id = [0; 16];
        entropy(&mut id);
        self.write_header(Some(&URL_SAFE_NO_PAD.encode(id)), version == Version::Current, out);
        // The stream's addressee stays the one that the login was for.
        if domain != Some(self.domain) {
            return Err(StreamCondition::HostUnknown.into());
        }
        if version == Version::Current {
            out.extend_from_slice(self.features());
            return Ok(());
        }
        match self.stage {
            // Without features there is no STARTTLS, and without TLS nothing else.
            Stage::PreTls(_) => {
                Err(StreamError::with_text(StreamCondition::UnsupportedVersion, "TLS needs version='1.0'"))
            }
            _ => Ok(()),
        }
    }

    fn features(&self) -> &[u8] {
        match &self.stage {
            Stage::PreTls(_) => self.features.pre_tls(),
            Stage::Login(login, _) | Stage::LoginAsked(login, _) => self.features.login(login.tls()),
            Stage::Binding(_) | Stage::BindingAsked(..) | Stage::Inline(_) => self.features.binding(),
            Stage::Handshake | Stage::Done | Stage::Over => b"<stream:features/>",
        }
    }

    fn write_header(&mut self, id: Option<&str>, versioned: bool, out: &mut Vec<u8>) {
        let version = versioned.then_some("1.0");
        write_header(&Opening { id, from: Some(self.domain()), version, ..Opening::default() }, out);
        self.open = true;
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.open, false) {
            write_close(out);
        }
        self.stage = Stage::Over;
    }

    fn take(&mut self) -> Stage {
        std::mem::replace(&mut self.stage, Stage::Done)
    }

    fn context<'a>(&'a self, entropy: Entropy<'a>, out: &'a mut Vec<u8>) -> Context<'a> {
        Context {
            features: &self.features,
            settings: &self.features.settings,
            domain: self.domain(),
            entropy,
            out,
        }
    }

    fn settle(&mut self, outcome: Outcome, out: &mut Vec<u8>) -> Step {
        match outcome {
            Ok((stage, step)) => {
                self.stage = stage;
                match &step {
                    Step::NewStream => {
                        self.open = false;
                        self.authenticated = true;
                    }
                    Step::Bound(_) | Step::Authenticated => self.authenticated = true,
                    Step::Close => self.end(out),
                    Step::Continue | Step::StartTls | Step::Ask(_) => {}
                }
                step
            }
            Err(error) => {
                self.fail(error, out);
                Step::Close
            }
        }
    }
}

/// The driver passed something that it must not pass now; the peer is not to blame.
fn out_of_turn() -> StreamError {
    StreamCondition::InternalServerError.into()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    /// From before RFC 3920: no features.
    Old,
    /// 1.0, or one that is compatible with it.
    Current,
}

impl Version {
    fn parse(version: &str) -> Option<Self> {
        let (major, minor) = version.split_once('.')?;
        let (major, _minor) = (major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?);
        Some(if major == 0 { Self::Old } else { Self::Current })
    }
}

#[cfg(test)]
mod tests;

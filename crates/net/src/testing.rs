//! What the tests of this crate share: a certificate, a client that trusts it, and
//! sessions that speak lines instead of XMPP.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tidings_core::clock::{Clock, SystemClock};
use tidings_core::config::Limits;
use tidings_core::refusals::Refusals;
use tidings_core::session::{Control, Peer, TlsBinding};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::certificate::{CertificateSource, Certificates};
use crate::session::{Session, SessionFactory};
use crate::tls;

pub(crate) fn certificates() -> Arc<Certificates> {
    let directory = tempfile::tempdir().unwrap();
    let source = CertificateSource::SelfSigned {
        directory: directory.path().join("tls"),
        domain: "push.example".to_owned(),
    };
    let certificates = Certificates::open(source.clone(), SystemClock.now()).unwrap();
    let pem = std::fs::read(source.chain_path()).unwrap();
    CERTIFICATE.with(|slot| *slot.borrow_mut() = pem);
    certificates
}

thread_local! {
    static CERTIFICATE: std::cell::RefCell<Vec<u8>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// A client that trusts the certificate made last on this thread.
pub(crate) fn client(version: &'static SupportedProtocolVersion) -> ClientConfig {
    client_with((*tls::provider()).clone(), version)
}

pub(crate) fn client_with(
    provider: rustls::crypto::CryptoProvider,
    version: &'static SupportedProtocolVersion,
) -> ClientConfig {
    let pem = CERTIFICATE.with(|slot| slot.borrow().clone());
    let mut roots = RootCertStore::empty();
    roots.add(rustls::pki_types::CertificateDer::from_pem_slice(&pem).unwrap()).unwrap();
    ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

pub(crate) fn name() -> ServerName<'static> {
    ServerName::try_from("push.example").unwrap()
}

/// Makes sessions that understand lines: `starttls`, `login`, `echo TEXT`,
/// `huge BYTES`, `part`, `panic`, `bye`. Anything else ends the stream.
#[derive(Default)]
pub(crate) struct ToyFactory {
    pub(crate) limits: Limits,
    pub(crate) toys: Arc<ToyState>,
}

/// What tests see of the sessions, and tell them.
#[derive(Default)]
pub(crate) struct ToyState {
    pub(crate) bindings: Mutex<Vec<TlsBinding>>,
    pub(crate) closed: Mutex<usize>,
    /// Pending bytes that `wake` was told.
    pub(crate) wakes: Mutex<Vec<usize>>,
    pub(crate) queued: Mutex<Vec<u8>>,
    pub(crate) wake_up: Notify,
}

pub(crate) struct Toy {
    toys: Arc<ToyState>,
    line: Vec<u8>,
    secure: bool,
    established: bool,
    backpressured: bool,
    deadline: Instant,
    idle: Duration,
}

impl SessionFactory for ToyFactory {
    type Session = Toy;

    fn open(&self, _peer: Peer, tls: Option<TlsBinding>, now: Instant) -> Toy {
        let secure = tls.is_some();
        self.toys.bindings.lock().extend(tls);
        Toy {
            toys: Arc::clone(&self.toys),
            line: Vec::new(),
            secure,
            established: false,
            backpressured: false,
            deadline: now + Duration::from_secs(self.limits.auth_seconds),
            idle: Duration::from_secs(self.limits.idle_seconds),
        }
    }

    fn limits(&self) -> &Limits {
        &self.limits
    }

    fn refusals(&self) -> Arc<Refusals> {
        Arc::default()
    }
}

impl Toy {
    fn command(&mut self, line: &str, out: &mut Vec<u8>) -> Control {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb {
            "starttls" if !self.secure => {
                out.extend_from_slice(b"proceed\n");
                Control::StartTls
            }
            "login" if self.secure => {
                self.established = true;
                out.extend_from_slice(b"welcome\n");
                Control::Continue
            }
            "echo" => {
                out.extend_from_slice(rest.as_bytes());
                out.push(b'\n');
                Control::Continue
            }
            "huge" => {
                out.resize(out.len() + rest.parse::<usize>().unwrap(), b'x');
                out.push(b'\n');
                Control::Continue
            }
            // More is to come, but the session writes no more before this is written.
            "part" => {
                out.extend_from_slice(b"part\n");
                self.backpressured = true;
                Control::Continue
            }
            "panic" => panic!("on purpose"),
            "bye" => {
                out.extend_from_slice(b"goodbye\n");
                Control::Close
            }
            _ => {
                out.extend_from_slice(b"not-well-formed\n");
                Control::Close
            }
        }
    }
}

impl Session for Toy {
    async fn receive(&mut self, bytes: &[u8], now: Instant, out: &mut Vec<u8>) -> Control {
        for &byte in bytes {
            if byte != b'\n' {
                self.line.push(byte);
                continue;
            }
            let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
            let control = self.command(&line, out);
            if control != Control::Continue {
                return control;
            }
        }
        if self.established {
            self.deadline = now + self.idle;
        }
        Control::Continue
    }

    fn tls_started(&mut self, tls: TlsBinding) {
        self.secure = true;
        self.toys.bindings.lock().push(tls);
    }

    async fn woken(&self) {
        if self.established {
            self.toys.wake_up.notified().await;
        } else {
            pending::<()>().await;
        }
    }

    async fn wake(&mut self, pending_bytes: usize, _now: Instant, out: &mut Vec<u8>) -> Control {
        self.toys.wakes.lock().push(pending_bytes);
        self.backpressured = pending_bytes > 0;
        if pending_bytes == 0 {
            out.append(&mut self.toys.queued.lock());
        }
        Control::Continue
    }

    fn deadline(&self) -> Option<Instant> {
        Some(self.deadline)
    }

    async fn timeout(&mut self, _now: Instant, out: &mut Vec<u8>) -> Control {
        out.extend_from_slice(b"connection-timeout\n");
        Control::Close
    }

    fn established(&self) -> bool {
        self.established
    }

    fn backpressured(&self) -> bool {
        self.backpressured
    }

    fn paused_until(&self) -> Option<Instant> {
        None
    }

    fn shutdown(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"system-shutdown\n");
    }

    fn internal_error(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"internal-server-error\n");
    }

    fn closed(self, _now: Instant) {
        *self.toys.closed.lock() += 1;
    }
}

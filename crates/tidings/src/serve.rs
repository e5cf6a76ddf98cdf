//! All parts of the server, put together on one page.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tidings_core::clock::{Clock, SystemClock, SystemRandom};
use tidings_core::store::Store;
use tidings_core::{Core, Ports};
use tidings_http::{Connections, Deployment, Http, ProcessCounts};
use tidings_net::{CertificateSource, Certificates};
use tidings_store::{SqliteOptions, SqliteStore};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval_at, timeout};

use crate::config::Settings;
use crate::data_dir::DataDir;
use crate::descriptors::Shares;
use crate::failure::{self, Failure};
use crate::logging;

/// How long streams may take to hear that the server stops.
const GOODBYE: Duration = Duration::from_secs(4);
/// How often to look whether the certificate's time is over soon.
const LOOK_AT_CERTIFICATE: Duration = Duration::from_secs(12 * 3600);
/// How long all of stopping may take.
const STOP: Duration = Duration::from_secs(9);

/// Secrets that come from the environment only, so that no process list shows them.
#[derive(Default)]
pub(crate) struct Secrets {
    /// `TIDINGS_ADMIN_PASSWORD`.
    pub admin_password: Option<String>,
    /// `TIDINGS_API_KEY`.
    pub api_key: Option<String>,
}

impl Secrets {
    /// From this process's environment.
    pub(crate) fn of_environment() -> Self {
        // A secret that was read from a file often has the line's end in it, and nobody types that.
        let variable = |name| {
            let value = std::env::var(name).ok().map(|value: String| value.trim_end().to_owned());
            value.filter(|value| !value.is_empty())
        };
        Self { admin_password: variable("TIDINGS_ADMIN_PASSWORD"), api_key: variable("TIDINGS_API_KEY") }
    }
}

/// A server that accepts connections.
pub(crate) struct Running {
    pub xmpp: SocketAddr,
    pub xmpps: SocketAddr,
    pub http: SocketAddr,
    /// The password that `admin` was given, if one had to be made, and where it is kept.
    pub admin_password: Option<(String, PathBuf)>,
    pub certificates: Arc<Certificates>,
    core: Arc<Core>,
    net: tidings_net::Server,
    http_listeners: JoinSet<()>,
    stopping: watch::Sender<bool>,
    /// Unlocked last.
    _dir: DataDir,
}

impl Running {
    /// Starts everything: store, managers, listeners.
    ///
    /// # Errors
    /// One line for people.
    pub(crate) async fn start(settings: &Settings, secrets: &Secrets) -> Result<Self, Failure> {
        let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
        let dir = DataDir::open(&settings.data_dir)?;
        if dir.is_open_to_other_users() {
            tracing::warn!(directory = %settings.data_dir.display(), "other users of this machine can look into the data directory");
        }
        let certificates = Certificates::open(certificate_source(settings), clock.now())
            .map_err(|error| Failure::failed(error.to_string()))?;
        warn_of_doubts(&certificates, &settings.domain);
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&dir.database(), SqliteOptions::default())?);
        let core = Core::start(settings.core(), Ports::local(store, clock, random)).await?;
        let admin_password = credentials(&core, &dir, secrets).await?;

        // All files of the store are open by now.
        let shares = Shares::of_descriptors(settings);
        let http_listener = listen(settings.listen.http).await?;
        let metrics_listener = match settings.listen.metrics {
            Some(address) => Some(listen(address).await?),
            None => None,
        };
        let net = tidings_net::Settings {
            xmpp: Some(settings.listen.xmpp),
            xmpps: Some(settings.listen.xmpps),
            proxies: settings.listen.proxy_protocol_from.clone(),
            places: shares.devices,
            ..tidings_net::Settings::default()
        };
        let net = tidings_net::Server::start(Arc::clone(&core), &net, Arc::clone(&certificates)).map_err(
            |error| match error {
                tidings_net::NetError::Listen { address, source } => cannot_listen(address, &source),
            },
        )?;
        let addresses = net.addresses();
        let http_address =
            http_listener.local_addr().map_err(|error| cannot_listen(settings.listen.http, &error))?;

        let stopping = watch::Sender::new(false);
        let stopped = || {
            let mut stopping = stopping.subscribe();
            async move { drop(stopping.wait_for(|stopping| *stopping).await) }
        };
        let (expiring, identity) = (Arc::clone(&certificates), Arc::clone(&certificates));
        let counter = net.counter();
        let deployment = Deployment {
            xmpp: addresses.xmpp.map(|address| address.port()),
            xmpps: addresses.xmpps.map(|address| address.port()),
            certificate: Some(Arc::new(move || Some(expiring.expires_at()))),
            key_fingerprint: Some(Arc::new(move || identity.key_fingerprint())),
            connections: Some(Arc::new(move || counter().map(connections))),
            process: Some(Arc::new(|| ProcessCounts {
                panics: logging::panics(),
                log_lines_dropped: logging::dropped(),
            })),
        };
        let http = Http::deployed(Arc::clone(&core), shares.http_settings(settings), deployment);
        let mut http_listeners = JoinSet::new();
        if let Some(listener) = metrics_listener {
            http_listeners.spawn(http.clone().serve_metrics(listener, stopped()));
        }
        http_listeners.spawn(http.serve(http_listener, stopped()));

        Ok(Self {
            xmpp: addresses.xmpp.unwrap_or(settings.listen.xmpp),
            xmpps: addresses.xmpps.unwrap_or(settings.listen.xmpps),
            http: http_address,
            admin_password,
            certificates,
            core,
            net,
            http_listeners,
            stopping,
            _dir: dir,
        })
    }

    /// Waits until a signal says to stop; reads the certificate again at SIGHUP.
    ///
    /// # Errors
    /// When a listener of HTTP ended by itself.
    pub(crate) async fn until(&mut self, signals: &mut Signals) -> Result<(), Failure> {
        let mut looks = interval_at(Instant::now() + LOOK_AT_CERTIFICATE, LOOK_AT_CERTIFICATE);
        loop {
            tokio::select! {
                _ = signals.terminate.recv() => return Ok(()),
                _ = signals.interrupt.recv() => return Ok(()),
                _ = signals.hang_up.recv() => {
                    // What went wrong is in the log; the old certificate stays.
                    self.certificates.reload(SystemClock.now()).ok();
                    warn_of_doubts(&self.certificates, &self.core.config.domain);
                }
                _ = looks.tick() => warn_of_doubts(&self.certificates, &self.core.config.domain),
                Some(ended) = self.http_listeners.join_next() => {
                    let why = ended.map_or_else(|error| error.to_string(), |()| "it ended".to_owned());
                    return Err(Failure::failed(format!("HTTP on {} stopped: {why}", self.http)));
                }
            }
        }
    }

    /// Stops: closes the listeners, tells every stream, finishes writing.
    pub(crate) async fn stop(self) {
        let Self { core, net, mut http_listeners, stopping, .. } = self;
        tracing::info!("stopping");
        let finish = async {
            stopping.send_replace(true);
            let http = async { while http_listeners.join_next().await.is_some() {} };
            let (dropped, ()) = tokio::join!(net.shutdown(GOODBYE), http);
            if dropped > 0 {
                tracing::warn!(dropped, "connections did not close in time");
            }
            core.stop().await;
        };
        if timeout(STOP, finish).await.is_err() {
            tracing::warn!("not everything stopped in time; what was accepted is on disk");
        }
    }
}

/// The signals that mean something to a server.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    /// From now on these signals do not end the process by themselves.
    ///
    /// # Errors
    /// When the system does not give them.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|error| Failure::failed(format!("cannot start: {}", failure::io(&error))))
        };
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }
}

/// The runtime that a server runs on.
///
/// # Errors
/// When the system gives no threads.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| Failure::failed(format!("cannot start: {}", failure::io(&error))))
}

/// Says what devices will object to in the certificate.
fn warn_of_doubts(certificates: &Certificates, domain: &str) {
    for doubt in certificates.doubts(domain, SystemClock.now()) {
        let path = certificates.source().chain_path();
        tracing::warn!(certificate = %path.display(), "{doubt}");
    }
}

/// Where the certificate is.
pub(crate) fn certificate_source(settings: &Settings) -> CertificateSource {
    match (&settings.tls.certificate, &settings.tls.key) {
        (Some(chain), Some(key)) => CertificateSource::Files { chain: chain.clone(), key: key.clone() },
        _ => CertificateSource::SelfSigned {
            directory: settings.data_dir.clone(),
            domain: settings.domain.clone(),
        },
    }
}

/// Sees to the administrator and the process's own API key.
async fn credentials(
    core: &Core,
    dir: &DataDir,
    secrets: &Secrets,
) -> Result<Option<(String, PathBuf)>, Failure> {
    if let Some(key) = &secrets.api_key {
        if key.len() < 16 {
            tracing::warn!("TIDINGS_API_KEY is short: a program that guesses it may do everything");
        }
        core.auth.add_process_key(key);
    }
    if let Some(password) = &secrets.admin_password {
        core.auth.ensure_admin(Some(password)).await?;
        dir.forget_admin_password();
        return Ok(None);
    }
    match core.auth.ensure_admin(None).await? {
        Some(password) => {
            let path = dir.keep_admin_password(&password)?;
            Ok(Some((password, path)))
        }
        None => Ok(None),
    }
}

/// What the sockets have counted, as HTTP shows it.
fn connections(counts: tidings_net::Counts) -> Connections {
    Connections {
        accepted: counts.accepted,
        refused: counts.refused,
        gave_way: counts.gave_way,
        handshake_failures: counts.handshake_failures,
        stalled: counts.stalled,
        open: counts.open as u64,
        unauthenticated: counts.unauthenticated as u64,
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| cannot_listen(address, &error))
}

fn cannot_listen(address: SocketAddr, error: &std::io::Error) -> Failure {
    Failure::failed(format!("cannot listen on {address}: {}", failure::io(error)))
}

//! What an operator may set, and from where.
//!
//! Flags beat the environment beats the file beats the default. Every key of the
//! file has an environment variable (`TIDINGS_` and the key in capitals, its dots
//! as `__`: `limits.depth` is `TIDINGS_LIMITS__DEPTH`) and can be set with
//! `--set KEY=VALUE`. A key that does not exist is refused wherever it stands.

mod check;
#[cfg(test)]
mod documented;
mod keys;
mod layers;

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tidings_core::config::{Legacy, Limits, Notifications, Registration, Session, Topics};
use tidings_core::source::Network;

pub(crate) use self::layers::{Layers, load};

/// Everything that can be set: the shape of the file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// Where everything is kept that must survive.
    pub data_dir: PathBuf,
    /// The served XMPP domain.
    pub domain: String,
    /// This node's name, as `/v1/sessions` and `/v1/nodes` show it; without one the host's.
    pub node: Option<String>,
    /// Whether devices may give their accounts a second name, as androidpn's do.
    pub aliases: bool,
    pub listen: Listen,
    pub tls: Tls,
    pub log: Log,
    pub registration: Registration,
    pub limits: Limits,
    pub session: Session,
    pub notifications: Notifications,
    pub topics: Topics,
    pub legacy: Legacy,
    pub http: tidings_http::Settings,
}

/// `[listen]`: an address and a port each; port 0 picks a free one.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Listen {
    /// XMPP with STARTTLS.
    pub xmpp: SocketAddr,
    /// XMPP with TLS from the first byte.
    pub xmpps: SocketAddr,
    /// The HTTP API and the console.
    pub http: SocketAddr,
    /// `/metrics`, `/healthz` and `/readyz` alone, for the monitoring.
    pub metrics: Option<SocketAddr>,
    /// Balancers, addresses or networks, whose connections to `xmpp` and `xmpps` begin with a header of the PROXY
    /// protocol.
    pub proxy_protocol_from: Vec<Network>,
}

/// `[tls]`: a certificate of one's own; both or none.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Tls {
    /// A PEM file: the certificate, then those it was signed with.
    pub certificate: Option<PathBuf>,
    /// A PEM file: its private key.
    pub key: Option<PathBuf>,
    /// Whether logins may be bound to their connection (SCRAM's `-PLUS`).
    pub channel_binding: bool,
}

impl Default for Tls {
    fn default() -> Self {
        Self { certificate: None, key: None, channel_binding: true }
    }
}

/// `[log]`: what is logged to standard error.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Log {
    /// A level (`error`, `warn`, `info`, `debug`, `trace`), or directives such as
    /// `info,tidings_net=debug`.
    pub level: String,
    pub format: LogFormat,
}

/// How a line of the log looks: for people, or an object a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    Text,
    Json,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data_dir: "./tidings-data".into(),
            domain: "localhost".into(),
            node: None,
            aliases: false,
            listen: Listen::default(),
            tls: Tls::default(),
            log: Log::default(),
            registration: Registration::default(),
            limits: Limits::default(),
            session: Session::default(),
            notifications: Notifications::default(),
            topics: Topics::default(),
            legacy: Legacy::default(),
            http: tidings_http::Settings::default(),
        }
    }
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            xmpp: SocketAddr::from(([0, 0, 0, 0], 5222)),
            xmpps: SocketAddr::from(([0, 0, 0, 0], 5223)),
            http: SocketAddr::from(([127, 0, 0, 1], 7070)),
            metrics: None,
            proxy_protocol_from: Vec::new(),
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".into(), format: LogFormat::Text }
    }
}

impl Settings {
    /// What the managers read.
    pub(crate) fn core(&self) -> tidings_core::config::Config {
        tidings_core::config::Config {
            domain: self.domain.clone(),
            node: self.node.clone().unwrap_or_else(host_name),
            channel_binding: self.tls.channel_binding,
            aliases: self.aliases,
            registration: self.registration.clone(),
            limits: self.limits.clone(),
            session: self.session.clone(),
            notifications: self.notifications.clone(),
            topics: self.topics.clone(),
            legacy: self.legacy.clone(),
        }
    }
}

/// The host's name, or `local` where it has none that can be shown.
fn host_name() -> String {
    match rustix::system::uname().nodename().to_str() {
        Ok(name) if !name.is_empty() => name.to_owned(),
        _ => "local".to_owned(),
    }
}

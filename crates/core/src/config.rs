//! What an operator may set, as far as the managers read it. Spans are written
//! in seconds.

use serde::{Deserialize, Serialize};

use crate::model::TopicPolicy;

/// `[registration]`: who may create an account in-band (XEP-0077).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Registration {
    /// Who may.
    pub policy: RegistrationPolicy,
    /// With `policy = "token"`: these registration keys are accepted, as the
    /// form's `<key/>` or as a XEP-0445 token.
    pub tokens: Vec<String>,
}

impl Default for Registration {
    fn default() -> Self {
        Self { policy: RegistrationPolicy::Open, tokens: Vec::new() }
    }
}

/// Who may create an account in-band.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RegistrationPolicy {
    /// Every peer, within the limits.
    Open,
    /// A peer that shows a registration key or a XEP-0445 token.
    Token,
    /// Accounts come from the API or the command line only.
    Closed,
}

/// `[limits]`: what one peer may take.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Registrations a minute and source address; 0 = no limit.
    pub registrations_per_minute: u32,
    /// Failed logins a minute and source address; 0 = no limit.
    pub login_failures_per_minute: u32,
    /// Bytes of a stanza before authentication.
    pub stanza_bytes_before_auth: usize,
    /// Bytes of a stanza after it.
    pub stanza_bytes: usize,
    /// Elements within elements.
    pub depth: u16,
    /// Attributes of one element.
    pub attributes: u16,
    /// Seconds from the connection to authentication.
    pub auth_seconds: u64,
    /// The same from when the peer asked for the registration form, or has registered: people
    /// fill in forms.
    pub registration_seconds: u64,
    /// Seconds without a byte after which the peer is probed with a ping.
    pub idle_seconds: u64,
    /// Seconds that a probed peer has to answer.
    pub ping_timeout_seconds: u64,
    /// Bytes that wait to be written to one connection before it is fed from the store again.
    pub outgoing_bytes: usize,
    /// Seconds that a peer may leave its receive window shut before it is dropped.
    pub stall_seconds: u64,
    /// Sessions of one account.
    pub sessions_per_account: usize,
    /// Stanzas a second that one session may send, averaged over ten seconds; it is read more
    /// slowly beyond that. 0 = no limit.
    pub stanzas_per_second: u32,
    /// Connections of all devices together; 0 = as many as the machine gives descriptors.
    pub connections: usize,
    /// Connections from one source address; 0 = no limit.
    pub connections_per_address: usize,
    /// Connections from one source address that have not logged in; 0 = no limit. Where there are so many,
    /// the oldest that says nothing gives way to a new one.
    pub unauthenticated_per_address: usize,
    /// Topics that one account may subscribe to.
    pub topics_per_account: usize,
    /// Named users in one notification.
    pub users_per_notification: usize,
    /// Notifications that name an account and wait for it; 0 = no limit.
    pub pending_per_account: u64,
    /// Bytes of all notifications that wait or are scheduled; 0 = no limit.
    pub pending_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            registrations_per_minute: 20,
            login_failures_per_minute: 20,
            stanza_bytes_before_auth: 8 * 1024,
            stanza_bytes: 64 * 1024,
            depth: 32,
            attributes: 64,
            auth_seconds: 30,
            registration_seconds: 300,
            idle_seconds: 20 * 60,
            ping_timeout_seconds: 60,
            outgoing_bytes: 256 * 1024,
            stall_seconds: 60,
            sessions_per_account: 16,
            stanzas_per_second: 50,
            connections: 0,
            connections_per_address: 0,
            unauthenticated_per_address: 512,
            topics_per_account: 1000,
            users_per_notification: 10_000,
            pending_per_account: 10_000,
            pending_bytes: 4 << 30,
        }
    }
}

/// `[session]`: stream management and delivery.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Session {
    /// Seconds that a session waits for its client to resume it (XEP-0198).
    pub resume_seconds: u64,
    /// Notifications that may be on their way to one session unacknowledged.
    pub window: usize,
    /// Seconds that low-priority notifications wait for an inactive client (XEP-0352).
    pub inactive_hold_seconds: u64,
}

impl Default for Session {
    fn default() -> Self {
        Self { resume_seconds: 600, window: 256, inactive_hold_seconds: 3600 }
    }
}

/// `[notifications]`: defaults and bounds.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Notifications {
    /// Seconds to live where the sender names none.
    pub default_ttl_seconds: u64,
    /// The longest time to live; more is cut down to it.
    pub max_ttl_seconds: u64,
    /// Days that finished notifications stay in the history.
    pub history_days: u64,
    /// Schemes that a notification's `uri` may have besides the usual ones, such as an app's own.
    pub uri_schemes: Vec<String>,
}

impl Default for Notifications {
    fn default() -> Self {
        Self {
            default_ttl_seconds: 28 * 86_400,
            max_ttl_seconds: 90 * 86_400,
            history_days: 30,
            uri_schemes: Vec::new(),
        }
    }
}

/// `[topics]`: rights for topics that have no policy of their own.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Topics {
    /// Who may subscribe.
    pub subscribe: TopicPolicy,
}

impl Default for Topics {
    fn default() -> Self {
        Self { subscribe: TopicPolicy::Open }
    }
}

/// `[legacy]`: androidpn's own clients.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Legacy {
    /// What their notifications carry as `apiKey`.
    pub api_key: String,
    /// Whether XEP-0078 logins are offered (under TLS only).
    pub iq_auth: bool,
}

impl Default for Legacy {
    fn default() -> Self {
        Self { api_key: "1234567890".into(), iq_auth: true }
    }
}

/// Everything that the managers read.
#[derive(Debug, Clone)]
pub struct Config {
    /// The served XMPP domain.
    pub domain: String,
    /// This node's name, where it is the only one; a [`Cluster`](crate::cluster::Cluster) has its own.
    pub node: String,
    /// Whether logins may be bound to their TLS connection (SCRAM's `-PLUS`).
    pub channel_binding: bool,
    /// Whether devices may give their accounts a second name, as androidpn's do.
    pub aliases: bool,
    /// `[registration]`.
    pub registration: Registration,
    /// `[limits]`.
    pub limits: Limits,
    /// `[session]`.
    pub session: Session,
    /// `[notifications]`.
    pub notifications: Notifications,
    /// `[topics]`.
    pub topics: Topics,
    /// `[legacy]`.
    pub legacy: Legacy,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            domain: "localhost".into(),
            node: "local".into(),
            channel_binding: true,
            aliases: false,
            registration: Registration::default(),
            limits: Limits::default(),
            session: Session::default(),
            notifications: Notifications::default(),
            topics: Topics::default(),
            legacy: Legacy::default(),
        }
    }
}

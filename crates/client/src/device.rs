//! The public face of the SDK: how a device is described, started and controlled.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use tokio::sync::{mpsc, oneshot, watch};

use crate::account::Account;
use crate::backoff::Backoff;
use crate::connect::{Dial, LoginState, RESOURCE, Target, Tcp};
use crate::deliveries::Deliveries;
use crate::driver::Driver;
use crate::error::ClientError;
use crate::fingerprint::Fingerprint;
use crate::invitation::Invitation;
use crate::notification::Notification;
use crate::random::{Random, SystemRandom, hex, uuid};
use crate::seen::Seen;
use crate::state::{Command, DeviceState, Policy, Topic};
use crate::status::{Status, StatusUpdates};
use crate::tls::{Tls, Trust, UnfitTrust};

/// Notifications that lie ready for [`Device::next`].
const READY: usize = 16;

/// What a [`Device`] is made from.
pub struct DeviceBuilder {
    host: String,
    port: Option<u16>,
    direct_tls: Option<bool>,
    domain: Option<String>,
    account: Option<Account>,
    account_file: Option<PathBuf>,
    seen_file: Option<PathBuf>,
    topics: Vec<String>,
    trust: Trust,
    key: Option<Fingerprint>,
    token: Option<String>,
    allow_plain: bool,
    policy: Policy,
    connect_timeout: Duration,
    delays: (Duration, Duration),
    random: Arc<dyn Random>,
    dial: Option<Box<dyn Dial>>,
}

impl DeviceBuilder {
    /// The server's port: 5222, or 5223 with direct TLS, where this is not called.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// TLS from the first byte (XEP-0368) instead of STARTTLS. Port 5223 means so by itself.
    #[must_use]
    pub fn direct_tls(mut self, direct: bool) -> Self {
        self.direct_tls = Some(direct);
        self
    }

    /// The XMPP domain. Without it the host is taken; a Tidings server takes an address
    /// for its default domain.
    #[must_use]
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    /// Where the account is kept. A random one is registered when the file does not
    /// exist. The ids of the last notifications stand in a file beside it.
    #[must_use]
    pub fn account_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.account_file = Some(path.into());
        self
    }

    /// An account that exists already. It is not written anywhere.
    #[must_use]
    pub fn credentials(mut self, username: impl Into<String>, password: impl Into<String>) -> Self {
        self.account = Some(Account::new(username, password));
        self
    }

    /// Where the ids of the last notifications are kept, if not beside the account file.
    #[must_use]
    pub fn seen_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.seen_file = Some(path.into());
        self
    }

    /// A topic to be subscribed to whenever a session begins.
    #[must_use]
    pub fn topic(mut self, topic: impl Into<String>) -> Self {
        self.topics.push(topic.into());
        self
    }

    /// Whom to believe to be the server.
    #[must_use]
    pub fn trust(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }

    /// What the server wants for a registration (XEP-0445).
    #[must_use]
    pub fn registration_token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// The server's public key (SHA-256 of its SubjectPublicKeyInfo), where it is known beforehand:
    /// with [`Trust::FirstUse`], no other server is believed at the first connection, unless an
    /// authority of this machine vouches for it.
    #[must_use]
    pub fn server_key(mut self, key: Fingerprint) -> Self {
        self.key = Some(key);
        self
    }

    /// Whether the password may be sent as it is, under TLS, to a server without SCRAM.
    /// Not by default: a machine that pretends to be the server would have it.
    #[must_use]
    pub fn allow_plain(mut self, allow: bool) -> Self {
        self.allow_plain = allow;
        self
    }

    /// Whether to try again, every few minutes, after errors that need a person, such as
    /// a wrong password.
    #[must_use]
    pub fn keep_trying(mut self, keep: bool) -> Self {
        self.policy.keep_trying = keep;
        self
    }

    /// The silence after which the server is asked whether it is there (default: 5
    /// minutes), and how long it may take to answer (default: 30 seconds).
    #[must_use]
    pub fn ping(mut self, interval: Duration, timeout: Duration) -> Self {
        self.policy.ping_interval = interval;
        self.policy.answer_timeout = timeout;
        self
    }

    /// How long connecting and logging in may take together (default: 30 seconds).
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// The ceilings of the first wait between attempts and of the longest (default: 1
    /// second, 5 minutes). Each wait is random below its ceiling.
    #[must_use]
    pub fn reconnect_delays(mut self, first: Duration, most: Duration) -> Self {
        self.delays = (first, most);
        self
    }

    /// Where random bytes come from, for tests.
    #[must_use]
    pub fn random(mut self, random: Arc<dyn Random>) -> Self {
        self.random = random;
        self
    }

    #[cfg(test)]
    #[must_use]
    pub(crate) fn dial(mut self, dial: Box<dyn Dial>) -> Self {
        self.dial = Some(dial);
        self
    }

    /// Reads the files and starts connecting, in a task on the current tokio run time.
    /// What happens from here on, [`Device::next`] and [`Device::status`] tell.
    ///
    /// # Errors
    /// When a file cannot be used, or what was asked for makes no sense.
    pub fn start(self) -> Result<Device, ClientError> {
        let (account, uncertain) = match (&self.account, &self.account_file) {
            (Some(account), _) => (account.clone(), false),
            (None, None) => {
                let missing = "a device needs credentials or an account file";
                return Err(ClientError::Configuration(missing.to_owned()));
            }
            (None, Some(path)) => match Account::load(path)? {
                Some(account) => {
                    let uncertain = !account.registered;
                    (account, uncertain)
                }
                None => (Account::random(&*self.random), false),
            },
        };
        let direct_tls = self.direct_tls.unwrap_or(self.port == Some(5223));
        let port = self.port.unwrap_or(if direct_tls { 5223 } else { 5222 });
        let tls =
            Tls::new(&self.trust, account.certificate, self.key, direct_tls).map_err(|UnfitTrust(why)| {
                match self.trust {
                    Trust::Ca(_) => ClientError::Ca(why),
                    _ => ClientError::Configuration(why),
                }
            })?;
        let seen_file = self.seen_file.or_else(|| self.account_file.as_deref().map(beside));
        let deliveries = match seen_file {
            None => Deliveries::new(Seen::new(), None),
            Some(path) => {
                let (seen, file) =
                    Seen::open(&path).map_err(|source| ClientError::Seen { path: path.clone(), source })?;
                if file.is_none() {
                    tracing::warn!(path = %path.display(), "another process uses this device's files");
                }
                Deliveries::new(seen, file)
            }
        };

        let address = match self.host.parse::<IpAddr>() {
            Ok(IpAddr::V6(_)) => format!("[{}]:{port}", self.host),
            _ => format!("{}:{port}", self.host),
        };
        let target = Target {
            address,
            domain: self.domain.unwrap_or_else(|| self.host.clone()),
            direct_tls,
            dial: self.dial.unwrap_or_else(|| Box::new(Tcp { host: self.host, port })),
            tls,
            timeout: self.connect_timeout,
            token: self.token,
            allow_plain: self.allow_plain,
            // One for the life of the process: a session that could not be resumed is
            // replaced, and another process is not.
            resource: format!("{RESOURCE}-{}", hex(&*self.random, 4)),
            user_agent: uuid(&*self.random),
            random: Arc::clone(&self.random),
        };

        let (items, notifications) = mpsc::channel(READY);
        let (ack_sender, acks) = mpsc::unbounded_channel();
        let (command_sender, commands) = mpsc::channel(64);
        let (status, status_receiver) = watch::channel(Status::Connecting);
        let terminal_error = Arc::new(Mutex::new(None));
        let username = account.username.clone();
        let state = DeviceState {
            policy: self.policy,
            deliveries,
            queue: VecDeque::new(),
            sm_state: None,
            connections: 0,
            unsent: VecDeque::new(),
            topics: self
                .topics
                .into_iter()
                .map(|topic| (topic, Topic { wanted: true, ..Topic::default() }))
                .collect::<BTreeMap<_, _>>(),
            active: true,
            items,
            ack_sender: ack_sender.clone(),
            acks,
            commands,
            status,
        };
        let driver = Driver {
            target: Arc::new(target),
            backoff: Backoff::new(self.delays.0, self.delays.1),
            state,
            terminal_error: Arc::clone(&terminal_error),
        };
        let path = if self.account.is_some() { None } else { self.account_file };
        let login = LoginState { account, path, uncertain, salted: None, known: None };
        tokio::spawn(driver.run(login));
        let handle = DeviceHandle { acks: ack_sender, commands: command_sender, status: status_receiver };
        Ok(Device { notifications, handle, terminal_error, username })
    }
}

/// The ids' file beside an account file.
fn beside(account: &Path) -> PathBuf {
    let mut name = account.file_name().unwrap_or_default().to_owned();
    name.push(".seen");
    account.with_file_name(name)
}

/// A device: an account's session that is kept up for as long as this value lives.
///
/// See the [crate's documentation](crate) for an example.
#[derive(Debug)]
pub struct Device {
    notifications: mpsc::Receiver<Notification>,
    handle: DeviceHandle,
    terminal_error: Arc<Mutex<Option<ClientError>>>,
    username: String,
}

impl Device {
    /// Describes a device of the server that an invitation names, which registers with its token.
    pub fn invited(invitation: &Invitation) -> DeviceBuilder {
        let mut builder = Self::builder(&invitation.host).domain(&invitation.domain);
        // STARTTLS where there is a choice, as without an invitation.
        builder.direct_tls = Some(invitation.xmpp.is_none() && invitation.xmpps.is_some());
        builder.port = invitation.xmpp.or(invitation.xmpps);
        builder.token.clone_from(&invitation.token);
        builder.key = invitation.key;
        builder
    }

    /// Describes a device of the server at `host`: a name or an address.
    pub fn builder(host: impl Into<String>) -> DeviceBuilder {
        let second = Duration::from_secs(1);
        DeviceBuilder {
            host: host.into(),
            port: None,
            direct_tls: None,
            domain: None,
            account: None,
            account_file: None,
            seen_file: None,
            topics: Vec::new(),
            trust: Trust::default(),
            key: None,
            token: None,
            allow_plain: false,
            policy: Policy {
                ping_interval: 300 * second,
                answer_timeout: 30 * second,
                stable: 60 * second,
                keep_trying: false,
            },
            connect_timeout: 30 * second,
            delays: (second, 300 * second),
            random: Arc::new(SystemRandom),
            dial: None,
        }
    }

    /// The next notification. It waits through lost connections; cancel-safe.
    ///
    /// # Errors
    /// What ended the device for good ([`ClientError::is_permanent`]), once;
    /// [`ClientError::Closed`] from then on.
    pub async fn next(&mut self) -> Result<Notification, ClientError> {
        match self.notifications.recv().await {
            Some(notification) => Ok(notification),
            None => Err(self.end().unwrap_or(ClientError::Closed)),
        }
    }

    /// The account's name. Where an invitation is for a name of its own, [`Status::Online`] tells it.
    pub fn username(&self) -> &str {
        &self.username
    }

    /// How it is doing, now and later.
    pub fn status(&self) -> StatusUpdates {
        self.handle.status()
    }

    /// What other tasks use while one waits in [`next`](Self::next).
    pub fn handle(&self) -> DeviceHandle {
        self.handle.clone()
    }

    /// Ends the session: what was acknowledged before this call has reached the server
    /// when it returns, if the server was to be reached at all within some seconds.
    ///
    /// # Errors
    /// What had ended the device before.
    pub async fn close(self) -> Result<(), ClientError> {
        let (reply, done) = oneshot::channel();
        if self.handle.commands.send(Command::Close(reply)).await.is_ok() {
            // An error is the task's end, too.
            let _ = done.await;
        }
        self.end().map_or(Ok(()), Err)
    }

    fn end(&self) -> Option<ClientError> {
        self.terminal_error.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Notifications as they come; an error that ended the device for good is the last item.
/// After [`close`](Device::close) there is nothing left to poll.
impl Stream for Device {
    type Item = Result<Notification, ClientError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let device = self.get_mut();
        device.notifications.poll_recv(context).map(|notification| match notification {
            Some(notification) => Some(Ok(notification)),
            None => device.end().map(Err),
        })
    }
}

/// A device's other controls. Clones are cheap; they do not keep the device alive.
#[derive(Debug, Clone)]
pub struct DeviceHandle {
    acks: mpsc::UnboundedSender<String>,
    commands: mpsc::Sender<Command>,
    status: watch::Receiver<Status>,
}

impl DeviceHandle {
    /// Does what [`Notification::ack`] does, for a program that kept only the id.
    pub fn acknowledge(&self, id: impl Into<String>) {
        let _ = self.acks.send(id.into());
    }

    /// Tells the server that a person opened the notification (XEP-0333). Told later
    /// where there is no connection; lost if the process ends before that.
    pub async fn opened(&self, id: impl Into<String>) {
        let _ = self.commands.send(Command::Opened(id.into())).await;
    }

    /// Says whether a person is using the device (XEP-0352): while no person is, the server
    /// holds back what has low priority.
    pub async fn set_active(&self, active: bool) {
        let _ = self.commands.send(Command::SetActive(active)).await;
    }

    /// Subscribes to a topic; returns when the server has confirmed it.
    ///
    /// # Errors
    /// [`ClientError::Topic`] when the server refuses.
    pub async fn subscribe(&self, topic: impl Into<String>) -> Result<(), ClientError> {
        self.set_topic(topic.into(), true).await
    }

    /// Ends a subscription; returns when the server has confirmed it.
    ///
    /// # Errors
    /// [`ClientError::Topic`] when the server refuses.
    pub async fn unsubscribe(&self, topic: impl Into<String>) -> Result<(), ClientError> {
        self.set_topic(topic.into(), false).await
    }

    /// How the device is doing, now and later.
    pub fn status(&self) -> StatusUpdates {
        StatusUpdates::new(self.status.clone())
    }

    async fn set_topic(&self, topic: String, wanted: bool) -> Result<(), ClientError> {
        let (answer, answered) = oneshot::channel();
        let command = Command::Subscribe { topic, wanted, answer };
        self.commands.send(command).await.map_err(|_| ClientError::Closed)?;
        answered.await.unwrap_or(Err(ClientError::Closed))
    }
}

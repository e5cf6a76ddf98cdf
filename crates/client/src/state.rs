//! What a device is and owes, whichever connection it has: the driver keeps it, and a
//! session borrows it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tidings_xmpp::ext::sm::HandledWindow;
use tokio::sync::{mpsc, oneshot, watch};

use crate::deliveries::Deliveries;
use crate::error::ClientError;
use crate::notification::Notification;
use crate::outbound::Outbound;
use crate::status::Status;

/// Marks that wait for a connection; the oldest go first when there are more.
const MOST_UNSENT: usize = 1000;

/// What the application asks for, besides acknowledging.
pub(crate) enum Command {
    Opened(String),
    SetActive(bool),
    Subscribe { topic: String, wanted: bool, answer: oneshot::Sender<Result<(), ClientError>> },
    Close(oneshot::Sender<()>),
}

/// Whom to tell that the device has closed.
pub(crate) type CloseReply = Option<oneshot::Sender<()>>;

/// How a device behaves.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    /// Silence after which the server is asked whether it is there.
    pub(crate) ping_interval: Duration,
    /// How long it may take to answer.
    pub(crate) answer_timeout: Duration,
    /// A connection that held so long starts the back-off anew.
    pub(crate) stable: Duration,
    /// Go on, slowly, after errors that need a person.
    pub(crate) keep_trying: bool,
}

/// A topic that the application spoke of.
#[derive(Default)]
pub(crate) struct Topic {
    /// Subscribe, or unsubscribe.
    pub(crate) wanted: bool,
    /// The server has confirmed it to this session.
    pub(crate) confirmed: bool,
    pub(crate) answers: Vec<oneshot::Sender<Result<(), ClientError>>>,
}

/// Stream management's state, which outlives connections.
pub(crate) struct SmState {
    /// What to resume with.
    pub(crate) id: Option<String>,
    pub(crate) inbound: HandledWindow,
    pub(crate) outbound: Outbound,
    pub(crate) jid: String,
    /// Whether the session's server knows XEP-0352.
    pub(crate) client_state: bool,
}

/// What outlives connections.
pub(crate) struct DeviceState {
    pub(crate) policy: Policy,
    pub(crate) deliveries: Deliveries,
    /// Shown as soon as the application takes them.
    pub(crate) queue: VecDeque<Notification>,
    pub(crate) sm_state: Option<SmState>,
    /// How many connections there have been.
    pub(crate) connections: u64,
    /// Notifications that were opened, which no session has been told.
    pub(crate) unsent: VecDeque<String>,
    pub(crate) topics: BTreeMap<String, Topic>,
    /// Whether a person is using the device (XEP-0352).
    pub(crate) active: bool,
    pub(crate) items: mpsc::Sender<Notification>,
    /// For the notifications' own handles.
    pub(crate) ack_sender: mpsc::UnboundedSender<String>,
    pub(crate) acks: mpsc::UnboundedReceiver<String>,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) status: watch::Sender<Status>,
}

/// What the application does.
pub(crate) enum AppEvent {
    /// It acknowledged the notification of this id.
    Acknowledged(String),
    Command(Command),
    /// It took a notification.
    Shown,
    /// It has dropped the device.
    Abandoned,
}

impl DeviceState {
    /// The next thing that the application does. Cancel-safe.
    pub(crate) async fn app_event(&mut self) -> AppEvent {
        tokio::select! {
            biased;
            Some(id) = self.acks.recv() => AppEvent::Acknowledged(id),
            command = self.commands.recv() => command.map_or(AppEvent::Abandoned, AppEvent::Command),
            permit = self.items.reserve(), if !self.queue.is_empty() => {
                if let (Ok(permit), Some(next)) = (permit, self.queue.pop_front()) {
                    permit.send(next);
                }
                AppEvent::Shown
            }
            () = self.items.closed() => AppEvent::Abandoned,
        }
    }

    /// Remembers what a command changes; the next session acts on it.
    pub(crate) fn note(&mut self, command: Command) {
        match command {
            Command::Opened(id) => {
                if self.unsent.len() == MOST_UNSENT {
                    self.unsent.pop_front();
                }
                self.unsent.push_back(id);
            }
            Command::SetActive(active) => self.active = active,
            Command::Subscribe { topic, wanted, answer } => {
                let topic = self.topics.entry(topic).or_default();
                if topic.wanted != wanted || topic.answers.is_empty() {
                    topic.confirmed = false;
                }
                topic.wanted = wanted;
                topic.answers.push(answer);
            }
            // Handled where commands are received.
            Command::Close(_) => {}
        }
    }

    /// `first` and all acknowledgements that wait behind it: one write to disk for all.
    pub(crate) fn batch(&mut self, first: String) -> Vec<String> {
        let mut ids = vec![first];
        while let Ok(id) = self.acks.try_recv() {
            ids.push(id);
        }
        ids
    }
}

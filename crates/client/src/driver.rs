//! The task behind a device: connects, serves the connection, waits, connects again.

use std::collections::{BTreeMap, VecDeque};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tidings_xmpp::ext::sm::HandledWindow;
use tidings_xmpp::stream::client::Resume;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep};

use crate::backoff::Backoff;
use crate::connect::{Link, LoginState, Target, connect};
use crate::deliveries::Deliveries;
use crate::device::Status;
use crate::error::ClientError;
use crate::notification::Notification;
use crate::outbound::Outbound;
use crate::session::{End, Opening, Session};

/// Marks that wait for a connection; the oldest go first when there are more.
const MOST_UNSENT: usize = 1000;

/// What the application asks for, besides acknowledging.
pub(crate) enum Command {
    Opened(String),
    SetActive(bool),
    Subscribe { topic: String, wanted: bool, answer: oneshot::Sender<Result<(), ClientError>> },
    Close(oneshot::Sender<()>),
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

/// How the driver behaves.
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

/// Stream management's state, which outlives connections.
pub(crate) struct SmState {
    /// What to resume with.
    pub(crate) id: Option<String>,
    pub(crate) inbound: HandledWindow,
    pub(crate) outbound: Outbound,
    pub(crate) jid: String,
}

pub(crate) struct Driver {
    pub(crate) target: Arc<Target>,
    pub(crate) policy: Policy,
    pub(crate) backoff: Backoff,
    pub(crate) deliveries: Deliveries,
    /// Shown as soon as the application takes them.
    pub(crate) queue: VecDeque<Notification>,
    pub(crate) sm_state: Option<SmState>,
    /// How many connections there have been.
    pub(crate) connections: u64,
    /// Notifications that were opened, which no session has been told.
    pub(crate) unsent: VecDeque<String>,
    pub(crate) topics: BTreeMap<String, Topic>,
    pub(crate) active: bool,
    pub(crate) items: mpsc::Sender<Notification>,
    /// For the notifications' own handles.
    pub(crate) ack_sender: mpsc::UnboundedSender<String>,
    pub(crate) acks: mpsc::UnboundedReceiver<String>,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) status: watch::Sender<Status>,
    pub(crate) terminal_error: Arc<Mutex<Option<ClientError>>>,
}

/// What happens while there is no connection.
enum Idle {
    Acknowledged(String),
    Command(Command),
    Shown,
    /// The application has dropped the device.
    Abandoned,
}

/// Whom to tell that the device has closed.
pub(crate) type CloseReply = Option<oneshot::Sender<()>>;

impl Driver {
    /// Runs until the device is closed, or an error ends it for good.
    pub(crate) async fn run(mut self, login: LoginState) {
        let end = self.cycle(login).await;
        let reply = match end {
            Ok(reply) => reply,
            Err(error) => {
                *self.terminal_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                None
            }
        };
        self.status.send_replace(Status::Ended);
        if let Some(reply) = reply {
            let _ = reply.send(());
        }
    }

    async fn cycle(&mut self, login: LoginState) -> Result<CloseReply, ClientError> {
        let mut login = Some(login);
        loop {
            self.status.send_replace(Status::Connecting);
            let Some(known) = login.take() else { return Ok(None) };
            let resume = self.sm_state.as_ref().and_then(|sm_state| {
                Some(Resume { id: sm_state.id.clone()?, handled: sm_state.inbound.handled() })
            });
            let opening = Opening { connection: self.connections + 1, active: self.active };
            let mut attempt = Box::pin(connect(Arc::clone(&self.target), known, resume, opening));
            let (returned, result) = match self.meanwhile(&mut attempt).await {
                Ok(result) => result,
                Err(reply) => return Ok(reply),
            };
            login = Some(returned);

            let error = match result {
                Ok(link) => match self.serve(link).await {
                    End::Closed(reply) => return Ok(reply),
                    End::Broken(error) => error,
                },
                Err(error) => error,
            };
            let delay = match (error.is_permanent(), self.policy.keep_trying) {
                (true, false) => return Err(error),
                (true, true) => self.backoff.slow(&*self.target.random),
                (false, _) => self.backoff.next(&*self.target.random),
            };
            tracing::info!(%error, ?delay, "no connection");
            self.status.send_replace(Status::Waiting { error: error.to_string(), retry_in: delay });
            let mut sleep = pin!(sleep(delay));
            if let Err(reply) = self.meanwhile(&mut sleep).await {
                return Ok(reply);
            }
        }
    }

    async fn serve(&mut self, link: Link) -> End {
        let since = Instant::now();
        self.connections += 1;
        let end = Box::pin(Session::begin(self, link).run()).await;
        if since.elapsed() >= self.policy.stable {
            self.backoff.reset();
        }
        end
    }

    /// Serves the application while `work` goes on; an error when the device closes.
    async fn meanwhile<T>(&mut self, work: &mut (impl Future<Output = T> + Unpin)) -> Result<T, CloseReply> {
        loop {
            // Only waiting is cancelled here, never a write to disk.
            let idle = tokio::select! {
                result = &mut *work => return Ok(result),
                idle = self.idle() => idle,
            };
            match idle {
                Idle::Acknowledged(id) => {
                    // Without a connection the server is owed nothing.
                    let ids = self.batch(id);
                    self.deliveries.settle(ids).await;
                }
                Idle::Command(Command::Close(reply)) => {
                    if let Ok(first) = self.acks.try_recv() {
                        let ids = self.batch(first);
                        self.deliveries.settle(ids).await;
                    }
                    return Err(Some(reply));
                }
                Idle::Command(command) => self.note(command),
                Idle::Shown => {}
                Idle::Abandoned => return Err(None),
            }
        }
    }

    /// One thing that the application does, without a connection. Cancel-safe.
    async fn idle(&mut self) -> Idle {
        tokio::select! {
            biased;
            Some(id) = self.acks.recv() => Idle::Acknowledged(id),
            command = self.commands.recv() => command.map_or(Idle::Abandoned, Idle::Command),
            permit = self.items.reserve(), if !self.queue.is_empty() => {
                if let (Ok(permit), Some(next)) = (permit, self.queue.pop_front()) {
                    permit.send(next);
                }
                Idle::Shown
            }
            () = self.items.closed() => Idle::Abandoned,
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

//! One connection of a device, from the end of the negotiation to the end of the link.

mod incoming;
mod outgoing;

use std::collections::HashMap;

use tidings_xmpp::ext::ping;
use tidings_xmpp::ext::push::Request;
use tidings_xmpp::ext::sm::{HandledWindow, Nonza};
use tidings_xmpp::ns;
use tidings_xmpp::stanza::IqKind;
use tidings_xmpp::stream::client::Management;
use tidings_xmpp::stream::write_close;
use tidings_xmpp::xml::{Element, Frame, parse_stanza_with};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Duration, Instant, sleep_until, timeout, timeout_at};

use crate::connect::Link;
use crate::error::ClientError;
use crate::opening::{self, Opening};
use crate::outbound::Outbound;
use crate::state::{AppEvent, CloseReply, Command, DeviceState, SmState};
use crate::status::Status;

/// Notifications that may wait for the application; past that the socket is read no more.
const MOST_QUEUED: usize = 256;
/// Notifications that the application may hold unacknowledged, more than any server lets it.
const MOST_WAITING: usize = 4096;
/// How long closing may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// How a connection ended.
pub(crate) enum End {
    Closed(CloseReply),
    Broken(ClientError),
}

/// What an answer of the server is about.
enum Question {
    Topic {
        name: String,
        wanted: bool,
    },
    /// Enabling: a server that does not know it sends the same notifications.
    Enable,
    /// Answered when the server has read all that was sent before.
    Ready,
    Ping,
}

/// What can happen on a connection.
enum Event {
    Application(AppEvent),
    Read(usize),
    Due,
}

pub(crate) struct Session<'d> {
    state: &'d mut DeviceState,
    link: Link,
    out: Vec<u8>,
    jid: String,
    sm_enabled: bool,
    questions: HashMap<String, Question>,
    next_id: u64,
    last_heard: Instant,
    /// When the server must have answered.
    answer_by: Option<Instant>,
    /// An `<r/>` was answered with less than had come.
    owes_ack: bool,
    acked: u32,
    ack_at: Option<Instant>,
    online: bool,
    /// What the server takes the device for (XEP-0352).
    told_active: bool,
    /// Whether it knows XEP-0352.
    client_state: bool,
}

impl<'d> Session<'d> {
    /// Takes over a link: says what a new session needs to know, or again what the last
    /// connection of a resumed one may have lost.
    pub(crate) fn begin(state: &'d mut DeviceState, link: Link) -> Self {
        let now = Instant::now();
        let mut session = Self {
            state,
            client_state: link.ready.client_state,
            link,
            out: Vec::new(),
            jid: String::new(),
            sm_enabled: true,
            questions: HashMap::new(),
            next_id: 0,
            last_heard: now,
            answer_by: None,
            owes_ack: false,
            acked: 0,
            ack_at: None,
            online: false,
            told_active: true,
        };
        match (session.link.ready.management.clone(), session.link.ready.jid.clone()) {
            (Management::Resumed { handled }, _) => session.resume(handled),
            (management, jid) => session.bind(management, jid.unwrap_or_default()),
        }
        session
    }

    /// Runs until the link ends.
    pub(crate) async fn run(mut self) -> End {
        let left = std::mem::take(&mut self.link.left);
        let mut result = self.heard(&left);
        let mut buffer = vec![0; 8192];
        loop {
            let error = match result {
                Ok(()) => self.flush().await.err(),
                Err(error) => Some(error),
            };
            if let Some(error) = error {
                self.part().await;
                return End::Broken(error);
            }
            result = match self.step(&mut buffer).await {
                Ok(None) => Ok(()),
                Ok(Some(reply)) => {
                    self.close().await;
                    return End::Closed(reply);
                }
                Err(error) => Err(error),
            };
        }
    }

    /// Waits for one thing and deals with it; `Some` when the device is to close.
    async fn step(&mut self, buffer: &mut [u8]) -> Result<Option<CloseReply>, ClientError> {
        let has_room = self.has_room();
        let deadline = self.deadline(has_room);
        let event = tokio::select! {
            biased;
            event = self.state.app_event() => Event::Application(event),
            read = self.link.io.read(buffer), if has_room => Event::Read(read?),
            () = sleep_until(deadline) => Event::Due,
        };
        match event {
            Event::Application(AppEvent::Acknowledged(id)) => {
                let ids = self.state.batch(id);
                self.acknowledged(ids).await;
            }
            Event::Application(AppEvent::Command(Command::Close(reply))) => return Ok(Some(Some(reply))),
            Event::Application(AppEvent::Command(command)) => self.command(command),
            Event::Application(AppEvent::Abandoned) => return Ok(Some(None)),
            Event::Application(AppEvent::Shown) => {}
            Event::Read(0) => return Err(ClientError::Hangup),
            Event::Read(read) => {
                self.last_heard = Instant::now();
                self.answer_by = None;
                self.heard(buffer.get(..read).unwrap_or_default())?;
            }
            Event::Due => self.due(has_room)?,
        }
        if !has_room {
            // What lies unread in the socket is no silence of the server.
            self.last_heard = Instant::now();
            self.answer_by = None;
        }
        Ok(None)
    }

    fn bind(&mut self, management: Management, jid: String) {
        self.jid = jid;
        if let Some(old) = self.state.sm_state.take() {
            let opened: Vec<String> = old.outbound.into_opened().collect();
            for id in opened.into_iter().rev() {
                self.state.unsent.push_front(id);
            }
        }
        self.sm_enabled = match management {
            Management::Enabled { id, .. } => {
                self.state.sm_state = Some(SmState {
                    id,
                    inbound: HandledWindow::default(),
                    outbound: Outbound::default(),
                    jid: self.jid.clone(),
                    client_state: self.client_state,
                });
                true
            }
            _ => false,
        };
        for topic in self.state.topics.values_mut() {
            topic.confirmed = false;
        }
        self.ask(Request::Enable.to_payload(), Question::Enable);
        let said = self.link.said.take();
        match said {
            None => {
                self.ask_topics();
                self.say_state();
                self.send(opening::presence(), None);
                self.say_opened();
            }
            Some(Opening { active, .. }) => {
                // It counts like everything else, and is on its way already.
                self.send(opening::presence(), None);
                self.out.clear();
                self.told_active = active || !self.client_state;
                // What was not said ahead, or has changed meanwhile.
                self.ask_topics();
                self.say_state();
                self.say_opened();
            }
        }
        if !self.sm_enabled {
            self.ask((IqKind::Get, ping::ping()), Question::Ready);
        } else if said.is_some() && self.out.is_empty() {
            self.expect_ack();
        } else {
            self.request_ack();
        }
    }

    fn resume(&mut self, handled: u32) {
        let Some(sm_state) = &mut self.state.sm_state else { return };
        self.jid.clone_from(&sm_state.jid);
        self.client_state = sm_state.client_state;
        sm_state.inbound.rewind();
        self.acked = sm_state.inbound.handled();
        let mut bytes = Vec::new();
        // A count that makes no sense shows itself again at the first acknowledgement.
        let _ = sm_state.outbound.acknowledge(handled);
        for sent in sm_state.outbound.in_flight() {
            bytes.extend_from_slice(&sent.bytes);
        }
        // Whose answers the last connection may have taken with it.
        for topic in self.state.topics.values_mut().filter(|topic| !topic.answers.is_empty()) {
            topic.confirmed = false;
        }
        self.out = bytes;
        self.say_state();
        self.ask_topics();
        self.say_opened();
        self.is_online(true);
    }

    fn is_online(&mut self, resumed: bool) {
        if !self.online {
            self.online = true;
            tracing::info!(jid = %self.jid, resumed, mechanism = self.link.ready.mechanism.name(), "online");
            self.state.status.send_replace(Status::Online { jid: self.jid.clone(), resumed });
        }
    }
    // ---- time ----

    /// Whether more notifications are wanted: the socket is read no more while the
    /// application has so many to deal with.
    fn has_room(&self) -> bool {
        let outstanding = self.state.sm_state.as_ref().map_or(0, |sm_state| sm_state.inbound.outstanding());
        self.state.queue.len() < MOST_QUEUED
            && self.state.deliveries.waiting() < MOST_WAITING
            && outstanding < MOST_WAITING
    }

    fn deadline(&self, has_room: bool) -> Instant {
        let silence = match self.answer_by {
            Some(by) => by,
            None => self.last_heard + self.state.policy.ping_interval,
        };
        // Nothing can be heard while nothing is read.
        let silence = if has_room { silence } else { Instant::now() + self.state.policy.ping_interval };
        self.ack_at.map_or(silence, |ack_at| ack_at.min(silence))
    }

    fn due(&mut self, has_room: bool) -> Result<(), ClientError> {
        let now = Instant::now();
        if self.ack_at.is_some_and(|at| at <= now) {
            self.write_ack();
        }
        if !has_room {
            return Ok(());
        }
        match self.answer_by {
            Some(by) if by <= now => return Err(ClientError::Timeout(self.state.policy.answer_timeout)),
            Some(_) => {}
            None if now >= self.last_heard + self.state.policy.ping_interval => {
                if self.sm_enabled {
                    self.request_ack();
                } else {
                    self.ask((IqKind::Get, ping::ping()), Question::Ping);
                    self.answer_by = Some(now + self.state.policy.answer_timeout);
                }
            }
            None => {}
        }
        Ok(())
    }
    // ---- endings ----

    /// Says goodbye to a connection that is over; the session may be resumed, so the
    /// stream is not closed.
    async fn part(&mut self) {
        let _ = timeout(Duration::from_secs(1), self.link.io.shutdown()).await;
    }

    /// Ends the session in good order: what the application acknowledged reaches the
    /// server, and what we said has reached it.
    async fn close(&mut self) {
        if let Ok(first) = self.state.acks.try_recv() {
            let ids = self.state.batch(first);
            self.acknowledged(ids).await;
        }
        let by = Instant::now() + CLOSE_TIMEOUT;
        self.write_ack();
        let unavailable = Element::new("presence", ns::CLIENT).with_attribute("type", "unavailable");
        self.send(unavailable, None);
        if self.sm_enabled {
            self.request_ack();
        }
        let _ = timeout_at(by, self.drain(true)).await;
        write_close(&mut self.out);
        let _ = timeout_at(by, self.drain(false)).await;
        self.state.sm_state = None;
        self.part().await;
    }

    /// Reads on until the end of the stream, or until all of ours is acknowledged.
    /// Notifications that come now are not counted, so the server keeps them.
    async fn drain(&mut self, until_acknowledged: bool) -> Result<(), ClientError> {
        let mut buffer = vec![0; 4096];
        self.flush().await?;
        let open = |state: &DeviceState| {
            state.sm_state.as_ref().is_some_and(|sm_state| sm_state.outbound.in_flight().len() > 0)
        };
        while !until_acknowledged || open(self.state) {
            let read = self.link.io.read(&mut buffer).await?;
            if read == 0 {
                break;
            }
            let mut input = buffer.get(..read).unwrap_or_default();
            loop {
                let frame = self.link.reader.read(&mut input);
                match frame.map_err(|error| ClientError::Protocol(error.to_string()))? {
                    None => break,
                    Some(Frame::Stanza(bytes)) => {
                        let element = parse_stanza_with(bytes, &self.link.context);
                        let element = element.map_err(|error| ClientError::Protocol(error.to_string()))?;
                        if let Some(Nonza::Ack(h)) = Nonza::from_element(&element)
                            && let Some(sm_state) = &mut self.state.sm_state
                        {
                            let _ = sm_state.outbound.acknowledge(h);
                        }
                    }
                    Some(_) => return Ok(()),
                }
            }
        }
        Ok(())
    }
}

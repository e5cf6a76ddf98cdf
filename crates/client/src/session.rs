//! One connection of a device, from the end of the negotiation to the end of the link.

use std::collections::HashMap;

use tidings_xmpp::ext::csi::ClientState;
use tidings_xmpp::ext::push::{PushMessage, Request};
use tidings_xmpp::ext::sm::{self, Nonza};
use tidings_xmpp::ext::{disco, markers, ping, receipts};
use tidings_xmpp::ns;
use tidings_xmpp::stanza::{ErrorKind, Iq, IqKind, StanzaError};
use tidings_xmpp::stream::client::Management;
use tidings_xmpp::stream::{StreamError, write_close};
use tidings_xmpp::xml::{Element, Frame, parse_stanza_with};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Duration, Instant, sleep_until, timeout, timeout_at};

use crate::connect::Link;
use crate::counters::{Inbound, Outbound, Sent};
use crate::deliveries::{Arrival, Owed};
use crate::device::Status;
use crate::driver::{Command, Driver, Farewell, Managed};
use crate::error::ClientError;
use crate::notification::Notification;

/// Notifications that may wait for the application; past that the socket is read no more.
const MOST_QUEUED: usize = 256;
/// Unacknowledged stanzas of ours after which the server is asked to acknowledge.
const ASK_AFTER: usize = 16;
/// Unacknowledged stanzas of ours with which a server is broken.
const MOST_IN_FLIGHT: usize = 4096;
/// The server asks for acknowledgements itself; this is for the one who forgets.
const ACK_AFTER: Duration = Duration::from_secs(1);
/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_secs(3);

/// How a connection ended.
pub(crate) enum End {
    Closed(Farewell),
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
    Acknowledged(String),
    Command(Command),
    /// A notification went to the application.
    Shown,
    /// Nobody holds the device any more.
    Abandoned,
    Read(usize),
    Due,
}

pub(crate) struct Session<'d> {
    driver: &'d mut Driver,
    link: Link,
    out: Vec<u8>,
    jid: String,
    managed: bool,
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
}

impl<'d> Session<'d> {
    /// Takes over a link: says what a new session needs to know, or again what the last
    /// connection of a resumed one may have lost.
    pub(crate) fn begin(driver: &'d mut Driver, link: Link) -> Self {
        let now = Instant::now();
        let mut session = Self {
            driver,
            link,
            out: Vec::new(),
            jid: String::new(),
            managed: true,
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
                Ok(Some(farewell)) => {
                    self.close().await;
                    return End::Closed(farewell);
                }
                Err(error) => Err(error),
            };
        }
    }

    /// Waits for one thing and deals with it; `Some` when the device is to close.
    async fn step(&mut self, buffer: &mut [u8]) -> Result<Option<Farewell>, ClientError> {
        let has_room = self.driver.queue.len() < MOST_QUEUED;
        let deadline = self.deadline(has_room);
        let event = tokio::select! {
            biased;
            Some(id) = self.driver.acks.recv() => Event::Acknowledged(id),
            command = self.driver.commands.recv() => command.map_or(Event::Abandoned, Event::Command),
            permit = self.driver.items.reserve(), if !self.driver.queue.is_empty() => {
                if let (Ok(permit), Some(next)) = (permit, self.driver.queue.pop_front()) {
                    permit.send(next);
                }
                Event::Shown
            }
            () = self.driver.items.closed() => Event::Abandoned,
            read = self.link.io.read(buffer), if has_room => Event::Read(read?),
            () = sleep_until(deadline) => Event::Due,
        };
        match event {
            Event::Acknowledged(id) => {
                let ids = self.driver.batch(id);
                self.acknowledged(ids).await;
            }
            Event::Command(Command::Close(farewell)) => return Ok(Some(Some(farewell))),
            Event::Command(command) => self.command(command),
            Event::Abandoned => return Ok(Some(None)),
            // What lay unread in the socket was no silence of the server.
            Event::Shown if !has_room => self.last_heard = Instant::now(),
            Event::Shown => {}
            Event::Read(0) => return Err(ClientError::Hangup),
            Event::Read(read) => {
                self.last_heard = Instant::now();
                self.answer_by = None;
                self.heard(buffer.get(..read).unwrap_or_default())?;
            }
            Event::Due => self.due(has_room)?,
        }
        Ok(None)
    }

    // ---- beginnings ----

    fn bind(&mut self, management: Management, jid: String) {
        self.jid = jid;
        if let Some(old) = self.driver.managed.take() {
            let opened: Vec<String> = old.outbound.into_opened().collect();
            for id in opened.into_iter().rev() {
                self.driver.unsent.push_front(id);
            }
        }
        self.managed = match management {
            Management::Enabled { id, .. } => {
                self.driver.managed = Some(Managed {
                    id,
                    inbound: Inbound::default(),
                    outbound: Outbound::default(),
                    jid: self.jid.clone(),
                });
                true
            }
            _ => false,
        };
        for topic in self.driver.topics.values_mut() {
            topic.confirmed = false;
        }
        self.ask(Request::Enable.to_payload(), Question::Enable);
        self.ask_topics();
        self.say_state();
        self.send(Element::new("presence", ns::CLIENT), None);
        self.say_opened();
        if self.managed {
            self.request_ack();
        } else {
            self.ask((IqKind::Get, ping::ping()), Question::Ready);
        }
    }

    fn resume(&mut self, handled: u32) {
        let Some(managed) = &mut self.driver.managed else { return };
        self.jid.clone_from(&managed.jid);
        managed.inbound.rewind();
        self.acked = managed.inbound.handled();
        let mut bytes = Vec::new();
        // A count that makes no sense shows itself again at the first acknowledgement.
        let _ = managed.outbound.acknowledge(handled);
        for sent in managed.outbound.in_flight() {
            bytes.extend_from_slice(&sent.bytes);
        }
        // Whose answers the last connection may have taken with it.
        for topic in self.driver.topics.values_mut().filter(|topic| !topic.answers.is_empty()) {
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
            self.driver.status.send_replace(Status::Online { jid: self.jid.clone(), resumed });
        }
    }

    // ---- the application speaks ----

    async fn acknowledged(&mut self, ids: Vec<String>) {
        for owed in self.driver.deliveries.settle(ids).await {
            self.settle(owed);
        }
        self.after_settling();
    }

    /// Tells the server that one copy of a notification has arrived for good.
    fn settle(&mut self, owed: Owed) {
        if owed.connection != self.driver.connections {
            return;
        }
        if let (Some(number), Some(managed)) = (owed.number, &mut self.driver.managed) {
            managed.inbound.complete(number);
            self.ack_at.get_or_insert_with(|| Instant::now() + ACK_AFTER);
        }
        if let Some((to, id)) = owed.receipt {
            let receipt = Element::new("message", ns::CLIENT)
                .with_attribute("to", to)
                .with_attribute("id", self.id())
                .with_child(receipts::received(&id));
            self.send(receipt, None);
        }
    }

    /// A request that was answered with less than had come is answered again.
    fn after_settling(&mut self) {
        let handled = self.driver.managed.as_ref().map(|managed| managed.inbound.handled());
        if self.owes_ack && handled.is_some_and(|handled| handled != self.acked) {
            self.write_ack();
        }
    }

    fn command(&mut self, command: Command) {
        self.driver.note(command);
        self.say_opened();
        self.ask_topics();
        self.say_state();
    }

    fn say_opened(&mut self) {
        while let Some(id) = self.driver.unsent.pop_front() {
            let message = Element::new("message", ns::CLIENT)
                .with_attribute("to", self.link.ready.domain.as_str())
                .with_attribute("id", self.id())
                .with_child(markers::displayed(&id));
            self.send(message, Some(id));
        }
    }

    fn ask_topics(&mut self) {
        let open: Vec<(String, bool)> = self
            .driver
            .topics
            .iter_mut()
            .filter(|(_, topic)| !topic.confirmed)
            .map(|(name, topic)| {
                // Asked once; the answer says whether it was granted.
                topic.confirmed = true;
                (name.clone(), topic.wanted)
            })
            .collect();
        for (name, wanted) in open {
            let request =
                if wanted { Request::Subscribe(name.clone()) } else { Request::Unsubscribe(name.clone()) };
            self.ask(request.to_payload(), Question::Topic { name, wanted });
        }
    }

    /// XEP-0352; the server takes every session for active at its beginning.
    fn say_state(&mut self) {
        let active = self.driver.active;
        if self.link.ready.client_state && active != self.told_active {
            let state = if active { ClientState::Active } else { ClientState::Inactive };
            state.to_element().write(&mut self.out, ns::CLIENT);
            self.told_active = active;
        }
    }

    // ---- the server speaks ----

    fn heard(&mut self, mut input: &[u8]) -> Result<(), ClientError> {
        loop {
            let protocol = |error: &dyn std::fmt::Display| ClientError::Protocol(error.to_string());
            let element = match self.link.reader.read(&mut input).map_err(|error| protocol(&error))? {
                None => break,
                Some(Frame::Close) => return Err(ClientError::Hangup),
                Some(Frame::Open(_)) => return Err(protocol(&"a second stream header")),
                Some(Frame::Stanza(bytes)) => {
                    parse_stanza_with(bytes, &self.link.context).map_err(|error| protocol(&error))?
                }
            };
            self.element(element)?;
        }
        self.after_settling();
        Ok(())
    }

    fn element(&mut self, element: Element) -> Result<(), ClientError> {
        if let Some(error) = StreamError::from_element(&element) {
            return Err(ClientError::Ended(error));
        }
        match Nonza::from_element(&element) {
            Some(Nonza::Request) => {
                self.write_ack();
                return Ok(());
            }
            Some(Nonza::Ack(h)) => {
                if let Some(managed) = &mut self.driver.managed
                    && managed.outbound.acknowledge(h).is_err()
                {
                    self.driver.managed = None;
                    return Err(ClientError::Protocol("it acknowledged what was never sent".to_owned()));
                }
                self.is_online(false);
                return Ok(());
            }
            _ => {}
        }
        if element.ns() != ns::CLIENT || !matches!(element.name(), "iq" | "message" | "presence") {
            return Ok(());
        }
        let number = match &mut self.driver.managed {
            Some(managed) if self.managed => Some(managed.inbound.received()),
            _ => None,
        };
        let done = match element.name() {
            "message" => self.message(&element, number),
            "iq" => {
                self.iq(element)?;
                true
            }
            _ => true,
        };
        if let (true, Some(number), Some(managed)) = (done, number, &mut self.driver.managed) {
            managed.inbound.complete(number);
        }
        Ok(())
    }

    /// A message; says whether it is dealt with already.
    fn message(&mut self, message: &Element, number: Option<u32>) -> bool {
        let from = message.attribute("from");
        if message.attribute("type") == Some("error") || !self.is_from_server(from) {
            return true;
        }
        let Some(push) = PushMessage::from_element(message) else { return true };
        let stanza_id = message.attribute("id").unwrap_or(&push.id).to_owned();
        let receipt = (number.is_none() && receipts::is_requested(message))
            .then(|| (from.unwrap_or(&self.link.ready.domain).to_owned(), stanza_id));
        let owed = Owed { connection: self.driver.connections, number, receipt };
        match self.driver.deliveries.arrived(&push.id, owed) {
            Arrival::New => {
                let notification = Notification::new(push, self.driver.ack_sender.clone());
                self.driver.queue.push_back(notification);
                false
            }
            Arrival::Waiting => false,
            Arrival::Done(owed) => {
                self.settle(owed);
                true
            }
        }
    }

    fn iq(&mut self, element: Element) -> Result<(), ClientError> {
        let iq = match Iq::from_element(element) {
            Ok(iq) => iq,
            Err(invalid) => {
                if let Some(reply) = invalid.reply() {
                    self.send(reply, None);
                }
                return Ok(());
            }
        };
        let reply = match (iq.kind, &iq.payload) {
            (IqKind::Result | IqKind::Error, _) => return self.answered(iq),
            (IqKind::Get, Some(payload)) if ping::is_ping(payload) => iq.result(None),
            (IqKind::Get, Some(payload)) if payload.is("query", ns::DISCO_INFO) => {
                let features = [ns::DISCO_INFO, ns::PING, ns::RECEIPTS, ns::PUSH];
                let info = disco::Info {
                    node: payload.attribute("node").map(str::to_owned),
                    identities: vec![disco::Identity::new("client", "bot", "Tidings device")],
                    features: features.map(str::to_owned).to_vec(),
                };
                iq.result(Some(info.to_element()))
            }
            _ => iq.error(StanzaError::service_unavailable()),
        };
        self.send(reply, None);
        Ok(())
    }

    fn answered(&mut self, iq: Iq) -> Result<(), ClientError> {
        if !self.is_from_server(iq.from.as_deref()) {
            return Ok(());
        }
        match self.questions.remove(&iq.id) {
            Some(Question::Ready) => self.is_online(false),
            Some(Question::Topic { name, wanted }) => {
                let Some(topic) = self.driver.topics.get_mut(&name) else { return Ok(()) };
                if topic.wanted != wanted {
                    return Ok(());
                }
                let answers = std::mem::take(&mut topic.answers);
                let refused = iq.error.map(|error| (error.kind != ErrorKind::Wait, error));
                let unheard = answers.is_empty();
                if refused.as_ref().map_or(!wanted, |(for_good, _)| *for_good) {
                    self.driver.topics.remove(&name);
                }
                for answer in answers {
                    let _ = answer.send(match &refused {
                        None => Ok(()),
                        Some((_, error)) => {
                            Err(ClientError::Topic { topic: name.clone(), error: error.clone() })
                        }
                    });
                }
                // Wanted since the device was built: the program must hear of it.
                if let Some((true, error)) = refused
                    && unheard
                {
                    return Err(ClientError::Topic { topic: name, error });
                }
            }
            Some(Question::Enable | Question::Ping) | None => {}
        }
        Ok(())
    }

    /// Notifications come from the server itself: other accounts cannot make them.
    fn is_from_server(&self, from: Option<&str>) -> bool {
        from.is_none_or(|from| {
            let bare = self.jid.split('/').next().unwrap_or_default();
            from == self.link.ready.domain || from == bare || from == self.jid
        })
    }

    // ---- time ----

    fn deadline(&self, has_room: bool) -> Instant {
        let silence = match self.answer_by {
            Some(by) => by,
            None => self.last_heard + self.driver.manner.ping_interval,
        };
        // Nothing can be heard while nothing is read.
        let silence = if has_room { silence } else { Instant::now() + self.driver.manner.ping_interval };
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
            Some(by) if by <= now => return Err(ClientError::Timeout(self.driver.manner.answer_timeout)),
            Some(_) => {}
            None if now >= self.last_heard + self.driver.manner.ping_interval => {
                if self.managed {
                    self.request_ack();
                } else {
                    self.ask((IqKind::Get, ping::ping()), Question::Ping);
                    self.answer_by = Some(now + self.driver.manner.answer_timeout);
                }
            }
            None => {}
        }
        Ok(())
    }

    // ---- writing ----

    fn id(&mut self) -> String {
        self.next_id += 1;
        format!("c{}-{}", self.driver.connections, self.next_id)
    }

    fn ask(&mut self, (kind, payload): (IqKind, Element), question: Question) {
        let id = self.id();
        let iq = match kind {
            IqKind::Set => Iq::set(id.as_str(), payload),
            _ => Iq::get(id.as_str(), payload),
        };
        let to_server = matches!(question, Question::Ping | Question::Ready);
        let iq = if to_server { iq.with_to(self.link.ready.domain.as_str()) } else { iq };
        self.questions.insert(id, question);
        self.send(iq.into_element(), None);
    }

    /// Writes a stanza, and keeps it until the server has it.
    fn send(&mut self, stanza: Element, opened: Option<String>) {
        let bytes = stanza.to_bytes();
        self.out.extend_from_slice(&bytes);
        if let Some(managed) = self.driver.managed.as_mut().filter(|_| self.managed) {
            managed.outbound.push(Sent { bytes, opened });
            if managed.outbound.in_flight().len() % ASK_AFTER == 0 {
                self.request_ack();
            }
        }
    }

    fn request_ack(&mut self) {
        self.out.extend_from_slice(sm::REQUEST);
        self.answer_by.get_or_insert(Instant::now() + self.driver.manner.answer_timeout);
    }

    fn write_ack(&mut self) {
        if let Some(managed) = self.driver.managed.as_ref().filter(|_| self.managed) {
            self.acked = managed.inbound.handled();
            self.owes_ack = managed.inbound.outstanding() > 0;
            self.ack_at = None;
            sm::write_ack(self.acked, &mut self.out);
        }
    }

    async fn flush(&mut self) -> Result<(), ClientError> {
        let in_flight = self.driver.managed.as_ref().map_or(0, |managed| managed.outbound.in_flight().len());
        if in_flight > MOST_IN_FLIGHT {
            self.driver.managed = None;
            return Err(ClientError::Protocol("it acknowledges nothing".to_owned()));
        }
        if self.out.is_empty() {
            return Ok(());
        }
        let limit = self.driver.manner.answer_timeout;
        let write = async {
            self.link.io.write_all(&self.out).await?;
            self.link.io.flush().await
        };
        timeout(limit, write).await.map_err(|_| ClientError::Timeout(limit))??;
        self.out.clear();
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
        if let Ok(first) = self.driver.acks.try_recv() {
            let ids = self.driver.batch(first);
            self.acknowledged(ids).await;
        }
        let by = Instant::now() + FAREWELL;
        self.write_ack();
        let unavailable = Element::new("presence", ns::CLIENT).with_attribute("type", "unavailable");
        self.send(unavailable, None);
        if self.managed {
            self.request_ack();
        }
        let _ = timeout_at(by, self.drain(true)).await;
        write_close(&mut self.out);
        let _ = timeout_at(by, self.drain(false)).await;
        self.driver.managed = None;
        self.part().await;
    }

    /// Reads on until the end of the stream, or until all of ours is acknowledged.
    /// Notifications that come now are not counted, so the server keeps them.
    async fn drain(&mut self, until_acknowledged: bool) -> Result<(), ClientError> {
        let mut buffer = vec![0; 4096];
        self.flush().await?;
        let open = |driver: &Driver| {
            driver.managed.as_ref().is_some_and(|managed| managed.outbound.in_flight().len() > 0)
        };
        while !until_acknowledged || open(self.driver) {
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
                        if let (Some(h), Some(managed)) = (sm::parse_ack(bytes), &mut self.driver.managed) {
                            let _ = managed.outbound.acknowledge(h);
                        }
                    }
                    Some(_) => return Ok(()),
                }
            }
        }
        Ok(())
    }
}

//! What the server says in a session.

use tidings_xmpp::ext::push::PushMessage;
use tidings_xmpp::ext::sm::Nonza;
use tidings_xmpp::ext::{disco, ping, receipts};
use tidings_xmpp::ns;
use tidings_xmpp::stanza::{ErrorKind, Iq, IqKind, StanzaError};
use tidings_xmpp::stream::StreamError;
use tidings_xmpp::xml::{Element, Frame, parse_stanza_with};

use super::{Question, Session};
use crate::deliveries::{Arrival, Owed};
use crate::error::ClientError;
use crate::notification::Notification;

impl Session<'_> {
    pub(super) fn heard(&mut self, mut input: &[u8]) -> Result<(), ClientError> {
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
            return Err(ClientError::Ended(error.into()));
        }
        match Nonza::from_element(&element) {
            Some(Nonza::Request) => {
                self.write_ack();
                return Ok(());
            }
            Some(Nonza::Ack(h)) => {
                if let Some(sm_state) = &mut self.state.sm_state
                    && sm_state.outbound.acknowledge(h).is_err()
                {
                    self.state.sm_state = None;
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
        let number = match &mut self.state.sm_state {
            Some(sm_state) if self.sm_enabled => Some(sm_state.inbound.receive()),
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
        if let (true, Some(number), Some(sm_state)) = (done, number, &mut self.state.sm_state) {
            sm_state.inbound.complete(number);
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
        let owed = Owed { connection: self.state.connections, number, receipt };
        match self.state.deliveries.arrived(&push.id, owed) {
            Arrival::New => {
                let notification = Notification::new(push, self.state.ack_sender.clone());
                self.state.queue.push_back(notification);
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
                let Some(topic) = self.state.topics.get_mut(&name) else { return Ok(()) };
                if topic.wanted != wanted {
                    return Ok(());
                }
                let answers = std::mem::take(&mut topic.answers);
                let refused = iq.error.map(|error| (error.kind != ErrorKind::Wait, error));
                let unheard = answers.is_empty();
                if refused.as_ref().map_or(!wanted, |(for_good, _)| *for_good) {
                    self.state.topics.remove(&name);
                }
                for answer in answers {
                    let _ = answer.send(match &refused {
                        None => Ok(()),
                        Some((_, error)) => {
                            Err(ClientError::Topic { topic: name.clone(), refusal: error.clone().into() })
                        }
                    });
                }
                // Wanted since the device was built: the program must hear of it.
                if let Some((true, error)) = refused
                    && unheard
                {
                    return Err(ClientError::Topic { topic: name, refusal: error.into() });
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
}

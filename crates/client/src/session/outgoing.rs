//! What a session says to the server, for the application and for itself.

use tidings_xmpp::ext::csi::ClientState;
use tidings_xmpp::ext::push::Request;
use tidings_xmpp::ext::{markers, receipts, sm};
use tidings_xmpp::ns;
use tidings_xmpp::stanza::{Iq, IqKind};
use tidings_xmpp::xml::Element;
use tokio::io::AsyncWriteExt;
use tokio::time::{Duration, Instant, timeout};

use super::{Question, Session};
use crate::deliveries::Owed;
use crate::error::ClientError;
use crate::opening::stanza_id;
use crate::outbound::Sent;
use crate::state::Command;

/// Unacknowledged stanzas of ours after which the server is asked to acknowledge.
const ASK_AFTER: usize = 16;
/// Unacknowledged stanzas of ours with which a server is broken.
const MOST_IN_FLIGHT: usize = 4096;
/// How long an acknowledgement waits for the server to ask for it.
const ACK_AFTER: Duration = Duration::from_secs(1);

impl Session<'_> {
    pub(super) async fn acknowledged(&mut self, ids: Vec<String>) {
        for owed in self.state.deliveries.settle(ids).await {
            self.settle(owed);
        }
        self.after_settling();
    }

    /// Tells the server that one copy of a notification has arrived for good.
    pub(super) fn settle(&mut self, owed: Owed) {
        if owed.connection != self.state.connections {
            return;
        }
        if let (Some(number), Some(sm_state)) = (owed.number, &mut self.state.sm_state) {
            sm_state.inbound.complete(number);
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
    pub(super) fn after_settling(&mut self) {
        let handled = self.state.sm_state.as_ref().map(|sm_state| sm_state.inbound.handled());
        if self.owes_ack && handled.is_some_and(|handled| handled != self.acked) {
            self.write_ack();
        }
    }

    pub(super) fn command(&mut self, command: Command) {
        self.state.note(command);
        self.say_opened();
        self.ask_topics();
        self.say_state();
    }

    pub(super) fn say_opened(&mut self) {
        while let Some(id) = self.state.unsent.pop_front() {
            let message = Element::new("message", ns::CLIENT)
                .with_attribute("to", self.link.ready.domain.as_str())
                .with_attribute("id", self.id())
                .with_child(markers::displayed(&id));
            self.send(message, Some(id));
        }
    }

    pub(super) fn ask_topics(&mut self) {
        let open: Vec<(String, bool)> = self
            .state
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
    pub(super) fn say_state(&mut self) {
        let active = self.state.active;
        if self.client_state && active != self.told_active {
            let state = if active { ClientState::Active } else { ClientState::Inactive };
            state.to_element().write(&mut self.out, ns::CLIENT);
            self.told_active = active;
        }
    }
    pub(super) fn id(&mut self) -> String {
        self.next_id += 1;
        stanza_id(self.state.connections, self.next_id)
    }

    pub(super) fn ask(&mut self, (kind, payload): (IqKind, Element), question: Question) {
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
    pub(super) fn send(&mut self, stanza: Element, opened: Option<String>) {
        let bytes = stanza.to_bytes();
        self.out.extend_from_slice(&bytes);
        if let Some(sm_state) = self.state.sm_state.as_mut().filter(|_| self.sm_enabled) {
            sm_state.outbound.push(Sent { bytes, opened });
            if sm_state.outbound.in_flight().len() % ASK_AFTER == 0 {
                self.request_ack();
            }
        }
    }

    pub(super) fn request_ack(&mut self) {
        self.out.extend_from_slice(sm::REQUEST);
        self.expect_ack();
    }

    /// An acknowledgement was asked for, now or ahead.
    pub(super) fn expect_ack(&mut self) {
        self.answer_by.get_or_insert(Instant::now() + self.state.policy.answer_timeout);
    }

    pub(super) fn write_ack(&mut self) {
        if let Some(sm_state) = self.state.sm_state.as_ref().filter(|_| self.sm_enabled) {
            self.acked = sm_state.inbound.handled();
            self.owes_ack = sm_state.inbound.outstanding() > 0;
            self.ack_at = None;
            sm::write_ack(self.acked, &mut self.out);
        }
    }

    pub(super) async fn flush(&mut self) -> Result<(), ClientError> {
        let in_flight =
            self.state.sm_state.as_ref().map_or(0, |sm_state| sm_state.outbound.in_flight().len());
        if in_flight > MOST_IN_FLIGHT {
            self.state.sm_state = None;
            return Err(ClientError::Protocol("it acknowledges nothing".to_owned()));
        }
        if self.out.is_empty() {
            return Ok(());
        }
        let limit = self.state.policy.answer_timeout;
        let write = async {
            self.link.io.write_all(&self.out).await?;
            self.link.io.flush().await
        };
        timeout(limit, write).await.map_err(|_| ClientError::Timeout(limit))??;
        self.out.clear();
        Ok(())
    }
}

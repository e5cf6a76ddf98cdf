//! What a session's peer has acknowledged, and how it is asked to: by XEP-0198, by receipts,
//! or by the ping rule. What was acknowledged is settled in the store.

use std::collections::VecDeque;

use tidings_xmpp::ext::sm::HandledCountTooHigh;
use tidings_xmpp::ns;
use tokio::time::Instant;

use super::{BoundSession, Number};
use crate::model::NotificationId;
use crate::session::owed::Due;
use crate::session::ping;
use crate::session::sources::Sources;

impl BoundSession {
    /// After new notifications: asks once for all of them, unless an answer is still awaited.
    pub(super) fn ask_for_acknowledgement(
        &mut self,
        sources: &Sources,
        before: Option<Number>,
        now: Instant,
        out: &mut Vec<u8>,
    ) {
        if self.mark() != before {
            self.ask(sources, now, out);
        }
    }

    fn ask(&mut self, sources: &Sources, now: Instant, out: &mut Vec<u8>) {
        if self.outstanding.is_empty() {
            return;
        }
        let room = self.room(sources);
        match &mut self.sm {
            Some(sm) => sm.request(out),
            None => {
                if let Some(number) = self.ping.await_answer(room, now) {
                    self.write_ping(sources, number, out);
                }
            }
        }
    }

    pub(super) fn write_ping(&self, sources: &Sources, number: u32, out: &mut Vec<u8>) {
        let id = ping::id(number);
        out.extend_from_slice(
            format!("<iq type='get' id='{id}' from='{}' to='", sources.config.domain).as_bytes(),
        );
        out.extend_from_slice(&self.entry.to);
        out.extend_from_slice(format!("'><ping xmlns='{}'/></iq>", ns::PING).as_bytes());
    }

    /// Asks whether the peer is still there.
    pub(in crate::session) fn probe(&mut self, sources: &Sources, out: &mut Vec<u8>) {
        match &mut self.sm {
            Some(sm) => sm.probe(out),
            None => self.write_ping(sources, 0, out),
        }
    }

    /// The peer has handled all stanzas up to `h` (XEP-0198 section 4).
    ///
    /// # Errors
    /// When that is more than was sent; nothing is settled then.
    pub(in crate::session) async fn acknowledged(
        &mut self,
        sources: &Sources,
        h: u32,
        out: &mut Vec<u8>,
    ) -> Result<(), HandledCountTooHigh> {
        let Some(sm) = &mut self.sm else { return Ok(()) };
        let acknowledged = sm.acknowledged(h)?;
        self.has_acknowledged(sources);
        let settled = self.pop(|number| match number {
            Number::Stanza(number) => acknowledged.covers(number),
            // From before the peer was told that it counts.
            Number::Notification(_) => true,
        });
        self.settle(sources, settled).await;
        if !self.outstanding.is_empty()
            && let Some(sm) = &mut self.sm
        {
            sm.request_again(out);
        }
        Ok(())
    }

    /// An answer that may be one to a ping of ours.
    pub(in crate::session) async fn pong(
        &mut self,
        sources: &Sources,
        id: &str,
        now: Instant,
        out: &mut Vec<u8>,
    ) {
        let Some(number) = ping::number(id) else { return };
        if let Some(covers) = self.ping.answered(number) {
            self.has_acknowledged(sources);
            let settled = self.pop(|number| match number {
                Number::Notification(number) => covers.wrapping_sub(number) < u32::MAX / 2,
                Number::Stanza(_) => false,
            });
            self.settle(sources, settled).await;
            self.ask(sources, now, out);
        }
    }

    /// A XEP-0184 receipt, or androidpn's own, for notification `id`.
    pub(in crate::session) async fn receipt(
        &mut self,
        sources: &Sources,
        id: NotificationId,
        standard: bool,
    ) {
        if standard {
            self.ping.receipt();
        }
        self.has_acknowledged(sources);
        match self.outstanding.iter().position(|outstanding| outstanding.id == id) {
            Some(index) => {
                let settled = self.outstanding.remove(index).map(|outstanding| outstanding.due);
                self.settlements = self.settlements.wrapping_add(1);
                self.release_memory();
                self.settle(sources, settled.into_iter().collect()).await;
            }
            None => {
                if let Err(error) = sources.notification.receipt(self.entry.account, id).await {
                    tracing::warn!(%error, "a receipt was not written");
                }
            }
        }
    }

    /// The peer acknowledges: what was held back from clients that do not is sent now.
    fn has_acknowledged(&mut self, sources: &Sources) {
        self.acknowledged = true;
        if sources.hand_outs.acknowledged(self.entry.account) {
            self.start_feed_over();
        }
    }

    /// Takes the acknowledged from the front.
    fn pop(&mut self, acknowledged: impl Fn(Number) -> bool) -> Vec<Due> {
        let count =
            self.outstanding.iter().take_while(|outstanding| acknowledged(outstanding.number)).count();
        if count > 0 {
            self.settlements = self.settlements.wrapping_add(1);
        }
        let settled = self.outstanding.drain(..count).map(|outstanding| outstanding.due).collect();
        self.release_memory();
        settled
    }

    /// The account's copies are settled; its other sessions are still owed theirs, and told
    /// before no store has them any more.
    async fn settle(&self, sources: &Sources, settled: Vec<Due>) {
        if settled.is_empty() {
            return;
        }
        if self.entry.has_siblings() {
            let first: Vec<Due> = settled.iter().filter(|due| !due.settled).copied().collect();
            sources.sessions.settled_by(&self.entry, &first);
        }
        sources.notification.settle(self.entry.account, settled.into_iter().map(|due| due.seq)).await;
    }

    fn release_memory(&mut self) {
        if self.outstanding.is_empty() {
            // An idle session holds nothing.
            self.outstanding = VecDeque::new();
            self.ping.settled();
        }
    }
}

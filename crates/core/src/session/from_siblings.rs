//! What the other sessions of an account leave for one of them, bounded and as small as it can be:
//! most accounts have one session, which has none of this.

use std::sync::Arc;

use super::owed::{Due, MAX_OWED};

/// Sessions of whose presence one has to be told, at most: of more, the last ones.
const PRESENCES: usize = 32;
/// Bytes of stanzas that wait for one session, at most, unless it is one stanza.
const STANZA_BYTES: usize = 64 * 1024;

/// See the [module's documentation](self); `S` is a session.
pub(crate) struct FromSiblings<S> {
    /// Whose presence has changed.
    pub(super) presences: Vec<Arc<S>>,
    /// Stanzas that are addressed to it.
    pub(super) stanzas: Vec<Box<[u8]>>,
    /// What their peers were the first to acknowledge.
    pub(super) settled: Vec<Due>,
    /// There was more of that.
    pub(super) settled_overflowed: bool,
    stanza_bytes: usize,
}

impl<S> Default for FromSiblings<S> {
    fn default() -> Self {
        let (presences, stanzas, settled) = Default::default();
        Self { presences, stanzas, settled, settled_overflowed: false, stanza_bytes: 0 }
    }
}

impl<S> FromSiblings<S> {
    pub(super) fn presence(&mut self, of: &Arc<S>) {
        if self.presences.iter().any(|waiting| Arc::ptr_eq(waiting, of)) {
            return;
        }
        if self.presences.len() >= PRESENCES {
            self.presences.remove(0);
        }
        self.presences.push(Arc::clone(of));
    }

    /// False when there is no room.
    pub(super) fn stanza(&mut self, stanza: Box<[u8]>) -> bool {
        let bytes = self.stanza_bytes + stanza.len();
        if self.stanza_bytes > 0 && bytes > STANZA_BYTES {
            return false;
        }
        self.stanza_bytes = bytes;
        self.stanzas.push(stanza);
        true
    }

    pub(super) fn settled(&mut self, settled: &[Due]) {
        let room = MAX_OWED.saturating_sub(self.settled.len());
        self.settled_overflowed |= settled.len() > room;
        self.settled.extend(settled.iter().take(room).map(|due| Due { settled: true, ..*due }));
    }
}

//! The bus port: hints between the nodes that share a store.
//!
//! A hint says where to look; it carries nothing that the store does not have.
//! Losing one delays a notification until the next sweep or reconnect.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;

use crate::model::Target;
use crate::session::Delivery;

/// Hints that may wait for the dispatcher.
const MAX_HINTS: usize = 65_536;

/// Something the sessions of a node may want to know.
#[derive(Debug, Clone)]
pub enum Hint {
    /// A notification was released.
    Released(Arc<Delivery>, Target),
}

/// Takes hints and brings them to every node's session manager, this one's included.
pub trait Bus: Send + Sync + 'static {
    /// Passes a hint on, in order. Never blocks, never fails: hints may be lost.
    fn publish(&self, hint: Hint);
}

/// The bus of a single process: a queue to its dispatcher.
pub(crate) struct LocalBus {
    queue: mpsc::Sender<Hint>,
    lost: Arc<AtomicBool>,
}

/// The dispatcher's end of a [`LocalBus`].
pub(crate) struct Hints {
    pub(crate) queue: mpsc::Receiver<Hint>,
    lost: Arc<AtomicBool>,
}

impl LocalBus {
    pub(crate) fn new() -> (Self, Hints) {
        let (sender, receiver) = mpsc::channel(MAX_HINTS);
        let lost = Arc::new(AtomicBool::new(false));
        (Self { queue: sender, lost: Arc::clone(&lost) }, Hints { queue: receiver, lost })
    }
}

impl Bus for LocalBus {
    fn publish(&self, hint: Hint) {
        if self.queue.try_send(hint).is_err() {
            self.lost.store(true, Ordering::Release);
        }
    }
}

impl Hints {
    /// Whether hints were lost since the last call: sessions then read from the store.
    pub(crate) fn take_lost(&self) -> bool {
        self.lost.swap(false, Ordering::AcqRel)
    }
}

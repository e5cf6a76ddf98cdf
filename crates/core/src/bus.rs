//! The bus port: hints between the nodes that share a store.
//!
//! A hint says where to look; it carries nothing that the store does not have.
//! Losing one delays a notification until the next sweep or reconnect.

use std::sync::Arc;

use crate::model::Target;
use crate::notification::Delivery;

/// Something another node's sessions may want to know.
#[derive(Debug, Clone)]
pub enum Hint {
    /// A notification was released.
    Released(Arc<Delivery>, Target),
}

/// Takes hints and brings them to every node's session manager, this one's included.
pub trait Bus: Send + Sync + 'static {
    /// Passes a hint on. Never blocks, never fails: hints may be lost.
    fn publish(&self, hint: Hint);
}

//! The nodes that serve together. A process with a store of its own is the only one.

use crate::Core;
use crate::model::Timestamp;

/// A node, as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// The version of Tidings that it runs.
    pub version: &'static str,
    /// When it started.
    pub started: Timestamp,
    /// When it was last known alive.
    pub seen: Timestamp,
    /// Whether it takes no new streams.
    pub draining: bool,
    /// Sessions that are connected to it, or wait there to be resumed.
    pub sessions: u64,
}

impl Core {
    /// All nodes, by name.
    pub fn nodes(&self) -> Vec<Node> {
        vec![Node {
            name: self.config.node.clone(),
            version: env!("CARGO_PKG_VERSION"),
            started: self.started,
            seen: self.clock.now(),
            draining: false,
            sessions: self.session.connected() as u64,
        }]
    }
}

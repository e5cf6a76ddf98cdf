//! The cluster port: the nodes that serve together, and which of them this one is.

use async_trait::async_trait;

use crate::clock::{Clock, Random};
use crate::model::Timestamp;
use crate::store::StoreError;

/// The nodes that share a store and a bus.
#[async_trait]
pub trait Cluster: Send + Sync + 'static {
    /// This node's name: the same after a restart.
    fn name(&self) -> &str;
    /// Tells this start of this node from every other start of any node.
    fn epoch(&self) -> u64;
    /// All nodes, by name; this one as `own` says, the others as they last said.
    ///
    /// # Errors
    /// When the others are not to be asked.
    async fn nodes(&self, own: NodeStatus) -> Result<Vec<Node>, StoreError>;
}

/// What a node tells of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeStatus {
    /// When.
    pub at: Timestamp,
    /// Whether it takes no new streams.
    pub draining: bool,
    /// Sessions that are connected to it, or wait there to be resumed.
    pub sessions: u64,
}

/// A node, as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// The version of Tidings that it runs.
    pub version: String,
    /// When it started.
    pub started: Timestamp,
    /// What it last told of itself.
    pub status: NodeStatus,
}

/// The cluster of a process that has its store for itself.
pub struct LocalCluster {
    name: String,
    epoch: u64,
    started: Timestamp,
}

impl LocalCluster {
    /// The only node, which starts now.
    pub fn new(name: &str, clock: &dyn Clock, random: &dyn Random) -> Self {
        let mut epoch = [0; 8];
        random.fill(&mut epoch);
        Self { name: name.to_owned(), epoch: u64::from_ne_bytes(epoch), started: clock.now() }
    }
}

#[async_trait]
impl Cluster for LocalCluster {
    fn name(&self) -> &str {
        &self.name
    }

    fn epoch(&self) -> u64 {
        self.epoch
    }

    async fn nodes(&self, own: NodeStatus) -> Result<Vec<Node>, StoreError> {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Ok(vec![Node { name: self.name.clone(), version, started: self.started, status: own }])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{SystemClock, SystemRandom};

    #[tokio::test]
    async fn the_only_node_is_all_there_is_and_each_start_is_another() {
        let start = || LocalCluster::new("here", &SystemClock, &SystemRandom);
        let (one, other) = (start(), start());
        assert_eq!((one.name(), other.name()), ("here", "here"));
        assert_ne!(one.epoch(), other.epoch());
        let own = NodeStatus { at: Timestamp(7), draining: true, sessions: 3 };
        let nodes = one.nodes(own).await.unwrap();
        assert_eq!(nodes.len(), 1);
        assert_eq!((nodes[0].name.as_str(), nodes[0].status), ("here", own));
    }
}

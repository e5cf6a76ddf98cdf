//! `/v1/nodes`: the nodes that serve together.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use tidings_core::cluster::Node;
use utoipa::ToSchema;

use super::view::moment;
use crate::middleware::key::{Key, ToRead};
use crate::problem::Problem;
use crate::state::App;

/// A node.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Node)]
pub(crate) struct NodeView {
    name: String,
    /// The version of Tidings that it runs.
    version: String,
    #[schema(format = DateTime)]
    started: String,
    /// When it was last known alive.
    #[schema(format = DateTime)]
    seen: String,
    /// Whether it takes no new streams.
    draining: bool,
    /// Sessions that are connected to it, or wait there to be resumed.
    sessions: u64,
}

impl From<Node> for NodeView {
    fn from(node: Node) -> Self {
        Self {
            name: node.name,
            version: node.version,
            started: moment(node.started),
            seen: moment(node.status.at),
            draining: node.status.draining,
            sessions: node.status.sessions,
        }
    }
}

/// All nodes, by name.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NodeList {
    nodes: Vec<NodeView>,
}

/// The nodes that serve together: one, where the server has its store for itself.
#[utoipa::path(
    get, path = "/v1/nodes", tag = "nodes", operation_id = "nodes",
    responses((status = 200, description = "All of them", body = NodeList)),
    security(("key" = [])),
)]
pub(crate) async fn list(State(app): State<App>, _: Key<ToRead>) -> Result<Json<NodeList>, Problem> {
    let nodes = app.core.nodes().await?;
    Ok(Json(NodeList { nodes: nodes.into_iter().map(Into::into).collect() }))
}

//! `/v1/stats`: the server's figures, also those of the console's dashboard.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::middleware::key::{Key, ToRead};
use crate::problem::Problem;
use crate::state::{App, AppState};

/// Counts. Sessions, online, pending and scheduled are now; unless it says otherwise,
/// the rest is since the data directory was made.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub(crate) struct Stats {
    /// Accounts.
    pub accounts: u64,
    /// Connected sessions.
    pub sessions: u64,
    /// Accounts with an available session.
    pub online: u64,
    /// Notifications accepted.
    pub accepted: u64,
    /// Copies for accounts: the sum of delivered, pending, expired and cancelled.
    pub recipients: u64,
    /// Copies acknowledged.
    pub delivered: u64,
    /// Copies opened.
    pub opened: u64,
    /// Copies that wait for their account.
    pub pending: u64,
    /// Copies that outlived their time.
    pub expired: u64,
    /// Copies withdrawn, replaced, or removed with their account.
    pub cancelled: u64,
    /// Notifications that wait for their time.
    pub scheduled: u64,
    /// Devices' logins since the start.
    pub logins: u64,
    /// Devices' logins refused since the start.
    pub logins_refused: u64,
    /// Writes that wait for their commit.
    pub store_backlog: u64,
    /// How many may wait.
    pub store_capacity: u64,
    /// Seconds since the start.
    pub uptime: u64,
    /// The server's version.
    pub version: &'static str,
}

/// Counts of everything.
#[utoipa::path(
    get, path = "/v1/stats", tag = "stats", operation_id = "stats",
    responses((status = 200, description = "Counts", body = Stats)),
    security(("key" = [])),
)]
pub(crate) async fn show(State(app): State<App>, _: Key<ToRead>) -> Result<Json<Stats>, Problem> {
    app.stats().await.map(Json)
}

impl AppState {
    /// Counts of everything.
    pub(crate) async fn stats(&self) -> Result<Stats, Problem> {
        let totals = self.core.notification.totals().await?;
        let (logins, logins_refused) = self.core.auth.logins();
        let (backlog, capacity) = self.core.store_backlog();
        Ok(Stats {
            accounts: totals.accounts,
            sessions: self.core.session.connected() as u64,
            online: self.core.session.online() as u64,
            accepted: totals.notifications,
            recipients: totals.counters.recipients,
            delivered: totals.counters.delivered,
            opened: totals.counters.opened,
            pending: totals.counters.pending(),
            expired: totals.counters.expired,
            cancelled: totals.counters.cancelled,
            scheduled: totals.scheduled,
            logins,
            logins_refused,
            store_backlog: backlog as u64,
            store_capacity: capacity as u64,
            uptime: self.started.elapsed().as_secs(),
            version: env!("CARGO_PKG_VERSION"),
        })
    }
}

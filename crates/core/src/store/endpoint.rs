//! What must survive of endpoints.

use async_trait::async_trait;

use super::{Page, Result};
use crate::model::{AccountId, Endpoint, EndpointId, Timestamp, Username};

/// An endpoint to be registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEndpoint {
    /// Its id, if it is new.
    pub id: EndpointId,
    /// Whose device passes on what comes there.
    pub account: AccountId,
    /// The app, as the device names it.
    pub application: String,
    /// The app's registration, as the device names it.
    pub instance: String,
    /// The resource that registers it.
    pub resource: String,
    /// SHA-256 of the token in its address, if it is new.
    pub token_hash: [u8; 32],
    /// When.
    pub created_at: Timestamp,
    /// When it ends, unless it is registered again.
    pub expires_at: Timestamp,
}

impl From<NewEndpoint> for Endpoint {
    fn from(new: NewEndpoint) -> Self {
        Self {
            id: new.id,
            account: new.account,
            application: new.application,
            instance: new.instance,
            resource: new.resource,
            token_hash: new.token_hash,
            created_at: new.created_at,
            last_used: None,
            expires_at: new.expires_at,
            revoked_at: None,
        }
    }
}

/// An endpoint in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointRow {
    /// Its place in the listing: the oldest first.
    pub position: u64,
    /// The endpoint.
    pub endpoint: Endpoint,
    /// Whose it is.
    pub username: Username,
    /// How much waits for its device.
    pub pending: u64,
}

/// How to page through endpoints.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EndpointQuery {
    /// Only those of this account.
    pub account: Option<AccountId>,
    /// Only those behind this position.
    pub after: Option<u64>,
    /// At most so many.
    pub limit: usize,
}

/// Endpoints. What is revoked or expired is kept, so that a sender can be told, until
/// [`purge`](super::NotificationStore::purge) forgets it.
#[async_trait]
pub trait EndpointStore: Send + Sync + 'static {
    /// Registers an endpoint. Where the account has one with this application and instance that
    /// was not revoked, that one is kept: its id, its token and when it was made; its resource is
    /// the new one, and it ends at the later of both times. Answers what is stored, and may be
    /// asked again.
    ///
    /// # Errors
    /// [`StoreError::NotFound`](super::StoreError::NotFound) without such an account;
    /// [`StoreError::Conflict`](super::StoreError::Conflict) for an id or a token that is taken.
    async fn register_endpoint(&self, new: NewEndpoint) -> Result<Endpoint>;
    /// An endpoint by id, whatever became of it.
    async fn endpoint(&self, id: EndpointId) -> Result<Option<Endpoint>>;
    /// The endpoint with this token in its address, whatever became of it.
    async fn endpoint_by_token(&self, token_hash: [u8; 32]) -> Result<Option<Endpoint>>;
    /// What an account has registered by these names, unless it was revoked.
    async fn registered_endpoint(
        &self,
        account: AccountId,
        application: &str,
        instance: &str,
    ) -> Result<Option<Endpoint>>;
    /// Revokes an endpoint for good; what was pending for it counts as cancelled. False when there
    /// was none to be revoked.
    async fn revoke_endpoint(&self, id: EndpointId, now: Timestamp) -> Result<bool>;
    /// Notes when endpoints were last used.
    async fn touch_endpoints(&self, used: Vec<(EndpointId, Timestamp)>) -> Result<()>;
    /// A page of endpoints, whatever became of them; continue after `next`.
    async fn endpoints(&self, query: EndpointQuery) -> Result<Page<EndpointRow, u64>>;
}

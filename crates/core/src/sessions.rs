//! What the other managers ask of the session manager. It knows them all, so they know it by this
//! port only.

use async_trait::async_trait;

use crate::model::{AccountId, SessionId};
use crate::store::StoreError;

/// Those who are connected.
#[async_trait]
pub(crate) trait Sessions: Send + Sync {
    /// Ends an account's sessions but `keep`: it was removed or disabled, or its password changed.
    fn end_account(&self, account: AccountId, keep: Option<SessionId>);

    /// The account's topics are others now: its sessions get what is sent to these from now on.
    ///
    /// # Errors
    /// When the store does not say which they are.
    async fn topics_changed(&self, account: AccountId) -> Result<(), StoreError>;
}

//! Endpoints: addresses at which a sender reaches one app on one device.

use super::{AccountId, EndpointId, Timestamp};

/// An address at which a sender reaches one installation of an app (UnifiedPush, Web Push).
/// The account's device has registered it, and passes on what comes there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its public id.
    pub id: EndpointId,
    /// Whose device passes on what comes there.
    pub account: AccountId,
    /// The app, as the device names it.
    pub application: String,
    /// The app's registration, as the device names it.
    pub instance: String,
    /// The resource that has registered it last.
    pub resource: String,
    /// SHA-256 of the token in its address; the token is not kept.
    pub token_hash: [u8; 32],
    /// When it was registered first.
    pub created_at: Timestamp,
    /// When something was last sent there, to about a minute.
    pub last_used: Option<Timestamp>,
    /// Nothing is accepted there from this moment on, unless it is registered again.
    pub expires_at: Timestamp,
    /// When it was revoked; nothing is accepted there any more.
    pub revoked_at: Option<Timestamp>,
}

impl Endpoint {
    /// Whether something may be sent there.
    pub fn accepts(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at > now
    }
}

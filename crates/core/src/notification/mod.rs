//! The notification manager: accepts, schedules, expires, collapses, counts, settles.

use std::time::Duration;

use thiserror::Error;

use crate::model::{Audience, Content, Notification, NotificationId, Priority, Timestamp};
use crate::store::{NotificationRecord, Page, StoreError, Totals};

/// A notification ready to be handed to sessions: read once, encoded once for each form.
#[derive(Debug)]
pub struct Delivery {
    /// The notification.
    pub notification: Notification,
}

/// What a sender asks for. Lengths and characters are checked by [`NotificationManager::accept`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// To whom.
    pub audience: Audience,
    /// What the person sees.
    pub content: Content,
    /// How urgent.
    pub priority: Priority,
    /// How long it may wait; `None` for the default. More than the maximum is cut down to it.
    pub ttl: Option<Duration>,
    /// Replaces what is pending with the same key.
    pub collapse_key: Option<String>,
    /// When to release it; now, when that is past.
    pub send_at: Option<Timestamp>,
    /// The caller's idempotency key, scoped to the caller, with a SHA-256 of its request.
    pub idempotency: Option<(String, [u8; 32])>,
}

/// The answer to a [`Request`]: it is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// The notification's id.
    pub id: NotificationId,
    /// How many accounts it is for; for a scheduled one, how many it would be for now.
    pub recipients: u64,
}

/// A field that is wrong: its name as in the API, and why, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// A path such as `to.users[3]`.
    pub field: String,
    /// Why.
    pub detail: String,
}

/// Why a notification was not accepted. Nothing was sent to anyone.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AcceptError {
    /// Fields are wrong.
    #[error("{}", .0.iter().map(|e| format!("{}: {}", e.field, e.detail)).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<FieldError>),
    /// The idempotency key came with another request before.
    #[error("this Idempotency-Key was used with another request")]
    IdempotencyMismatch,
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// See the [module's documentation](self).
pub struct NotificationManager {}

#[expect(clippy::todo, unused_variables, clippy::unused_async, reason = "being written")]
impl NotificationManager {
    /// Accepts a notification. When this returns, it is on durable storage.
    ///
    /// # Errors
    /// See [`AcceptError`].
    pub async fn accept(&self, request: Request) -> Result<Accepted, AcceptError> {
        todo!()
    }

    /// Cancels what is scheduled or still pending; the number of accounts that
    /// will not get it. `None` for an unknown id.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn cancel(&self, id: NotificationId) -> Result<Option<u64>, StoreError> {
        todo!()
    }

    /// One notification with its counters.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn get(&self, id: NotificationId) -> Result<Option<NotificationRecord>, StoreError> {
        todo!()
    }

    /// Newest first, positions below `before`.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn list(
        &self,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Page<NotificationRecord, u64>, StoreError> {
        todo!()
    }

    /// Totals for statistics.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn totals(&self) -> Result<Totals, StoreError> {
        todo!()
    }
}

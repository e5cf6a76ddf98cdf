//! Numbers and ids: of accounts, of notifications, and of a notification's place in the order.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Timestamp;

/// The store's number for an account; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AccountId(pub i64);

/// A notification's public id: UUID version 7, stable across redelivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NotificationId(pub u128);

impl NotificationId {
    /// An id for a notification accepted at `now`, from 10 random bytes.
    pub fn new(now: Timestamp, random: [u8; 10]) -> Self {
        let millis = u64::try_from(now.millis()).unwrap_or(0);
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid().as_u128())
    }

    /// When it was accepted: the id says it (RFC 9562 section 5.7).
    pub fn accepted_at(self) -> Timestamp {
        Timestamp(i64::try_from(self.0 >> 80).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for NotificationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut buffer = Uuid::encode_buffer();
        f.write_str(Uuid::from_u128(self.0).hyphenated().encode_lower(&mut buffer))
    }
}

impl FromStr for NotificationId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        // The one spelling that we hand out; other spellings of a UUID name nothing.
        if text.len() != 36 {
            return Err(());
        }
        Uuid::try_parse(text).map(|id| Self(id.as_u128())).map_err(|_| ())
    }
}

/// A notification's sequence number in the order of release: later is larger, none is
/// used twice. A scheduled notification gets its number when it is released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Seq(pub u64);

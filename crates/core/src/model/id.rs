//! What names an account, a notification, an endpoint or a key.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Timestamp;

/// The store's number for an account; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AccountId(pub i64);

/// An API key's public name, safe to show and to log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub String);

/// An account token's public name, safe to show and to log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId(pub String);

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
        write_uuid(self.0, f)
    }
}

impl FromStr for NotificationId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        parse_uuid(text).map(Self)
    }
}

/// A notification's sequence number in the order of release: later is larger, none is
/// used twice. A scheduled notification gets its number when it is released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Seq(pub u64);

/// An endpoint's public id: a UUID of random bits. It is no secret; the token in the
/// endpoint's address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointId(pub u128);

impl EndpointId {
    /// An id from 16 random bytes.
    pub fn new(random: [u8; 16]) -> Self {
        Self(uuid::Builder::from_random_bytes(random).into_uuid().as_u128())
    }
}

impl fmt::Display for EndpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_uuid(self.0, f)
    }
}

impl FromStr for EndpointId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        parse_uuid(text).map(Self)
    }
}

fn write_uuid(id: u128, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut buffer = Uuid::encode_buffer();
    f.write_str(Uuid::from_u128(id).hyphenated().encode_lower(&mut buffer))
}

fn parse_uuid(text: &str) -> Result<u128, ()> {
    // The one spelling that we hand out; other spellings of a UUID name nothing.
    if text.len() != 36 {
        return Err(());
    }
    Uuid::try_parse(text).map(|id| id.as_u128()).map_err(|_| ())
}

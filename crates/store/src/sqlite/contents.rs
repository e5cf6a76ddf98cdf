//! What a notification carries and who sent it, as it is stored.

use std::borrow::Cow;

use rusqlite::Row;
use tidings_core::model::{Content, EndpointId, Ext, KeyId, Payload, Sender, Username};
use tidings_core::store::StoreError;

use super::convert;
use super::error::{Error, Result};

/// The columns that [`Carried::read`] reads, of `contents c`.
macro_rules! carried {
    () => {
        "c.content, c.bytes, c.ext, c.sender_kind, c.sender, c.sender_key"
    };
}
pub(super) use carried;

/// `contents.sender_kind`.
mod kind {
    pub const KEY: i64 = 0;
    pub const OPERATOR: i64 = 1;
    pub const USER: i64 = 2;
    pub const ENDPOINT: i64 = 3;
}

/// What a notification carries and who sent it.
pub(super) struct Carried {
    pub payload: Payload,
    pub ext: Ext,
    pub sender: Option<Sender>,
}

impl Carried {
    /// Reads [`carried!`], which begins at column `first`.
    pub fn read(row: &Row<'_>, first: usize) -> Result<Self> {
        let payload = match row.get(first + 1)? {
            Some(bytes) => Payload::Bytes(bytes),
            None => {
                let content = row.get_ref(first)?.as_str().map_err(|_| Error::corrupt("content"))?;
                let content: Content =
                    serde_json::from_str(content).map_err(|_| Error::corrupt("content"))?;
                Payload::Text(content)
            }
        };
        let ext: Option<String> = row.get(first + 2)?;
        let ext = ext.map(|json| Ext::parse(&json).map_err(|_| Error::corrupt("ext"))).transpose()?;
        let sender = match row.get(first + 3)? {
            Some(kind) => Some(sender(kind, row.get(first + 4)?, row.get(first + 5)?)?),
            None => None,
        };
        Ok(Self { payload, ext: ext.unwrap_or_default(), sender })
    }
}

fn sender(kind: i64, name: String, key: Option<String>) -> Result<Sender> {
    match kind {
        kind::KEY => Ok(Sender::Key { id: KeyId(key.unwrap_or_default()), name }),
        kind::OPERATOR => Ok(Sender::Operator(name)),
        kind::USER => Username::parse(&name).map(Sender::User).map_err(|_| Error::corrupt("sender")),
        kind::ENDPOINT => name.parse().map(Sender::Endpoint).map_err(|()| Error::corrupt("sender")),
        _ => Err(Error::corrupt("sender")),
    }
}

/// `contents.content`; empty beside bytes.
pub(super) fn content(payload: &Payload) -> Result<String, StoreError> {
    let Some(content) = payload.text() else { return Ok(String::new()) };
    serde_json::to_string(content)
        .map_err(|error| StoreError::Failed(format!("the content cannot be stored: {error}")))
}

/// `contents.ext`.
pub(super) fn ext(ext: &Ext) -> Option<String> {
    (!ext.is_empty()).then(|| ext.to_json())
}

/// `contents.sender_kind`, `sender` and `sender_key`.
pub(super) fn sender_columns(sender: &Sender) -> (i64, Cow<'_, str>, Option<&str>) {
    match sender {
        Sender::Key { id, name } => (kind::KEY, name.into(), Some(&id.0)),
        Sender::Operator(name) => (kind::OPERATOR, name.into(), None),
        Sender::User(name) => (kind::USER, name.as_str().into(), None),
        Sender::Endpoint(id) => (kind::ENDPOINT, id.to_string().into(), None),
    }
}

/// `notifications.endpoint`.
pub(super) fn endpoint_from(bytes: Option<[u8; 16]>) -> Option<EndpointId> {
    bytes.map(convert::endpoint_from)
}

//! What a notification carries and who sent it, as it is stored.

use std::borrow::Cow;

use rusqlite::Row;
use tidings_core::model::{EndpointId, Ext, KeyId, Payload, Sender, Username};
use tidings_core::store::StoreError;

use super::convert;
use super::error::{Error, Result};

/// The columns that [`Carried::read`] reads, of `contents c`.
macro_rules! carried {
    () => {
        "c.content, c.bytes, c.ext, c.sender_kind, c.sender, c.sender_key, c.checksum"
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
    ///
    /// # Errors
    /// Where a column cannot be read, or all of them are not what was written.
    pub fn read(row: &Row<'_>, first: usize) -> Result<Self> {
        let content = row.get_ref(first)?.as_str().map_err(|_| Error::corrupt("content"))?;
        let bytes = row.get_ref(first + 1)?.as_blob_or_null().map_err(|_| Error::corrupt("content"))?;
        let ext = row.get_ref(first + 2)?.as_str_or_null().map_err(|_| Error::corrupt("ext"))?;
        let kind: Option<i64> = row.get(first + 3)?;
        let name = row.get_ref(first + 4)?.as_str_or_null().map_err(|_| Error::corrupt("sender"))?;
        let key = row.get_ref(first + 5)?.as_str_or_null().map_err(|_| Error::corrupt("sender"))?;
        // What is older than checksums has none.
        if let Some(written) = row.get::<_, Option<i64>>(first + 6)?
            && written != checksum(&Columns { content, bytes, ext, kind, name, key })
        {
            return Err(Error::corrupt("content: its checksum is another"));
        }
        let payload = match bytes {
            Some(bytes) => Payload::Bytes(bytes.to_vec()),
            None => Payload::Text(serde_json::from_str(content).map_err(|_| Error::corrupt("content"))?),
        };
        let ext = ext.map(|json| Ext::parse(json).map_err(|_| Error::corrupt("ext"))).transpose()?;
        let sender = kind.map(|kind| sender(kind, name.unwrap_or_default(), key)).transpose()?;
        Ok(Self { payload, ext: ext.unwrap_or_default(), sender })
    }
}

/// What the checksum of a row of `contents` is of: all that is delivered or shown, and does not change.
pub(super) struct Columns<'a> {
    pub content: &'a str,
    pub bytes: Option<&'a [u8]>,
    pub ext: Option<&'a str>,
    pub kind: Option<i64>,
    pub name: Option<&'a str>,
    pub key: Option<&'a str>,
}

/// `contents.checksum`: CRC-32 of the columns, each with its length in front. It tells what a disk or
/// a cable did, not what a person did.
pub(super) fn checksum(columns: &Columns<'_>) -> i64 {
    let kind = columns.kind.map(i64::to_le_bytes);
    let mut hasher = crc32fast::Hasher::new();
    for column in [
        Some(columns.content.as_bytes()),
        columns.bytes,
        columns.ext.map(str::as_bytes),
        kind.as_ref().map(<[u8; 8]>::as_slice),
        columns.name.map(str::as_bytes),
        columns.key.map(str::as_bytes),
    ] {
        // Null is told from empty.
        let length = column.map_or(u64::MAX, |column| column.len() as u64);
        hasher.update(&length.to_le_bytes());
        hasher.update(column.unwrap_or_default());
    }
    i64::from(hasher.finalize())
}

/// Reads `sender_kind`, `sender` and `sender_key`, which begin at column `first`.
pub(super) fn sender_at(row: &Row<'_>, first: usize) -> Result<Option<Sender>> {
    let Some(kind) = row.get(first)? else { return Ok(None) };
    let text = |column| row.get_ref(column)?.as_str_or_null().map_err(|_| Error::corrupt("sender"));
    sender(kind, text(first + 1)?.unwrap_or_default(), text(first + 2)?).map(Some)
}

fn sender(kind: i64, name: &str, key: Option<&str>) -> Result<Sender> {
    match kind {
        kind::KEY => Ok(Sender::Key { id: KeyId(key.unwrap_or_default().to_owned()), name: name.to_owned() }),
        kind::OPERATOR => Ok(Sender::Operator(name.to_owned())),
        kind::USER => Username::parse(name).map(Sender::User).map_err(|_| Error::corrupt("sender")),
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

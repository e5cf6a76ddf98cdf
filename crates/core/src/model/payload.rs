//! What a notification carries.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What the person sees.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Content {
    /// A short headline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What opens on a tap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// A picture's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// What the app reads, in order of the keys.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub data: BTreeMap<String, String>,
}

/// What is delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// Something for a person to see, or for an app to read.
    Text(Content),
    /// Bytes that mean nothing to this server, passed on as they came: encrypted, mostly.
    /// From 1 to [`MAX_BYTES`](Self::MAX_BYTES).
    Bytes(Vec<u8>),
}

impl Payload {
    /// The longest opaque payload, in bytes (RFC 8030 section 7.2).
    pub const MAX_BYTES: usize = 4096;

    /// Bytes of all its texts, or of what is opaque.
    #[expect(clippy::len_without_is_empty, reason = "none is empty")]
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Text(Content { title, message, uri, image, data }) => {
                let texts = [title, message, uri, image].into_iter().flatten().map(String::len);
                let data = data.iter().map(|(key, value)| key.len() + value.len());
                texts.chain(data).sum()
            }
        }
    }

    /// The text, if it is one.
    pub fn text(&self) -> Option<&Content> {
        match self {
            Self::Text(content) => Some(content),
            Self::Bytes(_) => None,
        }
    }

    /// The opaque bytes, if it is some.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Text(_) => None,
            Self::Bytes(bytes) => Some(bytes),
        }
    }
}

impl From<Content> for Payload {
    fn from(content: Content) -> Self {
        Self::Text(content)
    }
}

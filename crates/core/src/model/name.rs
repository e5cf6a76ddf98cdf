//! Names that come from outside, checked once: usernames and topics.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tidings_xmpp::jid::NodePart;

/// A name that cannot be used, and why, for people.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidName {
    /// Not a JID local part (RFC 7622 section 3.3).
    #[error("not a valid username: use letters, digits and .-_ without spaces, at most 255 bytes")]
    Username,
    /// Not a topic name.
    #[error("not a valid topic: 1 to 128 bytes of letters, digits or any of ._~:/- are allowed")]
    Topic,
}

/// An account's name: a prepared JID local part of at most 255 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Username(Arc<str>);

impl Username {
    /// Prepares and checks a name (RFC 7622 section 3.3; case is folded).
    ///
    /// # Errors
    /// [`InvalidName::Username`] where it is not a JID local part.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        if text.is_empty() || text.len() > 255 {
            return Err(InvalidName::Username);
        }
        let node = NodePart::new(text).map_err(|_| InvalidName::Username)?;
        if node.as_str().len() > 255 || node.as_str().is_empty() {
            return Err(InvalidName::Username);
        }
        Ok(Self(node.as_str().into()))
    }

    /// The prepared name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The prepared name, shared.
    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A topic's name: 1 to 128 bytes of letters and digits of any script, and `. _ ~ : / -`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Topic(Arc<str>);

impl Topic {
    /// Checks a topic's name.
    ///
    /// # Errors
    /// [`InvalidName::Topic`] where it has another length or other characters.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let fits = (1..=128).contains(&text.len());
        // Combining marks are no letters: a name has one spelling only.
        if fits && text.chars().all(|c| c.is_alphanumeric() || "._~:/-".contains(c)) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidName::Topic)
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Topic {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        Self::parse(&text)
    }
}

impl From<Topic> for String {
    fn from(topic: Topic) -> Self {
        topic.as_str().to_owned()
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_words_of_any_script() {
        for good in ["news", "weather/alps", "a.b_c~d:e-f", "新闻", "über", &"x".repeat(128)] {
            assert_eq!(Topic::parse(good).unwrap().as_str(), good);
        }
        let long = "x".repeat(129);
        for bad in ["", " ", "a b", "a,b", "a\0", "a\u{202e}b", "u\u{308}ber", "<b>", "a%", "😀", &long] {
            assert!(Topic::parse(bad).is_err(), "{bad:?}");
        }
    }
}

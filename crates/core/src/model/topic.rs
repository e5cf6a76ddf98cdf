//! Who may subscribe to a topic.

use serde::{Deserialize, Serialize};

/// Who may subscribe to a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TopicPolicy {
    /// Any account, by itself.
    Open,
    /// Those that the operator subscribes.
    Granted,
}

impl TopicPolicy {
    /// The name in the API and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Granted => "granted",
        }
    }

    /// Reads the name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Open, Self::Granted].into_iter().find(|policy| policy.as_str() == text)
    }
}

//! Who sent a notification.

use super::{EndpointId, KeyId, Username};

/// Who sent a notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sender {
    /// A back end, with an API key.
    Key {
        /// The key.
        id: KeyId,
        /// What the operator called it.
        name: String,
    },
    /// A person, in the console.
    Operator(String),
    /// An account, by its own login.
    User(Username),
    /// A push service's sender, who knows the address of an endpoint.
    Endpoint(EndpointId),
}

impl Sender {
    /// Whose collapse keys and idempotency keys are one: the same for all that this sender sends,
    /// another for any other sender. An API key that takes the place of an older one of its name
    /// is the same sender.
    pub fn identity(&self) -> String {
        match self {
            Self::Key { name, .. } => format!("key:{name}"),
            Self::Operator(name) => format!("operator:{name}"),
            Self::User(name) => format!("user:{name}"),
            Self::Endpoint(id) => format!("endpoint:{id}"),
        }
    }

    /// Whether the other one has the same [`identity`](Self::identity).
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Key { name, .. }, Self::Key { name: other, .. })
            | (Self::Operator(name), Self::Operator(other)) => name == other,
            (Self::User(name), Self::User(other)) => name == other,
            (Self::Endpoint(id), Self::Endpoint(other)) => id == other,
            _ => false,
        }
    }
}

/// Whose notifications a listing shows: a sender's name, with or without its kind, as in `shop`,
/// `key:shop`, `operator:ada`, `user:anna` and `endpoint:ID`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SenderFilter(String);

impl SenderFilter {
    /// Any text names a sender; most name one that has sent nothing.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Whether this sender is shown.
    pub fn matches(&self, sender: &Sender) -> bool {
        let identity = sender.identity();
        let name = identity.split_once(':').map(|(_, name)| name);
        self.0 == identity || name == Some(self.0.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_names_a_sender_with_or_without_its_kind() {
        let key = Sender::Key { id: KeyId("1".into()), name: "shop".into() };
        let (operator, odd) = (Sender::Operator("shop".into()), Sender::Operator("key:shop".into()));
        let shown =
            |text: &str| [&key, &operator, &odd].map(|sender| SenderFilter::new(text).matches(sender));
        assert_eq!(shown("shop"), [true, true, false]);
        assert_eq!(shown("operator:shop"), [false, true, false]);
        assert_eq!(shown("key:shop"), [true, false, true]);
        assert_eq!(shown("operator:key:shop"), [false, false, true]);
        assert_eq!(shown(""), [false; 3]);
        assert_eq!(shown("sho"), [false; 3]);
        let endpoint = Sender::Endpoint(EndpointId(1));
        assert!(SenderFilter::new(EndpointId(1).to_string()).matches(&endpoint));
    }

    #[test]
    fn senders_are_the_same_where_their_identities_are() {
        let key = |id: &str, name: &str| Sender::Key { id: KeyId(id.into()), name: name.into() };
        let all = [
            key("1", "shop"),
            key("2", "shop"),
            key("1", "news"),
            Sender::Operator("shop".into()),
            Sender::Operator("news".into()),
            Sender::User(Username::parse("shop").unwrap()),
            Sender::User(Username::parse("news").unwrap()),
            Sender::Endpoint(EndpointId(1)),
            Sender::Endpoint(EndpointId(2)),
        ];
        for (i, one) in all.iter().enumerate() {
            for (j, other) in all.iter().enumerate() {
                let same = one.is_same(other);
                assert_eq!(same, one.identity() == other.identity(), "{one:?} {other:?}");
                assert_eq!(same, i == j || (i < 2 && j < 2), "{one:?} {other:?}");
            }
        }
    }
}

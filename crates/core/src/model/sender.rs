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

#[cfg(test)]
mod tests {
    use super::*;

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

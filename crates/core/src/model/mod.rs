//! The product's words, as types: accounts, notifications, endpoints, sessions, keys.

mod account;
mod endpoint;
mod ext;
mod id;
mod invitation;
mod key;
mod name;
mod notification;
mod pattern;
mod payload;
mod sender;
mod session;
mod time;
mod topic;
pub(crate) mod uri;

pub use self::account::{Account, AccountRef, AccountToken, Credentials, NewAccount, ScramKeys};
pub use self::endpoint::Endpoint;
pub use self::ext::{Ext, InvalidExt};
pub use self::id::{AccountId, EndpointId, KeyId, NotificationId, Seq, TokenId};
pub use self::invitation::{Invitation, InvitationId, InvitationUse};
pub use self::key::{ApiKey, Operator, Role, Scope};
pub use self::name::{InvalidName, Topic, Username};
pub use self::notification::{Audience, Counters, Notification, NotificationState, Priority, Target};
pub use self::pattern::{NamePattern, SendRights};
pub use self::payload::{Content, Payload};
pub use self::sender::{Sender, SenderFilter};
pub use self::session::{Encoding, EndReason, SessionId, Show, Status};
pub use self::time::Timestamp;
pub use self::topic::TopicPolicy;
pub use self::uri::check_scheme;

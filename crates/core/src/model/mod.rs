//! The product's words, as types: accounts, notifications, sessions, keys.

mod account;
mod id;
mod key;
mod name;
mod notification;
mod session;
mod time;

pub use self::account::{Account, AccountRef, Credentials, NewAccount, ScramKeys};
pub use self::id::{AccountId, NotificationId, Seq};
pub use self::key::{ApiKey, KeyId, Operator, Role, Scope};
pub use self::name::{InvalidName, Topic, Username};
pub use self::notification::{
    Audience, Content, Counters, Notification, NotificationState, Priority, Target,
};
pub use self::session::{Encoding, EndReason, SessionId, Show, Status};
pub use self::time::Timestamp;

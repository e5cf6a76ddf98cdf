//! The product's words, as types: accounts, notifications, sessions, keys.

mod account;
mod key;
mod name;
mod notification;
mod session;
mod time;

pub use self::account::{Account, AccountId, AccountRef, Credentials, NewAccount, ScramKeys};
pub use self::key::{ApiKey, KeyId, Operator, Role, Scope};
pub use self::name::{InvalidName, Topic, Username};
pub use self::notification::{
    Audience, Content, Counters, Notification, NotificationId, NotificationState, Priority, Seq, Target,
};
pub use self::session::{Encoding, EndReason, SessionId, Show, Status};
pub use self::time::Timestamp;

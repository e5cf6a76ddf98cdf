//! What must survive of accounts.

use async_trait::async_trait;

use super::{Page, Result};
use crate::model::{
    Account, AccountId, AccountToken, Credentials, NamePattern, NewAccount, ScramKeys, Timestamp, TokenId,
    Username,
};

/// What a listing of accounts is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum AccountOrder {
    /// The username.
    #[default]
    Username,
    /// The order of creation.
    Created,
    /// When the last session ended; accounts that never had one come first.
    LastOffline,
}

/// What tells where an account stands in a listing, whatever that is sorted by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountSortKey {
    /// For [`AccountOrder::Username`].
    pub username: String,
    /// For [`AccountOrder::Created`], and where nothing else tells two apart.
    pub id: AccountId,
    /// For [`AccountOrder::LastOffline`].
    pub last_offline: Option<Timestamp>,
}

impl AccountSortKey {
    /// The sort key of this account.
    pub fn of(account: &Account) -> Self {
        Self { username: account.username.to_string(), id: account.id, last_offline: account.last_offline }
    }
}

/// How to page through accounts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccountQuery {
    /// Only usernames, aliases, names or e-mail addresses that contain this (case is ignored).
    pub contains: Option<String>,
    /// Only these accounts: the ids of one page, not of all who are online.
    pub only: Option<Vec<AccountId>>,
    /// What to sort by.
    pub order: AccountOrder,
    /// Whether the last come first.
    pub descending: bool,
    /// Only accounts that come after this one.
    pub after: Option<AccountSortKey>,
    /// At most so many.
    pub limit: usize,
}

/// A sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Whose.
    pub account: AccountId,
    /// When.
    pub at: Timestamp,
    /// Whether it was the last one: a session ended.
    pub offline: bool,
}

/// An account in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRow {
    /// The account.
    pub account: Account,
    /// Notifications pending for it.
    pub pending: u64,
}

/// A change to an account; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct AccountChange {
    /// A new display name; `Some(None)` removes it.
    pub name: Option<Option<String>>,
    /// A new e-mail address; `Some(None)` removes it.
    pub email: Option<Option<String>>,
    /// New keys: the password was changed.
    pub keys: Option<(ScramKeys, ScramKeys)>,
    /// Whether logins are refused.
    pub disabled: Option<bool>,
    /// A new alias; `Some(None)` removes it.
    pub alias: Option<Option<Username>>,
    /// The topics that it may send to from now on.
    pub publish: Option<Vec<NamePattern>>,
}

/// Accounts.
#[async_trait]
pub trait AccountStore: Send + Sync + 'static {
    /// Creates an account; its cursor starts at the newest notification.
    ///
    /// # Errors
    /// [`StoreError::Conflict`](super::StoreError::Conflict) when the username is taken. An account that has it as
    /// its alias loses that.
    async fn create_account(&self, new: NewAccount) -> Result<Account>;
    /// The account with this username or alias.
    async fn account(&self, name: &Username) -> Result<Option<Account>>;
    /// What a login needs, by username (not by alias).
    async fn credentials(&self, username: &Username) -> Result<Option<Credentials>>;
    /// Changes an account.
    ///
    /// # Errors
    /// [`StoreError::NotFound`](super::StoreError::NotFound); [`StoreError::Conflict`](super::StoreError::Conflict) for an alias that is taken.
    async fn change_account(&self, id: AccountId, change: AccountChange) -> Result<()>;
    /// Removes an account, its queue, its subscriptions, its endpoints and its tokens; what was
    /// pending for it counts as cancelled. False when there was none.
    async fn remove_account(&self, id: AccountId) -> Result<bool>;
    /// Notes when accounts were last seen, and when they left.
    async fn touch_accounts(&self, seen: Vec<Seen>) -> Result<()>;
    /// A page of accounts; continue after `next`. A search looks through a
    /// bounded number of them, so that its page may come back short, even
    /// empty, and still have a next one.
    async fn accounts(&self, query: AccountQuery) -> Result<Page<AccountRow, AccountSortKey>>;

    /// Stores an account's token.
    ///
    /// # Errors
    /// [`StoreError::NotFound`](super::StoreError::NotFound) without such an account;
    /// [`StoreError::Conflict`](super::StoreError::Conflict) for an id or a secret that is taken.
    async fn create_token(&self, token: AccountToken) -> Result<()>;
    /// An account's tokens, oldest first.
    async fn tokens(&self, account: AccountId) -> Result<Vec<AccountToken>>;
    /// Whose token has this hash, unless its time is over.
    async fn token_owner(&self, hash: [u8; 32], now: Timestamp) -> Result<Option<Account>>;
    /// Removes a token. False when the account had none of this id.
    async fn remove_token(&self, account: AccountId, id: &TokenId) -> Result<bool>;
}

//! Accounts, method by method: by the writer or by a reader.

use async_trait::async_trait;
use tidings_core::model::{
    Account, AccountId, AccountToken, Credentials, NewAccount, Timestamp, TokenId, Username,
};
use tidings_core::store::{
    AccountChange, AccountQuery, AccountRow, AccountSortKey, AccountStore, Page, Result, Seen,
};

use super::{ROW, SMALL};
use crate::sqlite::{SqliteStore, accounts, tokens};

#[async_trait]
impl AccountStore for SqliteStore {
    async fn create_account(&self, new: NewAccount) -> Result<Account> {
        self.writer.call(SMALL, |writer| writer.create_account(new)).await
    }

    async fn account(&self, name: &Username) -> Result<Option<Account>> {
        let name = name.clone();
        self.readers.call(move |connection| accounts::account(connection, &name)).await
    }

    async fn credentials(&self, username: &Username) -> Result<Option<Credentials>> {
        let username = username.clone();
        self.readers.call_inline(move |connection| accounts::credentials(connection, &username)).await
    }

    async fn change_account(&self, id: AccountId, change: AccountChange) -> Result<()> {
        self.writer.call(SMALL, move |writer| writer.change_account(id, change)).await
    }

    async fn remove_account(&self, id: AccountId) -> Result<bool> {
        self.writer.call(SMALL, move |writer| writer.remove_account(id)).await
    }

    async fn touch_accounts(&self, seen: Vec<Seen>) -> Result<()> {
        self.writer.call(ROW * seen.len(), |writer| writer.touch_accounts(seen)).await
    }

    async fn accounts(&self, query: AccountQuery) -> Result<Page<AccountRow, AccountSortKey>> {
        self.readers.call(move |connection| accounts::accounts(connection, &query)).await
    }

    async fn create_token(&self, token: AccountToken) -> Result<()> {
        self.writer.call(SMALL, move |writer| writer.create_token(&token)).await
    }

    async fn tokens(&self, account: AccountId) -> Result<Vec<AccountToken>> {
        self.readers.call(move |connection| tokens::tokens(connection, account)).await
    }

    async fn token_owner(&self, hash: [u8; 32], now: Timestamp) -> Result<Option<Account>> {
        self.readers.call(move |connection| tokens::owner(connection, hash, now)).await
    }

    async fn remove_token(&self, account: AccountId, id: &TokenId) -> Result<bool> {
        let id = id.clone();
        self.writer.call(SMALL, move |writer| writer.remove_token(account, &id)).await
    }
}

//! Accounts, method by method, each under the lock.

use async_trait::async_trait;
use tidings_core::model::{
    Account, AccountId, AccountToken, Credentials, NewAccount, Timestamp, TokenId, Username,
};
use tidings_core::store::{
    AccountChange, AccountQuery, AccountRow, AccountSortKey, AccountStore, Page, Result, Seen,
};

use crate::memory::MemoryStore;

#[async_trait]
impl AccountStore for MemoryStore {
    async fn create_account(&self, new: NewAccount) -> Result<Account> {
        self.state()?.create_account(new)
    }

    async fn account(&self, name: &Username) -> Result<Option<Account>> {
        Ok(self.state()?.account(name))
    }

    async fn credentials(&self, username: &Username) -> Result<Option<Credentials>> {
        Ok(self.state()?.credentials(username))
    }

    async fn change_account(&self, id: AccountId, change: AccountChange) -> Result<()> {
        self.state()?.change_account(id, change)
    }

    async fn remove_account(&self, id: AccountId) -> Result<bool> {
        Ok(self.state()?.remove_account(id))
    }

    async fn touch_accounts(&self, seen: Vec<Seen>) -> Result<()> {
        self.state()?.touch_accounts(seen);
        Ok(())
    }

    async fn accounts(&self, query: AccountQuery) -> Result<Page<AccountRow, AccountSortKey>> {
        Ok(self.state()?.accounts(&query))
    }

    async fn create_token(&self, token: AccountToken) -> Result<()> {
        self.state()?.create_token(token)
    }

    async fn tokens(&self, account: AccountId) -> Result<Vec<AccountToken>> {
        Ok(self.state()?.tokens(account))
    }

    async fn token_owner(&self, hash: [u8; 32], now: Timestamp) -> Result<Option<Account>> {
        Ok(self.state()?.token_owner(hash, now))
    }

    async fn remove_token(&self, account: AccountId, id: &TokenId) -> Result<bool> {
        Ok(self.state()?.remove_token(account, id))
    }
}

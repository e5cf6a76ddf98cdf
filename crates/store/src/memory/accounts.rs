//! Accounts and subscriptions.

use std::collections::{BTreeMap, BTreeSet};

use tidings_core::model::{
    Account, AccountId, AccountToken, Credentials, NewAccount, Seq, Timestamp, TokenId, Topic, TopicPolicy,
    Username,
};
use tidings_core::store::{
    AccountChange, AccountOrder, AccountQuery, AccountRow, AccountSortKey, Page, Result, Seen, StoreError,
    Subscriber, SubscriptionChange, TopicRow,
};

use super::state::{CopyState, Entry, State, page};
use crate::cursor::Cursor;

impl State {
    pub fn create_account(&mut self, new: NewAccount) -> Result<Account> {
        if self.usernames.contains_key(&new.username) {
            return Err(StoreError::Conflict);
        }
        if let Some(holder) = self.aliases.remove(&new.username)
            && let Some(holder) = self.accounts.get_mut(&holder)
        {
            holder.account.alias = None;
        }
        self.last_account += 1;
        let id = AccountId(self.last_account);
        let account = Account {
            id,
            username: new.username,
            alias: None,
            name: new.name,
            email: new.email,
            disabled: false,
            publish: Vec::new(),
            created_at: new.created_at,
            last_seen: None,
            last_offline: None,
            registered_at: Seq(self.last),
        };
        self.usernames.insert(account.username.clone(), id);
        let entry = Entry {
            account: account.clone(),
            sha1: new.sha1,
            sha256: new.sha256,
            topics: Default::default(),
            pending: Default::default(),
            reached: Default::default(),
            cursor: Cursor::starting_at(self.last),
            skipped: Default::default(),
        };
        self.accounts.insert(id, entry);
        Ok(account)
    }

    pub fn account(&self, name: &Username) -> Option<Account> {
        Some(self.accounts.get(&self.named(name)?)?.account.clone())
    }

    pub fn credentials(&self, username: &Username) -> Option<Credentials> {
        let entry = self.accounts.get(self.usernames.get(username)?)?;
        Some(Credentials {
            id: entry.account.id,
            username: entry.account.username.clone(),
            disabled: entry.account.disabled,
            sha1: entry.sha1.clone(),
            sha256: entry.sha256.clone(),
        })
    }

    pub fn change_account(&mut self, id: AccountId, change: AccountChange) -> Result<()> {
        let wanted = change.alias.clone().flatten();
        if let Some(owner) = wanted.as_ref().and_then(|alias| self.named(alias))
            && owner != id
            && self.accounts.contains_key(&id)
        {
            return Err(StoreError::Conflict);
        }
        let entry = self.accounts.get_mut(&id).ok_or(StoreError::NotFound)?;
        if let Some(name) = change.name {
            entry.account.name = name;
        }
        if let Some(email) = change.email {
            entry.account.email = email;
        }
        if let Some((sha1, sha256)) = change.keys {
            (entry.sha1, entry.sha256) = (sha1, sha256);
        }
        if let Some(disabled) = change.disabled {
            entry.account.disabled = disabled;
        }
        if let Some(publish) = change.publish {
            entry.account.publish = publish;
        }
        if change.alias.is_some() {
            // One's own username adds nothing as an alias.
            let alias = wanted.filter(|alias| *alias != entry.account.username);
            if let Some(old) = entry.account.alias.take() {
                self.aliases.remove(&old);
            }
            if let Some(alias) = &alias {
                self.aliases.insert(alias.clone(), id);
            }
            entry.account.alias = alias;
        }
        Ok(())
    }

    pub fn remove_account(&mut self, id: AccountId) -> bool {
        let Some(entry) = self.accounts.get(&id) else { return false };
        let pending: Vec<Seq> = entry.pending.iter().copied().collect();
        for seq in pending {
            self.end_copy(id, seq, CopyState::Cancelled);
        }
        self.tokens.retain(|token| token.account != id);
        self.endpoints.retain(|_, endpoint| endpoint.account != id);
        if let Some(entry) = self.accounts.remove(&id) {
            self.usernames.remove(&entry.account.username);
            if let Some(alias) = &entry.account.alias {
                self.aliases.remove(alias);
            }
        }
        true
    }

    pub fn touch_accounts(&mut self, seen: Vec<Seen>) {
        for Seen { account, at, offline } in seen {
            if let Some(entry) = self.accounts.get_mut(&account) {
                entry.account.last_seen = Some(at);
                if offline {
                    entry.account.last_offline = Some(at);
                }
            }
        }
    }

    pub fn accounts(&self, query: &AccountQuery) -> Page<AccountRow, AccountSortKey> {
        let wanted = query.contains.as_ref().map(|text| text.to_lowercase());
        let matches = |account: &Account| {
            let fields = [
                Some(account.username.as_str()),
                account.alias.as_ref().map(Username::as_str),
                account.name.as_deref(),
                account.email.as_deref(),
            ];
            wanted.as_ref().is_none_or(|wanted| {
                fields.into_iter().flatten().any(|field| field.to_lowercase().contains(wanted))
            })
        };
        let compare = |a: &AccountSortKey, b: &AccountSortKey| {
            let order = match query.order {
                AccountOrder::Username => a.username.cmp(&b.username),
                AccountOrder::Created => a.id.cmp(&b.id),
                AccountOrder::LastOffline => (a.last_offline, a.id).cmp(&(b.last_offline, b.id)),
            };
            if query.descending { order.reverse() } else { order }
        };
        let mut found: Vec<(AccountSortKey, &Entry)> = self
            .accounts
            .values()
            .filter(|entry| query.only.as_ref().is_none_or(|only| only.contains(&entry.account.id)))
            .filter(|entry| matches(&entry.account))
            .map(|entry| (AccountSortKey::of(&entry.account), entry))
            .filter(|(key, _)| query.after.as_ref().is_none_or(|after| compare(key, after).is_gt()))
            .collect();
        found.sort_by(|(a, _), (b, _)| compare(a, b));
        let rows = found.into_iter().map(|(_, entry)| AccountRow {
            account: entry.account.clone(),
            pending: entry.pending.len() as u64,
        });
        page(rows, query.limit, |row| AccountSortKey::of(&row.account))
    }

    pub fn subscribe(&mut self, account: AccountId, topic: Topic) -> Result<bool> {
        let head = Seq(self.last);
        let entry = self.accounts.get_mut(&account).ok_or(StoreError::NotFound)?;
        if entry.topics.contains_key(&topic) {
            return Ok(false);
        }
        entry.topics.insert(topic, head);
        Ok(true)
    }

    pub fn unsubscribe(&mut self, account: AccountId, topic: &Topic) -> bool {
        let Some(entry) = self.accounts.get_mut(&account) else { return false };
        if entry.topics.remove(topic).is_none() {
            return false;
        }
        let pending: Vec<Seq> = entry.pending.iter().copied().collect();
        for seq in pending {
            if self.by_seq(seq).is_some_and(|item| item.record.notification.topic.as_ref() == Some(topic)) {
                self.end_copy(account, seq, CopyState::Cancelled);
            }
        }
        true
    }

    pub fn set_subscriptions(
        &mut self,
        account: AccountId,
        wanted: Vec<Topic>,
    ) -> Result<SubscriptionChange> {
        let wanted: BTreeSet<Topic> = wanted.into_iter().collect();
        let mut change = SubscriptionChange::default();
        for topic in self.subscriptions(account).into_iter().filter(|topic| !wanted.contains(topic)) {
            self.unsubscribe(account, &topic);
            change.removed.push(topic);
        }
        if !self.accounts.contains_key(&account) {
            return Err(StoreError::NotFound);
        }
        for topic in wanted {
            if self.subscribe(account, topic.clone())? {
                change.added.push(topic);
            }
        }
        Ok(change)
    }

    pub fn subscribers_page(
        &self,
        topic: &Topic,
        after: Option<AccountId>,
        limit: usize,
    ) -> Page<Subscriber, AccountId> {
        let rows = self.accounts.values().filter(|entry| entry.topics.contains_key(topic));
        let rows = rows.filter(|entry| after.is_none_or(|after| entry.account.id > after));
        let rows = rows
            .map(|entry| Subscriber { account: entry.account.id, username: entry.account.username.clone() });
        page(rows, limit, |row| row.account)
    }

    pub fn subscriptions(&self, account: AccountId) -> Vec<Topic> {
        self.accounts.get(&account).map(|entry| entry.topics.keys().cloned().collect()).unwrap_or_default()
    }

    pub fn topic(&self, topic: &Topic) -> Option<TopicRow> {
        let (subscribers, policy) = (self.subscribers(topic).len() as u64, self.topic_policies.get(topic));
        let row = TopicRow { topic: topic.clone(), subscribers, policy: policy.copied() };
        (subscribers > 0 || row.policy.is_some()).then_some(row)
    }

    pub fn set_topic_policy(&mut self, topic: &Topic, policy: Option<TopicPolicy>) {
        match policy {
            Some(policy) => self.topic_policies.insert(topic.clone(), policy),
            None => self.topic_policies.remove(topic),
        };
    }

    pub fn create_token(&mut self, token: AccountToken) -> Result<()> {
        if !self.accounts.contains_key(&token.account) {
            return Err(StoreError::NotFound);
        }
        if self.tokens.iter().any(|known| known.id == token.id || known.hash == token.hash) {
            return Err(StoreError::Conflict);
        }
        self.tokens.push(token);
        self.tokens.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        Ok(())
    }

    pub fn tokens(&self, account: AccountId) -> Vec<AccountToken> {
        self.tokens.iter().filter(|token| token.account == account).cloned().collect()
    }

    pub fn token_owner(&self, hash: [u8; 32], now: Timestamp) -> Option<Account> {
        let token = self.tokens.iter().find(|token| token.hash == hash)?;
        let entry = self.accounts.get(&token.account)?;
        token.expires_at.is_none_or(|at| at > now).then(|| entry.account.clone())
    }

    pub fn remove_token(&mut self, account: AccountId, id: &TokenId) -> bool {
        let before = self.tokens.len();
        self.tokens.retain(|token| token.account != account || token.id != *id);
        self.tokens.len() < before
    }

    pub fn topics(&self, after: Option<&str>, limit: usize) -> Page<TopicRow, String> {
        let mut counts: BTreeMap<Topic, u64> =
            self.topic_policies.keys().map(|topic| (topic.clone(), 0)).collect();
        for topic in self.accounts.values().flat_map(|entry| entry.topics.keys()) {
            *counts.entry(topic.clone()).or_default() += 1;
        }
        let rows = counts.into_iter().filter(|(topic, _)| after.is_none_or(|after| topic.as_str() > after));
        let rows = rows.map(|(topic, subscribers)| TopicRow {
            policy: self.topic_policies.get(&topic).copied(),
            topic,
            subscribers,
        });
        page(rows, limit, |row| row.topic.as_str().to_owned())
    }
}

//! A random history, the same for two stores, which must give the same answers.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use tidings_core::model::{
    AccountId, Audience, Content, Endpoint, EndpointId, NotificationId, Payload, Priority, Sender, Seq,
    Target, Timestamp, TopicPolicy,
};
use tidings_core::store::{
    AccountChange, AccountQuery, CommitFeed, Committed, Ended, EndpointQuery, Idempotency, NewEndpoint,
    NewNotification, Next, NotificationRecord, Payloads, PendingBounds, Released, Settled, Settlement, Store,
    StoreError,
};

use super::handles::{Database, Embedded, Handles};
use super::world::{at, by_key, new_account, note, topic, user};
use crate::MemoryStore;

const NAMES: [&str; 6] = ["anna", "bert", "carl", "dora", "emil", "fred"];
const TOPICS: [&str; 3] = ["art", "biz", "chess"];
const KEYS: [&str; 2] = ["k", "l"];

/// Runs the history of `seed` on `candidate`, which must be empty and is opened twice, and on
/// a [`MemoryStore`].
///
/// # Panics
/// Where the two answer differently, or a counter does not count.
pub async fn compare(candidate: &dyn Database, seed: u64, steps: usize) {
    let reference = Embedded(Arc::new(MemoryStore::new()));
    let mut sides = [Side::new(&reference).await, Side::new(candidate).await];
    let mut dice = Dice(seed);
    let mut plan = Plan::default();
    let mut history = Vec::new();
    for step in 0..steps {
        let action = plan.next(&mut dice);
        history.push(format!("{action:?}"));
        let mut answers = Vec::new();
        for side in &mut sides {
            answers.push(side.apply(&action).await);
        }
        let recent = || history.iter().rev().take(25).rev().cloned().collect::<Vec<_>>().join("\n");
        assert_eq!(answers[0], answers[1], "seed {seed}, step {step}, after\n{}", recent());
        if step % 7 == 0 {
            let (expected, found) =
                (sides[0].everything(plan.now).await, sides[1].everything(plan.now).await);
            assert_eq!(expected, found, "seed {seed}, step {step}, after\n{}", recent());
        }
    }
}

/// Numbers that look random, always the same for a seed (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % sides.max(1) as u64).unwrap_or(0)
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len())]
    }
}

/// What is done next, in words that mean the same to both stores.
#[derive(Debug, Clone)]
enum Action {
    Create(&'static str),
    Remove(&'static str),
    Alias(&'static str, Option<&'static str>),
    Subscribe(&'static str, &'static str),
    Unsubscribe(&'static str, &'static str),
    SetTopics(&'static str, Vec<&'static str>),
    Accept(Box<NewNotification>),
    Settle(Vec<(&'static str, u128)>),
    /// Everything that a feed shows, in any order.
    SettleFed(&'static str, usize),
    Feed(&'static str, usize, Payloads),
    Register(&'static str, &'static str, u128, Timestamp),
    Revoke(u128, Timestamp),
    Policy(&'static str, Option<TopicPolicy>),
    Opened(&'static str, u128),
    Cancel(u128),
    Release(Timestamp, usize),
    Expire(Timestamp, usize),
    Purge(Timestamp, Timestamp, usize),
}

#[derive(Default)]
struct Plan {
    now: Timestamp,
    notifications: u128,
    endpoints: u128,
}

impl Plan {
    fn next(&mut self, dice: &mut Dice) -> Action {
        if self.now == Timestamp(0) {
            self.now = at(0);
        }
        self.now = Timestamp(self.now.0 + dice.roll(4000) as i64);
        let name = dice.pick(&NAMES);
        match dice.roll(44) {
            0..=4 => Action::Create(name),
            5 => Action::Remove(name),
            6 => {
                let alias = [None, Some("x"), Some("y"), Some("anna"), Some("bert")];
                Action::Alias(name, dice.pick(&alias))
            }
            7..=9 => Action::Subscribe(name, dice.pick(&TOPICS)),
            10 if dice.roll(2) == 0 => {
                Action::SetTopics(name, TOPICS.into_iter().filter(|_| dice.roll(2) == 0).collect())
            }
            10 => Action::Unsubscribe(name, dice.pick(&TOPICS)),
            11..=19 => Action::Accept(Box::new(self.notification(dice))),
            20..=24 => Action::Settle(self.settlements(dice)),
            25..=26 => Action::SettleFed(name, dice.roll(4)),
            27..=30 => {
                let payloads = dice.pick(&[Payloads::Text, Payloads::Any]);
                Action::Feed(name, 1 + dice.roll(8), payloads)
            }
            31..=33 => Action::Opened(name, self.recent(dice)),
            34 => Action::Cancel(self.recent(dice)),
            35..=36 => Action::Release(self.now, 1 + dice.roll(3)),
            37..=38 => Action::Expire(self.now, 1 + dice.roll(5)),
            39..=41 => {
                self.endpoints += 1;
                let until = Timestamp(self.now.0 + dice.roll(60_000) as i64);
                Action::Register(name, dice.pick(&["chat", "mail"]), self.endpoints, until)
            }
            42 if dice.roll(2) == 0 => Action::Revoke(self.some_endpoint(dice), self.now),
            42 => {
                let policies = [None, Some(TopicPolicy::Open), Some(TopicPolicy::Granted)];
                Action::Policy(dice.pick(&TOPICS), dice.pick(&policies))
            }
            _ => Action::Purge(Timestamp(self.now.0 - 60_000), self.now, 1 + dice.roll(5)),
        }
    }

    fn settlements(&self, dice: &mut Dice) -> Vec<(&'static str, u128)> {
        let count = 1 + dice.roll(6);
        (0..count).map(|_| (dice.pick(&NAMES), self.recent(dice))).collect()
    }

    fn some_endpoint(&self, dice: &mut Dice) -> u128 {
        self.endpoints.saturating_sub(dice.roll(6) as u128)
    }

    fn recent(&self, dice: &mut Dice) -> u128 {
        self.notifications.saturating_sub(dice.roll(12) as u128)
    }

    fn notification(&mut self, dice: &mut Dice) -> NewNotification {
        self.notifications += 1;
        let audience = match dice.roll(7) {
            6 => Audience::Endpoint(EndpointId(self.some_endpoint(dice))),
            0..=1 => Audience::All,
            2..=3 => Audience::Topic(topic(dice.pick(&TOPICS))),
            _ => {
                let pool = ["anna", "bert", "carl", "dora", "emil", "fred", "x", "y"];
                let count = 1 + dice.roll(3);
                Audience::Users((0..count).map(|_| user(dice.pick(&pool))).collect())
            }
        };
        let idempotency = (dice.roll(8) == 0).then(|| Idempotency {
            key: format!("key {}", dice.roll(3)),
            fingerprint: [dice.roll(2) as u8; 32],
            expires_at: Timestamp(self.now.0 + dice.roll(30_000) as i64),
        });
        let later = |dice: &mut Dice, span: usize| Timestamp(self.now.0 + dice.roll(span) as i64);
        let sender = match (&audience, dice.roll(3)) {
            (Audience::Endpoint(id), _) => Sender::Endpoint(*id),
            (_, 0) => Sender::Operator("ada".into()),
            (_, number) => by_key(&number.to_string(), "shop"),
        };
        let payload = match &audience {
            Audience::Endpoint(_) => Payload::Bytes(vec![7; 1 + dice.roll(9)]),
            _ => Content { title: Some(self.notifications.to_string()), ..Content::default() }.into(),
        };
        NewNotification {
            payload,
            sender,
            priority: dice.pick(&Priority::DESCENDING),
            collapse_key: (dice.roll(2) == 0).then(|| dice.pick(&KEYS).to_owned()),
            created_at: self.now,
            send_at: (dice.roll(5) == 0).then(|| later(dice, 20_000)),
            expires_at: later(dice, 90_000),
            idempotency,
            bounds: PendingBounds {
                per_account: if dice.roll(3) == 0 { 2 } else { u64::MAX },
                ..PendingBounds::default()
            },
            ..note(self.notifications, audience)
        }
    }
}

/// A store, and its own numbers for what the actions name.
struct Side {
    store: Handles,
    /// The handle whose commits are watched.
    watched: Arc<dyn Store>,
    feed: CommitFeed,
    accounts: BTreeMap<&'static str, AccountId>,
    seqs: BTreeMap<NotificationId, Seq>,
}

impl Side {
    async fn new(database: &dyn Database) -> Self {
        let store = Handles::open(database).await;
        let watched = store.of_caller(0);
        let feed = watched.watch();
        Self { store, watched, feed, accounts: BTreeMap::new(), seqs: BTreeMap::new() }
    }

    /// Also knows accounts that were removed.
    fn account(&self, name: &str) -> AccountId {
        self.accounts.get(name).copied().unwrap_or(AccountId(-1))
    }

    fn name(&self, id: AccountId) -> &'static str {
        self.accounts.iter().find(|(_, known)| **known == id).map_or("?", |(name, _)| *name)
    }

    fn seq(&self, number: u128) -> Seq {
        self.seqs.get(&NotificationId(number)).copied().unwrap_or(Seq(u64::MAX / 4))
    }

    /// Does it, and tells the answer without the store's own numbers.
    async fn apply(&mut self, action: &Action) -> String {
        let store = &self.store;
        match action {
            Action::Create(name) => match store.create_account(new_account(name)).await {
                Ok(account) => {
                    self.accounts.insert(name, account.id);
                    format!("created {}", account.username)
                }
                Err(error) => error.to_string(),
            },
            Action::Remove(name) => format!("{:?}", store.remove_account(self.account(name)).await),
            Action::Alias(name, alias) => {
                let change = AccountChange { alias: Some(alias.map(user)), ..AccountChange::default() };
                format!("{:?}", store.change_account(self.account(name), change).await)
            }
            Action::Subscribe(name, of) => {
                format!("{:?}", store.subscribe(self.account(name), topic(of)).await)
            }
            Action::SetTopics(name, topics) => {
                let topics = topics.iter().map(|name| topic(name)).collect();
                format!("{:?}", store.set_subscriptions(self.account(name), topics).await)
            }
            Action::Unsubscribe(name, of) => {
                format!("{:?}", store.unsubscribe(self.account(name), topic(of)).await)
            }
            Action::Accept(new) => {
                let accepted = self.watched.accept((**new).clone()).await;
                format!("{accepted:?}: {}", self.committed())
            }
            Action::Settle(which) => {
                let settled = store.settle(self.batch(which)).await;
                self.settled(settled)
            }
            Action::SettleFed(name, skip) => {
                let account = self.account(name);
                let feed = store.feed(account, Payloads::Any, at(0), 100).await.unwrap();
                let seqs = feed.pending.iter().rev().skip(*skip).map(|one| one.seq);
                let batch = seqs.map(|seq| Settlement { account, seq }).collect();
                let settled = store.settle(batch).await;
                self.settled(settled)
            }
            Action::Feed(name, limit, payloads) => self.feed(name, *limit, *payloads).await,
            Action::Register(name, application, number, expires_at) => {
                let new = NewEndpoint {
                    id: EndpointId(*number),
                    account: self.account(name),
                    application: (*application).into(),
                    instance: "one".into(),
                    resource: number.to_string(),
                    token_hash: [u8::try_from(number % 256).unwrap(); 32],
                    created_at: at(0),
                    expires_at: *expires_at,
                };
                match store.register_endpoint(new).await {
                    Ok(endpoint) => format!("{}, {:?}", endpoint.id, endpoint.expires_at),
                    Err(error) => error.to_string(),
                }
            }
            Action::Revoke(number, now) => {
                format!("{:?}", store.revoke_endpoint(EndpointId(*number), *now).await)
            }
            Action::Policy(of, policy) => {
                format!("{:?}", store.set_topic_policy(&topic(of), *policy).await)
            }
            Action::Opened(name, number) => {
                format!("{:?}", store.opened(self.account(name), NotificationId(*number)).await)
            }
            Action::Cancel(number) => {
                let ended = store.cancel(NotificationId(*number)).await.unwrap();
                ended.map_or("none".into(), |ended| self.ended(&[ended]))
            }
            Action::Release(now, limit) => {
                let count = self.watched.release_due(*now, *limit).await.unwrap();
                format!("{count}: {}", self.committed())
            }
            Action::Expire(now, limit) => {
                let ended = store.expire_due(*now, *limit).await.unwrap();
                self.ended(&ended)
            }
            Action::Purge(before, now, limit) => {
                format!("{:?}", store.purge(*before, *now, *limit).await)
            }
        }
    }

    fn released(&mut self, released: Released) -> String {
        let mut notification = released.notification;
        let newest = self.seqs.values().copied().max().unwrap_or_default();
        assert!(notification.seq > newest, "a seq that is not the newest");
        self.seqs.insert(notification.id, notification.seq);
        notification.seq = Seq(0);
        let target = match released.target {
            Target::Accounts(ids) => {
                let mut names: Vec<_> = ids.into_iter().map(|id| self.name(id)).collect();
                names.sort_unstable();
                names.join(" ")
            }
            broadcast => format!("{broadcast:?}"),
        };
        format!("released {notification:?} to {target}: {}", released.recipients)
    }

    fn batch(&self, which: &[(&'static str, u128)]) -> Vec<Settlement> {
        let batch = which.iter();
        batch
            .map(|(name, number)| Settlement { account: self.account(name), seq: self.seq(*number) })
            .collect()
    }

    /// What the feed was told since the last time.
    fn committed(&mut self) -> String {
        let mut told = Vec::new();
        while let Some(next) = self.feed.try_next() {
            told.push(match next {
                Next::Committed(Committed::Released(released)) => self.released(released),
                other => format!("{other:?}"),
            });
        }
        told.join("; ")
    }

    fn settled(&self, settled: Result<Settled, StoreError>) -> String {
        let mut answer = String::new();
        for (seq, id, copies) in settled.unwrap().delivered {
            assert_eq!(self.seqs.get(&id), Some(&seq));
            let _ = write!(answer, "{}: {copies}; ", id.0);
        }
        answer
    }

    fn ended(&self, ended: &[Ended]) -> String {
        let mut answer = String::new();
        for Ended { seq, id, accounts } in ended {
            assert_eq!(self.seqs.get(id).copied().unwrap_or_default(), *seq);
            let _ = write!(answer, "{}: {accounts}; ", id.0);
        }
        answer
    }

    async fn feed(&self, name: &str, limit: usize, payloads: Payloads) -> String {
        let feed = self.store.feed(self.account(name), payloads, at(0), limit).await.unwrap();
        let mut answer = String::new();
        for notification in &feed.pending {
            assert_eq!(self.seqs.get(&notification.id), Some(&notification.seq));
            assert!(payloads == Payloads::Any || notification.payload.text().is_some());
            let _ = write!(answer, "{} ", notification.id.0);
        }
        let _ = write!(answer, "more: {}", feed.more);
        answer
    }

    /// All that can be asked for.
    async fn everything(&self, now: Timestamp) -> String {
        let store = &self.store;
        let mut all = String::new();
        let mut before = None;
        loop {
            let page = store.notifications(before, 50).await.unwrap();
            for record in page.items {
                self.check_record(&record);
                let counters = &record.counters;
                let _ = writeln!(
                    all,
                    "{} {:?} {:?} {:?} {counters:?}",
                    record.notification.id.0, record.state, record.audience, record.send_at
                );
            }
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        let accounts = store.accounts(AccountQuery { limit: 50, ..AccountQuery::default() }).await.unwrap();
        for row in accounts.items {
            let id = row.account.id;
            assert_eq!(store.pending_count(id).await.unwrap(), row.pending);
            let topics = store.subscriptions(id).await.unwrap();
            let live = store.feed(id, Payloads::Any, now, 1).await.unwrap();
            let history = self.account_history(id).await;
            let _ = writeln!(
                all,
                "{} {:?} {topics:?} {} {} {history}",
                row.account.username,
                row.account.alias,
                row.pending,
                live.pending.len()
            );
        }
        let _ = writeln!(all, "{:?}", store.topics(None, 50).await.unwrap());
        for name in TOPICS {
            let subscribers = store.subscribers(&topic(name), None, 50).await.unwrap().items;
            let names: Vec<_> = subscribers.iter().map(|row| row.username.as_str()).collect();
            let _ = writeln!(all, "{name} {names:?}");
        }
        let endpoints = EndpointQuery { limit: 1000, ..EndpointQuery::default() };
        for row in store.endpoints(endpoints).await.unwrap().items {
            let Endpoint { id, application, resource, expires_at, revoked_at, .. } = row.endpoint;
            let _ = writeln!(
                all,
                "{id} {} {application} {resource} {expires_at:?} {revoked_at:?} {}",
                row.username, row.pending
            );
        }
        let _ = writeln!(all, "{:?} {:?}", store.next_expiry().await, store.next_release().await);
        let _ = writeln!(all, "{:?}", store.totals().await.unwrap());
        let wrong = store.verify_counters().await.unwrap();
        assert!(wrong.is_empty(), "{wrong:?}");
        all
    }

    /// Everything that no longer waits for an account, in small pages.
    async fn account_history(&self, account: AccountId) -> String {
        let mut all = String::new();
        let mut before = None;
        loop {
            let page = self.store.account_history(account, before, 3).await.unwrap();
            assert!(page.items.len() <= 3);
            for past in page.items {
                assert!(before.is_none_or(|before| past.record.position < before));
                let _ = write!(all, "{}: {} ", past.record.notification.id.0, past.outcome.as_str());
            }
            before = page.next;
            if before.is_none() {
                return all;
            }
        }
    }

    fn check_record(&self, record: &NotificationRecord) {
        let seq = self.seqs.get(&record.notification.id).copied().unwrap_or_default();
        assert_eq!(record.notification.seq, seq);
        let counters = &record.counters;
        assert!(counters.opened <= counters.delivered);
        assert!(counters.delivered + counters.expired + counters.cancelled <= counters.recipients);
    }
}

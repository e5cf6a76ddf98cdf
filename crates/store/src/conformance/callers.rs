//! Several callers at once, on two handles: each thing happens once, and what becomes visible
//! becomes visible in order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tidings_core::model::{AccountId, Audience, NotificationId, Seq};
use tidings_core::store::{Acceptance, Idempotency, NewNotification, Payloads, Settlement, Store};
use tokio::sync::Barrier;

use super::handles::Handles;
use super::world::{START, account, at, counters, fed, new_account, note, topic, users};

const CALLERS: usize = 8;
/// Notifications of each caller.
const EACH: usize = 25;

/// Has each caller do something, all of them at once, by turns on two handles.
pub(super) async fn at_once<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    store: &Handles,
    what: impl Fn(usize, Arc<dyn Store>) -> F,
) -> Vec<T> {
    let together = Arc::new(Barrier::new(CALLERS));
    let callers: Vec<_> = (0..CALLERS)
        .map(|number| {
            let (doing, together) = (what(number, store.of_caller(number)), Arc::clone(&together));
            tokio::spawn(async move {
                together.wait().await;
                doing.await
            })
        })
        .collect();
    let mut done = Vec::new();
    for caller in callers {
        done.push(caller.await.unwrap());
    }
    done
}

/// Numbers that no other caller has.
fn numbers(caller: usize) -> impl Iterator<Item = u128> {
    (0..EACH).map(move |n| (caller * EACH + n + 1) as u128)
}

fn audience(number: u128) -> Audience {
    match number % 3 {
        0 => Audience::All,
        1 => users(&["anna", "bert"]),
        _ => Audience::Topic(topic("news")),
    }
}

/// Two accounts, and everything that [`audience`] names.
async fn accounts(store: &Handles) -> [AccountId; 2] {
    let both = [account(store, "anna").await, account(store, "bert").await];
    for account in both {
        store.subscribe(account, topic("news")).await.unwrap();
    }
    both
}

/// Reads as a session does, and settles what it has read: the cursor moves on.
async fn read_and_settle(store: Arc<dyn Store>, account: AccountId, over: Arc<AtomicBool>) -> Vec<u128> {
    let (mut newest, mut found) = (Seq(0), Vec::new());
    loop {
        let last = over.load(Ordering::Acquire);
        let feed = store.feed(account, Payloads::Any, START, 7).await.unwrap();
        for notification in &feed.pending {
            assert!(notification.seq > newest, "{:?} after {newest:?}", notification.seq);
            newest = notification.seq;
            found.push(notification.id.0);
        }
        let batch = feed.pending.iter().map(|one| Settlement { account, seq: one.seq });
        let settled = store.settle(batch.collect()).await.unwrap();
        assert_eq!(settled.delivered.len(), feed.pending.len());
        if last && !feed.more {
            return found;
        }
        tokio::task::yield_now().await;
    }
}

/// Reads everything again and again: what a head covered is complete.
async fn compare_heads(store: Arc<dyn Store>, account: AccountId, over: Arc<AtomicBool>) {
    let (mut head, mut known) = (Seq(0), BTreeSet::new());
    while !over.load(Ordering::Acquire) {
        let feed = store.feed(account, Payloads::Any, START, 10_000).await.unwrap();
        let seqs: BTreeSet<Seq> = feed.pending.iter().map(|notification| notification.seq).collect();
        let below: BTreeSet<Seq> = seqs.range(..=head).copied().collect();
        assert_eq!(below, known, "what a head of {head:?} covered has changed");
        assert!(feed.head >= head && seqs.last().is_none_or(|last| *last <= feed.head));
        (head, known) = (feed.head, seqs);
        tokio::task::yield_now().await;
    }
}

pub(super) async fn accept_in_one_order_for_every_reader(store: &Handles) {
    let watching = accounts(store).await;
    let over = Arc::new(AtomicBool::new(false));
    let mut readers = Vec::new();
    let mut heads = Vec::new();
    for (number, name) in ["carl", "dora", "emil", "fred"].into_iter().enumerate() {
        let account = account(store, name).await;
        store.subscribe(account, topic("news")).await.unwrap();
        let reading = read_and_settle(store.of_caller(number), account, Arc::clone(&over));
        readers.push(tokio::spawn(reading));
        let watching = watching[number / 2];
        heads.push(tokio::spawn(compare_heads(store.of_caller(number), watching, Arc::clone(&over))));
    }
    let all = || users(&["anna", "bert", "carl", "dora", "emil", "fred"]);
    at_once(store, move |caller, store| async move {
        for number in numbers(caller) {
            let audience = if number % 3 == 1 { all() } else { audience(number) };
            store.accept(note(number, audience)).await.unwrap();
        }
    })
    .await;
    over.store(true, Ordering::Release);
    let expected = fed(store, watching[0]).await;
    assert_eq!(expected.len(), CALLERS * EACH);
    for reader in readers {
        assert_eq!(reader.await.unwrap(), expected, "skipped, or in another order");
    }
    for head in heads {
        head.await.unwrap();
    }
}

pub(super) async fn release_each_once(store: &Handles) {
    let [anna, _] = accounts(store).await;
    for number in (0..CALLERS).flat_map(numbers) {
        let later = NewNotification { send_at: Some(at(1)), ..note(number, audience(number)) };
        assert_eq!(store.accept(later).await, Ok(Acceptance::Scheduled(2)));
    }
    let counts = at_once(store, |_, store| async move {
        let mut count = 0;
        loop {
            match store.release_due(at(2), 3).await.unwrap() {
                0 => return count,
                released => count += released,
            }
        }
    })
    .await;
    assert_eq!(counts.iter().sum::<u64>(), (CALLERS * EACH) as u64, "{counts:?}");
    let totals = store.totals().await.unwrap();
    assert_eq!((totals.scheduled, totals.counters.recipients), (0, 2 * (CALLERS * EACH) as u64));
    let waits = fed(store, anna).await;
    assert_eq!(waits.iter().collect::<BTreeSet<_>>().len(), CALLERS * EACH);
    assert_eq!(waits.len(), CALLERS * EACH);
}

pub(super) async fn expire_and_purge_each_once(store: &Handles) {
    accounts(store).await;
    for number in (0..CALLERS).flat_map(numbers) {
        store.accept(note(number, audience(number))).await.unwrap();
    }
    let ended = at_once(store, |_, store| async move {
        let mut all = Vec::new();
        loop {
            match store.expire_due(at(2000), 3).await.unwrap() {
                none if none.is_empty() => return all,
                ended => all.extend(ended),
            }
        }
    })
    .await
    .concat();
    assert!(ended.iter().all(|one| one.accounts == 2));
    assert_eq!(ended.len(), CALLERS * EACH);
    assert_eq!(ended.iter().map(|one| one.id).collect::<BTreeSet<_>>().len(), CALLERS * EACH);
    let purged = at_once(store, |_, store| async move {
        let mut count = 0;
        loop {
            match store.purge(at(3000), at(3000), 3).await.unwrap() {
                0 => return count,
                purged => count += purged,
            }
        }
    })
    .await;
    assert_eq!(purged.iter().sum::<u64>(), (CALLERS * EACH) as u64, "{purged:?}");
    assert_eq!(store.totals().await.unwrap().counters.expired, 2 * (CALLERS * EACH) as u64);
}

pub(super) async fn settle_and_open_each_copy_once(store: &Handles) {
    let both = accounts(store).await;
    for number in 1..=EACH as u128 {
        store.accept(note(number, audience(number))).await.unwrap();
    }
    let waits = store.feed(both[0], Payloads::Any, START, 1000).await.unwrap().pending;
    let ids: Vec<(Seq, NotificationId)> = waits.iter().map(|one| (one.seq, one.id)).collect();
    let settling = ids.clone();
    let settled = at_once(store, move |caller, store| {
        let mut ids = settling.clone();
        // Half of them the other way round.
        if caller % 4 > 1 {
            ids.reverse();
        }
        async move {
            let mut delivered = Vec::new();
            for two in ids.chunks(2) {
                let batch =
                    two.iter().flat_map(|(seq, _)| both.map(|account| Settlement { account, seq: *seq }));
                delivered.extend(store.settle(batch.collect()).await.unwrap().delivered);
            }
            delivered
        }
    })
    .await
    .concat();
    let mut copies = BTreeMap::<NotificationId, u64>::new();
    for (_, id, count) in settled {
        *copies.entry(id).or_default() += count;
    }
    assert!(copies.values().all(|count| *count == 2), "{copies:?}");
    assert_eq!(copies.len(), EACH);
    let opened = at_once(store, move |_, store| {
        let ids = ids.clone();
        async move {
            let mut opened = 0;
            for (_, id) in ids {
                opened += usize::from(store.opened(both[0], id).await.unwrap());
            }
            opened
        }
    })
    .await;
    assert_eq!(opened.iter().sum::<usize>(), EACH, "{opened:?}");
    for number in 1..=EACH as u128 {
        let counted = counters(store, number).await;
        assert_eq!((counted.delivered, counted.opened), (2, 1), "number {number}");
    }
    for account in both {
        assert_eq!(fed(store, account).await, Vec::<u128>::new());
    }
}

pub(super) async fn with_one_idempotency_key_send_once(store: &Handles) {
    accounts(store).await;
    for round in 0..EACH {
        let answers = at_once(store, move |caller, store| {
            let number = (round * CALLERS + caller + 1) as u128;
            let asked = Idempotency {
                key: format!("round {round}"),
                // Two of them ask for something else.
                fingerprint: [u8::from(caller > 5); 32],
                expires_at: at(500),
            };
            let new = NewNotification { idempotency: Some(asked), ..note(number, Audience::All) };
            async move { (caller > 5, store.accept(new).await.unwrap()) }
        })
        .await;
        let accepted: Vec<_> = answers
            .iter()
            .filter_map(|(other, answer)| match answer {
                Acceptance::Accepted { id, recipients } => Some((*other, *id, *recipients)),
                _ => None,
            })
            .collect();
        let [(first, id, 2)] = accepted[..] else { panic!("accepted {accepted:?} of {answers:?}") };
        for (other, answer) in answers {
            let expected = match answer {
                Acceptance::Accepted { .. } => continue,
                _ if other == first => Acceptance::Repeated(id, 2),
                _ => Acceptance::Mismatch,
            };
            assert_eq!(answer, expected);
        }
    }
    assert_eq!(store.totals().await.unwrap().notifications, EACH as u64);
}

pub(super) async fn create_a_name_and_subscribe_once(store: &Handles) {
    for round in 0..EACH {
        let name = format!("device-{round}");
        let created = at_once(store, move |_, store| {
            let new = new_account(&name);
            async move { store.create_account(new).await.ok() }
        })
        .await;
        let ids: Vec<AccountId> = created.into_iter().flatten().map(|account| account.id).collect();
        let [account] = ids[..] else { panic!("created {ids:?}") };
        let subscribed =
            at_once(store, move |_, store| async move { store.subscribe(account, topic("news")).await })
                .await;
        assert_eq!(subscribed.iter().filter(|one| **one == Ok(true)).count(), 1);
        assert_eq!(subscribed.iter().filter(|one| **one == Ok(false)).count(), CALLERS - 1);
    }
    let topics = store.topics(None, 10).await.unwrap();
    let topics: Vec<_> = topics.items.iter().map(|row| (&row.topic, row.subscribers)).collect();
    assert_eq!(topics, [(&topic("news"), EACH as u64)]);
}

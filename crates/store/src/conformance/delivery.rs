//! Feeding and settling: order, idempotence, who is meant.

use tidings_core::model::{
    AccountId, Audience, Content, Ext, NotificationId, NotificationState, Payload, Priority, Sender,
    SenderFilter, Seq, Target, Username,
};
use tidings_core::store::{AccountChange, NewNotification, Payloads, Settlement, StoreError};

use super::handles::Handles;
use super::world::{
    START, account, ack, at, by_key, counters, counts, fed, note, send, to_topic, topic, user, users,
};

pub(super) async fn a_broadcast_is_for_those_who_exist(store: &Handles) {
    let anna = account(store, "anna").await;
    let first = send(store, note(1, Audience::All)).await;
    assert_eq!((first.target, first.recipients), (Target::All, 1));
    let bert = account(store, "bert").await;
    let second = send(store, note(2, Audience::All)).await;
    assert!(second.notification.seq > first.notification.seq);
    assert_eq!(second.recipients, 2);
    assert_eq!(fed(store, anna).await, [1, 2]);
    assert_eq!(fed(store, bert).await, [2]);
    assert_eq!(fed(store, AccountId(999)).await, Vec::<u128>::new());
    assert_eq!(ack(store, bert, first.notification.seq).await, 0);
    assert_eq!(counts(store, 1).await, [1, 0, 0, 0]);
}

pub(super) async fn named_accounts_are_all_known_or_none_is_served(store: &Handles) {
    let (anna, bert) = (account(store, "anna").await, account(store, "bert").await);
    let alias = AccountChange { alias: Some(Some(user("phone"))), ..AccountChange::default() };
    store.change_account(bert, alias).await.unwrap();
    let unknown = store.accept(note(1, users(&["anna", "zoe", "yan", "zoe"]))).await.unwrap_err();
    assert_eq!(unknown, StoreError::UnknownUsers(vec!["zoe".into(), "yan".into()]));
    let many: Vec<Username> = (0..150).map(|n| user(&format!("nobody{n}"))).collect();
    let Err(StoreError::UnknownUsers(named)) = store.accept(note(1, Audience::Users(many))).await else {
        panic!("unknown users were accepted");
    };
    assert_eq!(named.len(), 100);
    assert!(store.notification(NotificationId(1)).await.unwrap().is_none());
    assert_eq!(fed(store, anna).await, Vec::<u128>::new());
    let released = send(store, note(1, users(&["phone", "anna", "bert", "anna"]))).await;
    assert_eq!(released.target, Target::Accounts(vec![anna, bert]));
    assert_eq!(released.recipients, 2);
    assert_eq!(fed(store, bert).await, [1]);
    let record = store.notification(NotificationId(1)).await.unwrap().unwrap();
    assert_eq!(record.audience, users(&["bert", "anna"]));
}

pub(super) async fn the_urgent_goes_first_and_order_holds(store: &Handles) {
    let anna = account(store, "anna").await;
    store.subscribe(anna, topic("news")).await.unwrap();
    let audiences = [Audience::All, users(&["anna"]), to_topic("news")];
    let priorities = [Priority::Low, Priority::Normal, Priority::High];
    let mut number = 0;
    for audience in audiences.iter().cycle().take(6) {
        for priority in priorities {
            number += 1;
            send(store, NewNotification { priority, ..note(number, audience.clone()) }).await;
        }
    }
    let expected: Vec<u128> = [3, 2, 1].iter().flat_map(|first| (*first..=18).step_by(3)).collect();
    assert_eq!(fed(store, anna).await, expected);
}

pub(super) async fn what_is_settled_is_read_by_its_number(store: &Handles) {
    let (anna, bert) = (account(store, "anna").await, account(store, "bert").await);
    let all = send(store, note(1, Audience::All)).await.notification;
    let direct = send(store, note(2, users(&["anna"]))).await.notification;
    let withdrawn = send(store, note(3, users(&["anna", "bert"]))).await.notification;
    let over = NewNotification { expires_at: at(10), ..note(4, Audience::All) };
    let over = send(store, over).await.notification;
    let keyed =
        |number, audience| NewNotification { collapse_key: Some("k".into()), ..note(number, audience) };
    let replaced = send(store, keyed(5, users(&["anna"]))).await.notification;
    let half_replaced = send(store, keyed(6, users(&["anna", "bert"]))).await.notification;
    let scheduled = NewNotification { send_at: Some(at(500)), ..note(7, users(&["anna"])) };
    store.accept(scheduled).await.unwrap();
    for seq in [all.seq, direct.seq, withdrawn.seq, over.seq] {
        ack(store, anna, seq).await;
    }
    ack(store, bert, half_replaced.seq).await;
    store.cancel(NotificationId(3)).await.unwrap();
    let newest = send(store, keyed(8, users(&["anna", "bert"]))).await.notification;
    let seqs = [&over, &withdrawn, &replaced, &half_replaced, &direct, &newest, &all, &direct];
    let seqs = seqs.map(|notification| notification.seq).to_vec();
    let asked = [seqs.as_slice(), &[Seq(newest.seq.0 + 1), Seq(u64::MAX)]].concat();
    let expected = [all.clone(), direct, newest.clone()];
    assert_eq!(store.released_to(anna, asked, at(10)).await.unwrap(), expected);
    let asked = vec![half_replaced.seq, over.seq, newest.seq, all.seq];
    let expected = [all, over, half_replaced, newest];
    assert_eq!(store.released_to(bert, asked, at(9)).await.unwrap(), expected);
    assert_eq!(store.released_to(anna, Vec::new(), START).await.unwrap(), []);
}

pub(super) async fn a_feed_is_bounded_and_goes_on_once_that_is_settled(store: &Handles) {
    let anna = account(store, "anna").await;
    for number in 1..=9 {
        let audience = if number % 2 == 0 { Audience::All } else { users(&["anna"]) };
        let priority = if number % 3 == 0 { Priority::High } else { Priority::Low };
        send(store, NewNotification { priority, ..note(number, audience) }).await;
    }
    let exact = store.feed(anna, Payloads::Any, START, 9).await.unwrap();
    assert_eq!((exact.pending.len(), exact.more), (9, false));
    assert!(store.feed(anna, Payloads::Any, START, 0).await.unwrap().more);
    let mut seen = Vec::new();
    loop {
        let feed = store.feed(anna, Payloads::Any, START, 2).await.unwrap();
        assert!(feed.pending.len() <= 2);
        for notification in &feed.pending {
            assert!(notification.seq <= feed.head);
            seen.push(notification.id.0);
            assert_eq!(ack(store, anna, notification.seq).await, 1);
        }
        if !feed.more {
            break;
        }
    }
    assert_eq!(seen, [3, 6, 9, 1, 2, 4, 5, 7, 8]);
}

pub(super) async fn the_head_is_known_where_an_account_is_idle(store: &Handles) {
    let (anna, bert) = (account(store, "anna").await, account(store, "bert").await);
    let idle = async |account| store.head_if_idle(account).await.unwrap();
    let head = store.feed(anna, Payloads::Any, START, 1).await.unwrap().head;
    assert_eq!((idle(anna).await, idle(bert).await), (Some(head), Some(head)));
    let direct = send(store, note(1, users(&["anna"]))).await.notification.seq;
    assert_eq!((idle(anna).await, idle(bert).await), (None, Some(direct)));
    assert_eq!(ack(store, anna, direct).await, 1);
    assert_eq!(idle(anna).await, Some(direct));
    let all = send(store, note(2, Audience::All)).await.notification.seq;
    assert_eq!((idle(anna).await, idle(bert).await), (None, None));
    assert_eq!(ack(store, anna, all).await, 1);
    assert_eq!((idle(anna).await, idle(bert).await), (Some(all), None), "it waits for another");
    let late = account(store, "late").await;
    assert_eq!(idle(late).await, Some(all), "it was before this account's time");
    for priority in Priority::DESCENDING {
        let urgent = NewNotification { priority, ..note(10 + priority.index() as u128, Audience::All) };
        let seq = send(store, urgent).await.notification.seq;
        assert_eq!((idle(anna).await, idle(late).await), (None, None), "{priority:?}");
        assert_eq!(ack(store, anna, seq).await + ack(store, late, seq).await, 2);
        assert_eq!((idle(anna).await, idle(late).await), (Some(seq), Some(seq)), "{priority:?}");
        assert_eq!(ack(store, bert, seq).await, 1);
    }
    assert_eq!(ack(store, bert, all).await, 1);
    let head = idle(anna).await;
    assert_eq!(idle(bert).await, head);
    store.subscribe(bert, topic("news")).await.unwrap();
    assert_eq!((idle(anna).await, idle(bert).await), (head, None));
    store.unsubscribe(bert, topic("news")).await.unwrap();
    assert_eq!(idle(bert).await, head);
}

pub(super) async fn settling_is_idempotent(store: &Handles) {
    let (anna, bert) = (account(store, "anna").await, account(store, "bert").await);
    let all = send(store, note(1, Audience::All)).await.notification.seq;
    let direct = send(store, note(2, users(&["anna", "bert"]))).await.notification.seq;
    let each = |account, seq| Settlement { account, seq };
    let batch =
        vec![each(bert, direct), each(anna, all), each(anna, direct), each(anna, all), each(bert, all)];
    let settled = store.settle(batch.clone()).await.unwrap();
    assert_eq!(settled.delivered, [(all, NotificationId(1), 2), (direct, NotificationId(2), 2)]);
    assert!(store.settle(batch).await.unwrap().delivered.is_empty());
    assert_eq!(counts(store, 1).await, [2, 2, 0, 0]);
    assert_eq!(counts(store, 2).await, [2, 2, 0, 0]);
    assert_eq!(fed(store, anna).await, Vec::<u128>::new());
    assert_eq!(store.next_expiry().await.unwrap(), None, "nothing is pending");
}

pub(super) async fn settling_in_any_order_loses_nothing(store: &Handles) {
    let anna = account(store, "anna").await;
    let bert = account(store, "bert").await;
    store.subscribe(anna, topic("news")).await.unwrap();
    let mut seqs = Vec::new();
    for number in 1..=8 {
        let audience = if number % 3 == 0 { to_topic("news") } else { Audience::All };
        seqs.push(send(store, note(number, audience)).await.notification.seq);
    }
    let mut left: Vec<u128> = (1..=8).collect();
    for number in [5, 8, 3, 1, 7, 2, 6, 4] {
        assert_eq!(ack(store, anna, seqs[number - 1]).await, 1);
        assert_eq!(ack(store, anna, seqs[number - 1]).await, 0);
        left.retain(|other| *other != number as u128);
        assert_eq!(fed(store, anna).await, left);
    }
    assert_eq!(fed(store, bert).await, [1, 2, 4, 5, 7, 8]);
}

pub(super) async fn accounts_that_are_not_meant_settle_nothing(store: &Handles) {
    let (anna, bert) = (account(store, "anna").await, account(store, "bert").await);
    store.subscribe(anna, topic("news")).await.unwrap();
    let direct = send(store, note(1, users(&["anna"]))).await.notification.seq;
    let of_topic = send(store, note(2, to_topic("news"))).await.notification.seq;
    for seq in [direct, of_topic, Seq(0), Seq(999), Seq(u64::MAX)] {
        assert_eq!(ack(store, bert, seq).await, 0);
        assert_eq!(ack(store, AccountId(999), seq).await, 0);
    }
    assert!(!store.opened(bert, NotificationId(1)).await.unwrap());
    assert!(!store.opened(bert, NotificationId(2)).await.unwrap());
    assert!(!store.opened(AccountId(999), NotificationId(1)).await.unwrap());
    assert!(!store.opened(anna, NotificationId(999)).await.unwrap());
    assert_eq!(fed(store, anna).await, [1, 2]);
}

pub(super) async fn opening_settles_and_counts_once(store: &Handles) {
    let (anna, bert) = (account(store, "anna").await, account(store, "bert").await);
    store.subscribe(anna, topic("news")).await.unwrap();
    send(store, note(1, users(&["anna", "bert"]))).await;
    send(store, note(2, Audience::All)).await;
    let third = send(store, note(3, to_topic("news"))).await.notification.seq;
    assert_eq!(ack(store, anna, third).await, 1);
    for number in 1..=3 {
        assert!(store.opened(anna, NotificationId(number)).await.unwrap(), "{number}");
        assert!(!store.opened(anna, NotificationId(number)).await.unwrap(), "{number}");
        let counters = counters(store, number).await;
        assert_eq!((counters.delivered, counters.opened), (1, 1), "{number}");
    }
    assert_eq!(fed(store, anna).await, Vec::<u128>::new());
    assert_eq!(fed(store, bert).await, [1, 2]);
}

pub(super) async fn opening_is_counted_after_the_end(store: &Handles) {
    let (anna, bert) = (account(store, "anna").await, account(store, "bert").await);
    let direct = send(store, note(1, users(&["anna", "bert"]))).await.notification.seq;
    let all = send(store, note(2, Audience::All)).await.notification.seq;
    let single = send(store, note(3, users(&["anna"]))).await.notification.seq;
    for seq in [direct, all, single] {
        ack(store, anna, seq).await;
    }
    store.expire_due(at(1000), 10).await.unwrap();
    for number in 1..=3 {
        assert!(store.opened(anna, NotificationId(number)).await.unwrap(), "{number}");
        assert!(!store.opened(bert, NotificationId(number)).await.unwrap(), "{number}: it had expired there");
    }
    assert_eq!(counters(store, 1).await.opened, 1);
}

pub(super) async fn a_record_tells_all(store: &Handles) {
    account(store, "anna").await;
    let content = Content {
        title: Some("T\u{1f600}".into()),
        message: Some(String::new()),
        uri: Some("https://example.org/?a=1&b=2".into()),
        image: None,
        data: [("k".to_owned(), "v\n\"".to_owned())].into(),
    };
    let mut ext = Ext::default();
    ext.insert("ntfy", "{ \"tags\" : [\"\\u00e9\", 1.0e+2],\r\n\"tags\":null }").unwrap();
    ext.insert("a-door", "{}").unwrap();
    let sender = Sender::User(user("Anna"));
    let new = NewNotification {
        payload: content.clone().into(),
        ext: ext.clone(),
        sender: sender.clone(),
        priority: Priority::High,
        collapse_key: Some("k'".into()),
        send_at: Some(START),
        ..note(u128::MAX, to_topic("news"))
    };
    let released = send(store, new).await;
    let record = store.notification(NotificationId(u128::MAX)).await.unwrap().unwrap();
    assert_eq!(record.notification, released.notification);
    assert_eq!(record.notification.payload, Payload::Text(content));
    assert_eq!((record.notification.ext, record.notification.sender), (ext, Some(sender)));
    assert_eq!(record.audience, to_topic("news"));
    assert_eq!(record.state, NotificationState::Done, "nobody has subscribed");
    assert_eq!((record.created_at, record.notification.sent_at, record.send_at), (START, START, None));
    assert_eq!(store.seq_of(NotificationId(u128::MAX)).await.unwrap(), Some(released.notification.seq));
    assert_eq!(store.seq_of(NotificationId(1)).await.unwrap(), None);
    assert!(store.notification(NotificationId(1)).await.unwrap().is_none());
}

pub(super) async fn history_is_newest_first(store: &Handles) {
    for number in 1..=5 {
        send(store, note(number, Audience::All)).await;
    }
    let (mut before, mut seen) = (None, Vec::new());
    loop {
        let page = store.notifications(before, 2).await.unwrap();
        seen.extend(page.items.iter().map(|record| record.notification.id.0));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(seen, [5, 4, 3, 2, 1]);
}

pub(super) async fn history_of_a_sender_is_its_alone(store: &Handles) {
    for number in 1..=9 {
        let sender = match number % 3 {
            0 => by_key("1", "shop"),
            1 => by_key("2", "news"),
            _ => Sender::Operator("shop".into()),
        };
        send(store, NewNotification { sender, ..note(number, Audience::All) }).await;
    }
    for (filter, expected) in [
        ("shop", &[9, 8, 6, 5, 3, 2][..]),
        ("key:shop", &[9, 6, 3]),
        ("operator:shop", &[8, 5, 2]),
        ("sho", &[]),
    ] {
        let (mut before, mut seen) = (None, Vec::new());
        loop {
            let page = store.notifications_by(SenderFilter::new(filter), before, 2).await.unwrap();
            assert!(page.items.len() <= 2);
            seen.extend(page.items.iter().map(|record| record.notification.id.0));
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        assert_eq!(seen, expected, "{filter}");
    }
}

pub(super) async fn an_id_is_taken_once(store: &Handles) {
    let anna = account(store, "anna").await;
    send(store, note(1, Audience::All)).await;
    assert_eq!(store.accept(note(1, users(&["anna"]))).await.unwrap_err(), StoreError::Conflict);
    assert_eq!(fed(store, anna).await, [1]);
    assert_eq!(store.totals().await.unwrap().notifications, 1);
}

/// A page ends by its bytes, too, and the next goes on behind it.
pub(super) async fn pages_are_bounded_in_bytes(store: &Handles) {
    let anna = account(store, "anna").await;
    let most = 40;
    for number in 1..=most {
        let content = Content { message: Some("m".repeat(60_000)), ..Content::default() };
        let new = NewNotification { payload: content.into(), ..note(number, users(&["anna"])) };
        let seq = send(store, new).await.notification.seq;
        ack(store, anna, seq).await;
    }
    let (mut listed, mut before, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = store.notifications(before, 1000).await.unwrap();
        assert!(page.items.len() < 20, "{} of 60 kB", page.items.len());
        listed.extend(page.items.iter().map(|record| record.notification.id.0));
        let history = store.account_history(anna, before, 1000).await.unwrap();
        let past = history.items.iter().map(|entry| entry.record.position);
        assert!(past.eq(page.items.iter().map(|record| record.position)));
        pages += 1;
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(listed, (1..=most).rev().collect::<Vec<_>>());
    assert!(pages > 2, "{pages}");
}

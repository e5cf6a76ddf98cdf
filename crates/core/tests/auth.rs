//! The auth manager on the in-memory store.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tidings_core::audit::Actor;
use tidings_core::auth::{AccountEdit, AuthError, KeyError, NewKey, RegistrationRequest, ScramHash};
use tidings_core::clock::{Clock, SystemRandom};
use tidings_core::config::{Config, RegistrationPolicy};
use tidings_core::error::ChangeError;
use tidings_core::model::{AccountId, Role, Scope, Timestamp};
use tidings_core::store::AccountChange;
use tidings_core::store::prelude::*;
use tidings_core::{Core, Ports};
use tidings_store::MemoryStore;
use tidings_xmpp::sasl::derive_keys;

/// A clock that stands until it is moved.
#[derive(Default)]
struct Still(AtomicI64);

impl Still {
    fn advance(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::Relaxed);
    }
}

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp(1_700_000_000_000 + self.0.load(Ordering::Relaxed))
    }
}

struct World {
    store: Arc<MemoryStore>,
    clock: Arc<Still>,
    core: Arc<Core>,
}

impl World {
    async fn new(change: impl FnOnce(&mut Config)) -> Self {
        let (store, clock) = (Arc::new(MemoryStore::new()), Arc::new(Still::default()));
        let core = open(&store, &clock, change).await;
        Self { store, clock, core }
    }
}

#[expect(clippy::unwrap_used, reason = "a test's own set-up")]
async fn open(store: &Arc<MemoryStore>, clock: &Arc<Still>, change: impl FnOnce(&mut Config)) -> Arc<Core> {
    let mut config = Config::default();
    change(&mut config);
    let store: Arc<dyn Store> = Arc::clone(store) as _;
    Core::open(config, Ports::local(store, Arc::clone(clock) as _, Arc::new(SystemRandom))).await.unwrap()
}

fn ip(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

fn wants(username: &str, password: &str) -> RegistrationRequest {
    RegistrationRequest { username: username.into(), password: password.into(), ..Default::default() }
}

#[tokio::test]
async fn a_registered_account_logs_in() {
    let world = World::new(|_| ()).await;
    let auth = &world.core.auth;
    let account = auth.register(wants("Alice", "correct horse"), ip(1)).await.unwrap();
    assert_eq!(account.username.as_str(), "alice", "case is folded");
    let taken = auth.register(wants("alice", "other"), ip(1)).await;
    assert_eq!(taken.unwrap_err(), ChangeError::Conflict("username"));

    for name in ["alice", "ALICE", "alice@localhost", "alice@LOCALHOST"] {
        let identity = auth.check_password(name, "correct horse", ip(1)).await.unwrap();
        assert_eq!(identity.account, account.id, "{name}");
    }
    for (name, password) in
        [("alice", "wrong"), ("nobody", "correct horse"), ("alice@elsewhere", "correct horse"), ("alice", "")]
    {
        let refused = auth.check_password(name, password, ip(1)).await;
        assert_eq!(refused.unwrap_err(), AuthError::NotAuthorized, "{name} {password}");
    }
}

#[tokio::test]
async fn scram_keys_are_those_of_the_password() {
    let world = World::new(|_| ()).await;
    let account = world.core.auth.register(wants("alice", "secret"), ip(1)).await.unwrap();
    for hash in [ScramHash::Sha1, ScramHash::Sha256] {
        let found = world.core.auth.scram("alice", hash, ip(1)).await.unwrap();
        assert_eq!(found.proven.unwrap().account, account.id);
        assert_eq!((found.keys.iterations, found.keys.salt.len()), (4096, 16));
        let expected = derive_keys(hash, "secret", &found.keys.salt, 4096);
        assert_eq!((found.keys.stored_key, found.keys.server_key), expected);
    }
    let sha1 = world.core.auth.scram("alice", ScramHash::Sha1, ip(1)).await.unwrap();
    let sha256 = world.core.auth.scram("alice", ScramHash::Sha256, ip(1)).await.unwrap();
    assert_ne!(sha1.keys.salt, sha256.keys.salt);
}

#[tokio::test]
async fn a_stranger_looks_like_a_user_also_after_a_restart() {
    let world = World::new(|_| ()).await;
    for name in ["nobody", "not a name", "x@elsewhere", ""] {
        let first = world.core.auth.scram(name, ScramHash::Sha256, ip(1)).await.unwrap();
        assert_eq!(first.proven, Err(AuthError::NotAuthorized));
        assert_eq!((first.keys.iterations, first.keys.salt.len()), (4096, 16));
        assert_eq!((first.keys.stored_key.len(), first.keys.server_key.len()), (32, 32));
        let again = open(&world.store, &world.clock, |_| ()).await;
        let again = again.auth.scram(name, ScramHash::Sha256, ip(1)).await.unwrap();
        assert_eq!(first.keys, again.keys, "{name}");
    }
    let other = World::new(|_| ()).await;
    let here = world.core.auth.scram("nobody", ScramHash::Sha1, ip(1)).await.unwrap();
    let there = other.core.auth.scram("nobody", ScramHash::Sha1, ip(1)).await.unwrap();
    assert_ne!(here.keys.salt, there.keys.salt, "each server has its own secret");
}

#[tokio::test]
async fn a_changed_password_replaces_the_remembered_one() {
    let world = World::new(|_| ()).await;
    let auth = &world.core.auth;
    let account = auth.register(wants("alice", "old"), ip(1)).await.unwrap();
    let set_password = async |password: &str| {
        let edit = AccountEdit { password: Some(password.into()), ..AccountEdit::default() };
        auth.change_account(&Actor::CommandLine, account.reference(), edit).await
    };
    auth.check_password("alice", "old", ip(1)).await.unwrap();
    auth.check_password("alice", "old", ip(1)).await.unwrap();
    set_password("new").await.unwrap();
    assert_eq!(auth.check_password("alice", "old", ip(1)).await.unwrap_err(), AuthError::NotAuthorized);
    auth.check_password("alice", "new", ip(1)).await.unwrap();
    let unfit = set_password("a\u{7}b").await.unwrap_err();
    assert!(matches!(unfit, ChangeError::Invalid(_)));
}

#[tokio::test]
async fn disabled_is_said_only_to_who_proved_the_password() {
    let world = World::new(|_| ()).await;
    let auth = &world.core.auth;
    let account = auth.register(wants("alice", "secret"), ip(1)).await.unwrap().id;
    auth.check_password("alice", "secret", ip(1)).await.unwrap();
    let change = AccountChange { disabled: Some(true), ..AccountChange::default() };
    world.store.change_account(account, change).await.unwrap();
    assert_eq!(auth.check_password("alice", "secret", ip(1)).await.unwrap_err(), AuthError::Disabled);
    assert_eq!(auth.check_password("alice", "wrong", ip(1)).await.unwrap_err(), AuthError::NotAuthorized);
    let lookup = auth.scram("alice", ScramHash::Sha1, ip(1)).await.unwrap();
    assert_eq!(lookup.proven, Err(AuthError::Disabled));
}

#[tokio::test(start_paused = true)]
async fn failures_are_throttled_by_source() {
    let world = World::new(|config| config.limits.login_failures_per_minute = 3).await;
    let auth = &world.core.auth;
    auth.create_account(&Actor::CommandLine, wants("alice", "secret")).await.unwrap();
    for _ in 0..5 {
        auth.check_password("alice", "secret", ip(1)).await.unwrap();
    }
    for _ in 0..2 {
        assert_eq!(auth.check_password("alice", "x", ip(1)).await.unwrap_err(), AuthError::NotAuthorized);
    }
    auth.failed("device", ip(1));
    assert_eq!(auth.check_password("alice", "secret", ip(1)).await.unwrap_err(), AuthError::Throttled);
    assert_eq!(auth.scram("alice", ScramHash::Sha1, ip(1)).await.unwrap_err(), AuthError::Throttled);
    auth.check_password("alice", "secret", ip(2)).await.unwrap();
    tokio::time::advance(Duration::from_secs(21)).await;
    auth.check_password("alice", "secret", ip(1)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn registrations_are_throttled_by_source() {
    let world = World::new(|config| config.limits.registrations_per_minute = 2).await;
    for n in 0..2 {
        world.core.auth.register(wants(&format!("user{n}"), "secret"), ip(1)).await.unwrap();
    }
    let third = world.core.auth.register(wants("user2", "secret"), ip(1)).await;
    assert_eq!(third.unwrap_err(), ChangeError::Throttled);
    world.core.auth.register(wants("user2", "secret"), ip(2)).await.unwrap();
    world.core.auth.create_account(&Actor::CommandLine, wants("user3", "secret")).await.unwrap();
    tokio::time::advance(Duration::from_secs(31)).await;
    world.core.auth.register(wants("user4", "secret"), ip(1)).await.unwrap();
}

#[tokio::test]
async fn the_policy_decides() {
    let closed = World::new(|config| config.registration.policy = RegistrationPolicy::Closed).await;
    let refused = closed.core.auth.register(wants("alice", "secret"), ip(1)).await.unwrap_err();
    assert!(matches!(refused, ChangeError::Forbidden(_)));
    closed.core.auth.create_account(&Actor::CommandLine, wants("alice", "secret")).await.unwrap();

    let token = World::new(|config| {
        config.registration.policy = RegistrationPolicy::Token;
        config.registration.tokens = vec!["first".into(), "second".into(), String::new()];
    })
    .await;
    for wrong in [None, Some(""), Some("firs"), Some("third"), Some("firstsecond")] {
        let request = RegistrationRequest { token: wrong.map(Into::into), ..wants("alice", "secret") };
        let refused = token.core.auth.register(request, ip(1)).await.unwrap_err();
        assert!(matches!(refused, ChangeError::Forbidden(_)), "{wrong:?}");
    }
    let request = RegistrationRequest { token: Some("second".into()), ..wants("alice", "secret") };
    token.core.auth.register(request, ip(1)).await.unwrap();
}

#[tokio::test]
async fn unfit_fields_are_named() {
    let world = World::new(|config| config.limits.registrations_per_minute = 0).await;
    let long = "x".repeat(256);
    let cases = [
        wants("", "secret"),
        wants("a b", "secret"),
        wants("a@b", "secret"),
        wants(&long, "secret"),
        wants("alice", ""),
        wants("alice", "a\nb"),
        wants("alice", &"x".repeat(1025)),
        RegistrationRequest { name: Some(long.clone()), ..wants("alice", "secret") },
        RegistrationRequest { email: Some("a\u{0}b".into()), ..wants("alice", "secret") },
    ];
    for request in cases {
        let username = request.username.clone();
        let refused = world.core.auth.register(request, ip(1)).await.unwrap_err();
        assert!(matches!(refused, ChangeError::Invalid(_)), "{username}: {refused}");
    }
    let request = RegistrationRequest { name: Some("  ".into()), ..wants("alice", "secret") };
    assert_eq!(world.core.auth.register(request, ip(1)).await.unwrap().name, None);
}

#[tokio::test]
async fn api_keys_live_until_they_are_revoked() {
    let world = World::new(|_| ()).await;
    let (key, secret) =
        world.core.auth.create_key(&Actor::CommandLine, NewKey::new("shop", Scope::Send)).await.unwrap();
    assert!(secret.starts_with("tk_") && secret.len() == 46, "{secret}");
    let grant = world.core.auth.check_key(&secret).unwrap();
    assert_eq!((grant.id, grant.name.as_str(), grant.scope), (key.id.clone(), "shop", Scope::Send));
    assert!(world.core.auth.check_key(&secret[..45]).is_none());
    assert!(world.core.auth.check_key("").is_none());

    let again = open(&world.store, &world.clock, |_| ()).await;
    assert!(again.auth.check_key(&secret).is_some(), "it survives a restart");
    assert!(!format!("{:?}", world.store.keys().await.unwrap()).contains(&secret[3..]));

    world.core.auth.revoke_key(&Actor::CommandLine, &key.id).await.unwrap();
    assert!(world.core.auth.check_key(&secret).is_none());
    let again = world.core.auth.revoke_key(&Actor::CommandLine, &key.id).await;
    assert_eq!(again.unwrap_err(), ChangeError::NotFound("key"));
    assert!(world.store.keys().await.unwrap().is_empty());
}

#[tokio::test]
async fn the_process_key_is_neither_stored_nor_listed() {
    let world = World::new(|_| ()).await;
    world.core.auth.add_process_key("from the environment");
    assert_eq!(world.core.auth.check_key("from the environment").unwrap().scope, Scope::Admin);
    assert!(world.core.auth.keys().is_empty());
    world.core.auth.flush().await.unwrap();
    assert!(world.store.keys().await.unwrap().is_empty());
}

#[tokio::test]
async fn last_use_is_written_at_most_once_a_minute() {
    let world = World::new(|_| ()).await;
    let (_, secret) =
        world.core.auth.create_key(&Actor::CommandLine, NewKey::new("shop", Scope::Send)).await.unwrap();
    let start = world.clock.now();
    let stored = async || world.store.keys().await.unwrap()[0].last_used;

    world.core.auth.flush().await.unwrap();
    assert_eq!(stored().await, None);
    world.core.auth.check_key(&secret).unwrap();
    assert_eq!(world.core.auth.keys()[0].last_used, Some(start));
    world.core.auth.flush().await.unwrap();
    assert_eq!(stored().await, Some(start));

    world.clock.advance(59_000);
    world.core.auth.check_key(&secret).unwrap();
    world.core.auth.flush().await.unwrap();
    assert_eq!(stored().await, Some(start));
    world.clock.advance(1000);
    world.core.auth.check_key(&secret).unwrap();
    world.core.auth.flush().await.unwrap();
    assert_eq!(stored().await, Some(world.clock.now()));
}

#[tokio::test(start_paused = true)]
async fn operators_log_in_with_argon2() {
    let world = World::new(|config| config.limits.login_failures_per_minute = 3).await;
    let auth = &world.core.auth;
    let made = auth.ensure_admin(None).await.unwrap().expect("made at first start");
    assert!(made.len() >= 20);
    assert_eq!(auth.ensure_admin(None).await.unwrap(), None, "not made again");
    let admin = auth.check_operator("admin", &made, ip(1)).await.unwrap();
    assert_eq!(admin.role, Role::Administrator);
    assert!(admin.password_hash.starts_with("$argon2id$"), "{}", admin.password_hash);

    assert_eq!(auth.ensure_admin(Some("from the environment")).await.unwrap(), None);
    assert_eq!(auth.check_operator("admin", &made, ip(1)).await.unwrap_err(), AuthError::NotAuthorized);
    auth.check_operator("admin", "from the environment", ip(1)).await.unwrap();

    auth.put_operator(&Actor::CommandLine, "viewer", "long enough", Role::Viewer).await.unwrap();
    assert_eq!(auth.check_operator("viewer", "long enough", ip(1)).await.unwrap().role, Role::Viewer);
    for (name, password) in
        [("", "long enough"), ("a b", "long enough"), ("x", "short"), ("x", "control\u{7}s")]
    {
        let refused = auth.put_operator(&Actor::CommandLine, name, password, Role::Viewer).await.unwrap_err();
        assert!(matches!(refused, ChangeError::Invalid(_)), "{name} {password}");
    }

    assert_eq!(auth.check_operator("nobody", "x", ip(1)).await.unwrap_err(), AuthError::NotAuthorized);
    assert_eq!(auth.check_operator("admin", "x", ip(1)).await.unwrap_err(), AuthError::NotAuthorized);
    let throttled = auth.check_operator("admin", "from the environment", ip(1)).await;
    assert_eq!(throttled.unwrap_err(), AuthError::Throttled);
    auth.check_operator("admin", "from the environment", ip(2)).await.unwrap();
    assert!(auth.scram("x", ScramHash::Sha1, ip(1)).await.is_ok(), "devices are counted apart");
}

#[tokio::test(start_paused = true)]
async fn wrong_keys_are_throttled_by_source_and_right_ones_are_taken() {
    let world = World::new(|config| config.limits.login_failures_per_minute = 3).await;
    let auth = &world.core.auth;
    auth.add_process_key("from the environment");
    for _ in 0..3 {
        assert_eq!(auth.check_key_from("wrong", ip(1)).unwrap_err(), KeyError::Unknown);
    }
    assert_eq!(auth.check_key_from("wrong", ip(1)).unwrap_err(), KeyError::Throttled);
    auth.check_key_from("from the environment", ip(1)).unwrap();
    assert_eq!(auth.check_key_from("wrong", ip(2)).unwrap_err(), KeyError::Unknown);
    assert_eq!(auth.check_password("alice", "x", ip(1)).await.unwrap_err(), AuthError::NotAuthorized);
}

#[tokio::test]
async fn a_refused_login_to_the_console_is_in_the_audit_log() {
    let world = World::new(|_| ()).await;
    let auth = &world.core.auth;
    auth.ensure_admin(Some("the password")).await.unwrap();
    let long = "a".repeat(500);
    for name in ["admin", long.as_str()] {
        auth.log_in(name, "wrong", ip(7)).await.unwrap_err();
    }
    let entries = auth.audit_log(None, 10).await.unwrap().items;
    let refused: Vec<_> = entries.iter().filter(|entry| entry.action == "operator.refuse").collect();
    assert_eq!(refused.len(), 2);
    assert_eq!(refused[1].actor, format!("stranger at {}", ip(7)));
    assert_eq!(refused[1].subject, "admin: wrong username or password");
    assert!(refused[0].subject.len() < 150, "{}", refused[0].subject);
}

#[tokio::test]
async fn console_logins_end_with_the_password_that_they_were_made_by() {
    let world = World::new(|_| ()).await;
    let auth = &world.core.auth;
    auth.ensure_admin(Some("the password")).await.unwrap();
    let login = auth.log_in("admin", "the password", ip(1)).await.unwrap();
    let mut endings = auth.endings();
    // A restart with the same password in the environment.
    auth.ensure_admin(Some("the password")).await.unwrap();
    assert!(auth.web_login(&login).await.unwrap().is_some());
    assert!(!endings.has_changed().unwrap());
    // And with another one.
    auth.ensure_admin(Some("another password")).await.unwrap();
    assert_eq!(auth.web_login(&login).await.unwrap(), None);
    assert!(endings.has_changed().unwrap());
    endings.mark_unchanged();

    let login = auth.log_in("admin", "another password", ip(1)).await.unwrap();
    let admin = Actor::Operator("admin".to_owned());
    auth.put_operator(&admin, "admin", "a third password", Role::Administrator).await.unwrap();
    assert_eq!(auth.web_login(&login).await.unwrap(), None, "set anew by themselves");
    assert!(endings.has_changed().unwrap());
}

#[tokio::test]
async fn many_register_at_once() {
    let world = Arc::new(World::new(|config| config.limits.registrations_per_minute = 0).await);
    let register = |n| {
        let world = Arc::clone(&world);
        tokio::spawn(
            async move { world.core.auth.register(wants(&format!("user{n}"), "secret"), ip(1)).await },
        )
    };
    let tasks: Vec<_> = (0..32).map(register).collect();
    let mut ids: Vec<AccountId> = Vec::new();
    for task in tasks {
        ids.push(task.await.unwrap().unwrap().id);
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 32);
}

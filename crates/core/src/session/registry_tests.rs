//! Who has a session while connections come and go, resume it, and it is ended.

use futures_util::FutureExt;
use proptest::prelude::*;

use super::*;
use crate::session::session_entry::testing;
use crate::session::sm::StreamManagement;

const ACCOUNT: AccountId = AccountId(7);
const LIMIT: usize = 3;

/// A session that is bound to this resource and may be resumed.
fn bound(registry: &Registry, resource: &str) -> Box<BoundSession> {
    let entry = testing::entry(registry.next_id().0, resource);
    assert_eq!(registry.claim(&entry, LIMIT), Claim::Registered);
    registry.set_presence(&entry, Show::Available, 0, None);
    let mut session = Box::new(BoundSession::new(entry, false));
    session.sm = Some(Box::new(StreamManagement::new(true)));
    session
}

fn resumption_id(entry: &SessionEntry) -> String {
    sm::resumption_id(entry.id, &entry.secret)
}

fn in_seconds(seconds: u64) -> Instant {
    Instant::now() + Duration::from_secs(seconds)
}

fn registry() -> Registry {
    Registry::new("push.test".to_owned())
}

/// What the connection that has a session does when it is woken, as far as it is about who
/// has it: gives it up where another asks for it, or ends. The session, where it keeps it.
fn woken(registry: &Registry, session: Box<BoundSession>, until: Instant) -> Option<Box<BoundSession>> {
    let entry = Arc::clone(&session.entry);
    let mut commands = entry.commands().into_iter();
    while let Some(command) = commands.next() {
        match command {
            Command::End(_) => {
                registry.remove(&entry);
                return None;
            }
            Command::Transfer(waiting) if !waiting.is_closed() => {
                entry.put_back(commands.collect());
                if let Err(session) = registry.detach(session, until, |_| {}) {
                    registry.remove(&session.entry);
                }
                return None;
            }
            Command::Transfer(_) => {}
        }
    }
    Some(session)
}

fn detach(registry: &Registry, session: Box<BoundSession>, until: Instant) {
    assert!(registry.detach(session, until, |_| {}).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_session_waits_to_be_resumed() {
    let registry = registry();
    let session = bound(&registry, "phone");
    let entry = Arc::clone(&session.entry);
    assert_eq!((registry.connected(), registry.online()), (1, 1));
    detach(&registry, session, in_seconds(600));
    assert_eq!((registry.connected(), registry.online()), (1, 0));
    assert_eq!(entry.status(), Status::Detached);

    let id = resumption_id(&entry);
    assert!(registry.resume(AccountId(8), &id).await.is_none(), "another account's id means nothing");
    let session = registry.resume(ACCOUNT, &id).await.unwrap();
    assert_eq!(session.entry.id, entry.id);
    registry.reattach(&entry, [192, 0, 2, 2].into(), "TLSv1.3", || {});
    assert_eq!((registry.connected(), registry.online()), (1, 1));
    assert_eq!(entry.peer().0, IpAddr::from([192, 0, 2, 2]));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_still_lives_gives_its_session_up() {
    let registry = registry();
    let session = bound(&registry, "phone");
    let entry = Arc::clone(&session.entry);
    let id = resumption_id(&entry);
    let mut resumption = Box::pin(registry.resume(ACCOUNT, &id));
    assert!(resumption.as_mut().now_or_never().is_none());
    entry.woken().await;
    assert!(woken(&registry, session, in_seconds(600)).is_none());
    assert_eq!(resumption.await.unwrap().entry.id, entry.id);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_goes_while_it_is_asked_leaves_its_session_to_the_one_that_asked() {
    let registry = registry();
    let session = bound(&registry, "phone");
    let id = resumption_id(&session.entry);
    let mut resumption = Box::pin(registry.resume(ACCOUNT, &id));
    assert!(resumption.as_mut().now_or_never().is_none());
    detach(&registry, session, in_seconds(600));
    assert!(resumption.now_or_never().unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_does_not_answer_keeps_its_session() {
    let registry = registry();
    let session = bound(&registry, "phone");
    let id = resumption_id(&session.entry);
    let begin = Instant::now();
    assert!(registry.resume(ACCOUNT, &id).await.is_none());
    assert_eq!(begin.elapsed(), TRANSFER_TIMEOUT);
    // It learns of the question too late: the connection that asked has gone.
    let session = woken(&registry, session, in_seconds(600)).unwrap();
    detach(&registry, session, in_seconds(600));
    assert!(registry.resume(ACCOUNT, &id).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn of_two_resumptions_at_once_the_later_has_the_session_in_the_end() {
    let registry = registry();
    let session = bound(&registry, "phone");
    let id = resumption_id(&session.entry);
    let (mut first, mut second) =
        (Box::pin(registry.resume(ACCOUNT, &id)), Box::pin(registry.resume(ACCOUNT, &id)));
    assert!(first.as_mut().now_or_never().is_none() && second.as_mut().now_or_never().is_none());
    assert!(woken(&registry, session, in_seconds(600)).is_none());
    let session = first.as_mut().now_or_never().unwrap().unwrap();
    // The second finds that the first has it now, and asks for it.
    assert!(second.as_mut().now_or_never().is_none());
    assert!(woken(&registry, session, in_seconds(600)).is_none());
    assert!(second.now_or_never().unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_session_that_a_gone_resumption_was_given_still_waits() {
    let registry = registry();
    let session = bound(&registry, "phone");
    let entry = Arc::clone(&session.entry);
    let id = resumption_id(&entry);
    let mut resumption = Box::pin(registry.resume(ACCOUNT, &id));
    assert!(resumption.as_mut().now_or_never().is_none());
    assert!(woken(&registry, session, in_seconds(600)).is_none());
    // It was given up, and the connection that asked goes before it takes it.
    drop(resumption);
    assert_eq!(entry.status(), Status::Detached);
    assert!(registry.resume(ACCOUNT, &id).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn what_is_ended_while_it_waits_is_not_resumed() {
    let registry = registry();
    let sibling = bound(&registry, "tablet");
    let session = bound(&registry, "phone");
    let entry = Arc::clone(&session.entry);
    detach(&registry, session, in_seconds(600));
    registry.end(&entry, EndReason::Account);
    assert!(registry.resume(ACCOUNT, &resumption_id(&entry)).await.is_none());
    assert_eq!(registry.connected(), 1);
    let told = sibling.entry.take_from_siblings().unwrap().presences;
    let [of] = told.as_slice() else { panic!("{} presences", told.len()) };
    let mut out = Vec::new();
    siblings::write_presence("push.test", of, &sibling.entry, &mut out);
    assert_eq!(
        std::str::from_utf8(&out).unwrap(),
        "<presence to='ana@push.test/tablet' from='ana@push.test/phone' type='unavailable'/>"
    );
}

#[tokio::test(start_paused = true)]
async fn an_end_that_comes_while_a_session_is_resumed_reaches_the_new_connection() {
    let registry = registry();
    let session = bound(&registry, "phone");
    let entry = Arc::clone(&session.entry);
    let id = resumption_id(&entry);
    let mut resumption = Box::pin(registry.resume(ACCOUNT, &id));
    assert!(resumption.as_mut().now_or_never().is_none());
    assert!(woken(&registry, session, in_seconds(600)).is_none());
    let session = resumption.await.unwrap();
    registry.end(&entry, EndReason::Account);
    registry.reattach(&entry, [192, 0, 2, 2].into(), "TLSv1.3", || {});
    entry.woken().await;
    assert!(woken(&registry, session, in_seconds(600)).is_none());
    assert_eq!((registry.connected(), registry.online()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_end_behind_a_transfer_is_not_lost() {
    let registry = registry();
    let session = bound(&registry, "phone");
    let entry = Arc::clone(&session.entry);
    let id = resumption_id(&entry);
    let mut resumption = Box::pin(registry.resume(ACCOUNT, &id));
    assert!(resumption.as_mut().now_or_never().is_none());
    registry.end(&entry, EndReason::Account);
    assert!(woken(&registry, session, in_seconds(600)).is_none());
    assert!(resumption.now_or_never().unwrap().is_none());
    assert_eq!(registry.connected(), 0);
}

#[tokio::test(start_paused = true)]
async fn time_ends_what_waits_and_nothing_that_was_taken() {
    let registry = registry();
    let session = bound(&registry, "phone");
    let entry = Arc::clone(&session.entry);
    let id = resumption_id(&entry);
    let until = in_seconds(600);
    detach(&registry, session, until);
    registry.end_expired(until - Duration::from_millis(1));
    assert_eq!(registry.connected(), 1);
    // Resumed in the last moment.
    let session = registry.resume(ACCOUNT, &id).await.unwrap();
    registry.end_expired(until + Duration::from_secs(60));
    assert_eq!(registry.connected(), 1);
    let again = until + Duration::from_secs(600);
    detach(&registry, session, again);
    registry.end_expired(again);
    assert_eq!(registry.connected(), 0);
    assert!(registry.resume(ACCOUNT, &id).await.is_none());
    assert!(!entry.command(Command::End(EndReason::Operator)), "it is over");
}

#[tokio::test(start_paused = true)]
async fn a_session_whose_resource_was_taken_cannot_wait() {
    let registry = registry();
    let old = bound(&registry, "phone");
    let new = bound(&registry, "phone");
    let old = registry.detach(old, in_seconds(600), |_| panic!("it is over")).unwrap_err();
    registry.remove(&old.entry);
    assert_eq!((registry.connected(), registry.online()), (1, 1));
    assert!(matches!(old.entry.commands().as_slice(), []));
    assert!(new.entry.commands().is_empty());
}

/// What may happen, in any order.
#[derive(Debug, Clone)]
enum Step {
    Bind(usize),
    Cut(usize),
    Resume(usize),
    /// A connection with a session is woken.
    Wake(usize),
    /// One that waits to resume looks again, if it was told to.
    Poll(usize),
    /// One that waits to resume goes.
    Abandon(usize),
    End(usize),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..4usize).prop_map(Step::Bind),
        3 => any::<usize>().prop_map(Step::Cut),
        4 => any::<usize>().prop_map(Step::Resume),
        4 => any::<usize>().prop_map(Step::Wake),
        4 => any::<usize>().prop_map(Step::Poll),
        1 => any::<usize>().prop_map(Step::Abandon),
        1 => any::<usize>().prop_map(Step::End),
        1 => (1..40u64).prop_map(Step::Pass),
    ]
}

/// Connections as the registry sees them.
struct Connections {
    registry: Registry,
    now: Instant,
    #[expect(clippy::vec_box, reason = "a connection has its session in a box")]
    live: Vec<Box<BoundSession>>,
    waiting: Vec<(String, oneshot::Receiver<()>)>,
    known: Vec<Arc<SessionEntry>>,
}

impl Connections {
    const TIME_TO_RESUME: Duration = Duration::from_secs(30);

    fn step(&mut self, step: &Step) {
        let registry = &self.registry;
        let until = self.now + Self::TIME_TO_RESUME;
        let pick = |number: usize, of: usize| (of > 0).then(|| number % of.max(1));
        match *step {
            Step::Bind(resource) => {
                let entry = testing::entry(registry.next_id().0, &format!("resource {resource}"));
                if registry.claim(&entry, LIMIT) == Claim::TooMany {
                    return;
                }
                registry.set_presence(&entry, Show::Available, 0, None);
                self.known.push(Arc::clone(&entry));
                let mut session = Box::new(BoundSession::new(entry, false));
                session.sm = Some(Box::new(StreamManagement::new(true)));
                self.live.push(session);
            }
            Step::Cut(number) => {
                let Some(place) = pick(number, self.live.len()) else { return };
                let session = self.live.swap_remove(place);
                if let Err(session) = registry.detach(session, until, |_| {}) {
                    registry.remove(&session.entry);
                }
            }
            Step::Resume(number) => {
                let Some(place) = pick(number, self.known.len()) else { return };
                let id = resumption_id(&self.known[place]);
                self.look(id);
            }
            Step::Wake(number) => {
                let Some(place) = pick(number, self.live.len()) else { return };
                let session = self.live.swap_remove(place);
                self.live.extend(woken(registry, session, until));
            }
            Step::Poll(number) => {
                let Some(place) = pick(number, self.waiting.len()) else { return };
                if self.waiting[place].1.try_recv() != Err(oneshot::error::TryRecvError::Empty) {
                    let (id, _) = self.waiting.swap_remove(place);
                    self.look(id);
                }
            }
            Step::Abandon(number) => {
                let Some(place) = pick(number, self.waiting.len()) else { return };
                self.waiting.swap_remove(place);
            }
            Step::End(number) => {
                let Some(place) = pick(number, self.known.len()) else { return };
                registry.end(&self.known[place], EndReason::Operator);
            }
            Step::Pass(seconds) => {
                self.now += Duration::from_secs(seconds);
                registry.end_expired(self.now);
            }
        }
    }

    fn look(&mut self, id: String) {
        match self.registry.look_for(ACCOUNT, &id) {
            Whereabouts::Taken(session) => {
                self.registry.reattach(&session.entry, [192, 0, 2, 9].into(), "TLSv1.3", || {});
                self.live.push(session);
            }
            Whereabouts::Asked(waiting) => self.waiting.push((id, waiting)),
            Whereabouts::Unknown => {}
        }
    }

    fn check(&self) {
        let shard = self.registry.shard(ACCOUNT);
        let listed: Vec<_> =
            shard.accounts.get(&ACCOUNT).map(|account| account.sessions.clone()).unwrap_or_default();
        assert_eq!(self.registry.connected(), listed.len());
        assert_eq!(shard.by_id.len(), listed.len());
        let online = listed.iter().any(|session| session.status() == Status::Available);
        assert_eq!(self.registry.online(), usize::from(online));
        for session in &listed {
            let live = self.live.iter().filter(|live| live.entry.id == session.id).count();
            let detached = usize::from(shard.detached.contains(session.id));
            assert_eq!(live + detached, 1, "each session is in one place");
        }
        for session in &self.live {
            if !listed.iter().any(|listed| listed.id == session.entry.id) {
                let commands = session.entry.commands();
                let ends = commands.iter().any(|command| matches!(command, Command::End(_)));
                session.entry.put_back(commands);
                assert!(ends, "a session that is not found is told to end");
            }
        }
    }

    /// All connections are woken and look again, until nothing happens any more.
    fn run_dry(&mut self) {
        for _ in 0..1000 {
            let busy = self.waiting.len();
            (0..self.live.len()).rev().for_each(|place| self.step(&Step::Wake(place)));
            (0..self.waiting.len()).rev().for_each(|place| self.step(&Step::Poll(place)));
            self.check();
            if busy == 0 {
                return;
            }
        }
        panic!("{} wait for ever", self.waiting.len());
    }
}

proptest! {
    #[test]
    fn a_session_is_in_one_place_whatever_happens(steps in prop::collection::vec(step(), 1..120)) {
        let (registry, now) = (registry(), Instant::now());
        let mut all =
            Connections { registry, now, live: Vec::new(), waiting: Vec::new(), known: Vec::new() };
        for step in &steps {
            all.step(step);
            all.check();
        }
        all.run_dry();
        // What has no connection is over in time, and nothing is left behind.
        all.step(&Step::Pass(3600));
        prop_assert_eq!(all.registry.connected(), all.live.len());
        while !all.live.is_empty() {
            all.step(&Step::Cut(0));
        }
        all.step(&Step::Pass(3600));
        prop_assert_eq!((all.registry.connected(), all.registry.online()), (0, 0));
        prop_assert!(all.registry.shard(ACCOUNT).accounts.is_empty());
    }
}

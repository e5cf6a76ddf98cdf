//! A session as the registry knows it, and the mailbox that wakes its task.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use super::delivery::Delivery;
use super::from_siblings::FromSiblings;
use super::owed::Due;
use super::presence_stanza::PresenceStanza;
use crate::audit::Actor;
use crate::model::{AccountId, AccountRef, EndReason, SessionId, Show, Status, Timestamp, Username};

/// Notifications that wait for a session's task to run. Past that the session
/// reads from the store instead.
const QUEUED_DELIVERIES: usize = 64;
/// Commands that wait for the session's task.
const COMMANDS: usize = 128;

/// What the rest of the process knows of a session: the registry's entry, and
/// the mailbox that wakes the session's task.
pub(crate) struct SessionEntry {
    pub(crate) id: SessionId,
    pub(crate) account: AccountId,
    pub(crate) username: Username,
    pub(crate) resource: Box<str>,
    /// The full JID, escaped for use in an attribute.
    pub(crate) to: Box<[u8]>,
    pub(crate) created_at: Timestamp,
    /// Proves to [`super::sm`] that a resuming client is the one that enabled it.
    pub(crate) secret: [u8; 16],
    /// The account has other sessions.
    siblings: AtomicBool,
    notify: Notify,
    state: Mutex<State>,
}

struct State {
    status: Status,
    show: Show,
    priority: i8,
    /// What other sessions are told where `show` and `priority` are not all.
    presence: Option<PresenceStanza>,
    peer: IpAddr,
    tls: &'static str,
    queued: Vec<Arc<Delivery>>,
    /// Something was not queued: the store has it.
    must_read: bool,
    commands: Vec<Command>,
    from_siblings: Option<Box<FromSiblings<SessionEntry>>>,
    ended: bool,
}

/// What the registry, a sibling or a resuming connection wants of a session.
pub(crate) enum Command {
    /// End the stream with this error.
    End(EndReason),
    /// The client resumes on another connection, which waits for this sender: detach.
    Transfer(oneshot::Sender<()>),
}

pub(crate) struct NewSessionEntry {
    pub(crate) id: SessionId,
    pub(crate) account: AccountId,
    pub(crate) username: Username,
    pub(crate) resource: String,
    pub(crate) to: Box<[u8]>,
    pub(crate) created_at: Timestamp,
    pub(crate) secret: [u8; 16],
    pub(crate) peer: IpAddr,
    pub(crate) tls: &'static str,
}

impl SessionEntry {
    pub(crate) fn new(new: NewSessionEntry) -> Self {
        Self {
            id: new.id,
            account: new.account,
            username: new.username,
            resource: new.resource.into(),
            to: new.to,
            created_at: new.created_at,
            secret: new.secret,
            siblings: AtomicBool::new(false),
            notify: Notify::new(),
            state: Mutex::new(State {
                status: Status::Authenticated,
                show: Show::Unavailable,
                priority: 0,
                presence: None,
                peer: new.peer,
                tls: new.tls,
                queued: Vec::new(),
                must_read: false,
                commands: Vec::new(),
                from_siblings: None,
                ended: false,
            }),
        }
    }

    /// Whose session it is.
    pub(crate) fn reference(&self) -> AccountRef<'_> {
        AccountRef { id: self.account, username: &self.username }
    }

    /// Who asks when the session's peer does.
    pub(crate) fn actor(&self) -> Actor {
        Actor::Account { username: self.username.clone(), session: Some(self.id) }
    }

    /// Resolves when there is mail, or was since the last time.
    pub(crate) async fn woken(&self) {
        self.notify.notified().await;
    }

    /// Wakes the session's task.
    pub(crate) fn wake(&self) {
        self.notify.notify_one();
    }

    /// Puts a notification into the queue of an available session.
    pub(crate) fn deliver(&self, delivery: &Arc<Delivery>) {
        let mut state = self.state.lock();
        match state.status {
            Status::Available if !state.must_read => {
                if state.queued.len() < QUEUED_DELIVERIES {
                    state.queued.push(Arc::clone(delivery));
                } else {
                    state.queued = Vec::new();
                    state.must_read = true;
                }
            }
            Status::Available => return,
            // What a detached session misses is read when it is resumed.
            Status::Detached => {
                state.must_read = true;
                return;
            }
            Status::Connected | Status::Authenticated => return,
        }
        drop(state);
        self.wake();
    }

    /// Whether the account has other sessions.
    pub(crate) fn has_siblings(&self) -> bool {
        self.siblings.load(Ordering::Relaxed)
    }

    pub(crate) fn set_siblings(&self, several: bool) {
        self.siblings.store(several, Ordering::Relaxed);
    }

    /// Another session of the account has settled these, which this one is owed still where it
    /// gets notifications, or will when it is resumed.
    pub(crate) fn settled_elsewhere(&self, settled: &[Due]) {
        let mut state = self.state.lock();
        if state.ended || status(state.show, state.priority) != Status::Available {
            return;
        }
        state.from_siblings.get_or_insert_default().settled(settled);
        self.wake_unless_detached(&state);
    }

    /// Takes what other sessions have settled, and whether it is not all.
    pub(crate) fn take_settled_elsewhere(&self) -> (Vec<Due>, bool) {
        let mut state = self.state.lock();
        let Some(from) = &mut state.from_siblings else { return (Vec::new(), false) };
        (std::mem::take(&mut from.settled), std::mem::take(&mut from.settled_overflowed))
    }

    /// Leaves a stanza of a session of the same account. False where this one has no connection
    /// or does not keep up.
    pub(crate) fn pass_on(&self, stanza: Box<[u8]>) -> bool {
        let mut state = self.state.lock();
        if state.ended || state.status == Status::Detached {
            return false;
        }
        let passed = state.from_siblings.get_or_insert_default().stanza(stanza);
        self.wake_unless_detached(&state);
        passed
    }

    /// Takes what other sessions have left, but for what they have settled.
    pub(crate) fn take_from_siblings(&self) -> Option<Box<FromSiblings<SessionEntry>>> {
        let mut state = self.state.lock();
        let mut taken = state.from_siblings.take()?;
        if !taken.settled.is_empty() || taken.settled_overflowed {
            state.from_siblings.get_or_insert_default().settled = std::mem::take(&mut taken.settled);
            state.from_siblings.get_or_insert_default().settled_overflowed = taken.settled_overflowed;
        }
        Some(taken)
    }

    fn wake_unless_detached(&self, state: &State) {
        if state.status != Status::Detached {
            self.wake();
        }
    }

    /// Tells the session to read from the store.
    pub(crate) fn resync(&self) {
        self.state.lock().must_read = true;
        self.wake();
    }

    /// Leaves a command for the session's task. False when the session is gone or does not
    /// keep up; that it is to end is always taken.
    pub(crate) fn command(&self, command: Command) -> bool {
        let mut state = self.state.lock();
        if state.ended || (state.commands.len() >= COMMANDS && !matches!(command, Command::End(_))) {
            return false;
        }
        state.commands.push(command);
        drop(state);
        self.wake();
        true
    }

    /// Puts commands back that the session's task has taken and cannot carry out, before
    /// those that came since.
    pub(crate) fn put_back(&self, mut commands: Vec<Command>) {
        let mut state = self.state.lock();
        if !state.ended {
            commands.append(&mut state.commands);
            state.commands = commands;
        }
    }

    /// Takes the notifications that have come in; `None` where some were left in the store.
    pub(crate) fn take_queued(&self) -> Option<Vec<Arc<Delivery>>> {
        let mut state = self.state.lock();
        let queued = std::mem::take(&mut state.queued);
        (!std::mem::take(&mut state.must_read)).then_some(queued)
    }

    /// Takes the commands that have come in.
    pub(crate) fn commands(&self) -> Vec<Command> {
        std::mem::take(&mut self.state.lock().commands)
    }

    /// Leaves word that the presence of a session of the same account has changed. One that
    /// waits to be resumed hears of it then.
    pub(crate) fn tell_presence(&self, of: &Arc<SessionEntry>) {
        let mut state = self.state.lock();
        if !state.ended {
            state.from_siblings.get_or_insert_default().presence(of);
            self.wake_unless_detached(&state);
        }
    }

    /// What other sessions are told: where there is no stanza, the rest says it all.
    pub(crate) fn presence(&self) -> (Option<PresenceStanza>, Show, i8) {
        let state = self.state.lock();
        (state.presence.clone(), state.show, state.priority)
    }

    pub(crate) fn set_presence(
        &self,
        show: Show,
        priority: i8,
        stanza: Option<PresenceStanza>,
    ) -> (Status, Show) {
        let mut state = self.state.lock();
        let before = (state.status, state.show);
        state.show = show;
        state.priority = priority;
        state.presence = stanza;
        state.status = status(show, priority);
        if state.status != Status::Available {
            state.queued = Vec::new();
            if let Some(from) = &mut state.from_siblings {
                (from.settled, from.settled_overflowed) = (Vec::new(), false);
            }
        }
        before
    }

    pub(crate) fn show(&self) -> Show {
        self.state.lock().show
    }

    pub(crate) fn status(&self) -> Status {
        self.state.lock().status
    }

    pub(crate) fn priority(&self) -> i8 {
        self.state.lock().priority
    }

    pub(crate) fn peer(&self) -> (IpAddr, &'static str) {
        let state = self.state.lock();
        (state.peer, state.tls)
    }

    /// The session's connection is gone. Those that wait for it to resume it, or `None` where
    /// the session is to end.
    pub(crate) fn detach(&self) -> Option<Vec<oneshot::Sender<()>>> {
        let mut state = self.state.lock();
        if state.ended || state.commands.iter().any(|command| matches!(command, Command::End(_))) {
            return None;
        }
        state.status = Status::Detached;
        if !state.queued.is_empty() {
            state.queued = Vec::new();
            state.must_read = true;
        }
        let mut waiting = Vec::new();
        for command in std::mem::take(&mut state.commands) {
            match command {
                Command::Transfer(sender) => waiting.push(sender),
                command => state.commands.push(command),
            }
        }
        Some(waiting)
    }

    /// A resumed session runs on another connection, whose task finds the commands that
    /// came meanwhile.
    pub(crate) fn reattach(&self, peer: IpAddr, tls: &'static str) {
        let mut state = self.state.lock();
        state.status = status(state.show, state.priority);
        state.peer = peer;
        state.tls = tls;
        drop(state);
        self.wake();
    }

    /// The session is over and not available: refuses commands from now on, and lets those go that
    /// wait.
    pub(crate) fn end(&self) {
        let mut state = self.state.lock();
        state.queued = Vec::new();
        state.from_siblings = None;
        state.commands = Vec::new();
        (state.show, state.presence) = (Show::Unavailable, None);
        state.ended = true;
    }
}

/// A session gets notifications while it is available with a non-negative priority.
fn status(show: Show, priority: i8) -> Status {
    if show == Show::Unavailable || priority < 0 { Status::Authenticated } else { Status::Available }
}

/// What the tests of this module's siblings need.
#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// A session of account 7, with a client at 192.0.2.1.
    pub(in crate::session) fn entry(id: u64, resource: &str) -> Arc<SessionEntry> {
        Arc::new(SessionEntry::new(NewSessionEntry {
            id: SessionId(id),
            account: AccountId(7),
            username: Username::parse("ana").unwrap(),
            resource: resource.to_owned(),
            to: format!("ana@push.test/{resource}").into_bytes().into(),
            created_at: Timestamp(0),
            secret: [u8::try_from(id % 256).unwrap(); 16],
            peer: [192, 0, 2, 1].into(),
            tls: "TLSv1.3",
        }))
    }
}

//! What the tests of the group commit stand on: a writer in memory that fails and panics on
//! purpose, and a clock that is moved by hand.

use std::sync::mpsc;
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use parking_lot::MutexGuard;

use super::leader::Leader;
use super::*;

/// A monitor whose clock the test moves.
pub(super) struct ManualMonitor {
    pub(super) real: SystemMonitor<Guarded<FakeWriter>>,
    pub(super) time: Arc<ManualTime>,
}

pub(super) struct ManualTime {
    pub(super) began: Instant,
    pub(super) millis: AtomicU64,
    /// The time of what waits is up.
    pub(super) ticked: AtomicBool,
}

impl Monitor<Guarded<FakeWriter>> for ManualMonitor {
    type Guard<'a> = MutexGuard<'a, Guarded<FakeWriter>>;

    fn lock(&self) -> Self::Guard<'_> {
        self.real.lock()
    }

    fn wait<'a>(&'a self, guard: Self::Guard<'a>, most: Option<Duration>) -> (Self::Guard<'a>, bool) {
        let ticked = || most.is_some() && self.time.ticked.swap(false, Ordering::Relaxed);
        if ticked() {
            return (guard, true);
        }
        let (guard, _) = self.real.wait(guard, None);
        (guard, ticked())
    }

    fn notify(&self) {
        self.real.notify();
    }

    fn now(&self) -> Instant {
        self.time.began + Duration::from_millis(self.time.millis.load(Ordering::Relaxed))
    }
}

/// Where the writer panics or fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    Begin,
    Step,
    StepLeft,
    Commit,
    Publish,
    Rollback,
    Maintain,
    NeedsMaintenance,
}

/// Everything that happens, as the writer and its callers see it.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// What is committed.
    pub(super) committed: Vec<u32>,
    /// What was told, and how much was answered by then.
    pub(super) published: Vec<u32>,
    pub(super) panics: Option<At>,
    pub(super) fails: Option<At>,
    pub(super) needs_maintenance: bool,
    pub(super) maintained: usize,
}

#[derive(Debug)]
pub(super) struct FakeWriter {
    pub(super) seen: Arc<Mutex<Seen>>,
    /// What the open group has written; `None` outside one.
    pub(super) group: Option<Vec<u32>>,
    pub(super) unpublished: Vec<u32>,
}

impl FakeWriter {
    pub(super) fn write(&mut self, number: u32) {
        self.group.as_mut().expect("a group is open").push(number);
    }

    fn trip(&self, at: At) -> Result<()> {
        let mut seen = self.seen.lock();
        if seen.panics == Some(at) {
            seen.panics = None;
            drop(seen);
            panic!("on purpose, at {at:?}");
        }
        match seen.fails {
            Some(fails) if fails == at => {
                seen.fails = None;
                Err(StoreError::Full)
            }
            _ => Ok(()),
        }
    }
}

impl GroupWriter for FakeWriter {
    type Error = StoreError;

    fn begin(&mut self) -> Result<()> {
        // A group that a panic left open.
        self.group = None;
        self.trip(At::Begin)?;
        self.group = Some(Vec::new());
        Ok(())
    }

    fn step<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.trip(At::Step)?;
        let before = self.group.as_ref().map_or(0, Vec::len);
        let done = work(self);
        if done.is_err() {
            self.group.as_mut().expect("a group is open").truncate(before);
        }
        self.trip(At::StepLeft)?;
        done
    }

    fn in_group(&self) -> bool {
        self.group.is_some()
    }

    fn commit(&mut self) -> Result<()> {
        self.trip(At::Commit)?;
        let group = self.group.take().expect("a group is open");
        self.unpublished.extend(&group);
        self.seen.lock().committed.extend(group);
        Ok(())
    }

    fn publish(&mut self) {
        let unpublished = std::mem::take(&mut self.unpublished);
        self.seen.lock().published.extend(unpublished);
        let _ = self.trip(At::Publish);
    }

    fn rollback(&mut self) {
        self.group = None;
        let _ = self.trip(At::Rollback);
    }

    fn maintain(&mut self) {
        self.seen.lock().maintained += 1;
        let _ = self.trip(At::Maintain);
        self.seen.lock().needs_maintenance = false;
    }

    fn needs_maintenance(&self) -> bool {
        let _ = self.trip(At::NeedsMaintenance);
        self.seen.lock().needs_maintenance
    }
}

/// A group commit, and what a test looks at and turns.
pub(super) struct Store {
    pub(super) commit: GroupCommit<FakeWriter, ManualMonitor>,
    pub(super) seen: Arc<Mutex<Seen>>,
    pub(super) time: Arc<ManualTime>,
}

pub(super) const OPTIONS: Options = Options { capacity: 64, group: 16, inline: true };

impl Store {
    pub(super) fn start(options: Options) -> Arc<Self> {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let time = Arc::new(ManualTime {
            began: Instant::now(),
            millis: AtomicU64::new(0),
            ticked: AtomicBool::new(false),
        });
        let monitor = ManualMonitor { real: SystemMonitor::new(State::new()), time: Arc::clone(&time) };
        let writer = FakeWriter { seen: Arc::clone(&seen), group: None, unpublished: Vec::new() };
        Arc::new(Self { commit: GroupCommit::start_with(monitor, writer, options, ()).unwrap(), seen, time })
    }

    /// Writes a number; which thread did it.
    pub(super) async fn write(&self, number: u32, inline: bool) -> Result<ThreadId> {
        let work = move |writer: &mut FakeWriter| {
            writer.write(number);
            Ok(thread::current().id())
        };
        match inline {
            true => self.commit.call_inline(0, work).await,
            false => self.commit.call(0, work).await,
        }
    }

    /// As [`write`](Self::write), by one of the runtime's workers: whether that one did it.
    pub(super) async fn write_by_worker(self: &Arc<Self>, number: u32, inline: bool) -> Result<bool> {
        let store = Arc::clone(self);
        let writing = async move { Ok(store.write(number, inline).await? == thread::current().id()) };
        // The answer of an inline commit is there at once, so the task does not move.
        tokio::spawn(writing).await.unwrap()
    }

    /// Waits until nothing commits.
    pub(super) async fn at_rest(&self) {
        while self.commit.committer.queue.leader() != Leader::None {
            tokio::task::yield_now().await;
        }
    }

    pub(super) async fn until_waiting(&self, calls: usize) {
        while self.commit.backlog().0 < calls {
            tokio::task::yield_now().await;
        }
    }

    /// Keeps the writer busy until the sender is dropped.
    pub(super) fn hold(
        self: &Arc<Self>,
        inline: bool,
    ) -> (mpsc::Sender<()>, tokio::task::JoinHandle<Result<()>>) {
        let (release, held) = mpsc::channel::<()>();
        let (started, running) = mpsc::channel();
        let store = Arc::clone(self);
        let task = tokio::spawn(async move {
            let wait = move |_: &mut FakeWriter| {
                let _ = started.send(());
                let _ = held.recv();
                Ok(())
            };
            match inline {
                true => store.commit.call_inline(0, wait).await,
                false => store.commit.call(0, wait).await,
            }
        });
        running.recv().unwrap();
        (release, task)
    }

    pub(super) async fn close(&self) {
        let thread = self.commit.close();
        tokio::task::spawn_blocking(|| thread.map(JoinHandle::join)).await.unwrap();
    }

    pub(super) fn counts(&self) -> (u64, u64) {
        let Commits { commits, writes } = self.commit.commits();
        (commits, writes)
    }
}

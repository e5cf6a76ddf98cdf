//! Lines for standard error, on their way to the thread that writes them.
//!
//! Who logs never waits for who reads: a line goes into a bounded queue, and a thread of
//! its own writes it. Where the queue is full, or the line cannot be written, the line is dropped and
//! counted; nothing else in the process notices.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// Bytes that may wait to be written.
const BYTES: usize = 1 << 20;
/// What a line costs beside its text.
const OVERHEAD: usize = 64;
/// Between two attempts on a descriptor that does not block.
const PAUSE: Duration = Duration::from_millis(20);

static STANDARD_ERROR: OnceLock<Arc<LineQueue>> = OnceLock::new();

/// The queue to standard error; its thread starts with the first call.
///
/// # Errors
/// When the system gives no thread.
pub(crate) fn start() -> io::Result<Arc<LineQueue>> {
    if let Some(queue) = STANDARD_ERROR.get() {
        return Ok(Arc::clone(queue));
    }
    let queue = LineQueue::start(StandardError)?;
    Ok(Arc::clone(STANDARD_ERROR.get_or_init(|| queue)))
}

/// The queue to standard error, where one was started.
pub(crate) fn started() -> Option<&'static Arc<LineQueue>> {
    STANDARD_ERROR.get()
}

/// Lines that wait to be written.
#[derive(Debug, Default)]
pub(crate) struct LineQueue {
    state: Mutex<State>,
    /// A line came, or one is written.
    changed: Condvar,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    /// The thread has taken a line and not written it yet.
    writing: bool,
}

impl LineQueue {
    /// A queue whose thread writes to `out`.
    fn start(out: impl Write + Send + 'static) -> io::Result<Arc<Self>> {
        let queue = Arc::new(Self::default());
        let reader = Arc::clone(&queue);
        thread::Builder::new().name("log-writer".into()).spawn(move || reader.write_to(out))?;
        Ok(queue)
    }

    /// Puts a line, with its line end, into the queue if there is room.
    pub(crate) fn push(&self, line: &[u8]) {
        let cost = line.len() + OVERHEAD;
        let mut state = self.state.lock();
        if state.bytes + cost > BYTES {
            drop(state);
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        state.bytes += cost;
        state.lines.push_back(line.to_owned());
        drop(state);
        self.changed.notify_all();
    }

    /// Lines that were dropped.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Waits until everything is written, for so long at most.
    pub(crate) fn finish(&self, most: Duration) {
        let until = Instant::now() + most;
        let mut state = self.state.lock();
        while !state.lines.is_empty() || state.writing {
            if self.changed.wait_until(&mut state, until).timed_out() {
                return;
            }
        }
    }

    /// The thread's work.
    fn write_to(&self, mut out: impl Write) {
        let (mut torn, mut told) = (false, 0);
        loop {
            let line = self.take();
            let written = write_line(&mut out, &line, &mut torn);
            if written.is_err() {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
            self.state.lock().writing = false;
            self.changed.notify_all();
            let dropped = self.dropped();
            if written.is_ok() && dropped > told {
                told = dropped;
                tracing::warn!(total = dropped, "lines of this log were dropped: they could not be written");
            }
        }
    }

    fn take(&self) -> Vec<u8> {
        let mut state = self.state.lock();
        loop {
            if let Some(line) = state.lines.pop_front() {
                state.bytes -= line.len() + OVERHEAD;
                state.writing = true;
                return line;
            }
            self.changed.wait(&mut state);
        }
    }
}

/// Writes a line. `torn`: the last one was written in part, and its end is missing.
fn write_line(out: &mut impl Write, line: &[u8], torn: &mut bool) -> io::Result<()> {
    if *torn {
        write_all(out, b"\n").map_err(|(_, error)| error)?;
        *torn = false;
    }
    write_all(out, line).map_err(|(written, error)| {
        *torn = written > 0;
        error
    })
}

/// Writes all of it; where that fails, how much was written before.
fn write_all(out: &mut impl Write, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
    let mut written = 0;
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        match out.write(rest) {
            Ok(0) => return Err((written, ErrorKind::WriteZero.into())),
            Ok(count) => written += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Another process has set the descriptor that this one shares with it to non-blocking.
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(PAUSE),
            Err(error) => return Err((written, error)),
        }
    }
    Ok(())
}

/// Standard error without the standard library's lock, which who writes to a full pipe
/// would hold.
struct StandardError;

impl Write for StandardError {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(io::stderr().as_fd(), bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Takes what it is allowed to, then fails once with `error`.
    struct Scripted {
        steps: VecDeque<Result<usize, ErrorKind>>,
        text: Vec<u8>,
    }

    impl Write for Scripted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = self.steps.pop_front().unwrap_or(Ok(usize::MAX))?.min(bytes.len());
            self.text.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_that_was_written_in_part_ends_before_the_next_one() {
        let steps = [Ok(2), Err(ErrorKind::Interrupted), Ok(1), Err(ErrorKind::StorageFull)];
        let mut out = Scripted { steps: steps.into(), text: Vec::new() };
        let mut torn = false;
        assert!(write_line(&mut out, b"first\n", &mut torn).is_err());
        write_line(&mut out, b"second\n", &mut torn).unwrap();
        write_line(&mut out, b"third\n", &mut torn).unwrap();
        assert_eq!(String::from_utf8(out.text).unwrap(), "fir\nsecond\nthird\n");
    }

    /// Says that it was called, and does not return while the test holds the other end.
    struct Stuck(mpsc::SyncSender<()>, mpsc::Receiver<()>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(()).ok();
            self.1.recv().ok();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn whoever_logs_does_not_wait_for_a_reader_that_does_not_read() {
        let (called, calls) = mpsc::sync_channel(1);
        let (free, stuck) = mpsc::channel();
        let queue = LineQueue::start(Stuck(called, stuck)).unwrap();
        queue.push(b"the first\n");
        calls.recv().unwrap();
        let line = [b'x'; 1024];
        let fitting = BYTES / (line.len() + OVERHEAD);
        for _ in 0..fitting + 3 {
            queue.push(&line);
        }
        assert_eq!(queue.dropped(), 3);
        queue.finish(Duration::ZERO);
        assert!(queue.state.lock().writing, "it still is in that write");
        drop((free, calls));
        queue.finish(Duration::from_secs(60));
        assert!(queue.state.lock().lines.is_empty());
    }

    #[test]
    fn a_line_that_cannot_be_written_is_counted() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let queue = LineQueue::start(Full).unwrap();
        (0..5).for_each(|_| queue.push(b"a line\n"));
        queue.finish(Duration::from_secs(60));
        assert_eq!(queue.dropped(), 5);
    }
}

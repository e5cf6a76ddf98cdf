//! The log on standard error, and what is said there of a panic.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, Write};
use std::panic::PanicHookInfo;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};
use crate::failure::{self, Failure};
use crate::log_queue::{self, LineQueue};
use crate::output;

static PANICS: AtomicU64 = AtomicU64::new(0);

/// Logs to standard error from now on. What the commands say there takes the same way.
///
/// # Errors
/// When the level is none.
pub(crate) fn start(log: &Log) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(&log.level).map_err(|_| {
        Failure::usage(format!(
            "log.level (TIDINGS_LOG): `{}` is none of error, warn, info, debug, trace, or directives such as info,tidings_net=debug",
            log.level
        ))
    })?;
    let colour = output::colour(&io::stderr());
    let queue = log_queue::start()
        .map_err(|error| Failure::failed(format!("cannot start the log: {}", failure::io(&error))))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // An error of the log would otherwise be said on standard error, by a call that panics.
        .log_internal_errors(false)
        .with_writer(move || Line(Arc::clone(&queue)));
    match log.format {
        LogFormat::Text => builder.with_ansi(colour).with_target(false).init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    std::panic::set_hook(Box::new(note_panic));
    Ok(())
}

/// Lines of the log that were dropped.
pub(crate) fn dropped() -> u64 {
    log_queue::started().map_or(0, |queue| queue.dropped())
}

/// Panics so far, in whatever task or thread.
pub(crate) fn panics() -> u64 {
    PANICS.load(Ordering::Relaxed)
}

/// One line a panic. Its place, and its message where that is part of the program: what was put
/// together at run time may hold what someone sent.
fn note_panic(panic: &PanicHookInfo<'_>) {
    PANICS.fetch_add(1, Ordering::Relaxed);
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let message = panic.payload().downcast_ref::<&'static str>().copied().unwrap_or_default();
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or_default();
    let backtrace = Backtrace::capture();
    let backtrace =
        (backtrace.status() == BacktraceStatus::Captured).then(|| tracing::field::display(backtrace));
    tracing::error!(
        place,
        thread,
        reason = message,
        backtrace,
        "a part of the server panicked: please report this"
    );
}

/// A line for the queue. The formatter hands over each event whole.
struct Line(Arc<LineQueue>);

impl Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

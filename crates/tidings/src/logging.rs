//! The log on standard error.

use std::io;

use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};
use crate::failure::Failure;
use crate::output;

/// Logs to standard error from now on.
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
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match log.format {
        LogFormat::Text => builder.with_ansi(output::colour(&io::stderr())).with_target(false).init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    Ok(())
}

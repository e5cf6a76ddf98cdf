//! Limits that the system sets this process.

use rustix::process::{Resource, getrlimit};

/// The hard limit of open files, to which the server raises its own; `None` for no limit.
pub(crate) fn open_files() -> Option<u64> {
    getrlimit(Resource::Nofile).maximum
}

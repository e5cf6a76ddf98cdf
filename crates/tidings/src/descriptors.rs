//! Descriptors that the system lets this process have, and for what each is: the store and the
//! process itself, devices, HTTP.

use rustix::process::{Resource, getrlimit};

use crate::config::Settings;

/// Descriptors that are kept for what comes and goes: a certificate that is read again, a backup, `/proc`, one
/// connection that was taken and has no place yet. This part of all, within these bounds.
const SPARE: (usize, usize, usize) = (16, 12, 128);
/// What HTTP has of those that are left, unless its settings say less.
const HTTP: usize = 4;
/// The fewest connections that HTTP or devices have: there is no use in a server without them.
const FEWEST: usize = 2;
/// What is taken to be open where the system does not tell.
const UNKNOWN: usize = 64;

/// The hard limit of open files, to which the server raises its own; `None` for no limit.
pub(crate) fn open_files() -> Option<u64> {
    getrlimit(Resource::Nofile).maximum
}

/// How many connections may be open at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shares {
    pub devices: usize,
    pub http: usize,
}

impl Shares {
    /// Raises the limit as far as may be, and divides what is not open yet.
    pub(crate) fn of_descriptors(settings: &Settings) -> Self {
        let limit = tidings_net::server::raise_descriptor_limit();
        // Reading the directory takes one itself. Listeners are still to come.
        let open = std::fs::read_dir("/proc/self/fd").map_or(UNKNOWN, |open| open.count().saturating_sub(1));
        let listeners = 3 + settings.listen.metrics.map_or(0, |_| 1 + tidings_http::MONITORING);
        let shares = Self::divide(limit, open + listeners, settings.http.connections);
        let wanted = settings.limits.connections;
        if wanted > shares.devices {
            tracing::warn!(
                wanted,
                possible = shares.devices,
                open_files = limit,
                "limits.connections is more than the limit of open files allows; raise that (ulimit -Hn)"
            );
        }
        shares
    }

    fn divide(limit: usize, used: usize, http: usize) -> Self {
        let (part, fewest, most) = SPARE;
        let free = limit.saturating_sub(used + (limit / part).clamp(fewest, most));
        let http = http.min(free / HTTP).max(FEWEST);
        Self { devices: free.saturating_sub(http).max(FEWEST), http }
    }

    /// HTTP's settings, with no more connections than it has descriptors for.
    pub(crate) fn http_settings(self, settings: &Settings) -> tidings_http::Settings {
        tidings_http::Settings { connections: self.http, ..settings.http.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_fit_into_every_limit() {
        for limit in [64, 100, 256, 1024, 4096, 65_536, 1 << 20] {
            let shares = Shares::divide(limit, 32, 4096);
            assert!(shares.devices + shares.http + 32 + 12 <= limit, "{limit}: {shares:?}");
            assert!(shares.devices >= shares.http && shares.http >= 4, "{limit}: {shares:?}");
        }
        assert_eq!(Shares::divide(1 << 20, 40, 4096), Shares { devices: (1 << 20) - 4096 - 168, http: 4096 });
        // As few as there have to be, where there is no room at all.
        assert_eq!(Shares::divide(16, 32, 4096), Shares { devices: FEWEST, http: FEWEST });
    }
}

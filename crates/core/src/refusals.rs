//! What the log says of attempts that were refused: who tried what from where, and why not. One line
//! each, in a form that programs such as fail2ban read, and not more of them than a disk can bear.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::source::network;

/// Lines at once and lines a second: of one source, and of all together.
const OF_SOURCE: (f64, f64) = (10.0, 10.0 / 60.0);
const OF_ALL: (f64, f64) = (100.0, 20.0);
/// Sources that are remembered at once. A forgotten one starts afresh.
const SOURCES: usize = 16_384;
/// Letters of a name that someone made up.
const NAME: usize = 64;

/// What was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// A device's login.
    DeviceLogin,
    /// A login to the console.
    ConsoleLogin,
    /// A request with an API key.
    ApiKey,
    /// A registration in-band.
    Registration,
    /// A TLS handshake.
    Tls,
    /// A stanza, or too many of them.
    Stanza,
    /// A connection that should have begun with a PROXY header.
    ProxyHeader,
}

impl Attempt {
    /// As the log has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DeviceLogin => "device-login",
            Self::ConsoleLogin => "console-login",
            Self::ApiKey => "api-key",
            Self::Registration => "registration",
            Self::Tls => "tls",
            Self::Stanza => "stanza",
            Self::ProxyHeader => "proxy-header",
        }
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Writes the lines.
#[derive(Debug, Default)]
pub struct Refusals {
    buckets: Mutex<Buckets>,
    /// Lines that were left out since the last one.
    left_out: AtomicU64,
}

#[derive(Debug, Default)]
struct Buckets {
    all: Bucket,
    sources: HashMap<IpAddr, Bucket>,
}

/// Lines that were written and not yet earned again.
#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    spent: f64,
    at: Option<Instant>,
}

impl Refusals {
    /// Writes a line, unless there were too many lately; whether it did.
    ///
    /// `account` is whose name was given, as far as one was. The reason may be any error's text; neither
    /// can end the line or pass for another of its fields.
    pub fn note(
        &self,
        what: Attempt,
        address: IpAddr,
        account: Option<&str>,
        reason: impl fmt::Display,
    ) -> bool {
        if !self.buckets.lock().take(network(address), Instant::now()) {
            self.left_out.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        let address = address.to_canonical();
        let account = account.map(|name| name.chars().take(NAME).collect::<String>());
        let reason = reason.to_string();
        let left_out = Some(self.left_out.swap(0, Ordering::Relaxed)).filter(|count| *count > 0);
        // The address comes before all that a stranger can choose.
        tracing::warn!(%what, %address, account, reason, left_out, "refused");
        true
    }
}

impl Buckets {
    fn take(&mut self, source: IpAddr, now: Instant) -> bool {
        if self.sources.len() >= SOURCES && !self.sources.contains_key(&source) {
            self.sources.retain(|_, bucket| bucket.left(now, OF_SOURCE) < OF_SOURCE.0);
            if self.sources.len() >= SOURCES {
                self.sources.clear();
            }
        }
        let bucket = self.sources.entry(source).or_default();
        if bucket.left(now, OF_SOURCE) < 1.0 || self.all.left(now, OF_ALL) < 1.0 {
            return false;
        }
        bucket.take(now, OF_SOURCE);
        self.all.take(now, OF_ALL);
        true
    }
}

impl Bucket {
    fn left(&self, now: Instant, (most, a_second): (f64, f64)) -> f64 {
        let passed = self.at.map_or(0.0, |at| now.saturating_duration_since(at).as_secs_f64());
        most - (self.spent - passed * a_second).max(0.0)
    }

    fn take(&mut self, now: Instant, rate: (f64, f64)) {
        self.spent = rate.0 - self.left(now, rate) + 1.0;
        self.at = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn one_source_has_its_share_of_lines_and_all_together_theirs() {
        let refusals = Refusals::default();
        let note = |from: &str| refusals.note(Attempt::DeviceLogin, ip(from), Some("a"), "no");
        let said = |from: &str| (0..100).filter(|_| note(from)).count();
        assert_eq!(said("192.0.2.1"), 10);
        assert_eq!(said("192.0.2.1"), 0);
        assert_eq!(said("192.0.2.2"), 10);
        tokio::time::advance(Duration::from_secs(13)).await;
        assert_eq!(said("192.0.2.1"), 2);
        assert!(refusals.left_out.load(Ordering::Relaxed) > 0);
        let many = (0..1000u32).filter(|n| note(&IpAddr::from(n.to_be_bytes()).to_string())).count();
        assert_eq!(many, 98, "what is left of a hundred");
    }

    #[tokio::test(start_paused = true)]
    async fn memory_is_bounded() {
        let refusals = Refusals::default();
        for n in 0..(SOURCES as u32 * 2) {
            refusals.note(Attempt::ApiKey, IpAddr::from(n.to_be_bytes()), None, "no");
        }
        assert!(refusals.buckets.lock().sources.len() <= SOURCES);
    }
}

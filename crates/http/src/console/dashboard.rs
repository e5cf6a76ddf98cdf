//! The first page: figures, charts and the state of the server.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use tidings_core::config::RegistrationPolicy;
use tidings_core::model::Timestamp;
use tidings_core::notification::{LATENCY_BOUNDS, Latency};

use super::answer::html;
use super::chart::Chart;
use super::failure::Failure;
use super::filters;
use super::notifications::Row;
use super::page::Page;
use super::qr;
use crate::api::invitations::DeviceAddress;
use crate::api::stats::Stats;
use crate::request::Params;
use crate::samples::Sample;
use crate::state::{App, AppState};

const RANGES: [(&str, &str); 2] = [("hour", "Hour"), ("day", "Day")];

#[derive(Template)]
#[template(path = "dashboard.html")]
struct DashboardPage {
    page: Page,
    stats: Stats,
    charts: Vec<Chart>,
    health: Vec<Fact>,
    latest: Vec<Row>,
    ranges: &'static [(&'static str, &'static str)],
    range: &'static str,
    connecting: Connecting,
}

/// How a first device connects.
struct Connecting {
    host: String,
    ports: String,
    /// A command that is a device.
    first: String,
    /// All of it for a phone's camera; empty where registration is not open.
    qr: String,
}

/// One line of the health box.
struct Fact {
    name: &'static str,
    good: bool,
    words: String,
}

pub(crate) async fn show(
    State(app): State<App>,
    page: Page,
    mut params: Params,
) -> Result<Response, Failure> {
    let day = params.text("range").as_deref() == Some("day");
    let stats = app.stats().await?;
    let samples = if day { app.samples.history.day() } else { app.samples.history.hour() };
    let latest = app.core.notification.list(None, 8).await?;
    Ok(html(&DashboardPage {
        charts: charts(&samples),
        health: app.health(&stats).await,
        latest: latest.items.into_iter().map(Row::new).collect(),
        ranges: &RANGES,
        range: if day { "day" } else { "hour" },
        page,
        stats,
        connecting: app.connecting(),
    }))
}

#[expect(clippy::cast_precision_loss, reason = "pixels")]
fn charts(samples: &[Sample]) -> Vec<Chart> {
    let now = |read: fn(&Sample) -> Vec<u64>| -> Vec<(Timestamp, Vec<f64>)> {
        samples.iter().map(|s| (s.at, read(s).into_iter().map(|n| n as f64).collect())).collect()
    };
    // A rate is the difference to the sample before, a minute.
    let rate = |read: fn(&Sample) -> Vec<u64>| -> Vec<(Timestamp, Vec<f64>)> {
        let pairs = samples.iter().zip(samples.iter().skip(1));
        pairs
            .map(|(before, after)| {
                let minutes = (after.at.since(before.at).as_secs_f64() / 60.0).max(1.0 / 60.0);
                let change = read(after).into_iter().zip(read(before));
                (after.at, change.map(|(new, old)| new.saturating_sub(old) as f64 / minutes).collect())
            })
            .collect()
    };
    vec![
        Chart {
            title: "Devices online",
            series: vec!["online", "sessions"],
            points: now(|s| vec![s.online, s.sessions]),
            filled: true,
        },
        Chart {
            title: "Notifications a minute",
            series: vec!["accepted", "copies delivered"],
            points: rate(|s| vec![s.accepted, s.delivered]),
            filled: false,
        },
        Chart {
            title: "Delivery, milliseconds",
            series: vec!["median", "95 %", "99 %"],
            points: samples
                .iter()
                .zip(samples.iter().skip(1))
                .filter_map(|(before, after)| {
                    let spread = spread(&before.latency, &after.latency);
                    let percentiles = [0.5, 0.95, 0.99].map(|share| percentile(&spread, share));
                    Some((after.at, percentiles.into_iter().collect::<Option<Vec<_>>>()?))
                })
                .collect(),
            filled: false,
        },
        Chart {
            title: "Pending copies",
            series: vec!["pending"],
            points: now(|s| vec![s.pending]),
            filled: true,
        },
        Chart {
            title: "Logins a minute",
            series: vec!["completed", "refused"],
            points: rate(|s| vec![s.logins, s.refused]),
            filled: false,
        },
    ]
}

/// What was acknowledged between two samples, by bucket.
fn spread(before: &Latency, after: &Latency) -> Vec<u64> {
    after.buckets.iter().zip(before.buckets).map(|(new, old)| new.saturating_sub(old)).collect()
}

/// The milliseconds that this share of the copies did not exceed, estimated
/// within a bucket; `None` where there are no copies.
#[expect(clippy::cast_precision_loss, reason = "pixels")]
fn percentile(buckets: &[u64], share: f64) -> Option<f64> {
    let all: u64 = buckets.iter().sum();
    let wanted = all as f64 * share;
    let mut below = 0.0;
    let mut floor = 0.0;
    for (index, count) in buckets.iter().enumerate().filter(|_| all > 0) {
        let count = *count as f64;
        let ceiling = LATENCY_BOUNDS.get(index).map_or(floor, |bound| *bound as f64);
        if count > 0.0 && below + count >= wanted {
            return Some(floor + (ceiling - floor) * (wanted - below) / count);
        }
        below += count;
        floor = ceiling;
    }
    None
}

impl AppState {
    async fn health(&self, stats: &Stats) -> Vec<Fact> {
        let store = self.store_works().await;
        let mut facts = vec![
            Fact {
                name: "Store",
                good: store.is_ok(),
                words: store.map_or_else(|error| error.to_string(), |()| "takes writes".to_owned()),
            },
            Fact {
                name: "Writes waiting",
                good: stats.store_backlog * 10 <= stats.store_capacity * 9,
                words: format!("{} of at most {}", stats.store_backlog, stats.store_capacity),
            },
        ];
        if let Some(expires) = self.deployment.certificate_expires() {
            let now = self.core.clock.now();
            let days = expires.since(now).as_secs() / 86_400;
            let words = match expires > now {
                true => format!("valid for {days} days"),
                false => "expired".to_owned(),
            };
            facts.push(Fact { name: "Certificate", good: days >= 7, words });
        }
        let hours = stats.uptime / 3600;
        let minutes = stats.uptime / 60 % 60;
        let up = match hours {
            0 => format!("{minutes} min"),
            1..48 => format!("{hours} h {minutes} min"),
            _ => format!("{} days", hours / 24),
        };
        facts.push(Fact { name: "Version", good: true, words: format!("{}, up for {up}", stats.version) });
        facts
    }

    /// How a first device connects.
    fn connecting(&self) -> Connecting {
        let address = self.device_address();
        let DeviceAddress { host, domain, xmpp, xmpps } = &address;
        let ports = [(xmpp, "STARTTLS"), (xmpps, "TLS")]
            .into_iter()
            .filter_map(|(port, kind)| port.map(|port| format!("{port} ({kind})")))
            .collect::<Vec<_>>()
            .join(", ");
        let server = match xmpp {
            Some(5222) | None => host.clone(),
            Some(port) => format!("{host}:{port}"),
        };
        let domain_flag = if domain == host { String::new() } else { format!(" --domain {domain}") };
        // A square that cannot be used to register shows nothing that is of use.
        let open = self.core.config.registration.policy == RegistrationPolicy::Open;
        Connecting {
            first: format!("tidings listen --server {server}{domain_flag}"),
            qr: if open { qr::svg(&self.device_uri(None)) } else { String::new() },
            host: host.clone(),
            ports,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_lie_in_their_bucket() {
        let mut buckets = [0; LATENCY_BOUNDS.len() + 1];
        assert_eq!(percentile(&buckets, 0.5), None);
        buckets[3] = 10;
        let median = percentile(&buckets, 0.5).unwrap();
        assert!((median - 7.5).abs() < 1e-9, "{median}");
        buckets[LATENCY_BOUNDS.len()] = 10;
        assert_eq!(percentile(&buckets, 0.95), Some(60_000.0));
    }
}

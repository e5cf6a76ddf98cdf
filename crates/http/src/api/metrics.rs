//! Metrics in Prometheus' text form (version 0.0.4), written by hand: the
//! managers keep the counts already, only requests are counted here.

use std::collections::{BTreeMap, HashMap};
use std::fmt::{Display, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use parking_lot::RwLock;
use tidings_core::notification::{LATENCY_BOUNDS, Latency};

use super::auth::{self, ToRead};
use super::problem::Problem;
use crate::MetricsAccess;
use crate::state::{App, AppState};

/// Upper bounds of the latency histogram in microseconds.
const BOUNDS: [u64; 12] =
    [500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000, 30_000_000];

/// Requests by route, method and status, with their latency by route.
#[derive(Debug, Default)]
pub(crate) struct Requests(RwLock<HashMap<Box<str>, Arc<Route>>>);

#[derive(Debug, Default)]
struct Route {
    answers: RwLock<BTreeMap<(&'static str, u16), AtomicU64>>,
    /// One more than the bounds: what took longer than the last.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
}

impl Requests {
    /// Counts a request. Routes are patterns, so that their number is bounded.
    pub fn count(&self, route: &str, method: &Method, status: StatusCode, took: Duration) {
        let known = self.0.read().get(route).map(Arc::clone);
        let known = known.unwrap_or_else(|| Arc::clone(self.0.write().entry(route.into()).or_default()));
        let key = (method_name(method), status.as_u16());
        let counted = known.answers.read().get(&key).map(|n| n.fetch_add(1, Ordering::Relaxed)).is_some();
        if !counted {
            known.answers.write().entry(key).or_default().fetch_add(1, Ordering::Relaxed);
        }
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.iter().position(|bound| micros <= *bound).unwrap_or(BOUNDS.len());
        if let Some(bucket) = known.buckets.get(bucket) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        known.micros.fetch_add(micros, Ordering::Relaxed);
    }

    fn write(&self, text: &mut Text) {
        let routes: BTreeMap<Box<str>, Arc<Route>> =
            self.0.read().iter().map(|(name, route)| (name.clone(), Arc::clone(route))).collect();
        text.head("tidings_http_requests_total", "counter", "HTTP requests answered");
        for (name, route) in &routes {
            for ((method, status), count) in &*route.answers.read() {
                text.sample(
                    "tidings_http_requests_total",
                    &[("route", name), ("method", method), ("status", &status.to_string())],
                    count.load(Ordering::Relaxed),
                );
            }
        }
        let duration = "tidings_http_request_duration_seconds";
        text.head(duration, "histogram", "Time from a request's head to its answer's head");
        for (name, route) in &routes {
            let mut sum = 0;
            for (index, bucket) in route.buckets.iter().enumerate() {
                sum += bucket.load(Ordering::Relaxed);
                let bound = BOUNDS.get(index).map_or("+Inf".into(), |bound| seconds(*bound));
                text.sample(&format!("{duration}_bucket"), &[("route", name), ("le", &bound)], sum);
            }
            let micros = route.micros.load(Ordering::Relaxed);
            text.sample(&format!("{duration}_sum"), &[("route", name)], seconds(micros));
            text.sample(&format!("{duration}_count"), &[("route", name)], sum);
        }
    }
}

/// `/metrics`, for the clients that [`MetricsAccess`] lets in.
pub(crate) async fn show(State(app): State<App>, headers: HeaderMap) -> Result<Response, Problem> {
    match app.settings.metrics {
        MetricsAccess::Public => {}
        MetricsAccess::Key => {
            let secret = auth::bearer(&headers)
                .ok_or_else(|| Problem::unauthorized(auth::CHALLENGE, "the metrics need an API key here"))?;
            auth::check::<ToRead>(&app, secret)?;
        }
        MetricsAccess::Off => return Err(Problem::not_found("the metrics are served elsewhere")),
    }
    app.metrics().await
}

/// `/metrics` on a listener of its own.
pub(crate) async fn open(State(app): State<App>) -> Result<Response, Problem> {
    app.metrics().await
}

impl AppState {
    async fn metrics(&self) -> Result<Response, Problem> {
        let stats = self.stats().await?;
        let commits = self.core.store.commits();
        let mut text = Text::default();
        text.head("tidings_build_info", "gauge", "Always 1; the version is a label");
        text.sample("tidings_build_info", &[("version", stats.version)], 1);
        for (name, kind, help, value) in [
            ("tidings_accounts", "gauge", "Accounts", stats.accounts),
            ("tidings_sessions", "gauge", "Connected sessions", stats.sessions),
            ("tidings_accounts_online", "gauge", "Accounts with an available session", stats.online),
            ("tidings_notifications_accepted_total", "counter", "Notifications accepted", stats.accepted),
            (
                "tidings_notifications_scheduled",
                "gauge",
                "Notifications that wait for their time",
                stats.scheduled,
            ),
            ("tidings_copies_total", "counter", "Copies of notifications for accounts", stats.recipients),
            ("tidings_copies_delivered_total", "counter", "Copies acknowledged", stats.delivered),
            ("tidings_copies_opened_total", "counter", "Copies opened", stats.opened),
            ("tidings_copies_expired_total", "counter", "Copies that outlived their time", stats.expired),
            ("tidings_copies_cancelled_total", "counter", "Copies withdrawn or replaced", stats.cancelled),
            ("tidings_copies_pending", "gauge", "Copies that wait for their account", stats.pending),
            ("tidings_logins_total", "counter", "Devices' logins", stats.logins),
            ("tidings_logins_refused_total", "counter", "Devices' logins refused", stats.logins_refused),
            ("tidings_store_backlog", "gauge", "Writes that wait for their commit", stats.store_backlog),
            ("tidings_store_backlog_limit", "gauge", "Writes that may wait", stats.store_capacity),
            (
                "tidings_store_commits_total",
                "counter",
                "Commits, each one wait for the disk",
                commits.commits,
            ),
            ("tidings_store_writes_total", "counter", "Writes that shared those commits", commits.writes),
            ("tidings_uptime_seconds", "gauge", "Seconds since the start", stats.uptime),
        ] {
            text.head(name, kind, help);
            text.sample(name, &[], value);
        }
        if let Some(expires) = self.deployment.certificate_expires() {
            let name = "tidings_certificate_expiry_timestamp_seconds";
            text.head(name, "gauge", "When the devices' certificate expires, in seconds since 1970");
            text.sample(name, &[], expires.0 / 1000);
        }
        delivery(&mut text, &self.core.notification.latency());
        self.requests.write(&mut text);
        process(&mut text);
        let kind = "text/plain; version=0.0.4; charset=utf-8";
        Ok(([(CONTENT_TYPE, kind)], text.0).into_response())
    }
}

fn delivery(text: &mut Text, latency: &Latency) {
    let name = "tidings_delivery_latency_seconds";
    text.head(name, "histogram", "Time from a notification's acceptance to a copy's acknowledgement");
    let mut sum = 0;
    for (index, count) in latency.buckets.iter().enumerate() {
        sum += count;
        let bound = LATENCY_BOUNDS.get(index).map_or("+Inf".into(), |millis| seconds(millis * 1000));
        text.sample(&format!("{name}_bucket"), &[("le", &bound)], sum);
    }
    text.sample(&format!("{name}_sum"), &[], seconds(latency.millis.saturating_mul(1000)));
    text.sample(&format!("{name}_count"), &[], sum);
}

/// What /proc tells about this process, where there is a /proc.
fn process(text: &mut Text) {
    if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
        let kilobytes = |field: &str| -> Option<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(field))?;
            line.trim().trim_end_matches("kB").trim().parse().ok()
        };
        if let Some(resident) = kilobytes("VmRSS:") {
            text.head("process_resident_memory_bytes", "gauge", "Resident memory");
            text.sample("process_resident_memory_bytes", &[], resident * 1024);
        }
    }
    if let Ok(stat) = std::fs::read_to_string("/proc/self/stat") {
        // After the name in parentheses: state is field 3, utime 14, stime 15, in 1/100 s.
        let fields = stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect::<Vec<_>>());
        let tick = |index: usize| fields.as_ref()?.get(index)?.parse::<u64>().ok();
        if let (Some(user), Some(system)) = (tick(11), tick(12)) {
            text.head("process_cpu_seconds_total", "counter", "User and system CPU time");
            text.sample("process_cpu_seconds_total", &[], seconds((user + system) * 10_000));
        }
    }
    if let Ok(descriptors) = std::fs::read_dir("/proc/self/fd") {
        text.head("process_open_fds", "gauge", "Open file descriptors");
        text.sample("process_open_fds", &[], descriptors.count());
    }
    if let Ok(limits) = std::fs::read_to_string("/proc/self/limits") {
        let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
        if let Some(most) = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()) {
            text.head("process_max_fds", "gauge", "Most file descriptors that may be open");
            text.sample("process_max_fds", &[], most);
        }
    }
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}.\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (index, (key, label)) in labels.iter().enumerate() {
            let label = label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.0, "{}{key}=\"{label}\"", if index == 0 { '{' } else { ',' });
        }
        let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }
}

fn seconds(micros: u64) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_is_cumulative() {
        let requests = Requests::default();
        for millis in [1, 3, 3, 60_000] {
            requests.count("/x", &Method::GET, StatusCode::OK, Duration::from_millis(millis));
        }
        let mut text = Text::default();
        requests.write(&mut text);
        let text = text.0;
        assert!(
            text.contains(r#"tidings_http_requests_total{route="/x",method="GET",status="200"} 4"#),
            "{text}"
        );
        let bucket = |le: &str, n: u32| format!(r#"_bucket{{route="/x",le="{le}"}} {n}"#);
        for line in
            [bucket("0.0005", 0), bucket("0.001", 1), bucket("0.005", 3), bucket("30", 3), bucket("+Inf", 4)]
        {
            assert!(text.contains(&line), "{line} in {text}");
        }
        assert!(text.contains(r#"_sum{route="/x"} 60.007"#), "{text}");
        assert!(text.contains(r#"_count{route="/x"} 4"#), "{text}");
    }

    #[test]
    fn labels_are_escaped() {
        let mut text = Text::default();
        text.sample("x", &[("a", "q\"\\\n")], 1);
        assert_eq!(text.0, "x{a=\"q\\\"\\\\\\n\"} 1\n");
    }
}

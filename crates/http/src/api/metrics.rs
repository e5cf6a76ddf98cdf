//! `/metrics`: what the managers and the HTTP side have counted.

use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use tidings_core::notification::{LATENCY_BOUNDS, Latency};

use crate::middleware::key::{self, ToRead};
use crate::peer;
use crate::problem::Problem;
use crate::prometheus::{Text, seconds};
use crate::state::{App, AppState};
use crate::{Connections, MetricsAccess};

/// `/metrics`, for the clients that [`MetricsAccess`] lets in.
pub(crate) async fn show(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    match app.settings.metrics {
        MetricsAccess::Public => {}
        MetricsAccess::Key => {
            let headers = request.headers();
            let secret = key::bearer(headers)
                .ok_or_else(|| Problem::unauthorized(key::CHALLENGE, "the metrics need an API key here"))?;
            let source = peer::source(&app.settings, headers, request.extensions());
            key::check::<ToRead>(&app, secret, source)?;
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
        let commits = self.core.store_commits();
        let (log, damaged) = self.core.store_health();
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
            (
                "tidings_store_log_bytes",
                "gauge",
                "Bytes of the write-ahead log that were not copied back when that was last tried",
                log.not_copied,
            ),
            (
                "tidings_store_log_held_up",
                "gauge",
                "1 while another program reads the database and keeps the log from being copied back",
                u64::from(log.held_up),
            ),
            (
                "tidings_store_damaged_total",
                "counter",
                "Stored notifications that could not be read and were left out",
                damaged,
            ),
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
        if let Some(counts) = self.deployment.process() {
            for (name, help, value) in [
                (
                    "tidings_panics_total",
                    "Panics, each of which ended a request, a stream or a task's round",
                    counts.panics,
                ),
                (
                    "tidings_log_lines_dropped_total",
                    "Lines of the log that could not be written",
                    counts.log_lines_dropped,
                ),
            ] {
                text.head(name, "counter", help);
                text.sample(name, &[], value);
            }
        }
        if let Some(counts) = self.deployment.connections() {
            connections(&mut text, &counts);
        }
        delivery(&mut text, &self.core.notification.latency());
        self.requests.write(&mut text);
        process(&mut text);
        let kind = "text/plain; version=0.0.4; charset=utf-8";
        Ok(([(CONTENT_TYPE, kind)], text.0).into_response())
    }
}

fn connections(text: &mut Text, counts: &Connections) {
    for (name, kind, help, value) in [
        ("tidings_connections", "gauge", "Devices' connections", counts.open),
        (
            "tidings_connections_unauthenticated",
            "gauge",
            "Devices' connections that have not logged in",
            counts.unauthenticated,
        ),
        ("tidings_connections_accepted_total", "counter", "Devices' connections taken in", counts.accepted),
        (
            "tidings_connections_refused_total",
            "counter",
            "Devices' connections closed at once, by a limit",
            counts.refused,
        ),
        (
            "tidings_connections_gave_way_total",
            "counter",
            "Devices' connections that said nothing before they logged in, and had to make room for others",
            counts.gave_way,
        ),
        (
            "tidings_connections_stalled_total",
            "counter",
            "Devices' connections dropped because the device did not read",
            counts.stalled,
        ),
        (
            "tidings_tls_handshake_failures_total",
            "counter",
            "TLS handshakes with devices that failed",
            counts.handshake_failures,
        ),
    ] {
        text.head(name, kind, help);
        text.sample(name, &[], value);
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

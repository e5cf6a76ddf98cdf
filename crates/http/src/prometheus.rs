//! Prometheus' text form (version 0.0.4), written by hand: the managers keep the
//! counts already, only requests are counted here.

use std::collections::{BTreeMap, HashMap};
use std::fmt::{Display, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use parking_lot::RwLock;

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

    /// Writes what was counted.
    pub fn write(&self, text: &mut Text) {
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

/// Samples as Prometheus reads them.
#[derive(Default)]
pub(crate) struct Text(pub String);

impl Text {
    /// Says what the samples that follow are.
    pub fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}.\n# TYPE {name} {kind}");
    }

    /// One sample.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (index, (key, label)) in labels.iter().enumerate() {
            let label = label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.0, "{}{key}=\"{label}\"", if index == 0 { '{' } else { ',' });
        }
        let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }
}

/// Microseconds as seconds.
pub(crate) fn seconds(micros: u64) -> String {
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

//! The benchmarks, one file each.

mod accept;
mod baseline;
mod broadcast;
mod chart;
mod connect;
mod direct;
mod disk;
mod idle;
mod latency;
mod pace;
mod startup;
mod storm;

use std::time::Duration;

use crate::args::{Command, Common};
use crate::baseline::BareProgram;
use crate::error::Error;
use crate::load::{Fleet, Flow, Habits, Kind, Plan};
use crate::measure::CpuMeter;
use crate::report::ProgressLine;
use crate::subject::{Subject, WorkDir};

pub(crate) fn run(command: &Command) -> Result<(), Error> {
    if let Command::Chart(args) = command {
        return chart::run(args);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            Command::Connect(args) => connect::run(args).await,
            Command::Idle(args) => idle::run(args).await,
            Command::Broadcast(args) => broadcast::run(args).await,
            Command::Direct(args) => direct::run(args).await,
            Command::Storm(args) => storm::run(args).await,
            Command::Latency(args) => latency::run(args).await,
            Command::Accept(args) => accept::run(args).await,
            Command::Startup(args) => startup::run(args).await,
            Command::Baseline(args) => baseline::run(args).await,
            Command::Chart(_) | Command::Worker | Command::BaselineChild => Ok(()),
        }
    })
}

/// The bare program and its connections.
struct BareRig {
    program: BareProgram,
    fleet: Fleet,
    cpu: CpuMeter,
}

impl BareRig {
    async fn start(connections: usize, answer: bool) -> Result<Self, Error> {
        let program = BareProgram::start().await?;
        let plan = Plan { address: program.ready.tls, kind: Kind::Bare { answer }, net: 2 };
        let fleet = Fleet::start(plan, connections).await?;
        let cpu = CpuMeter::new(program.pid());
        Ok(Self { program, fleet, cpu })
    }

    async fn unless(skip: bool, connections: usize, answer: bool) -> Result<Option<Self>, Error> {
        match skip {
            true => Ok(None),
            false => Self::start(connections, answer).await.map(Some),
        }
    }
}

/// The server and its devices.
struct Rig {
    work_dir: WorkDir,
    subject: Subject,
    fleet: Fleet,
    cpu: Option<CpuMeter>,
}

impl Rig {
    async fn start(common: &Common, sessions: usize, habits: Habits) -> Result<Self, Error> {
        let work_dir = WorkDir::new(common)?;
        let subject = Subject::open(common, &work_dir, sessions).await?;
        if let Some(plan) = subject.registrations() {
            // Before, and by other connections, so that no login is measured with it.
            let mut fleet = Fleet::start(plan, sessions).await?;
            fleet.connect(sessions, &ProgressLine::new("registrations", sessions)).await?;
        }
        let fleet = Fleet::start(subject.plan(habits), sessions).await?;
        let cpu = subject.pid().map(CpuMeter::new);
        Ok(Self { work_dir, subject, fleet, cpu })
    }

    /// CPU nanoseconds since the last call, where they can be known.
    fn lap(&mut self) -> Option<f64> {
        self.cpu.as_mut().map(|cpu| cpu.lap() as f64)
    }
}

/// A report's name: figures of different flows are not to be mixed up.
fn login_name(benchmark: &str, flow: Flow) -> String {
    match flow {
        Flow::Offered => benchmark.to_owned(),
        Flow::Rfc6120 => format!("{benchmark}, RFC 6120"),
        Flow::Ahead => format!("{benchmark}, pipelined"),
    }
}

/// A report's note on how devices logged in.
fn login_flow(flow: Flow) -> &'static str {
    match flow {
        Flow::Offered => {
            "devices waited for each answer: three round trips after the TLS handshake where the server \
             offers XEP-0388 and XEP-0386, six where it does not"
        }
        Flow::Rfc6120 => "devices waited for each answer: six round trips after the TLS handshake",
        Flow::Ahead => {
            "devices sent ahead of the answers (XEP-0305): two round trips after the TLS handshake"
        }
    }
}

/// Waits for what follows an event by itself: writes behind, timers.
async fn settle(seconds: f64) {
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
}

/// The middle one.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        count if count % 2 == 1 => sorted.get(count / 2).copied().unwrap_or(0.0),
        count => sorted.iter().skip(count / 2 - 1).take(2).sum::<f64>() / 2.0,
    }
}

/// The slope of the line that fits the points best.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let mean = |pick: fn(&(f64, f64)) -> f64| points.iter().map(pick).sum::<f64>() / count.max(1.0);
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let above: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    let below: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    if below > 0.0 { above / below } else { 0.0 }
}

/// A notification of ordinary size that carries its moment of departure.
fn notification(to: &serde_json::Value) -> String {
    let document = serde_json::json!({
        "to": to,
        "title": "Your parcel is on its way",
        "message": format!(
            "It leaves the depot this morning and will be with you by noon. @{}@",
            crate::measure::now()
        ),
        "uri": "https://example.org/parcels/4711",
    });
    document.to_string()
}

/// As [`notification`] makes it, for one account, and quicker.
fn to_one(username: &str, departure: u64) -> String {
    format!(
        r#"{{"to":{{"user":"{username}"}},"title":"Your parcel is on its way","message":"It leaves the depot this morning and will be with you by noon. @{departure}@","uri":"https://example.org/parcels/4711"}}"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slope_is_found_in_noise_free_points() {
        assert!((slope(&[(2000.0, 17_000.0), (18_000.0, 81_000.0)]) - 4.0).abs() < 1e-9);
        assert_eq!(slope(&[(1.0, 1.0)]), 0.0);
    }

    #[test]
    fn the_median_of_an_even_number_lies_between() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
    }

    #[test]
    fn a_document_is_what_the_others_are() {
        let plain = |text: &str| -> serde_json::Value {
            let departure = text.split('@').nth(1).unwrap();
            serde_json::from_str(&text.replace(departure, "")).unwrap()
        };
        let ours = plain(&to_one("bench-0000001", 17));
        assert_eq!(ours, plain(&notification(&serde_json::json!({ "user": "bench-0000001" }))));
    }
}

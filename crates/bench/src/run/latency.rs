//! From the request to the device.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::disk::bare;
use super::{Rig, notification, settle};
use crate::args::Latency;
use crate::error::Error;
use crate::floor::Floor;
use crate::hist::Times;
use crate::load::Habits;
use crate::load::username;
use crate::measure;
use crate::report::{Budget, Progress, Report};

/// HTTP connections that requests are spread over.
const SENDERS: usize = 64;
/// Server and floor take turns so often: the disk's bad moments should meet both.
const ROUNDS: u32 = 4;

pub(super) async fn run(args: &Latency, reenter: &[&str]) -> Result<(), Error> {
    let common = &args.common;
    let mut report = Report::new("latency", args.sessions).about(common);
    let mut rig =
        Rig::start(common, args.sessions, Habits { acks: true, ..Habits::default() }, reenter).await?;
    rig.fleet.connect(args.sessions, &Progress::new("logins", args.sessions)).await?;
    let floor = Floor::start(reenter).await?;
    settle(2.0).await;

    let (mut floors, mut devices, mut accepted) = (Times::default(), Times::default(), Times::default());
    let (mut sent, mut cpu) = (0, None);
    for round in 0..ROUNDS {
        let pace = Pace { rate: args.rate, seconds: args.seconds / f64::from(ROUNDS) };
        if !common.no_floor {
            let (folder, echo) = (rig.home.path().to_owned(), floor.ready.echo);
            let times = tokio::task::spawn_blocking(move || bare(&folder, echo, pace)).await;
            floors.add(&times.map_err(|error| Error::new(error.to_string()))??.pack());
        }
        let load = load(args, pace, round, &mut rig).await?;
        devices.add(&load.devices.pack());
        accepted.add(&load.accepted.pack());
        sent += load.sent;
        cpu = load.cpu.map(|more| cpu.unwrap_or(0.0) + more);
    }

    let bare = |percent| (floors.count() > 0).then(|| floors.percentile(percent));
    report.compared("request to device, median", "ms", devices.percentile(50.0), bare(50.0), None);
    report.compared(
        "request to device, 99 %",
        "ms",
        devices.percentile(99.0),
        bare(99.0),
        Some(Budget::RatioAtMost(3.0)),
    );
    report.compared("request to device, 99.9 %", "ms", devices.percentile(99.9), bare(99.9), None);
    report.compared(
        "request to device, longest",
        "ms",
        devices.max(),
        bare(100.0).map(|_| floors.max()),
        None,
    );
    report.figure("request to 202, median", "ms", accepted.percentile(50.0));
    report.figure("request to 202, 99 %", "ms", accepted.percentile(99.0));
    if let Some(cpu) = cpu {
        report.figure("server CPU time a notification", "µs", cpu / 1e3 / sent as f64);
    }
    report.note(format!(
        "{sent} notifications, {} a second; the floor is an append with fdatasync and a round trip over loopback TCP \
         at the same pace, in turns of {} s",
        args.rate,
        args.seconds / f64::from(ROUNDS)
    ));
    report.publish(common.json.as_deref())
}

/// What one turn under load gave.
struct Load {
    devices: Times,
    accepted: Times,
    sent: u64,
    /// Of the server, in nanoseconds.
    cpu: Option<f64>,
}

async fn load(args: &Latency, pace: Pace, round: u32, rig: &mut Rig) -> Result<Load, Error> {
    rig.fleet.mark().await?;
    rig.lap();
    let (accepted, sent) = send(args, pace, round, rig).await?;
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut sum = rig.fleet.counted().await?;
    while sum.received < sent && Instant::now() < deadline {
        settle(0.1).await;
        sum = rig.fleet.counted().await?;
    }
    let cpu = rig.lap();
    if sum.received != sent {
        return Err(Error::new(format!("{} of {sent} notifications arrived", sum.received)));
    }
    if sum.delays.count() != sent {
        let timed = sum.delays.count();
        return Err(Error::new(format!("{timed} of {sent} notifications carried their time of departure")));
    }
    Ok(Load { devices: sum.delays, accepted, sent, cpu })
}

/// Something to do at a steady pace, whatever became of what was done before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// How often a second.
    pub rate: f64,
    pub seconds: f64,
}

impl Pace {
    /// How often in all.
    pub(super) fn count(self) -> u64 {
        (self.rate * self.seconds) as u64
    }

    /// When it is the turn of number `index`, from the start.
    pub(super) fn due(self, index: u64) -> Duration {
        Duration::from_secs_f64(index as f64 / self.rate)
    }
}

/// Sends at a steady pace; a request that waits for a free sender keeps its moment of
/// departure.
async fn send(args: &Latency, pace: Pace, round: u32, rig: &Rig) -> Result<(Times, u64), Error> {
    let (queue, requests) = async_queue();
    let mut senders = tokio::task::JoinSet::new();
    for _ in 0..SENDERS {
        let mut http = rig.target.http()?;
        let requests = Arc::clone(&requests);
        senders.spawn(async move {
            let mut times = Times::default();
            loop {
                let request = requests.lock().await.recv().await;
                let Some((departure, document)) = request else { return Ok::<_, Error>(times) };
                http.notify(&document).await?;
                times.record(measure::now() - departure);
            }
        });
    }
    let (sessions, before) = (args.sessions.max(1), u64::from(round) * pace.count());
    let progress = Progress::new("notifications", usize::try_from(pace.count()).unwrap_or(usize::MAX));
    // A thread keeps time better than the runtime, whose clock ticks in milliseconds.
    let clock = std::thread::spawn(move || {
        let started = Instant::now();
        for index in 0..pace.count() {
            std::thread::sleep(pace.due(index).saturating_sub(started.elapsed()));
            // A stride that visits every account before any twice.
            let account = usize::try_from((before + index).wrapping_mul(7919)).unwrap_or(0) % sessions;
            let document = notification(&serde_json::json!({ "user": username(account) }));
            if queue.send((measure::now(), document)).is_err() {
                return index;
            }
            if index.is_multiple_of(100) {
                progress.step(usize::try_from(index).unwrap_or(usize::MAX));
            }
        }
        pace.count()
    });
    let mut accepted = Times::default();
    while let Some(times) = senders.join_next().await {
        let times = times.map_err(|error| Error::new(error.to_string()))??;
        accepted.add(&times.pack());
    }
    let sent = clock.join().map_err(|_| Error::new("the clock stopped"))?;
    Ok((accepted, sent))
}

type Request = (u64, String);

fn async_queue() -> (mpsc::UnboundedSender<Request>, Arc<tokio::sync::Mutex<mpsc::UnboundedReceiver<Request>>>)
{
    let (queue, requests) = mpsc::unbounded_channel();
    (queue, Arc::new(tokio::sync::Mutex::new(requests)))
}

//! From the request to the device.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use super::disk::{bare, nanos};
use super::{Rig, settle, to_one};
use crate::args::Latency;
use crate::error::{Context, Error};
use crate::floor::Floor;
use crate::hist::Times;
use crate::load::Habits;
use crate::load::username;
use crate::measure;
use crate::report::{Budget, Progress, Report};
use crate::target::Receiver;

/// HTTP connections that requests are spread over.
const CONNECTIONS: usize = 64;
/// How long a request may wait for one of them.
const PATIENCE: Duration = Duration::from_secs(60);
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

/// Sends at a steady pace; a request that waits for a free connection keeps its moment
/// of departure.
async fn send(args: &Latency, pace: Pace, round: u32, rig: &Rig) -> Result<(Times, u64), Error> {
    let (mut senders, mut receivers) = (Vec::new(), tokio::task::JoinSet::new());
    let (give_back, free) = mpsc::channel();
    let http = rig.target.http()?;
    for number in 0..CONNECTIONS {
        let (sender, receiver) = http.halves().await?;
        let departure = Arc::new(AtomicU64::new(0));
        receivers.spawn(receive(receiver, Arc::clone(&departure), number, give_back.clone()));
        senders.push((sender, departure));
        give_back.send(number).context("no connection")?;
    }
    drop(give_back);
    let (sessions, before) = (args.sessions.max(1), u64::from(round) * pace.count());
    // A thread keeps time better than the runtime, whose clock ticks in milliseconds; and
    // it writes by itself, like the floor's.
    let clock = std::thread::spawn(move || {
        let progress = Progress::new("notifications", usize::try_from(pace.count()).unwrap_or(usize::MAX));
        let (started, zero) = (Instant::now(), measure::now());
        for index in 0..pace.count() {
            // A stride that visits every account before any twice.
            let account = usize::try_from((before + index).wrapping_mul(7919)).unwrap_or(0) % sessions;
            let to = username(account);
            let due = zero + nanos(pace.due(index));
            let early = pace.due(index).saturating_sub(started.elapsed());
            std::thread::sleep(early);
            let departure = if early.is_zero() { due } else { measure::now() };
            let number = free.recv_timeout(PATIENCE).context("no connection was free")?;
            let Some((sender, departed)) = senders.get_mut(number) else { continue };
            departed.store(departure, Ordering::Release);
            sender.notify(&to_one(&to, departure)).context("a request was not sent")?;
            if index.is_multiple_of(100) {
                progress.step(usize::try_from(index).unwrap_or(usize::MAX));
            }
        }
        for _ in 0..senders.len() {
            let number = free.recv_timeout(PATIENCE).context("no connection was free")?;
            if let Some((sender, _)) = senders.get(number) {
                sender.close()?;
            }
        }
        Ok::<_, Error>(pace.count())
    });
    let mut accepted = Times::default();
    while let Some(times) = receivers.join_next().await {
        let times = times.map_err(|error| Error::new(error.to_string()))??;
        accepted.add(&times.pack());
    }
    let sent = clock.join().map_err(|_| Error::new("the clock stopped"))??;
    Ok((accepted, sent))
}

/// Times the answers on one connection, which is free again after each.
async fn receive(
    mut receiver: Receiver,
    departure: Arc<AtomicU64>,
    number: usize,
    give_back: mpsc::Sender<usize>,
) -> Result<Times, Error> {
    let mut times = Times::default();
    while receiver.accepted().await? {
        times.record(measure::now().saturating_sub(departure.load(Ordering::Acquire)));
        if give_back.send(number).is_err() {
            break;
        }
    }
    Ok(times)
}

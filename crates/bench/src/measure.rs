//! What `/proc` says of a process, and the clock that all processes share.

use std::collections::HashMap;
use std::fs;

/// Nanoseconds of the monotonic clock: the same for all processes of a machine.
pub(crate) fn now() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

/// A process's CPU time in nanoseconds: the scheduler's own count of each thread.
/// What a thread used between the last reading and its end is lost.
#[derive(Debug)]
pub(crate) struct CpuMeter {
    pid: u32,
    threads: HashMap<String, u64>,
    last: u64,
}

impl CpuMeter {
    pub(crate) fn new(pid: u32) -> Self {
        let mut meter = Self { pid, threads: HashMap::new(), last: 0 };
        meter.lap();
        meter
    }

    /// CPU time since the last call.
    pub(crate) fn lap(&mut self) -> u64 {
        if let Ok(entries) = fs::read_dir(format!("/proc/{}/task", self.pid)) {
            for entry in entries.flatten() {
                let used = fs::read_to_string(entry.path().join("schedstat"))
                    .ok()
                    .and_then(|text| text.split_whitespace().next()?.parse().ok());
                if let Some(used) = used {
                    self.threads.insert(entry.file_name().to_string_lossy().into_owned(), used);
                }
            }
        }
        let total = self.threads.values().sum();
        total - std::mem::replace(&mut self.last, total)
    }
}

/// A process's share of memory (Pss) in KiB.
pub(crate) fn pss(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find(|line| line.starts_with("Pss:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// The machine, for a report.
pub(crate) fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':').map(|(_, name)| name.trim()))
        .unwrap_or("unknown processor")
        .to_owned();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib: u64 = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse().ok())
        .unwrap_or(0);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{cores} × {model}, {} GiB, Linux {}", (kib + (1 << 19)) >> 20, kernel.trim())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn work_is_seen() {
        let mut meter = CpuMeter::new(std::process::id());
        let mut sum = 0u64;
        let started = now();
        while now() - started < 20_000_000 {
            sum = sum.wrapping_add(started);
        }
        std::hint::black_box(sum);
        assert!(meter.lap() > 0);
        assert!(pss(std::process::id()).unwrap() > 100);
    }
}

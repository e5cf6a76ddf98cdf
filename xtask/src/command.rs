//! Running other programs from the workspace's root.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// No command takes longer unless it hangs, and what hangs must fail and say so.
const PATIENCE: Duration = Duration::from_secs(25 * 60);

/// A task that did not succeed, in words.
#[derive(Debug)]
pub(crate) struct Failed(pub(crate) String);

/// The workspace's root folder.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Where cargo puts what it builds.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// A command in the workspace's root, without standard input.
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root()).stdin(Stdio::null());
    command
}

/// The cargo that runs this program.
pub(crate) fn cargo() -> Command {
    let mut cargo = command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // What cargo told this program about its own package would confuse build scripts' change detection.
    for name in ["CARGO_MANIFEST_DIR", "CARGO_PKG_NAME", "CARGO_PKG_VERSION"] {
        cargo.env_remove(name);
    }
    cargo
}

/// Shows the command, runs it, and fails unless it exits 0 in time.
pub(crate) fn run(command: &mut Command) -> Result<(), Failed> {
    println!("$ {}", shown(command));
    let ended = command.spawn().and_then(|mut child| wait(&mut child, PATIENCE));
    match ended {
        Ok(Ended::By(status)) if status.success() => Ok(()),
        Ok(Ended::By(status)) => Err(Failed(format!("`{}` ended with {status}", shown(command)))),
        Ok(Ended::Hung(what)) => {
            let minutes = PATIENCE.as_secs() / 60;
            let what: String = what.iter().map(|one| format!("\n  {one}")).collect();
            Err(Failed(format!("`{}` hung: ended after {minutes} minutes. It ran{what}", shown(command))))
        }
        Err(error) => Err(Failed(format!("`{}` did not start: {error}", shown(command)))),
    }
}

/// How a program ended.
#[derive(Debug)]
enum Ended {
    By(ExitStatus),
    /// It had to be killed, with all that it started, which is said here.
    Hung(Vec<String>),
}

/// Waits until it ends, or until patience does.
fn wait(child: &mut Child, patience: Duration) -> io::Result<Ended> {
    let started = Instant::now();
    while started.elapsed() < patience {
        if let Some(status) = child.try_wait()? {
            return Ok(Ended::By(status));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    // What it started may hold our output open, and the reader of that would wait on.
    let family = family(child.id(), &parents());
    let running = family.iter().filter_map(|pid| running(*pid)).collect();
    let _ = command("kill").arg("-KILL").args(family.iter().map(u32::to_string)).status();
    let _ = child.kill();
    child.wait().map(|_| Ended::Hung(running))
}

/// A process's command line and its threads' names: those of Rust's tests are the tests'.
fn running(pid: u32) -> Option<String> {
    let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let arguments = String::from_utf8_lossy(&arguments).replace('\0', " ");
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten();
    let mut threads: Vec<String> = tasks
        .filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok())
        .map(|name| name.trim_end().to_owned())
        .collect();
    threads.sort();
    threads.dedup();
    Some(format!("{pid} {} ({})", arguments.trim_end(), threads.join(", ")))
}

/// A process and all below it.
fn family(root: u32, parents: &[(u32, u32)]) -> Vec<u32> {
    let mut family = vec![root];
    let mut next = 0;
    while let Some(&parent) = family.get(next) {
        let children = parents.iter().filter(|(pid, of)| *of == parent && !family.contains(pid));
        let children: Vec<u32> = children.map(|(pid, _)| *pid).collect();
        family.extend(children);
        next += 1;
    }
    family
}

/// Every process, and its parent.
fn parents() -> Vec<(u32, u32)> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name before may hold anything, but nothing behind it holds a parenthesis.
        let (_, rest) = stat.rsplit_once(") ")?;
        Some((pid, rest.split(' ').nth(1)?.parse().ok()?))
    })
    .collect()
}

/// Whether the program starts and exits 0, with nothing shown.
pub(crate) fn works(program: &str, arguments: &[&str]) -> bool {
    command(program)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn shown(command: &Command) -> String {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    let root = root();
    line.replace(&format!("{}/", root.display()), "")
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_hangs_is_ended_with_all_that_it_started() {
        let mut child = command("sh")
            .args(["-c", "(sleep 20; echo survived) & echo begun; wait"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut out = io::BufReader::new(child.stdout.take().unwrap());
        io::BufRead::read_line(&mut out, &mut line).unwrap();
        let ended = wait(&mut child, Duration::from_millis(1)).unwrap();
        assert!(
            matches!(&ended, Ended::Hung(what) if what[0].contains("echo begun; wait (sh)")),
            "{ended:?}"
        );
        // Ends when no process holds the pipe any more.
        let mut rest = String::new();
        io::Read::read_to_string(&mut out, &mut rest).unwrap();
        assert_eq!((line.as_str(), rest.as_str()), ("begun\n", ""));
    }

    #[test]
    fn how_it_ended_is_told() {
        let status = |code: &str| {
            let mut child = command("sh").args(["-c", code]).spawn().unwrap();
            match wait(&mut child, PATIENCE).unwrap() {
                Ended::By(status) => status.code(),
                Ended::Hung(what) => panic!("{what:?}"),
            }
        };
        assert_eq!((status("exit 0"), status("exit 7")), (Some(0), Some(7)));
    }

    #[test]
    fn a_family_is_whole() {
        let parents = [(2, 1), (3, 2), (4, 2), (5, 3), (6, 1), (1, 0)];
        assert_eq!(family(2, &parents), [2, 3, 4, 5]);
    }
}

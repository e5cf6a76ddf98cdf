//! The checks, one function each, and the time that each takes.

use std::time::Instant;

use crate::command::{Failed, cargo, command, root, run, target};
use crate::{android, bench_check, foreign, setup};

/// Rust's tests, then those with other programs.
pub(crate) fn test(with_foreign: bool) -> Result<(), Failed> {
    let mut steps = Steps::new();
    steps.run("cargo test", rust_tests);
    if with_foreign {
        steps.run("android", android::test);
        steps.run("console", foreign::console);
        steps.run("foreign clients", || foreign::run(&[]));
    }
    steps.close()
}

/// What needs no test to run.
pub(crate) fn lint() -> Result<(), Failed> {
    let mut steps = Steps::new();
    lint_steps(&mut steps);
    steps.close()
}

/// Everything that CI wants.
pub(crate) fn everything() -> Result<(), Failed> {
    let mut steps = Steps::new();
    steps.run("cargo test", rust_tests);
    lint_steps(&mut steps);
    steps.run("oldest Rust", oldest_rust);
    steps.run("fuzz targets", fuzz_targets);
    steps.run("demo (release)", demo);
    // After the demo, whose build it shares.
    steps.run("hot paths' instructions", bench_check::compare);
    steps.run("android", android::test);
    steps.run("console", foreign::console);
    // Last, so that its closing line is the last count in the log.
    steps.run("foreign clients", || foreign::run(&[]));
    steps.close()
}

fn lint_steps(steps: &mut Steps) {
    steps.run("format", || run(cargo().args(["fmt", "--all", "--check"])));
    steps.run("clippy", || {
        run(cargo().args(["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]))
    });
    steps.run("documentation", || {
        run(cargo().args(["doc", "--workspace", "--no-deps", "--locked"]).env("RUSTDOCFLAGS", "-D warnings"))
    });
    steps.run("dependency rules", dependencies);
}

fn rust_tests() -> Result<(), Failed> {
    run(cargo().args(["test", "--workspace", "--locked"]))
}

/// The version that `Cargo.toml` promises compiles the workspace: this toolchain, or else rustup's of that version.
fn oldest_rust() -> Result<(), Failed> {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml"))
        .map_err(|error| Failed(format!("Cargo.toml: {error}")))?;
    let promised = manifest
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = \"")?.strip_suffix('"'))
        .ok_or_else(|| Failed("Cargo.toml has no rust-version".into()))?;
    let out =
        command("rustc").arg("--version").output().map_err(|error| Failed(format!("rustc: {error}")))?;
    let ours = String::from_utf8_lossy(&out.stdout).into_owned();
    if ours.split_whitespace().nth(1).is_some_and(|version| version.starts_with(&format!("{promised}."))) {
        println!("{} is the oldest that is promised; the steps before used it", ours.trim());
        return Ok(());
    }
    let target = target().join(format!("rust-{promised}"));
    run(command("rustup")
        .args(["run", promised, "cargo", "check", "--workspace", "--all-targets", "--locked", "--target-dir"])
        .arg(target))
}

/// They are a workspace of their own, which no other step compiles.
fn fuzz_targets() -> Result<(), Failed> {
    run(cargo()
        .args(["check", "--manifest-path", "fuzz/Cargo.toml", "--locked", "--target-dir"])
        .arg(target().join("fuzz")))
}

/// The README's first command.
fn demo() -> Result<(), Failed> {
    run(cargo().args(["run", "--release", "--locked", "--", "demo", "--once"]))
}

/// Licences, bans, sources; advisories where their database can be had.
fn dependencies() -> Result<(), Failed> {
    let deny = setup::cargo_deny()?;
    run(command(&deny).args([
        "--workspace",
        "--all-features",
        "--locked",
        "check",
        "licenses",
        "bans",
        "sources",
    ]))?;

    println!("$ cargo-deny check advisories");
    // Where the network swallows what it does not let through, it would wait for long.
    let out = command("timeout")
        .args(["--foreground", "180"])
        .arg(&deny)
        .args(["--workspace", "--locked", "check", "advisories"])
        .output()
        .map_err(|error| Failed(format!("cargo-deny did not start: {error}")))?;
    let said = String::from_utf8_lossy(&out.stderr);
    if out.status.success() {
        return Ok(());
    }
    if said.contains("failed to fetch advisory database") || out.status.code() == Some(124) {
        println!("NOTE: the advisory database cannot be fetched from here; advisories were NOT checked");
        return Ok(());
    }
    eprint!("{said}");
    Err(Failed("cargo-deny found an advisory against a dependency".into()))
}

/// Steps that all run, so that one run shows every fault.
struct Steps {
    started: Instant,
    done: Vec<(&'static str, f64, Result<(), Failed>)>,
}

impl Steps {
    fn new() -> Self {
        Self { started: Instant::now(), done: Vec::new() }
    }

    fn run(&mut self, name: &'static str, step: impl FnOnce() -> Result<(), Failed>) {
        println!("\n==> {name}");
        let started = Instant::now();
        let result = step();
        if let Err(Failed(why)) = &result {
            eprintln!("xtask: {why}");
        }
        self.done.push((name, started.elapsed().as_secs_f64(), result));
    }

    fn close(self) -> Result<(), Failed> {
        println!();
        for (name, seconds, result) in &self.done {
            println!("{seconds:7.1} s  {}  {name}", if result.is_ok() { "ok    " } else { "FAILED" });
        }
        println!("{:7.1} s  in all", self.started.elapsed().as_secs_f64());
        // Again, for those who see the end of the log alone.
        for (name, _, result) in &self.done {
            if let Err(Failed(why)) = result {
                eprintln!("xtask: {name}: {why}");
            }
        }
        let failed: Vec<&str> =
            self.done.iter().filter(|(_, _, result)| result.is_err()).map(|(name, ..)| *name).collect();
        if failed.is_empty() { Ok(()) } else { Err(Failed(format!("failed: {}", failed.join(", ")))) }
    }
}

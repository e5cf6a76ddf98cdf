//! Instructions that the hot paths take, against a stored baseline. Instructions
//! do not depend on what else the machine does, so a small change shows.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::command::{Failed, cargo, command, root, run, target, works};

/// More than this much slower fails.
const TOLERANCE: f64 = 0.05;
const PROFILE: &str = "bench-fast";

/// Compares with the baseline, or stores a new one.
pub(crate) fn run_check(save: bool) -> Result<(), Failed> {
    valgrind()?;
    run(cargo().args([
        "build",
        "--locked",
        "--profile",
        PROFILE,
        "-p",
        "tidings-bench",
        "--example",
        "hot_paths",
    ]))?;
    let program = target().join(PROFILE).join("examples/hot_paths");
    let out =
        command(&program).output().map_err(|error| Failed(format!("hot_paths did not start: {error}")))?;
    let names = String::from_utf8_lossy(&out.stdout).into_owned();
    let mut measured = BTreeMap::new();
    for name in names.lines() {
        // Two runs: their difference is free of what starting costs.
        let (few, many) = if name.starts_with("settlement") || name.starts_with("acceptance") {
            (5, 25)
        } else {
            (100, 1100)
        };
        let each = (count(&program, name, many)? - count(&program, name, few)?) / f64::from(many - few);
        println!("{each:14.0}  {name}");
        measured.insert(name.to_owned(), each);
    }
    let path = baseline();
    if save {
        let mut text = String::new();
        for (name, each) in &measured {
            let _ = writeln!(text, "{each:.0}\t{name}");
        }
        return fs::write(&path, text).map_err(|error| Failed(format!("{}: {error}", path.display())));
    }
    let text = fs::read_to_string(&path).map_err(|error| Failed(format!("{}: {error}", path.display())))?;
    let worse = compare(&parse(&text), &measured);
    match worse.is_empty() {
        true => Ok(()),
        false => Err(Failed(format!(
            "slower than the baseline: {}; if that is wanted, `cargo xtask bench-check --save`",
            worse.join("; ")
        ))),
    }
}

fn baseline() -> PathBuf {
    root().join("crates/bench/baseline.txt")
}

fn parse(text: &str) -> BTreeMap<String, f64> {
    text.lines()
        .filter_map(|line| {
            let (count, name) = line.split_once('\t')?;
            Some((name.to_owned(), count.parse().ok()?))
        })
        .collect()
}

/// The paths that are worse than they may be, and those that the baseline does not know.
fn compare(baseline: &BTreeMap<String, f64>, measured: &BTreeMap<String, f64>) -> Vec<String> {
    measured
        .iter()
        .filter_map(|(name, now)| match baseline.get(name) {
            Some(before) if *now <= before * (1.0 + TOLERANCE) => None,
            Some(before) => Some(format!("{name} (+{:.1} %)", (now / before - 1.0) * 100.0)),
            None => Some(format!("{name} (not in the baseline)")),
        })
        .collect()
}

/// Instructions of one run.
fn count(program: &Path, name: &str, times: i32) -> Result<f64, Failed> {
    let out = command("valgrind")
        .args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"])
        .arg(program)
        .args([name, &times.to_string()])
        .output()
        .map_err(|error| Failed(format!("valgrind did not start: {error}")))?;
    let said = String::from_utf8_lossy(&out.stderr);
    said.lines()
        .find_map(|line| line.split_once("refs:")?.1.trim().replace(',', "").parse().ok())
        .filter(|_| out.status.success())
        .ok_or_else(|| Failed(format!("`{name}` could not be counted: {said}")))
}

fn valgrind() -> Result<(), Failed> {
    if works("valgrind", &["--version"]) {
        return Ok(());
    }
    run(command("apt-get").args(["update"]))?;
    run(command("apt-get").args(["install", "-y", "--no-install-recommends", "valgrind"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_worse_by_more_than_the_tolerance_is_named() {
        let baseline = parse("1000\ta\n1000\tb\n1000\tc\n");
        let measured = parse("1049\ta\n1051\tb\n10\tc\n7\td\n");
        assert_eq!(compare(&baseline, &measured), ["b (+5.1 %)", "d (not in the baseline)"]);
    }
}

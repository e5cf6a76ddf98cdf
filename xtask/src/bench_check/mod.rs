//! Instructions that the hot paths take, against stored counts. Instructions
//! do not depend on what else the machine does, so a small change shows.

mod stored_counts;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use self::stored_counts::{StoredCounts, TOLERANCE};
use crate::command::{Failed, cargo, command, root, run, target};
use crate::setup;

/// Counts, and compares with the stored counts.
pub(crate) fn compare() -> Result<(), Failed> {
    let program = program()?;
    let path = counts_file();
    let text = fs::read_to_string(&path).map_err(|error| Failed(format!("{}: {error}", path.display())))?;
    let stored = StoredCounts::parse(&text);
    let elsewhere = stored.elsewhere(&surroundings(&program)?);

    println!("  instructions    change");
    let mut measured = BTreeMap::new();
    for name in names(&program)? {
        let mut each = instructions(&program, &name)?;
        if elsewhere.is_empty() && stored.is_worse(&name, each) {
            // Threads may have met unluckily; what is really slower is so twice.
            each = each.min(instructions(&program, &name)?);
        }
        let change = stored.change(&name, each);
        let change = change.map_or_else(|| "new".into(), |change| format!("{:+.1} %", change * 100.0));
        println!("{each:14.0}  {change:>8}  {name}");
        measured.insert(name, each);
    }
    verdict(&stored, &measured, &elsewhere)
}

/// Counts twice, and stores the lower counts.
pub(crate) fn save() -> Result<(), Failed> {
    let program = program()?;
    let mut stored = StoredCounts { surroundings: surroundings(&program)?, counts: BTreeMap::new() };
    println!("  instructions     noise");
    let mut noise: f64 = 0.0;
    for name in names(&program)? {
        let (one, two) = (instructions(&program, &name)?, instructions(&program, &name)?);
        let apart = (one - two).abs() / one.min(two);
        println!("{:14.0}  {:>8}  {name}", one.min(two), format!("{:.2} %", apart * 100.0));
        noise = noise.max(apart);
        stored.counts.insert(name, one.min(two));
    }
    println!("two runs differ by at most {:.2} %", noise * 100.0);
    let path = counts_file();
    fs::write(&path, stored.text()).map_err(|error| Failed(format!("{}: {error}", path.display())))
}

/// Fails where a path is worse, or on one side only.
fn verdict(
    stored: &StoredCounts,
    measured: &BTreeMap<String, f64>,
    elsewhere: &[String],
) -> Result<(), Failed> {
    let mut wrong = stored.unmatched(measured);
    if elsewhere.is_empty() {
        let worse = measured.iter().filter(|(name, now)| stored.is_worse(name, **now));
        wrong.extend(worse.map(|(name, now)| {
            let change = stored.change(name, *now).unwrap_or_default();
            format!("{name} ({:+.1} %)", change * 100.0)
        }));
    } else {
        println!(
            "NOTE: changes were NOT judged, because crates/bench/instruction-counts.txt was taken with something else: {}. \
             `cargo xtask bench-check --save` takes it anew, here, for the code as it is.",
            elsewhere.join("; ")
        );
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Failed(format!(
        "more than {:.0} % over crates/bench/instruction-counts.txt, or unknown to it: {}. \
         If that is wanted: `cargo xtask bench-check --save`",
        TOLERANCE * 100.0,
        wrong.join("; ")
    )))
}

fn counts_file() -> PathBuf {
    root().join("crates/bench/instruction-counts.txt")
}

/// The program whose instructions are counted, newly built.
fn program() -> Result<PathBuf, Failed> {
    setup::valgrind()?;
    // With the server's package, so that its dependencies are those which `cargo build --release` made.
    let packages = ["-p", "tidings", "-p", "tidings-bench", "--example", "hot_paths"];
    run(cargo().args(["build", "--release", "--locked"]).args(packages))?;
    Ok(target().join("release/examples/hot_paths"))
}

/// The paths' names, from the program itself.
fn names(program: &Path) -> Result<Vec<String>, Failed> {
    let names: Vec<String> = said(program.as_os_str(), &[])?.lines().map(str::to_owned).collect();
    if names.is_empty() { Err(Failed("hot_paths knows no path".into())) } else { Ok(names) }
}

/// What changes counts without a change of the code.
fn surroundings(program: &Path) -> Result<BTreeMap<String, String>, Failed> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    // Valgrind's processor, which is what the program runs on, not the machine's.
    let cpu = said("valgrind".as_ref(), &["-q", "--tool=none", &program.to_string_lossy(), "--cpu"])?;
    let flags =
        ["CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS"].into_iter().find_map(|name| std::env::var(name).ok());
    let all = [
        ("rustc", said(&rustc, &["--version"])?),
        ("rustflags", flags.unwrap_or_default()),
        // SQLite and the ciphers are written in C.
        ("cc", said("cc".as_ref(), &["-dumpfullversion"])?),
        ("libc", said("getconf".as_ref(), &["GNU_LIBC_VERSION"])?),
        ("valgrind", said("valgrind".as_ref(), &["--version"])?),
        ("cpu", cpu),
    ];
    let filled = all.into_iter().filter(|(_, value)| !value.trim().is_empty());
    Ok(filled.map(|(key, value)| (key.to_owned(), value.trim().to_owned())).collect())
}

/// What a program writes to its standard output.
fn said(program: &std::ffi::OsStr, arguments: &[&str]) -> Result<String, Failed> {
    let shown = program.to_string_lossy();
    let out = command(program)
        .args(arguments)
        .output()
        .map_err(|error| Failed(format!("`{shown}` did not start: {error}")))?;
    if out.status.success() {
        return Ok(String::from_utf8_lossy(&out.stdout).into_owned());
    }
    Err(Failed(format!("`{shown}` ended with {}: {}", out.status, String::from_utf8_lossy(&out.stderr))))
}

/// Instructions of one time through a path: two runs, whose difference is free of what starting costs.
fn instructions(program: &Path, name: &str) -> Result<f64, Failed> {
    let (few, many) = match name.split(':').next() {
        // These write to a disk.
        Some("settlement" | "acceptance") => (5, 25),
        _ => (100, 1100),
    };
    Ok((count(program, name, many)? - count(program, name, few)?) / f64::from(many - few))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(now: &str, elsewhere: &[String]) -> Result<(), String> {
        let stored = StoredCounts::parse("1000\tparsing: a\n2000\tframing: b\n");
        verdict(&stored, &StoredCounts::parse(now).counts, elsewhere).map_err(|Failed(why)| why)
    }

    #[test]
    fn a_path_that_is_six_percent_slower_fails_by_its_name() {
        let why = judged("1060\tparsing: a\n2000\tframing: b\n", &[]).expect_err("6 % slower");
        assert!(why.contains("parsing: a (+6.0 %)"), "{why}");
        assert!(!why.contains("framing"), "{why}");
        assert_eq!(judged("1049\tparsing: a\n500\tframing: b\n", &[]), Ok(()));
    }

    #[test]
    fn counts_that_hold_elsewhere_judge_nothing_but_missing_paths() {
        let elsewhere = ["rustc: 1.95.0 (here: 1.96.0)".to_owned()];
        assert_eq!(judged("9000\tparsing: a\n2000\tframing: b\n", &elsewhere), Ok(()));
        let why = judged("1000\tparsing: a\n", &elsewhere).expect_err("a path is missing");
        assert!(why.contains("framing: b (stored, but not measured)"), "{why}");
    }
}

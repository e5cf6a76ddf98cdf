//! Development tasks: `cargo xtask help` lists them. Everything that CI does is
//! one of them, so that what is green here is green there.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this program's job is to talk to a terminal")]

mod android;
mod bench_check;
mod ci;
mod command;
mod foreign;
mod proof;
mod setup;

use std::process::ExitCode;

use command::Failed;

const HELP: &str = "\
cargo xtask TASK

  test [--rust-only]   every test: Rust's, then the Android library and app in a simulated Android,
                       the console in a browser, and real clients of other makers against the
                       real server; installs what those need (Python, npm, Maven, Chromium, aapt)
  foreign [NAME…]      only the foreign clients; NAME picks tests whose name contains it
  console              only the console, in a headless Chromium
  android              only the Android part (`android/test --core --robolectric`)
  setup                only install what those need
  ci                   test, then format, clippy, documentation, dependency rules, the oldest Rust that is
                       promised, fuzz targets, demo, bench-check
  bench-check          counts the instructions of the hot paths, and fails with the names of those
                       that take over 5 % more than crates/bench/instruction-counts.txt says (installs valgrind)
  bench-check --save   writes those counts anew
  proof NAME           an attack or accident at full size on the program as it is released
                       (docs/proofs.md): android, strangers
  lint                 format, clippy, documentation, dependency rules
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        ["test"] => ci::test(true),
        ["test", "--rust-only"] => ci::test(false),
        ["foreign", names @ ..] => foreign::run(names),
        ["console"] => foreign::console(),
        ["android"] => android::test(),
        ["setup"] => setup::everything(),
        ["ci"] => ci::everything(),
        ["lint"] => ci::lint(),
        ["proof", name] => proof::run_named(name),
        ["bench-check"] => bench_check::compare(),
        ["bench-check", "--save"] => bench_check::save(),
        _ => {
            eprintln!("xtask: no such task; `cargo xtask help` lists them");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed(why)) => {
            eprintln!("xtask: {why}");
            ExitCode::FAILURE
        }
    }
}

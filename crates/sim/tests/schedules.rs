//! Thousands of schedules; a broken promise names its seed.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tidings_sim::{Outcome, Plan, run};

/// `TIDINGS_SIM_SEED=n` plays one schedule; `TIDINGS_SIM_RUNS=n` plays so many.
#[test]
fn no_schedule_loses_a_notification() {
    let read = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    if let Some(seed) = read("TIDINGS_SIM_SEED") {
        println!("{:?}", run(seed, Plan::default()));
        return;
    }
    let runs = read("TIDINGS_SIM_RUNS").unwrap_or(2000);
    let mut total = Outcome::default();
    for seed in 0..runs {
        match catch_unwind(AssertUnwindSafe(|| run(seed, Plan::default()))) {
            Ok(outcome) => {
                total.accepted += outcome.accepted;
                total.sightings += outcome.sightings;
                total.cuts += outcome.cuts;
            }
            Err(_) => panic!("seed {seed} broke a promise; TIDINGS_SIM_SEED={seed} plays it again"),
        }
    }
    println!("{runs} schedules: {total:?}");
    // A simulation in which nothing happens proves nothing.
    assert!(total.accepted > runs as usize * 5 && total.cuts > runs as usize, "{total:?}");
    assert!(total.sightings > total.accepted, "{total:?}");
}

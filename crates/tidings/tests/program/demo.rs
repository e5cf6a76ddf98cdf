//! `tidings demo`.

use crate::server::{run, text};

#[test]
fn the_demo_shows_the_main_job_and_ends_well() {
    let output = run(&["demo", "--once"]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}{}", text(&output.stderr));
    for part in ["server", "device", "back end", "received", "acknowledged"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(said.lines().count() <= 30, "{said}");
}

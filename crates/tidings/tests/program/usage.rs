//! Wrong usage: exit status 2 and one line that helps.

use crate::server::{complaint, run, text, tidings};

#[test]
fn wrong_usage_is_one_line() {
    for (arguments, expected) in [
        (&[][..], "serve, demo, send"),
        (&["sevre"], "serve"),
        (&["help", "sedn"], "sedn"),
        (&["serve", "--domian", "x"], "--domain"),
        (&["serve", "--set", "limits.depth"], "KEY=VALUE"),
        (&["serve", "--set", "limits.deph=9"], "`limits.depth`"),
        (&["serve", "--set", "limits.depth=many"], "limits.depth"),
        (&["serve", "--set", "registration.policy=opne"], "`open`"),
        (&["serve", "--http", "nowhere"], "--http"),
        (&["serve", "--domain", "not a domain"], "domain"),
        (&["serve", "--log-format", "xml"], "json"),
        (&["send", "--title", "x"], "--all"),
        (&["send", "--all"], "--title"),
        (&["send", "--all", "--title", "x"], "API key"),
        (&["send", "--all", "--title", "x", "--ttl", "soon"], "--ttl"),
        (&["send", "--all", "--title", "x", "--at", "tomorrow"], "--at"),
        (&["account"], "add, list, remove, passwd"),
        (&["account", "add"], "USERNAME"),
        (&["key", "create", "x", "--scope", "all"], "send"),
        (&["account", "list", "--server", "x", "--data-dir", "y"], "name one"),
    ] {
        let said = complaint(&run(arguments), 2);
        assert!(said.starts_with("tidings: "), "{said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
        assert!(!said.contains('\x1b'), "no colour in a pipe: {said}");
    }
}

#[test]
fn a_typo_in_the_environment_is_named() {
    let output = tidings().arg("serve").env("TIDINGS_LIMITS__DEPHT", "9").output().unwrap();
    let said = complaint(&output, 2);
    assert!(said.contains("TIDINGS_LIMITS__DEPHT") && said.contains("`limits.depth`"), "{said}");
}

#[test]
fn a_typo_in_the_file_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tidings.toml");
    std::fs::write(&file, "[limits]\nregistration_per_minute = 3\n").unwrap();
    let said = complaint(&run(&["serve", "--config", file.to_str().unwrap()]), 2);
    assert!(said.contains("tidings.toml") && said.contains("limits.registrations_per_minute"), "{said}");
    let missing = dir.path().join("missing.toml");
    let said = complaint(&run(&["serve", "--config", missing.to_str().unwrap()]), 2);
    assert!(said.contains("missing.toml") && said.contains("no such file"), "{said}");
}

#[test]
fn help_is_worth_reading() {
    for arguments in [
        &["--help"][..],
        &["serve", "--help"],
        &["send", "--help"],
        &["account", "--help"],
        &["key", "--help"],
        &["help"],
        &["help", "send"],
        &["help", "key"],
    ] {
        let output = run(arguments);
        assert!(output.status.success(), "{arguments:?}");
        assert!(text(&output.stdout).contains("Examples:"), "{arguments:?}");
    }
    assert!(text(&run(&["--version"]).stdout).starts_with("tidings "));
}

//! A setting that does nothing is a promise broken: every key that `docs/operators.md` lists is read by code.
//! (That it lists every key there is, with its default, is a test of the binary's.)
#![allow(clippy::expect_used, reason = "a failed test panics")]

#[path = "modules/tokens.rs"]
mod tokens;

use std::collections::BTreeSet;
use std::path::Path;

use tokens::{tokens, without_tests};

/// Where settings are declared and checked: to be named there is not yet to do something.
const DECLARED: &[&str] = &["core/src/config.rs", "http/src/settings.rs", "tidings/src/config/"];

/// What a line of the table may be about without being a key of the file.
fn documented_keys() -> BTreeSet<String> {
    let text = include_str!("../../docs/operators.md");
    let table = text.split_once("| key | default | means |").expect("the table of settings").1;
    table
        .lines()
        .skip(2)
        .map_while(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(key, _)| key.to_owned())
        .collect()
}

/// The fields that the crates' code reads: what stands behind a dot, and is not called.
fn fields_read(folder: &Path, fields: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder of the workspace") {
        let path = entry.expect("a folder can be read").path();
        let shown = path.to_string_lossy().into_owned();
        if path.is_dir() {
            fields_read(&path, fields);
        } else if shown.ends_with(".rs")
            && !shown.ends_with("tests.rs")
            && !DECLARED.iter().any(|declared| shown.contains(declared))
        {
            let text = std::fs::read_to_string(&path).expect("a source file is text");
            let (code, _) = without_tests(&tokens(&text));
            for three in code.windows(3) {
                if let [dot, name, behind] = three
                    && dot.text() == "."
                    && name.is_word()
                    && behind.text() != "("
                {
                    fields.insert(name.text().to_owned());
                }
            }
        }
    }
}

#[test]
fn every_documented_setting_is_read() {
    let keys = documented_keys();
    assert!(keys.len() > 40 && keys.contains("limits.depth"), "the table was not found: {keys:?}");
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    let mut fields = BTreeSet::new();
    for entry in std::fs::read_dir(crates).expect("the workspace has crates") {
        fields_read(&entry.expect("a folder can be read").path().join("src"), &mut fields);
    }
    let idle: Vec<_> =
        keys.iter().filter(|key| !fields.contains(key.rsplit('.').next().unwrap_or_default())).collect();
    assert!(idle.is_empty(), "settings that no code reads: {idle:?}");
}

//! No two modules may need each other: circles are found and named here.
//!
//! An arrow goes from a file to the one that defines what it names in a `use` or a path; a re-export is followed
//! to where the item is defined. Of two files the arrow counts between the modules at which their paths part: with
//! `a/x.rs -> b/y.rs` and `b/z.rs -> a.rs` the modules `a` and `b` need each other, whichever files say so. Between a
//! module and its own descendants there is no arrow: what siblings share may stand in their parent, which puts
//! them together. Code under `cfg(test)` does not count.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a failed test panics")]

mod modules;

use modules::Crate;

/// The workspace's crates, by folder.
fn crates() -> Vec<(String, Crate)> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut folders = vec![("xtask".to_owned(), root.join("xtask"))];
    for entry in std::fs::read_dir(root.join("crates")).expect("the workspace has crates") {
        let path = entry.expect("a folder can be read").path();
        let name = path.file_name().expect("a folder has a name").to_string_lossy().into_owned();
        folders.push((name, path));
    }
    folders.sort();
    folders.into_iter().map(|(name, path)| (name, Crate::read(&path.join("src")))).collect()
}

#[test]
fn no_two_modules_need_each_other() {
    let mut found = Vec::new();
    for (name, modules) in crates() {
        found.extend(modules.circles().into_iter().map(|circle| format!("{name}: {circle:#?}")));
    }
    assert!(found.is_empty(), "modules that need each other: {}", found.join("\n"));
}

/// A crate of these files: a path below `src/`, and its text.
fn circles(files: &[(&str, &str)]) -> Vec<Vec<String>> {
    let files = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
    Crate::of(files).circles().into_iter().map(|circle| circle.modules).collect()
}

#[test]
fn a_circle_is_found_however_its_arrows_are_written() {
    let root = ("lib.rs", "mod a; mod b; mod c;");
    for (a, b) in [
        ("use crate::b::B; struct A;", "use super::a::A; struct B;"),
        ("use crate::{b::{self, B}, c}; struct A;", "fn f() -> crate::a::A { todo!() } struct B;"),
        ("fn f(_: super::b::B) {} struct A;", "use crate::a; struct B;"),
        ("use super::{b}; pub(crate) struct A;", "pub use super::a::A; pub struct B;"),
        (
            "#[cfg(unix)] use crate::b::B; fn a() { '\"'; }",
            "fn b<'a>() { r#\"\"\"#; crate::a::a() } struct B;",
        ),
    ] {
        assert_eq!(circles(&[root, ("a.rs", a), ("b.rs", b), ("c.rs", "")]), [["a", "b"]], "{a} {b}");
    }
    let through = [
        root,
        ("a.rs", "use crate::b::B;"),
        ("b.rs", "use crate::c::C; pub struct B;"),
        ("c.rs", "fn c() { crate::a::a() } pub struct C;"),
    ];
    assert_eq!(circles(&through), [["a", "b", "c"]]);
}

#[test]
fn a_re_export_is_followed_to_where_the_item_is() {
    let files = [
        ("lib.rs", "mod a; mod b; pub use b::deep::B as Better;"),
        ("a.rs", "use crate::Better; pub struct A;"),
        ("b/mod.rs", "mod deep; mod other; pub use self::deep::*; pub(crate) use self::other::Other;"),
        ("b/deep.rs", "pub struct B; fn f(_: super::Other) {}"),
        ("b/other.rs", "use crate::a::A; pub(crate) struct Other;"),
    ];
    assert_eq!(circles(&files), [["a", "b"]]);
}

#[test]
fn what_goes_one_way_is_no_circle() {
    let files = [
        // A parent uses its children, and they use what it holds.
        ("lib.rs", "mod a; mod b; use a::A; pub struct Shared;"),
        ("a.rs", "use crate::Shared; use super::b::B; pub struct A; // use crate::b;"),
        (
            "b.rs",
            "use crate::Shared; pub struct B; const S: &str = \"use crate::a::A;\"; /* /* */ use crate::a; */",
        ),
        ("b/tests.rs", "use crate::a::A;"),
    ];
    assert_eq!(circles(&files), Vec::<Vec<String>>::new());
    let files = [
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "use super::b::B; #[derive(Debug)] struct A;"),
        (
            "b.rs",
            "pub struct B; #[cfg(test)] mod tests; #[cfg(test)] #[allow(x)] use crate::a::A; #[cfg(test)] mod t { use crate::a::A; }",
        ),
        ("b/tests.rs", "use crate::a::A;"),
    ];
    assert_eq!(circles(&files), Vec::<Vec<String>>::new());
}

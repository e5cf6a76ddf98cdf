//! The modules of a crate, read off its files, and the arrows between them.

pub mod tokens;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use self::tokens::{Token, tokens, without_tests};

/// A module's path from the crate's root; the root's is empty.
type ModulePath = Vec<String>;

/// What one file says.
#[derive(Debug, Default)]
struct Module {
    /// Below `src/`.
    file: String,
    /// What it defines by name.
    defined: BTreeSet<String>,
    /// What it brings into scope: the name, and the path as it is written.
    imported: Vec<(String, Vec<String>)>,
    /// The paths whose every name it brings into scope.
    globs: Vec<Vec<String>>,
    /// All other paths that begin with `crate`, `self` or `super`.
    named: Vec<Vec<String>>,
    /// Its submodules that are there for tests only.
    tests: BTreeSet<String>,
}

/// Modules that need each other.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Circle {
    /// Their paths, in alphabetical order.
    pub modules: Vec<String>,
    /// From which file to which the arrows between them go.
    pub arrows: Vec<String>,
}

/// A crate's modules.
#[derive(Debug, Default)]
pub struct Crate {
    modules: BTreeMap<ModulePath, Module>,
}

impl Crate {
    /// Reads the files below `src/`.
    pub fn read(src: &Path) -> Self {
        let mut files = Vec::new();
        let mut folders = vec![src.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).expect("a crate has a folder src") {
                let path = entry.expect("a folder can be read").path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let name = path.strip_prefix(src).expect("below it").to_string_lossy().into_owned();
                    files.push((name, std::fs::read_to_string(&path).expect("a source file is text")));
                }
            }
        }
        Self::of(files)
    }

    /// A crate of these files: a path below `src/`, and the text.
    pub fn of(files: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut modules = BTreeMap::new();
        let files: Vec<_> = files.into_iter().collect();
        let has_library = files.iter().any(|(file, _)| file == "lib.rs");
        for (file, text) in files {
            // A program beside a library is a crate of its own, and one file.
            if !(has_library && file == "main.rs") {
                let (code, tests) = without_tests(&tokens(&text));
                modules.insert(module_path(&file), Module { file, tests, ..read(&code) });
            }
        }
        let of_tests: Vec<ModulePath> = modules
            .iter()
            .flat_map(|(path, module)| module.tests.iter().map(|name| [path, &[name.clone()][..]].concat()))
            .collect();
        // `#[path = "x_tests.rs"] mod tests;` stands beside its module.
        modules.retain(|path, module| {
            !of_tests.iter().any(|test| path.starts_with(test)) && !module.file.ends_with("tests.rs")
        });
        Self { modules }
    }

    /// Modules beside each other that need each other, each with all that is below it: one list a circle.
    pub fn circles(&self) -> Vec<Circle> {
        let mut wide: BTreeMap<ModulePath, BTreeSet<ModulePath>> = BTreeMap::new();
        let mut because: BTreeMap<(ModulePath, ModulePath), BTreeSet<String>> = BTreeMap::new();
        for (from, all) in &self.arrows() {
            for to in all {
                let common = from.iter().zip(to.iter()).take_while(|(one, other)| one == other).count();
                let ends = (from[..=common].to_vec(), to[..=common].to_vec());
                wide.entry(ends.1.clone()).or_default();
                wide.entry(ends.0.clone()).or_default().insert(ends.1.clone());
                let arrow = format!("{} -> {}", self.modules[*from].file, self.modules[*to].file);
                because.entry(ends).or_default().insert(arrow);
            }
        }
        let mut circles = BTreeSet::new();
        for path in wide.keys() {
            let round: Vec<&ModulePath> = reachable(path, &wide)
                .into_iter()
                .filter(|other| *other != path && reachable(other, &wide).contains(path))
                .chain([path])
                .collect();
            if round.len() > 1 {
                let arrows =
                    because.iter().filter(|((from, to), _)| round.contains(&from) && round.contains(&to));
                let mut modules: Vec<String> = round.iter().map(|path| path.join("::")).collect();
                modules.sort();
                circles.insert(Circle {
                    modules,
                    arrows: arrows.flat_map(|(_, arrows)| arrows.iter().cloned()).collect(),
                });
            }
        }
        circles.into_iter().collect()
    }

    /// Where each module's arrows go.
    fn arrows(&self) -> BTreeMap<&ModulePath, BTreeSet<&ModulePath>> {
        let mut arrows = BTreeMap::new();
        for (path, module) in &self.modules {
            let imported = module.imported.iter().map(|(_, named)| named);
            let to: BTreeSet<&ModulePath> = imported
                .chain(&module.globs)
                .chain(&module.named)
                .filter_map(|named| self.resolve(path, named, 0))
                .filter(|to| !to.starts_with(path) && !path.starts_with(to))
                .collect();
            arrows.insert(path, to);
        }
        arrows
    }

    /// The module that defines what a path names, as it stands in the module `from`; `None` for other crates'.
    fn resolve(&self, from: &[String], named: &[String], depth: usize) -> Option<&ModulePath> {
        let mut at = from.to_vec();
        match named.first()?.as_str() {
            "crate" => at.clear(),
            "self" => {}
            "super" => drop(at.pop()),
            first => {
                let here = self.modules.get(&at)?;
                let child = self.modules.contains_key(&[&at, &[first.to_owned()][..]].concat());
                if !child && !here.defined.contains(first) && depth == 0 {
                    return None;
                }
                return self.descend(at, named, depth);
            }
        }
        let mut rest = &named[1..];
        while rest.first().is_some_and(|part| part == "super") {
            at.pop();
            rest = &rest[1..];
        }
        self.descend(at, rest, depth)
    }

    /// Follows the names of a path from the module `at`.
    fn descend(&self, mut at: ModulePath, mut rest: &[String], depth: usize) -> Option<&ModulePath> {
        while let Some((name, behind)) = rest.split_first() {
            let child = [&at, &[name.clone()][..]].concat();
            if self.modules.contains_key(&child) {
                at = child;
                rest = behind;
                continue;
            }
            let module = self.modules.get(&at)?;
            if module.defined.contains(name) || depth > 8 {
                break;
            }
            if let Some((_, path)) = module.imported.iter().find(|(imported, _)| imported == name) {
                let path = [path, behind].concat();
                // `None` where another crate defines it.
                return self.resolve(&at, &path, depth + 1);
            }
            let globs = module.globs.iter().filter_map(|path| self.resolve(&at, path, depth + 1));
            let found = globs.clone().find(|module| self.modules[*module].defined.contains(name));
            if let Some(found) = found {
                return Some(found);
            }
            break;
        }
        self.modules.get_key_value(&at).map(|(path, _)| path)
    }
}

/// All that can be reached by one arrow or more.
fn reachable<'m>(
    from: &ModulePath,
    arrows: &'m BTreeMap<ModulePath, BTreeSet<ModulePath>>,
) -> BTreeSet<&'m ModulePath> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&ModulePath> = arrows[from].iter().collect();
    while let Some(path) = next.pop() {
        if reached.insert(path) {
            next.extend(&arrows[path]);
        }
    }
    reached
}

/// `a/b.rs` and `a/b/mod.rs` are the module `a::b`.
fn module_path(file: &str) -> ModulePath {
    let stem = file.strip_suffix(".rs").unwrap_or(file);
    let mut path: ModulePath = stem.split('/').map(str::to_owned).collect();
    if path.last().is_some_and(|last| last == "mod") || stem == "lib" || stem == "main" {
        path.pop();
    }
    path
}

/// Reads what a file defines, imports and names.
fn read(tokens: &[Token]) -> Module {
    let mut module = Module::default();
    // Braces around what is read: those of inline modules, and all others.
    let mut braces: Vec<bool> = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let inline = braces.iter().filter(|inline| **inline).count();
        let top_level = braces.iter().all(|inline| *inline);
        let next = |ahead: usize| tokens.get(at + ahead).map(Token::text);
        match token.text() {
            "use" if top_level || next(1).is_some_and(|word| matches!(word, "crate" | "self" | "super")) => {
                let mut paths = Vec::new();
                at = use_tree(tokens, at + 1, &[], &mut paths);
                for (name, path) in paths {
                    let path = outward(path, inline);
                    match name.as_str() {
                        "*" => module.globs.push(path),
                        _ => module.imported.push((name, path)),
                    }
                }
                continue;
            }
            "mod" if next(2) == Some("{") => {
                braces.push(true);
                at += 3;
                continue;
            }
            "struct" | "enum" | "union" | "trait" | "type" | "fn" | "const" | "static" | "macro_rules"
                if top_level =>
            {
                let name = match next(1) {
                    Some("!" | "mut" | "fn") => next(2),
                    name => name,
                };
                module.defined.extend(name.map(str::to_owned));
            }
            "{" => braces.push(false),
            "}" => drop(braces.pop()),
            "crate" | "self" | "super" if next(1) == Some("::") => {
                let mut path = vec![token.text().to_owned()];
                while tokens.get(at + 1).map(Token::text) == Some("::")
                    && let Some(word) = tokens.get(at + 2).filter(|word| word.is_word())
                {
                    path.push(word.text().to_owned());
                    at += 2;
                }
                module.named.push(outward(path, inline));
            }
            _ => {}
        }
        at += 1;
    }
    module
}

/// A path in a module within this file, as it is from the file's own module.
fn outward(mut path: Vec<String>, inline: usize) -> Vec<String> {
    for _ in 0..inline {
        match path.first().map(String::as_str) {
            Some("super") => drop(path.remove(0)),
            _ => break,
        }
    }
    match path.first().map(String::as_str) {
        Some("crate" | "self" | "super") | None => path,
        Some(_) if inline == 0 => path,
        Some(_) => [vec!["self".to_owned()], path].concat(),
    }
}

/// The names that a `use` brings in, with their paths. Answers where it goes on behind the tree.
fn use_tree(
    tokens: &[Token],
    mut at: usize,
    prefix: &[String],
    out: &mut Vec<(String, Vec<String>)>,
) -> usize {
    let mut path = prefix.to_vec();
    loop {
        let Some(token) = tokens.get(at) else { return at };
        match token.text() {
            "{" => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token.text() != "}") {
                    at = use_tree(tokens, at, &path, out);
                    at += usize::from(tokens.get(at).is_some_and(|token| token.text() == ","));
                }
                return at + 1;
            }
            "*" => {
                out.push(("*".to_owned(), path));
                return at + 1;
            }
            "::" => at += 1,
            "self" if !path.is_empty() => at += 1,
            word if token.is_word() => {
                path.push(word.to_owned());
                at += 1;
            }
            _ => return at,
        }
        let behind = tokens.get(at).map(Token::text);
        if behind == Some("as") {
            let name = tokens.get(at + 1).map_or("", Token::text);
            out.push((name.to_owned(), path));
            return at + 2;
        }
        if matches!(behind, Some("," | ";" | "}") | None) {
            out.push((path.last().cloned().unwrap_or_default(), path));
            return at;
        }
    }
}

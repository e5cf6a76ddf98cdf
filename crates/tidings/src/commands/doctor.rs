//! `tidings doctor`: checks a data directory, and says in words what is wrong.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use tidings_core::clock::{Clock, SystemClock};
use tidings_core::model::Timestamp;
use tidings_net::{CertificateSource, Certificates};
use tidings_store::SqliteStore;

use crate::args::SettingsArgs;
use crate::config::{self, Settings};
use crate::data_dir::{self, DATABASE, DataDir};
use crate::failure::{self, Failure};
use crate::output::{self, Style};
use crate::{descriptors, serve};

/// A clock before this is not set: 2025-01-01.
const CLOCK_AT_LEAST: Timestamp = Timestamp(1_735_689_600_000);
/// What the future may hold without a clock having been set back.
const CLOCK_SLACK: Duration = Duration::from_secs(300);
/// Fewer open files than this are worth a word: every device takes one.
const OPEN_FILES: u64 = 4096;
/// Less free space than this is soon used up.
const FREE_BYTES: u64 = 256 * 1024 * 1024;

/// Check a data directory and say what is wrong with it.
///
/// Changes nothing, and may run beside the server. Looks at permissions, the
/// database's integrity, its counters, the certificate, the clock, free space, and
/// the limit of open files. Exit status 1 when something is wrong.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  tidings doctor --data-dir /var/lib/tidings
  tidings doctor --config /etc/tidings.toml")]
pub(crate) struct Args {
    #[command(flatten)]
    settings: SettingsArgs,
}

/// What one check found.
enum Finding {
    Fine(String),
    /// Worth knowing; nothing is broken.
    Note(String),
    Wrong(String),
}

use Finding::{Fine, Note, Wrong};

/// Examines it.
///
/// # Errors
/// When something is wrong with it, or it cannot be looked at.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let settings = config::load(&args.settings.layers())?.settings;
    let dir = &settings.data_dir;
    if !dir.is_dir() {
        return Err(Failure::failed(format!("there is no data directory {}", dir.display())));
    }
    let now = SystemClock.now();
    let database = dir.join(DATABASE);
    let mut wrong = 0;
    let mut say = |what: &str, findings: Vec<Finding>| {
        findings.iter().for_each(|finding| wrong += u32::from(show(what, finding)));
    };
    say("server", vec![running(dir)]);
    say("permissions", permissions(&settings));
    say("database", examine(&database, now));
    say("certificate", certificate(&settings, now));
    say("clock", vec![clock(now)]);
    say("free space", vec![free_space(dir)]);
    say("open files", vec![open_files()]);
    match wrong {
        0 => Ok(()),
        1 => Err(Failure::failed("one thing is wrong")),
        n => Err(Failure::failed(format!("{n} things are wrong"))),
    }
}

/// Prints a finding; whether it is a fault.
fn show(what: &str, finding: &Finding) -> bool {
    let colour = output::colour(&io::stdout());
    let (mark, text) = match finding {
        Fine(text) => (Style::Green.on(colour).paint("ok   "), text),
        Note(text) => (Style::Cyan.on(colour).paint("note "), text),
        Wrong(text) => (Style::Red.on(colour).paint("WRONG"), text),
    };
    output::line(format_args!("{mark}  {what:<12} {text}"));
    matches!(finding, Wrong(_))
}

fn running(dir: &Path) -> Finding {
    match DataDir::in_use(dir) {
        Ok(true) => Fine("one is running on this directory".to_owned()),
        Ok(false) => Fine("none is running on this directory".to_owned()),
        Err(error) => Wrong(format!("the lock cannot be tried: {}", failure::io(&error))),
    }
}

fn permissions(settings: &Settings) -> Vec<Finding> {
    let dir = &settings.data_dir;
    let mut findings = Vec::new();
    let source = serve::certificate_source(settings);
    let files = [
        (dir.clone(), 0o700),
        (dir.join(DATABASE), 0o600),
        (source.key_path(), 0o600),
        (dir.join(data_dir::ADMIN_PASSWORD), 0o600),
    ];
    let owner = rustix::process::geteuid().as_raw();
    for (path, needed) in files {
        let shown = path.display();
        // What is missing is another check's business.
        let Ok(metadata) = fs::metadata(&path) else { continue };
        // The directory shields what is in it.
        let shielded = path != *dir && path.starts_with(dir);
        if metadata.mode() & 0o077 != 0 && !shielded {
            let more = metadata.mode() & 0o777;
            findings.push(Wrong(format!(
                "{shown}: other users of this machine can get at it (mode {more:03o}); run: chmod {needed:o} {shown}"
            )));
        }
        if metadata.uid() != owner && owner != 0 {
            findings.push(Wrong(format!("{shown}: belongs to user {}, not to you", metadata.uid())));
        }
    }
    if findings.is_empty() {
        findings.push(Fine(format!("{} is its owner's alone", dir.display())));
    }
    findings
}

fn examine(database: &Path, now: Timestamp) -> Vec<Finding> {
    if !database.exists() {
        return vec![Note("there is none yet: no server has run here".to_owned())];
    }
    let report = match SqliteStore::examine(database) {
        Ok(report) => report,
        Err(error) => return vec![Wrong(error.to_string())],
    };
    let mut findings: Vec<_> = report.faults.into_iter().map(Wrong).collect();
    if report.older {
        findings.push(Note(
            "made by an older version: the next start brings it up to date, and rows and counters can be \
             looked at from then on"
                .to_owned(),
        ));
    } else if findings.is_empty() {
        findings.push(Fine(format!(
            "intact, every row readable and every counter right ({} accounts, {} notifications)",
            report.totals.accounts, report.totals.notifications
        )));
    }
    if let Some(newest) = report.newest.filter(|newest| *newest > now.plus(CLOCK_SLACK)) {
        findings.push(Wrong(format!(
            "the newest notification is from the future ({newest}): the clock was set back"
        )));
    }
    findings
}

fn certificate(settings: &Settings, now: Timestamp) -> Vec<Finding> {
    let source = serve::certificate_source(settings);
    let (chain, key) = (source.chain_path(), source.key_path());
    if matches!(source, CertificateSource::SelfSigned { .. }) && !chain.exists() {
        return vec![Note("there is none yet: the first start makes one".to_owned())];
    }
    // As files, so that nothing is made or renewed here.
    let certificates = match Certificates::open(CertificateSource::Files { chain: chain.clone(), key }, now) {
        Ok(certificates) => certificates,
        Err(error) => return vec![Wrong(error.to_string())],
    };
    let renewed = certificates.is_own() && matches!(source, CertificateSource::SelfSigned { .. });
    let shown = chain.display();
    let doubts = certificates.doubts(&settings.domain, now);
    let mut findings: Vec<_> = doubts
        .iter()
        .map(|doubt| match renewed {
            true => {
                Note(format!("{shown}: {doubt}; it is the server's own, and the next start makes a new one"))
            }
            false => Wrong(format!("{shown}: {doubt}")),
        })
        .collect();
    if findings.is_empty() {
        let days = certificates.expires_at().since(now).as_secs() / 86_400;
        findings.push(Fine(format!("{shown} is for {} and good for {days} days", settings.domain)));
    }
    findings
}

fn clock(now: Timestamp) -> Finding {
    if now < CLOCK_AT_LEAST {
        Wrong(format!("it says {now}: set it, or times to live and certificates mean nothing"))
    } else {
        Fine(format!("it says {now}"))
    }
}

fn free_space(dir: &Path) -> Finding {
    let space = match rustix::fs::statvfs(dir) {
        Ok(space) => space,
        Err(error) => return Wrong(format!("cannot be asked for: {}", failure::io(&error.into()))),
    };
    if space.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY) {
        return Wrong("the disk is read-only: nothing can be accepted".to_owned());
    }
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    let mebibytes = free >> 20;
    if free < FREE_BYTES {
        Wrong(format!("{mebibytes} MiB: a full disk accepts no notification"))
    } else {
        Fine(format!("{mebibytes} MiB"))
    }
}

fn open_files() -> Finding {
    match descriptors::open_files() {
        Some(most) if most < OPEN_FILES => Note(format!(
            "at most {most}, so fewer devices than that; for more, raise the hard limit (ulimit -Hn, or LimitNOFILE= for systemd)"
        )),
        Some(most) => Fine(format!("at most {most}: one a device, and some for the rest")),
        None => Fine("no limit".to_owned()),
    }
}

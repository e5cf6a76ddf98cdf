//! `tidings restore`: a backup's way back into a data directory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tidings_store::SqliteStore;

use crate::args::SettingsArgs;
use crate::config;
use crate::data_dir::{DATABASE, DataDir, LOCK};
use crate::failure::{self, Failure};
use crate::output;

/// Put a backup into a data directory.
///
/// The backup is looked over first: a damaged one is refused, and one of an older version is brought
/// up to date. The directory must be empty or not be there, and no server may run on it. What was
/// accepted after the backup was made is not in it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  tidings restore --data-dir /var/lib/tidings /backup/tidings-2026-12-01.db
  tidings restore --data-dir /var/lib/tidings --replace /backup/tidings-2026-12-01.db

The certificate (cert.pem, key.pem) is not in a backup: --replace leaves the one that is there.")]
pub(crate) struct Args {
    #[command(flatten)]
    settings: SettingsArgs,
    /// The backup
    file: PathBuf,
    /// Put it in place of the database that is there, which is lost then
    #[arg(long)]
    replace: bool,
}

/// Restores it.
///
/// # Errors
/// One line for people; nothing was changed then.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let settings = config::load(&args.settings.layers())?.settings;
    let (file, dir) = (args.file.as_path(), settings.data_dir.as_path());
    let shown = dir.display();
    // Before the directory is made.
    SqliteStore::check_backup(file)?;
    if !args.replace && !is_empty(dir)? {
        return Err(Failure::failed(format!(
            "{shown} is not empty; --replace puts the backup in place of the database there"
        )));
    }
    if is_same(file, &dir.join(DATABASE)) {
        return Err(Failure::failed(format!("{} is the database itself, and no backup", file.display())));
    }
    let dir = DataDir::open(dir)?;
    let totals = SqliteStore::restore(file, &dir.database())?;
    // It was the former database's.
    dir.forget_admin_password();
    output::note(format_args!(
        "{shown}: restored, {} accounts and {} notifications",
        totals.accounts, totals.notifications
    ));
    Ok(())
}

/// Whether nothing of anybody's is there. The lock says nothing: it is left behind by whoever looked.
fn is_empty(dir: &Path) -> Result<bool, Failure> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => {
            return Err(Failure::failed(format!(
                "cannot look into {}: {}",
                dir.display(),
                failure::io(&error)
            )));
        }
    };
    let mut names = entries.filter_map(Result::ok).map(|entry| entry.file_name());
    Ok(names.all(|name| name == LOCK))
}

fn is_same(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

//! `tidings backup`: a consistent copy of the database while the server runs.

use std::fs;
use std::path::PathBuf;

use crate::args::SettingsArgs;
use crate::config;
use crate::data_dir::DATABASE;
use crate::failure::Failure;
use crate::output;

/// Copy the database to a file.
///
/// The server may run meanwhile: the copy is what it had committed when the copy
/// began. `tidings restore` is its way back. The certificate (cert.pem, key.pem) is
/// not in the database: copy it, too, if devices pin it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  tidings backup --data-dir /var/lib/tidings /backup/tidings-$(date +%F).db")]
pub(crate) struct Args {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Where to; it must not exist
    file: PathBuf,
}

/// Makes the copy.
///
/// # Errors
/// One line for people.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let settings = config::load(&args.settings.layers())?.settings;
    let database = settings.data_dir.join(DATABASE);
    if !database.exists() {
        return Err(Failure::failed(format!("there is no database at {}", database.display())));
    }
    let shown = args.file.display();
    tidings_store::SqliteStore::copy(&database, &args.file)?;
    let bytes = fs::metadata(&args.file).map_or(0, |metadata| metadata.len());
    output::note(format_args!("{shown}: {} KiB, consistent", bytes.div_ceil(1024)));
    Ok(())
}

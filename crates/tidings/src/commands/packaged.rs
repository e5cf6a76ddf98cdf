//! `tidings completions` and `tidings man`: what packages install beside the program.

use std::io::{self, Write};

use clap::Command;
use clap_complete::Shell;

use crate::failure::{self, Failure};

/// Print what completes the command line in a shell.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  tidings completions bash > /usr/share/bash-completion/completions/tidings
  tidings completions zsh > ~/.zfunc/_tidings")]
pub(crate) struct Completions {
    /// Which shell
    shell: Shell,
}

/// Prints a shell's completions.
///
/// # Errors
/// When they cannot be written.
pub(crate) fn completions(args: &Completions, mut line: Command) -> Result<(), Failure> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut line, "tidings", &mut text);
    print(&text)
}

/// Prints the manual page, tidings(1): every command and every option.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn man(mut command: Command) -> Result<(), Failure> {
    command.build();
    let mut text = Vec::new();
    let written = (|| {
        let page = clap_mangen::Man::new(command.clone());
        page.render(&mut text)?;
        for name in subcommands(&command, &[]) {
            // As a section of the one page, without the head that a page of its own would have.
            let mut section = Vec::new();
            let page = clap_mangen::Man::new(name.1);
            writeln!(section, ".SH \"{}\"", name.0.to_uppercase())?;
            page.render_description_section(&mut section)?;
            page.render_options_section(&mut section)?;
            let section = String::from_utf8_lossy(&section).replace(".SH DESCRIPTION\n", "");
            text.extend(section.replace(".SH OPTIONS", ".SS OPTIONS").bytes());
        }
        Ok(())
    })();
    written.map_err(|error: io::Error| Failure::failed(failure::io(&error)))?;
    print(&text)
}

/// Every command below this one, by its whole name.
fn subcommands(command: &Command, path: &[String]) -> Vec<(String, Command)> {
    let mut found = Vec::new();
    for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
        let path = [path, &[inner.get_name().to_owned()]].concat();
        if inner.has_subcommands() {
            found.extend(subcommands(inner, &path));
        } else {
            found.push((format!("tidings {}", path.join(" ")), inner.clone()));
        }
    }
    found
}

fn print(text: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::failed(format!("cannot print: {}", failure::io(&error))))
        }
        _ => Ok(()),
    }
}

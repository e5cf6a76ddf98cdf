//! What commands print: colour only on a terminal, and never a panic because a pipe closed.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use crate::failure::{self, Failure};
use crate::log_queue;

/// A line on standard output, for as long as its reader is there. Other errors do
/// not matter enough to fail for: what was to be done is done.
pub(crate) fn line(text: impl Display) {
    if write(text).is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
        std::process::exit(0);
    }
}

/// A line on standard output without which what was done is worth nothing: a secret that is shown once.
///
/// # Errors
/// Where it was not printed; `lost` says what that means.
pub(crate) fn secret(text: impl Display, lost: &str) -> Result<(), Failure> {
    let written = write(text);
    written.map_err(|error| Failure::failed(format!("{lost}: cannot print: {}", failure::io(&error))))
}

/// A line on standard output from a command that goes on whether or not it is read: a thread of
/// its own waits for the reader.
pub(crate) fn announce(text: impl Display) {
    let text = text.to_string();
    let waiting = std::thread::Builder::new().name("announce".into());
    // Without a thread nothing is announced; whatever follows will say what the matter is.
    waiting.spawn(move || write(text).ok()).ok();
}

fn write(text: impl Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// A line on standard error; behind those of the log, where there is one.
pub(crate) fn note(text: impl Display) {
    match log_queue::started() {
        Some(queue) => queue.push(format!("{text}\n").as_bytes()),
        None => drop(writeln!(io::stderr().lock(), "{text}")),
    }
}

/// The one line that says why a command failed.
pub(crate) fn error(text: &str) {
    let red = Style::Red.on(colour(&io::stderr()));
    note(format_args!("{} {text}", red.paint("tidings:")));
}

/// Whether to write colours there.
pub(crate) fn colour(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A way to write.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Style {
    Plain,
    Bold,
    Dim,
    Red,
    Green,
    Cyan,
}

impl Style {
    /// This style, or none where there is no colour.
    pub(crate) fn on(self, colour: bool) -> Self {
        if colour { self } else { Self::Plain }
    }

    pub(crate) fn paint(self, text: impl Display) -> String {
        let code = match self {
            Self::Plain => return text.to_string(),
            Self::Bold => 1,
            Self::Dim => 2,
            Self::Red => 31,
            Self::Green => 32,
            Self::Cyan => 36,
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// Rows with aligned columns under a heading.
pub(crate) fn table(heading: &[&str], rows: &[Vec<String>]) {
    let bold = Style::Bold.on(colour(&io::stdout()));
    let heading: Vec<String> = heading.iter().map(|&cell| cell.to_owned()).collect();
    let width = |column: usize| {
        let cells = std::iter::once(&heading).chain(rows).filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heading.len()).map(width).collect();
    let aligned = |row: &[String]| {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    line(bold.paint(aligned(&heading)));
    rows.iter().for_each(|row| line(aligned(row)));
}

/// Text from elsewhere, without what could steer a terminal.
pub(crate) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == '\x1b' {
            if letters.next_if_eq(&'[').is_some() {
                while letters.next().is_some_and(|c| !c.is_ascii_alphabetic()) {}
            }
        } else if letter == '\n' || !letter.is_control() {
            plain.push(letter);
        }
    }
    plain
}

/// [`plain`] text on one line: a line break of a sender's must not begin a line that looks like another
/// notification.
pub(crate) fn one_line(text: &str) -> String {
    plain(text).replace('\n', "\\n").replace(['\u{2028}', '\u{2029}'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_text_is_made_plain() {
        assert_eq!(plain("a\x1b[31mb\x1b[0m\x07c\nd\x1b"), "abc\nd");
        assert_eq!(one_line("a\x1b[31mb\nc\u{2028}d\re"), "ab\\nc de");
    }

    #[test]
    fn no_colour_is_no_codes() {
        assert_eq!(Style::Red.on(false).paint("x"), "x");
        assert_eq!(Style::Red.on(true).paint("x"), "\x1b[31mx\x1b[0m");
    }
}

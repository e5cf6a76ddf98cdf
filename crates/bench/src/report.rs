//! What is shown: progress, a table, JSON.

use std::io::{IsTerminal, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Context, Error};

/// One measured figure.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Figure {
    /// What it is.
    pub name: String,
    /// In what.
    pub unit: String,
    /// How much.
    pub value: f64,
    /// The bare program's, in the same run.
    pub baseline: Option<f64>,
    /// `value / baseline`.
    pub ratio: Option<f64>,
    /// What the ratio (or the value, where there is no baseline) should be.
    pub budget: Option<String>,
    /// Whether it is.
    pub met: Option<bool>,
}

/// Points of a curve.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Series {
    /// What is drawn.
    pub name: String,
    /// The number of sessions or accounts, and the figure.
    pub points: Vec<(f64, f64)>,
}

/// A benchmark's outcome.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Which benchmark.
    pub benchmark: String,
    /// On what.
    pub machine: String,
    /// Sessions or accounts.
    pub size: usize,
    /// The figures.
    pub figures: Vec<Figure>,
    /// Curves.
    pub series: Vec<Series>,
    /// What to know when reading them.
    pub notes: Vec<String>,
    /// Whether the budgets apply: they are ours, not another server's.
    #[serde(skip)]
    judged: bool,
}

/// What a figure should be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Budget {
    /// At least this many times the baseline.
    RatioAtLeast(f64),
    /// At most this many times the baseline.
    RatioAtMost(f64),
    /// At most this.
    AtMost(f64),
}

impl Report {
    pub(crate) fn new(benchmark: &str, size: usize) -> Self {
        Self {
            judged: true,
            benchmark: benchmark.to_owned(),
            machine: crate::measure::machine(),
            size,
            figures: Vec::new(),
            series: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Leaves the budgets out unless it is our own server that is measured.
    pub(crate) fn judged(mut self, is_ours: bool) -> Self {
        self.judged = is_ours;
        self
    }

    pub(crate) fn figure(&mut self, name: &str, unit: &str, value: f64) -> &mut Figure {
        self.compared(name, unit, value, None, None)
    }

    pub(crate) fn compared(
        &mut self,
        name: &str,
        unit: &str,
        value: f64,
        baseline: Option<f64>,
        budget: Option<Budget>,
    ) -> &mut Figure {
        let budget = budget.filter(|_| self.judged);
        let ratio = baseline.filter(|baseline| *baseline > 0.0).map(|baseline| value / baseline);
        let met = match budget {
            Some(Budget::RatioAtLeast(least)) => ratio.map(|ratio| ratio >= least),
            Some(Budget::RatioAtMost(most)) => ratio.map(|ratio| ratio <= most),
            Some(Budget::AtMost(most)) => Some(value <= most),
            None => None,
        };
        let budget = budget.map(|budget| match budget {
            Budget::RatioAtLeast(least) => format!("≥ {least} × baseline"),
            Budget::RatioAtMost(most) => format!("≤ {most} × baseline"),
            Budget::AtMost(most) => format!("≤ {most} {unit}"),
        });
        let figure =
            Figure { name: name.to_owned(), unit: unit.to_owned(), value, baseline, ratio, budget, met };
        self.figures.push(figure);
        let last = self.figures.len() - 1;
        #[expect(clippy::indexing_slicing, reason = "pushed just above")]
        &mut self.figures[last]
    }

    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Prints the table, and writes the JSON.
    pub(crate) fn publish(&self, json: Option<&Path>) -> Result<(), Error> {
        let text = serde_json::to_string_pretty(self)?;
        let mut out = std::io::stdout().lock();
        match json {
            Some(path) if path == Path::new("-") => return Ok(writeln!(out, "{text}")?),
            Some(path) => {
                std::fs::write(path, text + "\n").context(&format!("cannot write {}", path.display()))?;
            }
            None => {}
        }
        Ok(out.write_all(self.table().as_bytes())?)
    }

    fn table(&self) -> String {
        let mut rows =
            vec![["".to_owned(), "measured".into(), "baseline".into(), "ratio".into(), "budget".into()]];
        for figure in &self.figures {
            let verdict = match (&figure.budget, figure.met) {
                (Some(budget), Some(true)) => format!("{budget}  met"),
                (Some(budget), Some(false)) => format!("{budget}  MISSED"),
                (Some(budget), None) => budget.clone(),
                (None, _) => String::new(),
            };
            rows.push([
                match figure.unit.as_str() {
                    "" => figure.name.clone(),
                    unit => format!("{}, {unit}", figure.name),
                },
                number(figure.value),
                figure.baseline.map(number).unwrap_or_default(),
                figure.ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default(),
                verdict,
            ]);
        }
        let width = |column: usize| {
            rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let (names, values, baselines) = (width(0), width(1), width(2));
        let mut text = format!("{}, {} — {}\n", self.benchmark, self.size, self.machine);
        for [name, value, baseline, ratio, budget] in &rows {
            let line =
                format!("  {name:names$}  {value:>values$}  {baseline:>baselines$}  {ratio:>6}  {budget}");
            text.push_str(line.trim_end());
            text.push('\n');
        }
        for note in &self.notes {
            text.push_str(&format!("  {note}\n"));
        }
        text
    }
}

fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 1000.0 => {
            let whole = format!("{value:.0}");
            let mut grouped = String::new();
            for (index, digit) in whole.chars().enumerate() {
                if index > 0 && (whole.len() - index).is_multiple_of(3) {
                    grouped.push(',');
                }
                grouped.push(digit);
            }
            grouped
        }
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// A line on the terminal that says how far it is.
#[derive(Debug)]
pub(crate) struct ProgressLine {
    what: String,
    total: usize,
    shown: bool,
}

impl ProgressLine {
    pub(crate) fn new(what: impl Into<String>, total: usize) -> Self {
        let progress = Self { what: what.into(), total, shown: std::io::stderr().is_terminal() };
        progress.step(0);
        progress
    }

    pub(crate) fn silent() -> Self {
        Self { what: String::new(), total: 0, shown: false }
    }

    pub(crate) fn step(&self, done: usize) {
        if self.shown {
            // A terminal that went away is no reason to stop.
            let _ = match self.total {
                0 => write!(std::io::stderr(), "\r\x1b[K{}", self.what),
                total => write!(std::io::stderr(), "\r\x1b[K{} {done} of {total}", self.what),
            };
        }
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_shows_what_was_met_and_what_was_missed() {
        let mut report = Report::new("idle", 100);
        report.compared("memory", "KiB", 6.0, Some(5.0), Some(Budget::RatioAtMost(1.5)));
        report.compared("rate", "1/s", 12_345.0, Some(50_000.0), Some(Budget::RatioAtLeast(0.6)));
        let table = report.table();
        assert!(table.contains("1.20  ≤ 1.5 × baseline  met"), "{table}");
        assert!(table.contains("12,345    50,000    0.25  ≥ 0.6 × baseline  MISSED"), "{table}");
    }

    #[test]
    fn another_server_is_not_judged_by_our_budgets() {
        let mut report = Report::new("idle", 100).judged(false);
        report.compared("memory", "KiB", 60.0, Some(5.0), Some(Budget::RatioAtMost(1.5)));
        let table = report.table();
        assert!(table.contains("12.00") && !table.contains("MISSED") && !table.contains("1.5 ×"), "{table}");
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(number(1_234_567.0), "1,234,567");
        assert_eq!(number(0.126), "0.13");
        assert_eq!(number(99.96), "100.0");
    }
}

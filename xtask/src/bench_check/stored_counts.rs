//! The stored counts, where they hold, and what is worse than they are.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// More than this much slower fails.
pub(crate) const TOLERANCE: f64 = 0.05;

/// Instructions of each path, and the surroundings in which exactly these come out.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct StoredCounts {
    /// Compiler, libraries, processor: what changes the counts without a change of the code.
    pub(crate) surroundings: BTreeMap<String, String>,
    /// Instructions of one time through, by the path's name.
    pub(crate) counts: BTreeMap<String, f64>,
}

impl StoredCounts {
    /// Reads what [`StoredCounts::text`] wrote; lines that it would not write are passed over.
    pub(crate) fn parse(text: &str) -> Self {
        let mut stored = Self::default();
        for line in text.lines() {
            if let Some((key, value)) = line.strip_prefix("# ").and_then(|line| line.split_once(": ")) {
                stored.surroundings.insert(key.to_owned(), value.to_owned());
            } else if let Some((count, name)) = line.split_once('\t')
                && let Ok(count) = count.trim().parse()
            {
                stored.counts.insert(name.to_owned(), count);
            }
        }
        stored
    }

    /// As it is stored.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for (key, value) in &self.surroundings {
            let _ = writeln!(text, "# {key}: {value}");
        }
        for (name, count) in &self.counts {
            let _ = writeln!(text, "{count:.0}\t{name}");
        }
        text
    }

    /// How this differs from what is around now; empty where counts can be compared.
    pub(crate) fn elsewhere(&self, now: &BTreeMap<String, String>) -> Vec<String> {
        let keys: BTreeSet<&String> = self.surroundings.keys().chain(now.keys()).collect();
        let said = |value: Option<&String>| value.map_or("not said", String::as_str).to_owned();
        keys.into_iter()
            .map(|key| (key, self.surroundings.get(key), now.get(key)))
            .filter(|(_, before, now)| before != now)
            .map(|(key, before, now)| format!("{key}: {} (here: {})", said(before), said(now)))
            .collect()
    }

    /// The paths that are on one side only: without a stored count a path is not watched.
    pub(crate) fn unmatched(&self, measured: &BTreeMap<String, f64>) -> Vec<String> {
        let new = measured.keys().filter(|name| !self.counts.contains_key(*name));
        let gone = self.counts.keys().filter(|name| !measured.contains_key(*name));
        new.map(|name| format!("{name} (has no stored count)"))
            .chain(gone.map(|name| format!("{name} (stored, but not measured)")))
            .collect()
    }

    /// How much more a path takes than it took: 0.05 is 5 % more.
    pub(crate) fn change(&self, name: &str, now: f64) -> Option<f64> {
        self.counts.get(name).map(|before| now / before - 1.0)
    }

    /// Whether a path takes more than it may.
    pub(crate) fn is_worse(&self, name: &str, now: f64) -> bool {
        self.counts.get(name).is_some_and(|before| now > before * (1.0 + TOLERANCE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(counts: &[(&str, f64)]) -> BTreeMap<String, f64> {
        counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    }

    fn stored() -> StoredCounts {
        StoredCounts::parse("# rustc: 1.95.0\n# cpu: x86_64 avx2\n1000\tparsing: a\n2000\tframing: b\n")
    }

    #[test]
    fn what_is_written_is_read_again() {
        assert_eq!(StoredCounts::parse(&stored().text()), stored());
        assert_eq!(stored().counts, counts(&[("parsing: a", 1000.0), ("framing: b", 2000.0)]));
    }

    #[test]
    fn only_more_than_the_tolerance_is_worse() {
        for (now, worse) in [(10.0, false), (1000.0, false), (1050.0, false), (1051.0, true), (1060.0, true)]
        {
            assert_eq!(stored().is_worse("parsing: a", now), worse, "{now}");
        }
    }

    #[test]
    fn a_path_on_one_side_only_is_named() {
        let measured = counts(&[("parsing: a", 1.0), ("encoding: c", 1.0)]);
        assert_eq!(
            stored().unmatched(&measured),
            ["encoding: c (has no stored count)", "framing: b (stored, but not measured)"]
        );
        assert!(stored().unmatched(&stored().counts).is_empty());
    }

    #[test]
    fn another_compiler_or_processor_is_named() {
        let same = stored().surroundings;
        assert!(stored().elsewhere(&same).is_empty());
        let other =
            StoredCounts::parse("# rustc: 1.96.0\n# cpu: x86_64 avx2\n# libc: glibc 2.41\n").surroundings;
        assert_eq!(
            stored().elsewhere(&other),
            ["libc: not said (here: glibc 2.41)", "rustc: 1.95.0 (here: 1.96.0)"]
        );
    }
}

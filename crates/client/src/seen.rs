//! The ids of the last notifications that the application acknowledged, on disk, so
//! that one that is delivered again after a crash or a reconnect is not shown again.

use std::collections::{HashSet, VecDeque};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::account::{private, replace};

/// How many ids are remembered.
pub(crate) const REMEMBERED: usize = 1000;
/// Longer ids are not remembered: no server of ours makes them.
const MAX_ID: usize = 256;

/// A ring of ids.
#[derive(Debug)]
pub(crate) struct Seen {
    ids: HashSet<Arc<str>>,
    order: VecDeque<Arc<str>>,
}

/// Where a ring is kept: one id a line, the newest last.
#[derive(Debug)]
pub(crate) struct SeenFile {
    path: PathBuf,
    file: File,
    lines: usize,
}

impl Seen {
    pub(crate) fn new() -> Self {
        Self { ids: HashSet::new(), order: VecDeque::new() }
    }

    /// Reads the ring at `path`, which need not exist. No file comes with it when
    /// another process is using it: ids are then kept in memory only.
    pub(crate) fn open(path: &Path) -> io::Result<(Self, Option<SeenFile>)> {
        let mut options = OpenOptions::new();
        let mut file = private(options.read(true).append(true).create(true)).open(path)?;
        let locked = match file.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => false,
            Err(TryLockError::Error(error)) => return Err(error),
        };
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;

        // What a crash left of the last line is no id.
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let mut ring = Self::new();
        let mut lines = 0;
        for line in text.get(..whole).unwrap_or_default().split(|byte| *byte == b'\n') {
            if let Ok(id) = std::str::from_utf8(line)
                && fits(id)
            {
                ring.insert(id);
                lines += 1;
            }
        }
        if !locked {
            return Ok((ring, None));
        }
        if whole < text.len() {
            file.set_len(whole as u64)?;
            file.seek(SeekFrom::End(0))?;
        }
        Ok((ring, Some(SeenFile { path: path.to_owned(), file, lines })))
    }

    pub(crate) fn contains(&self, id: &str) -> bool {
        self.ids.contains(id)
    }

    /// Remembers an id; says whether it is to be written to the file as well.
    pub(crate) fn insert(&mut self, id: &str) -> bool {
        if !fits(id) || self.ids.contains(id) {
            return false;
        }
        let id: Arc<str> = id.into();
        self.ids.insert(Arc::clone(&id));
        self.order.push_back(id);
        while self.order.len() > REMEMBERED {
            if let Some(oldest) = self.order.pop_front() {
                self.ids.remove(&oldest);
            }
        }
        true
    }

    /// All of it, the oldest first.
    pub(crate) fn all(&self) -> Vec<Arc<str>> {
        self.order.iter().map(Arc::clone).collect()
    }
}

impl SeenFile {
    /// Whether so many lines are outdated that [`rewrite`](Self::rewrite) is due.
    pub(crate) fn is_long(&self) -> bool {
        self.lines >= 2 * REMEMBERED
    }

    /// Appends ids; they are on disk when it returns.
    pub(crate) fn append(&mut self, ids: &[String]) -> io::Result<()> {
        let mut text = ids.join("\n");
        text.push('\n');
        self.file.write_all(text.as_bytes())?;
        self.file.sync_data()?;
        self.lines += ids.len();
        Ok(())
    }

    /// Puts a file with just these ids in its place.
    pub(crate) fn rewrite(&mut self, ids: &[Arc<str>]) -> io::Result<()> {
        let mut text = String::new();
        for id in ids {
            text.push_str(id);
            text.push('\n');
        }
        let file = replace(&self.path, text.as_bytes())?;
        // Another process cannot hold it: it would have to have opened it just now.
        if let Err(TryLockError::Error(error)) = file.try_lock() {
            return Err(error);
        }
        self.file = file;
        self.lines = ids.len();
        Ok(())
    }
}

fn fits(id: &str) -> bool {
    !id.is_empty() && id.len() <= MAX_ID && !id.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(ring: &mut Seen, file: &mut SeenFile, ids: &[&str]) {
        let new: Vec<String> = ids.iter().filter(|id| ring.insert(id)).map(|id| (*id).to_owned()).collect();
        file.append(&new).unwrap();
    }

    fn reopen(path: &Path) -> (Seen, SeenFile) {
        let (ring, file) = Seen::open(path).unwrap();
        (ring, file.unwrap())
    }

    #[test]
    fn ids_outlive_the_process() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.seen");
        let (mut ring, mut file) = reopen(&path);
        record(&mut ring, &mut file, &["one", "two"]);
        drop(file);
        let (ring, _file) = reopen(&path);
        assert!(ring.contains("one") && ring.contains("two") && !ring.contains("three"));
    }

    #[test]
    fn a_torn_line_is_cut_off_and_the_next_id_starts_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.seen");
        std::fs::write(&path, "one\ntw").unwrap();
        let (mut ring, mut file) = reopen(&path);
        assert!(ring.contains("one") && !ring.contains("tw"));
        record(&mut ring, &mut file, &["two"]);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\n");
    }

    #[test]
    fn only_the_newest_are_remembered_and_the_file_stays_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.seen");
        let (mut ring, mut file) = reopen(&path);
        let ids: Vec<String> = (0..2 * REMEMBERED).map(|n| n.to_string()).collect();
        for chunk in ids.chunks(100) {
            let chunk: Vec<&str> = chunk.iter().map(String::as_str).collect();
            record(&mut ring, &mut file, &chunk);
        }
        assert!(file.is_long());
        file.rewrite(&ring.all()).unwrap();
        record(&mut ring, &mut file, &["last"]);
        drop(file);
        let (ring, file) = reopen(&path);
        assert_eq!((ring.order.len(), file.lines), (REMEMBERED, REMEMBERED + 1));
        assert!(ring.contains("last") && ring.contains("1999") && !ring.contains("1000"));
    }

    #[test]
    fn a_second_process_keeps_to_its_memory() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.seen");
        let (mut ring, mut file) = reopen(&path);
        record(&mut ring, &mut file, &["one"]);
        let (second, none) = Seen::open(&path).unwrap();
        assert!(second.contains("one") && none.is_none());
    }

    #[test]
    fn what_would_break_the_file_is_not_remembered() {
        let mut ring = Seen::new();
        assert!(!ring.insert("a\nb") && !ring.insert("") && !ring.insert(&"x".repeat(MAX_ID + 1)));
    }
}

//! Reads a write-ahead log to see whether it verifies, without SQLite: where a frame does not, SQLite
//! takes the log to end there, and says nothing (sqlite.org/fileformat2.html, section 4).

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

/// Bytes of the log's header, and of a frame's.
const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// The header's first word; its last bit says that checksums are of big-endian words.
const MAGIC: u32 = 0x377f_0682;
/// The place of a wal-index' word that counts the frames which are in the database already, and of
/// the one that counts the log's frames (section 4.5 of the same).
const COPIED_AT: usize = 96;
const FRAMES_AT: usize = 16;

/// What a write-ahead log holds.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct WalReport {
    /// Bytes behind the last commit that verifies which belong to later commits.
    pub unverified: u64,
    /// The commits that those were, as far as their headers tell.
    pub commits: u64,
}

/// The path of a database's log.
pub(super) fn path_of(database: &Path) -> PathBuf {
    with_suffix(database, "-wal")
}

/// Another file of the database's: its name, and something behind it.
pub(super) fn with_suffix(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Bytes of commits in the log that are not in the database yet; `None` where nothing uses it.
pub(super) fn not_copied(database: &Path) -> Option<u64> {
    let mut index = [0; COPIED_AT + 4];
    File::open(with_suffix(database, "-shm")).ok()?.read_exact(&mut index).ok()?;
    let word = |at: usize| Some(u32::from_ne_bytes(index.get(at..at + 4)?.try_into().ok()?));
    let page = page_bytes(&read_header(&mut File::open(path_of(database)).ok()?).ok()??)?;
    let frames = word(FRAMES_AT)?.saturating_sub(word(COPIED_AT)?);
    Some(u64::from(frames) * page as u64)
}

/// Reads the log of a database. One that is written to meanwhile may be seen by halves.
pub(super) fn inspect(database: &Path) -> io::Result<WalReport> {
    let file = match File::open(path_of(database)) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(WalReport::default()),
        Err(error) => return Err(error),
    };
    let mut file = BufReader::with_capacity(1 << 20, file);
    let Some(header) = read_header(&mut file)? else { return Ok(WalReport::default()) };
    frames(&header, &mut file)
}

/// `None` where there is no log: it is empty, or was never begun.
fn read_header(file: &mut impl Read) -> io::Result<Option<[u8; HEADER]>> {
    let mut header = [0; HEADER];
    match file.read_exact(&mut header) {
        Ok(()) => Ok(header.iter().any(|byte| *byte != 0).then_some(header)),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

fn page_bytes(header: &[u8; HEADER]) -> Option<usize> {
    let bytes = big_endian(header, 8) as usize;
    (bytes.is_power_of_two() && (512..=65_536).contains(&bytes)).then_some(bytes)
}

fn frames(header: &[u8; HEADER], file: &mut impl Read) -> io::Result<WalReport> {
    let magic = big_endian(header, 0);
    let sum = Checksum { big_endian: magic & 1 == 1, state: (0, 0) };
    let (head, written) = header.split_at(24);
    let sum = sum.over(head);
    let mut verifies = magic & !1 == MAGIC && sum.is(written);
    let mut report = WalReport::default();
    // Without it, the length of a frame is a guess.
    let page = page_bytes(header).unwrap_or(4096);
    let mut salts = header.get(16..24).unwrap_or_default().to_vec();
    // What the header says of them is not to be trusted where it does not verify.
    let mut trusted = verifies;
    let mut sum = sum;
    let mut frame = vec![0; FRAME_HEADER + page];
    let mut behind = 0;
    loop {
        match file.read_exact(&mut frame) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(report),
            Err(error) => return Err(error),
        }
        let (head, content) = frame.split_at(FRAME_HEADER);
        if !trusted {
            salts = head.get(8..16).unwrap_or_default().to_vec();
            trusted = true;
        }
        let of_this_log = head.get(8..16) == Some(salts.as_slice());
        if verifies {
            sum = sum.over(head.get(..8).unwrap_or_default()).over(content);
            verifies = of_this_log && sum.is(head.get(16..24).unwrap_or_default());
        }
        if verifies {
            continue;
        }
        // What is left of a former log has other salts; what was rolled back has no commit.
        behind += frame.len() as u64;
        if of_this_log && big_endian(head, 4) != 0 {
            report.commits += 1;
            report.unverified = behind;
        }
    }
}

fn big_endian(bytes: &[u8], at: usize) -> u32 {
    let word = bytes.get(at..at + 4).and_then(|word| word.try_into().ok());
    word.map_or(0, u32::from_be_bytes)
}

/// The log's checksum (section 4.2).
#[derive(Debug, Clone, Copy)]
struct Checksum {
    big_endian: bool,
    state: (u32, u32),
}

impl Checksum {
    fn over(mut self, bytes: &[u8]) -> Self {
        let word = |word: [u8; 4]| match self.big_endian {
            true => u32::from_be_bytes(word),
            false => u32::from_le_bytes(word),
        };
        let (mut first, mut second) = self.state;
        for pair in bytes.chunks_exact(8) {
            let [a, b, c, d, e, f, g, h] = *pair else { continue };
            first = first.wrapping_add(word([a, b, c, d])).wrapping_add(second);
            second = second.wrapping_add(word([e, f, g, h])).wrapping_add(first);
        }
        self.state = (first, second);
        self
    }

    /// Whether these eight bytes say so. They are big-endian whatever the words are.
    fn is(&self, written: &[u8]) -> bool {
        (big_endian(written, 0), big_endian(written, 4)) == self.state
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rusqlite::Connection;

    use super::*;

    /// A database with a log of `commits` commits, left as a crash leaves it: its path.
    fn log(directory: &Path, commits: usize) -> PathBuf {
        let made = directory.join("made.db");
        let connection = Connection::open(&made).unwrap();
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).unwrap();
        connection.execute_batch("CREATE TABLE t (x BLOB); PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        for _ in 0..commits {
            connection.execute("INSERT INTO t VALUES (zeroblob(6000))", []).unwrap();
        }
        let left = directory.join("left.db");
        fs::copy(&made, &left).unwrap();
        fs::copy(path_of(&made), path_of(&left)).unwrap();
        left
    }

    fn flip(path: &Path, at: usize) {
        let mut bytes = fs::read(path).unwrap();
        bytes[at] ^= 0x10;
        fs::write(path, bytes).unwrap();
    }

    #[test]
    fn every_flipped_byte_of_a_commit_is_seen() {
        let directory = tempfile::tempdir().unwrap();
        let database = log(directory.path(), 5);
        let wal = path_of(&database);
        assert_eq!(inspect(&database).unwrap(), WalReport::default());
        let whole = fs::read(&wal).unwrap();
        for at in (0..whole.len()).step_by(97).chain(0..HEADER).chain(HEADER..HEADER + FRAME_HEADER) {
            flip(&wal, at);
            let report = inspect(&database).unwrap();
            // The commit in whose last frame's header the flag or the salts are is not known for one.
            assert!(report.commits >= 1 || at > whole.len() - 5000, "{at}: {report:?}");
            fs::write(&wal, &whole).unwrap();
        }
        flip(&wal, HEADER + FRAME_HEADER + 7);
        let report = inspect(&database).unwrap();
        assert_eq!(report.commits, 5);
        assert_eq!(report.unverified, (whole.len() - HEADER) as u64);
    }

    #[test]
    fn what_a_former_log_left_behind_is_no_damage() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t.db");
        let connection = Connection::open(&path).unwrap();
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).unwrap();
        connection.execute_batch("CREATE TABLE t (x BLOB)").unwrap();
        for _ in 0..20 {
            connection.execute("INSERT INTO t VALUES (zeroblob(6000))", []).unwrap();
        }
        connection.execute_batch("PRAGMA wal_checkpoint(RESTART)").unwrap();
        connection.execute("INSERT INTO t VALUES (1)", []).unwrap();
        assert_eq!(inspect(&path).unwrap(), WalReport::default());
        // What was written out before it was rolled back has no commit, either.
        connection.pragma_update(None, "cache_size", 5).unwrap();
        connection.execute_batch("BEGIN").unwrap();
        for _ in 0..50 {
            connection.execute("INSERT INTO t VALUES (zeroblob(6000))", []).unwrap();
        }
        connection.execute_batch("ROLLBACK").unwrap();
        connection.execute("INSERT INTO t VALUES (2)", []).unwrap();
        assert_eq!(inspect(&path).unwrap(), WalReport::default());
    }

    #[test]
    fn a_log_that_ends_early_or_is_not_there_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("t.db");
        assert_eq!(inspect(&database).unwrap(), WalReport::default());
        for bytes in [0, 31, 32, 1000] {
            fs::write(path_of(&database), vec![0; bytes]).unwrap();
            assert_eq!(inspect(&database).unwrap(), WalReport::default(), "{bytes}");
        }
    }

    #[test]
    fn what_is_not_copied_is_told_while_a_connection_is_open() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t.db");
        let connection = Connection::open(&path).unwrap();
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).unwrap();
        connection.execute_batch("CREATE TABLE t (x BLOB)").unwrap();
        assert!(not_copied(&path).unwrap() > 0);
        connection.execute_batch("PRAGMA wal_checkpoint(PASSIVE)").unwrap();
        assert_eq!(not_copied(&path), Some(0));
        drop(connection);
        assert_eq!(not_copied(&path), None);
    }
}

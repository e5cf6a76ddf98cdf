//! Disks that fill up, fail or are slow.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::server::Home;

/// errno values that the shim is told.
pub const EIO: i32 = 5;
pub const EROFS: i32 = 30;

/// A small filesystem in memory, gone when dropped.
pub struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// Mounts one of `mebibytes`; `None`, with a word why, where that is not allowed.
    pub fn mount(path: &Path, mebibytes: u32) -> Option<Self> {
        std::fs::create_dir_all(path).unwrap();
        let options = format!("size={mebibytes}m,mode=0700");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "tidings-proof"]).arg(path);
        match mount.output() {
            Ok(output) if output.status.success() => Some(Self { path: path.to_owned() }),
            Ok(output) => {
                eprintln!(
                    "SKIPPED: mount is not permitted here: {}",
                    String::from_utf8_lossy(&output.stderr)
                );
                None
            }
            Err(error) => {
                eprintln!("SKIPPED: there is no mount here: {error}");
                None
            }
        }
    }

    /// Writes a file until nothing more fits.
    pub fn fill(&self) {
        use std::io::Write;
        let mut file = std::fs::File::create(self.path.join("filler")).unwrap();
        for size in [1 << 16, 4096, 1] {
            let block = vec![7; size];
            while file.write_all(&block).is_ok() {}
        }
    }

    pub fn free(&self) {
        std::fs::remove_file(self.path.join("filler")).unwrap();
    }

    /// Makes it read-only or writable. Nothing there may be open for writing.
    pub fn remount(&self, mode: &str) {
        let done = Command::new("mount").args(["-o", &format!("remount,{mode}")]).arg(&self.path).status();
        assert!(done.unwrap().success(), "remount,{mode}");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["-l"]).arg(&self.path).status();
    }
}

/// A disk that does what it is told: a library that is loaded before the C library.
pub struct Shim {
    library: PathBuf,
    control: PathBuf,
}

impl Shim {
    /// Compiles it; `None`, with a word why, where there is no C compiler.
    pub fn build(home: &Home) -> Option<Self> {
        let library = home.beside("fault.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/common/fault.c");
        let mut cc = Command::new("cc");
        let built = cc.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).arg("-ldl").output();
        match built {
            Ok(output) if output.status.success() => Some(Self { library, control: home.beside("fault") }),
            Ok(output) => panic!("the shim: {}", String::from_utf8_lossy(&output.stderr)),
            Err(error) => {
                eprintln!("SKIPPED: there is no C compiler here: {error}");
                None
            }
        }
    }

    /// Puts it under a server.
    pub fn under(&self, home: Home) -> Home {
        home.env("LD_PRELOAD", &self.library.display().to_string())
            .env("FAULTY_DISK", &self.control.display().to_string())
    }

    /// From now on: lines such as `write 5`, `sync 5`, `slow 200`, `hang 1`.
    pub fn now(&self, faults: &str) {
        // Renamed into place: never read half written.
        let draft = self.control.with_extension("draft");
        std::fs::write(&draft, faults).unwrap();
        std::fs::rename(draft, &self.control).unwrap();
    }

    /// The disk is well again.
    pub fn heal(&self) {
        self.now("");
    }
}

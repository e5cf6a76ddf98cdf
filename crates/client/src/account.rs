//! The file that holds a device's account: its name and password, and by which
//! certificate its server is known.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::fingerprint::Fingerprint;
use crate::io_text::in_words;
use crate::random::{Random, hex};

/// A device's account.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Account {
    /// The part of the JID before the `@`.
    pub username: String,
    /// Its password.
    pub password: String,
    /// By what the server is known since it was met first. Without it, the next
    /// connection counts as the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<KnownBy>,
    /// `false` from just before the registration until the server has confirmed it.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub registered: bool,
}

/// By what a server's certificate is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum KnownBy {
    /// It is vouched for by an authority that this machine trusts.
    System,
    /// It is this very certificate, or another one for the same key: a self-signed one
    /// that was renewed.
    #[serde(untagged)]
    Pin(Pin),
}

/// A certificate that no trusted authority vouches for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Pin {
    /// The certificate as it was first met.
    pub sha256: Fingerprint,
    /// Its public key (the SubjectPublicKeyInfo in DER).
    pub key_sha256: Fingerprint,
}

/// Why an account file cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AccountError {
    /// It could not be read.
    #[error("cannot read the account file {}: {}", path.display(), in_words(source))]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It could not be written.
    #[error("cannot write the account file {}: {}", path.display(), in_words(source))]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not an account file.
    #[error("{} is not an account file: {reason}", path.display())]
    Format {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account")
            .field("username", &self.username)
            .field("certificate", &self.certificate)
            .field("registered", &self.registered)
            .finish_non_exhaustive()
    }
}

impl Account {
    /// An account that exists on the server.
    pub fn new(username: impl Into<String>, password: impl Into<String>) -> Self {
        Self { username: username.into(), password: password.into(), certificate: None, registered: true }
    }

    /// A random name and a random password; not registered yet.
    pub fn random(random: &dyn Random) -> Self {
        Self { registered: false, ..Self::new(hex(random, 16), hex(random, 24)) }
    }

    /// Reads an account file; `None` where there is none.
    ///
    /// # Errors
    /// When there is something at `path` that is not an account file, or cannot be read.
    pub fn load(path: &Path) -> Result<Option<Self>, AccountError> {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(AccountError::Read { path: path.to_owned(), source }),
        };
        let account = serde_json::from_slice(&text).map_err(|error: serde_json::Error| {
            AccountError::Format { path: path.to_owned(), reason: error.to_string() }
        })?;
        Ok(Some(account))
    }

    /// Writes the account file, readable by its owner only: wholly or not at all, and on
    /// disk when it returns.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub fn save(&self, path: &Path) -> Result<(), AccountError> {
        let write = || {
            let mut text = serde_json::to_vec_pretty(self)?;
            text.push(b'\n');
            replace(path, &text).map(drop)
        };
        write().map_err(|source| AccountError::Write { path: path.to_owned(), source })
    }
}

/// Puts a file with this content in the place of `path`, by way of another name.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<File> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let beside = path.with_file_name(name);
    let mut options = OpenOptions::new();
    // What another run left under this name may have any mode.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = private(options.append(true).create_new(true)).open(&beside)?;
    let written = file
        .write_all(content)
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&beside, path))
        .and_then(|()| sync_folder(path));
    if let Err(error) = written {
        let _ = fs::remove_file(&beside);
        return Err(error);
    }
    Ok(file)
}

/// Files made with these options are their owner's alone.
#[cfg(unix)]
pub(crate) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    options.mode(0o600)
}

#[cfg(not(unix))]
pub(crate) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

/// A rename is on disk once its folder is.
#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_true(value: &bool) -> bool {
    *value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::tests::Seeded;

    #[test]
    fn a_file_is_read_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("device.json");
        assert_eq!(Account::load(&path).unwrap(), None);
        let mut account = Account::random(&Seeded::default());
        assert_eq!((account.username.len(), account.password.len()), (32, 48));
        for (certificate, registered) in [
            (None, false),
            (Some(KnownBy::System), true),
            (
                Some(KnownBy::Pin(Pin {
                    sha256: Fingerprint::of(b"certificate"),
                    key_sha256: Fingerprint::of(b"key"),
                })),
                true,
            ),
        ] {
            account.certificate = certificate;
            account.registered = registered;
            account.save(&path).unwrap();
            assert_eq!(Account::load(&path).unwrap().as_ref(), Some(&account));
        }
        let left: Vec<_> =
            fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["device.json"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_is_its_owners_alone_even_where_it_was_not_before() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("device.json");
        fs::write(&path, "{}").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        Account::new("a", "b").save(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_name_and_a_password_written_by_hand_are_enough() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("device.json");
        fs::write(&path, r#"{"username":"phone","password":"secret"}"#).unwrap();
        assert_eq!(Account::load(&path).unwrap(), Some(Account::new("phone", "secret")));
        fs::write(&path, "{").unwrap();
        assert!(matches!(Account::load(&path), Err(AccountError::Format { .. })));
    }

    #[test]
    fn passwords_stay_out_of_debug_output() {
        assert!(!format!("{:?}", Account::new("phone", "secret")).contains("secret"));
    }
}

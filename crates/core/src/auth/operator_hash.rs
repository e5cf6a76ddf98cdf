//! argon2id over operators' passwords, in memory that is used again: 19 MiB for each that are at
//! work at once. Allocating it anew for each check would leave it with the allocator, once a thread.

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use parking_lot::Mutex;

use crate::clock::Random;
use crate::store::StoreError;

/// Hashes, and compares with a hash. What runs at once has a buffer each; the caller bounds how many.
#[derive(Default)]
pub(super) struct OperatorHashes {
    idle: Mutex<Vec<Vec<Block>>>,
}

impl OperatorHashes {
    /// A new hash, with the parameters that the crate follows from OWASP: 19 MiB, two passes.
    pub(super) fn hash(&self, password: &str, random: &dyn Random) -> Result<String, StoreError> {
        let failed =
            |error: &dyn std::fmt::Display| StoreError::Failed(format!("argon2 did not work: {error}"));
        let mut bytes = [0; 16];
        random.fill(&mut bytes);
        let salt = Salt::new(&bytes).map_err(|error| failed(&error))?;
        let params = Params::DEFAULT;
        let written = ParamsString::try_from(&params).map_err(|error| failed(&error))?;
        let (algorithm, version) = (Algorithm::default(), Version::default());
        let context = Argon2::new(algorithm, version, params);
        let output = self
            .derive(&context, password, &salt, Params::DEFAULT_OUTPUT_LEN)
            .ok_or_else(|| failed(&"it refuses its own parameters"))?;
        let hash = PasswordHash {
            algorithm: algorithm.ident(),
            version: Some(version.into()),
            params: written,
            salt: Some(salt),
            hash: Some(output),
        };
        Ok(hash.to_string())
    }

    /// Whether this is the password of a stored hash, whatever parameters it was made with.
    pub(super) fn fits(&self, stored: &str, password: &str) -> bool {
        self.derive_as(stored, password).is_some_and(|(wanted, found)| wanted == found)
    }

    /// The stored output and that of this password, to be compared in a time that tells nothing.
    fn derive_as(&self, stored: &str, password: &str) -> Option<(Output, Output)> {
        let stored = PasswordHash::new(stored).ok()?;
        let algorithm = Algorithm::try_from(stored.algorithm.as_str()).ok()?;
        let version = stored.version.map_or(Ok(Version::default()), Version::try_from).ok()?;
        let params = Params::try_from(&stored).ok()?;
        let (salt, wanted) = (stored.salt?, stored.hash?);
        let context = Argon2::new(algorithm, version, params);
        let found = self.derive(&context, password, &salt, wanted.len())?;
        Some((wanted, found))
    }

    fn derive(&self, context: &Argon2<'_>, password: &str, salt: &[u8], length: usize) -> Option<Output> {
        let mut buffer = [0; Output::MAX_LENGTH];
        let out = buffer.get_mut(..length)?;
        let idle = self.idle.lock().pop();
        let mut memory = idle.unwrap_or_default();
        // One made with other parameters may need more; it does not keep that.
        let usual = Params::DEFAULT.block_count();
        memory.resize(context.params().block_count().max(usual), Block::new());
        let done = context.hash_password_into_with_memory(password.as_bytes(), salt, out, &mut memory);
        memory.truncate(usual);
        memory.shrink_to_fit();
        self.idle.lock().push(memory);
        done.ok()?;
        Output::new(out).ok()
    }
}

#[cfg(test)]
mod tests {
    use argon2::{PasswordHasher as _, PasswordVerifier as _};

    use super::*;
    use crate::clock::SystemRandom;

    /// As the crate makes and checks them.
    #[test]
    fn the_hashes_are_those_of_the_crate() {
        let hashes = OperatorHashes::default();
        let ours = hashes.hash("correct horse", &SystemRandom).unwrap();
        let parsed = PasswordHash::new(&ours).unwrap();
        assert!(Argon2::default().verify_password(b"correct horse", &parsed).is_ok(), "{ours}");
        let theirs =
            Argon2::default().hash_password_with_salt(b"correct horse", &[7; 16]).unwrap().to_string();
        let small = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(64, 1, 1, None).unwrap());
        let small = small.hash_password_with_salt(b"correct horse", &[7; 16]).unwrap().to_string();
        for stored in [&ours, &theirs, &small] {
            assert!(hashes.fits(stored, "correct horse"), "{stored}");
            assert!(!hashes.fits(stored, "correct hose"), "{stored}");
        }
        assert!(!hashes.fits("", "") && !hashes.fits("$argon2id$v=19$m=1,t=1,p=1$AA$AA", ""));
        assert_eq!(hashes.idle.lock().len(), 1, "one after the other, all in one buffer");
        assert_eq!(hashes.idle.lock()[0].len(), Params::DEFAULT.block_count());
    }
}

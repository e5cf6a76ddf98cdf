//! The server's side of a SCRAM exchange.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq;

use super::ScramError;
use super::message::{Attributes, MAX_NONCE, is_nonce, text, unescape_name};
use crate::sasl::plain::MAX_USERNAME;
use crate::sasl::{BindingType, Mechanism, ScramHash, ScramKeys, TlsBinding};

/// A server that has read the client's first message and needs keys for its username.
#[derive(Debug)]
pub struct ScramServer {
    hash: ScramHash,
    binding: Option<BindingType>,
    gs2_header: String,
    client_first_bare: String,
    username: String,
    authzid: Option<String>,
    client_nonce_at: usize,
}

impl ScramServer {
    /// Reads the client's first message. `tls` is what was offered a binding on:
    /// where that is something, a client that says it saw no such offer was lied to.
    ///
    /// # Errors
    /// When the message is malformed, its flag does not fit the mechanism's name, or
    /// it asks for what is not here.
    pub fn start(mechanism: Mechanism, tls: &TlsBinding, client_first: &[u8]) -> Result<Self, ScramError> {
        let hash = mechanism.hash().ok_or(ScramError::Malformed)?;
        let message = text(client_first)?;
        let (flag, rest) = message.split_once(',').ok_or(ScramError::Malformed)?;
        let (authzid, bare) = rest.split_once(',').ok_or(ScramError::Malformed)?;

        let binding = match flag {
            "n" | "y" if mechanism.is_plus() => return Err(ScramError::BindingFlag),
            "y" if tls.available() => return Err(ScramError::Downgrade),
            "n" | "y" => None,
            _ => {
                let name = flag.strip_prefix("p=").ok_or(ScramError::Malformed)?;
                if !mechanism.is_plus() {
                    return Err(ScramError::BindingFlag);
                }
                let kind = BindingType::from_name(name).filter(|kind| tls.has(*kind));
                Some(kind.ok_or(ScramError::BindingType)?)
            }
        };
        let authzid = match authzid {
            "" => None,
            _ => {
                let name = authzid.strip_prefix("a=").ok_or(ScramError::Malformed)?;
                Some(unescape_name(name, 2 * MAX_USERNAME + 1).ok_or(ScramError::Malformed)?)
            }
        };

        let mut attributes = Attributes::new(bare);
        let username = unescape_name(attributes.expect('n')?, MAX_USERNAME).ok_or(ScramError::Malformed)?;
        let nonce = attributes.expect('r')?;
        if !is_nonce(nonce, MAX_NONCE) {
            return Err(ScramError::Malformed);
        }
        attributes.skip_extensions()?;

        // `n=…,r=`: where the nonce starts, so that it need not be kept twice.
        let escaped_name_len = bare.find(',').ok_or(ScramError::Malformed)?;
        Ok(Self {
            hash,
            binding,
            gs2_header: message.get(..message.len() - bare.len()).unwrap_or_default().to_owned(),
            client_first_bare: bare.to_owned(),
            username,
            authzid,
            client_nonce_at: escaped_name_len + ",r=".len(),
        })
    }

    /// The username, as the client wrote it.
    pub fn username(&self) -> &str {
        &self.username
    }

    /// Whom the client wants to act as, if it said so. Check it with
    /// [`authorizes`](crate::sasl::authorizes).
    pub fn authzid(&self) -> Option<&str> {
        self.authzid.as_deref()
    }

    /// Which keys are needed.
    pub fn hash(&self) -> ScramHash {
        self.hash
    }

    /// Goes on with the account's keys (for an unknown user: keys that no proof fits).
    /// `nonce` is fresh random bytes, at least 16. Also returns the server's first message.
    pub fn challenge(self, keys: ScramKeys, nonce: &[u8]) -> (ScramChallenge, Vec<u8>) {
        let client_nonce = self.client_first_bare.get(self.client_nonce_at..).unwrap_or_default();
        let client_nonce = client_nonce.split(',').next().unwrap_or_default();
        let nonce = format!("{client_nonce}{}", STANDARD.encode(nonce));
        let server_first = format!("r={nonce},s={},i={}", STANDARD.encode(&keys.salt), keys.iterations);
        let message = server_first.clone().into_bytes();
        (ScramChallenge { start: self, keys, nonce, server_first }, message)
    }
}

/// A server that has sent its challenge and waits for the proof.
#[derive(Debug)]
pub struct ScramChallenge {
    start: ScramServer,
    keys: ScramKeys,
    nonce: String,
    server_first: String,
}

impl ScramChallenge {
    /// The username.
    pub fn username(&self) -> &str {
        &self.start.username
    }

    #[cfg(test)]
    pub(super) fn set_for_test(&mut self, nonce: &str, server_first: &str) {
        self.nonce = nonce.to_owned();
        self.server_first = server_first.to_owned();
    }

    /// Checks the client's final message against this connection. Returns the server's
    /// final message, `v=…`.
    ///
    /// # Errors
    /// When the message is malformed, bound to another connection or exchange, or
    /// proves nothing.
    pub fn finish(self, tls: &TlsBinding, client_final: &[u8]) -> Result<Vec<u8>, ScramError> {
        let message = text(client_final)?;
        let (without_proof, proof) = message.rsplit_once(",p=").ok_or(ScramError::Malformed)?;
        let mut attributes = Attributes::new(without_proof);
        let binding = STANDARD.decode(attributes.expect('c')?).map_err(|_| ScramError::Malformed)?;
        let nonce = attributes.expect('r')?;
        attributes.skip_extensions()?;
        let proof = STANDARD.decode(proof).map_err(|_| ScramError::Malformed)?;

        let (header, data) =
            binding.split_at_checked(self.start.gs2_header.len()).ok_or(ScramError::BindingMismatch)?;
        let expected = match self.start.binding {
            Some(kind) => tls.data(kind).ok_or(ScramError::BindingMismatch)?,
            None => Cow::default(),
        };
        if header != self.start.gs2_header.as_bytes() || data != expected.as_ref() {
            return Err(ScramError::BindingMismatch);
        }
        if nonce != self.nonce {
            return Err(ScramError::Nonce);
        }

        let hash = self.start.hash;
        let auth_message = [
            self.start.client_first_bare.as_bytes(),
            b",",
            self.server_first.as_bytes(),
            b",",
            without_proof.as_bytes(),
        ];
        let client_signature = hash.mac(&self.keys.stored_key, &auth_message);
        let client_key = client_signature.xor(&proof);
        let stored_key = hash.digest(&client_key);
        if proof.len() != hash.output_len() || !bool::from(stored_key.ct_eq(&self.keys.stored_key)) {
            return Err(ScramError::Proof);
        }
        let server_signature = hash.mac(&self.keys.server_key, &auth_message);
        Ok(format!("v={}", STANDARD.encode(&*server_signature)).into_bytes())
    }
}

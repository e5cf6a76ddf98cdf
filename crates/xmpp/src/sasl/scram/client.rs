//! The client's side of a SCRAM exchange.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq;

use super::ScramError;
use super::message::{Attributes, MAX_NONCE, escape_name, is_nonce, text};
use crate::sasl::keys::Output;
use crate::sasl::{BindingType, ScramHash, TlsBinding};

/// Fewer iterations than RFC 7677 section 4 asks for are refused: a false server
/// would name one to make guessing cheap.
const MIN_ITERATIONS: u32 = 4096;
/// More would stall a small device.
const MAX_ITERATIONS: u32 = 1_000_000;

/// What the client says about channel binding, and what it binds to.
#[derive(Clone, PartialEq, Eq)]
pub enum ClientBinding {
    /// `n`: this client cannot bind.
    Unsupported,
    /// `y`: it could, but the server offered no `-PLUS`.
    NotOffered,
    /// `p=…`: bound; goes with the `-PLUS` name.
    Bound(BindingType, Vec<u8>),
}

impl ClientBinding {
    /// The strongest binding of this connection among the types that the server named
    /// (XEP-0440; all of them when it named none).
    pub fn strongest(tls: &TlsBinding, named: &[BindingType]) -> Option<Self> {
        let kind = tls.types().find(|kind| named.is_empty() || named.contains(kind))?;
        tls.data(kind).map(|data| Self::Bound(kind, data.into_owned()))
    }

    fn gs2_header(&self) -> String {
        match self {
            Self::Unsupported => "n,,".to_owned(),
            Self::NotOffered => "y,,".to_owned(),
            Self::Bound(kind, _) => format!("p={},,", kind.name()),
        }
    }

    fn data(&self) -> &[u8] {
        match self {
            Self::Unsupported | Self::NotOffered => &[],
            Self::Bound(_, data) => data,
        }
    }
}

/// A password after the costly step. Kept between logins it saves that step, and it
/// is as secret as the password for this server.
#[derive(Clone, PartialEq, Eq)]
pub struct SaltedPassword {
    /// For which hash.
    pub hash: ScramHash,
    /// The server's salt.
    pub salt: Vec<u8>,
    /// The server's iteration count.
    pub iterations: u32,
    /// `Hi(password, salt, iterations)`.
    pub key: Vec<u8>,
}

impl fmt::Debug for SaltedPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SaltedPassword({:?}, {} iterations)", self.hash, self.iterations)
    }
}

/// What the client knows: a password, its cached form, or both.
#[derive(Clone, Default)]
pub struct ScramSecret {
    /// The password.
    pub password: Option<String>,
    /// Its cached form; used when hash, salt and iterations are still the server's.
    pub salted: Option<SaltedPassword>,
}

impl ScramSecret {
    /// A password, nothing cached.
    pub fn password(password: impl Into<String>) -> Self {
        Self { password: Some(password.into()), salted: None }
    }

    fn salted(self, hash: ScramHash, salt: Vec<u8>, iterations: u32) -> Result<SaltedPassword, ScramError> {
        match self.salted {
            Some(cached) if cached.hash == hash && cached.salt == salt && cached.iterations == iterations => {
                Ok(cached)
            }
            _ => {
                let password = self.password.ok_or(ScramError::PasswordNeeded)?;
                let key = hash.salted_password(&password, &salt, iterations).to_vec();
                Ok(SaltedPassword { hash, salt, iterations, key })
            }
        }
    }
}

/// A client that has its first message to send.
pub struct ScramClient {
    hash: ScramHash,
    secret: ScramSecret,
    binding: ClientBinding,
    bare: String,
    nonce: String,
}

impl ScramClient {
    /// Starts an exchange. `nonce` is fresh random bytes, at least 16. With
    /// [`ClientBinding::Bound`] the mechanism to name is the `-PLUS` one.
    pub fn new(
        hash: ScramHash,
        username: &str,
        secret: ScramSecret,
        binding: ClientBinding,
        nonce: &[u8],
    ) -> Self {
        let nonce = STANDARD.encode(nonce);
        let bare = format!("n={},r={nonce}", escape_name(username));
        Self { hash, secret, binding, bare, nonce }
    }

    #[cfg(test)]
    pub(super) fn for_test(hash: ScramHash, password: &str, bare: &str) -> Self {
        let nonce = bare.rsplit_once("r=").map(|(_, nonce)| nonce).unwrap_or_default().to_owned();
        let secret = ScramSecret::password(password);
        Self { hash, secret, binding: ClientBinding::Unsupported, bare: bare.to_owned(), nonce }
    }

    #[cfg(test)]
    pub(super) fn with_secret(self, secret: ScramSecret) -> Self {
        Self { secret, ..self }
    }

    /// The first message.
    pub fn first(&self) -> Vec<u8> {
        [self.binding.gs2_header().as_bytes(), self.bare.as_bytes()].concat()
    }

    /// Answers the server's first message: the final message, and the verifier of the
    /// server's reply to it.
    ///
    /// # Errors
    /// When the message is malformed, does not continue our nonce, asks for an
    /// iteration count outside 4,096 to 1,000,000, or needs the password anew.
    pub fn respond(self, server_first: &[u8]) -> Result<(ScramVerifier, Vec<u8>), ScramError> {
        let server_first = text(server_first)?;
        let mut attributes = Attributes::new(server_first);
        let nonce = attributes.expect('r')?;
        let salt = STANDARD.decode(attributes.expect('s')?).map_err(|_| ScramError::Malformed)?;
        let iterations: u32 = attributes.expect('i')?.parse().map_err(|_| ScramError::Malformed)?;
        attributes.skip_extensions()?;
        if !nonce.strip_prefix(&self.nonce).is_some_and(|rest| is_nonce(rest, MAX_NONCE)) {
            return Err(ScramError::Nonce);
        }
        if salt.is_empty() {
            return Err(ScramError::Malformed);
        }
        if !(MIN_ITERATIONS..=MAX_ITERATIONS).contains(&iterations) {
            return Err(ScramError::Iterations);
        }

        let hash = self.hash;
        let salted = self.secret.salted(hash, salt, iterations)?;
        let bound = [self.binding.gs2_header().as_bytes(), self.binding.data()].concat();
        let without_proof = format!("c={},r={nonce}", STANDARD.encode(bound));
        let auth_message =
            [self.bare.as_bytes(), b",", server_first.as_bytes(), b",", without_proof.as_bytes()];
        let client_key = hash.client_key(&salted.key);
        let stored_key = hash.digest(&client_key);
        let proof = hash.mac(&stored_key, &auth_message).xor(&client_key);
        let signature = hash.mac(&hash.server_key(&salted.key), &auth_message);
        let message = format!("{without_proof},p={}", STANDARD.encode(&*proof)).into_bytes();
        Ok((ScramVerifier { signature, salted }, message))
    }
}

/// A client that has sent its proof and waits for the server's.
pub struct ScramVerifier {
    signature: Output,
    salted: SaltedPassword,
}

impl ScramVerifier {
    /// Checks that the server knows the account too. What it returns may be kept for
    /// the next login.
    ///
    /// # Errors
    /// [`ScramError::Refused`] for `e=…`, [`ScramError::Signature`] for an impostor.
    pub fn verify(self, server_final: &[u8]) -> Result<SaltedPassword, ScramError> {
        let mut attributes = Attributes::new(text(server_final)?);
        let signature = match attributes.next()? {
            Some(('v', value)) => STANDARD.decode(value).map_err(|_| ScramError::Malformed)?,
            Some(('e', _)) => return Err(ScramError::Refused),
            _ => return Err(ScramError::Malformed),
        };
        if bool::from(signature.as_slice().ct_eq(&self.signature)) {
            Ok(self.salted)
        } else {
            Err(ScramError::Signature)
        }
    }
}

//! SASL payloads in base64 (RFC 6120 section 6.4.2).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;

/// The character data is not base64 (RFC 6120 section 6.5.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not base64")]
pub struct IncorrectEncoding;

/// What stands in `<auth/>`, `<challenge/>`, `<response/>` and `<success/>` for these
/// bytes. Zero bytes are `=` (RFC 6120 section 6.4.2), because nothing at all means
/// that there is no payload.
pub fn encode_payload(bytes: &[u8]) -> String {
    if bytes.is_empty() { "=".to_owned() } else { STANDARD.encode(bytes) }
}

/// The bytes that this character data stands for.
///
/// # Errors
/// When it is not strict base64: padded, no white space, no stray bits.
pub fn decode_payload(text: &str) -> Result<Vec<u8>, IncorrectEncoding> {
    if text == "=" {
        return Ok(Vec::new());
    }
    STANDARD.decode(text).map_err(|_| IncorrectEncoding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strict() {
        assert_eq!(decode_payload("="), Ok(vec![]));
        assert_eq!(decode_payload(""), Ok(vec![]));
        assert_eq!(decode_payload("AGE="), Ok(vec![0, b'a']));
        for wrong in ["AGE", "AGF=", "A GE=", "AGE=\n", "====", "==", "AG*=", "AGE=AGE=", "-_==", "é"] {
            assert_eq!(decode_payload(wrong), Err(IncorrectEncoding), "{wrong}");
        }
    }

    #[test]
    fn nothing_is_an_equals_sign() {
        assert_eq!(encode_payload(b""), "=");
        assert_eq!(encode_payload(b"\0a"), "AGE=");
    }
}

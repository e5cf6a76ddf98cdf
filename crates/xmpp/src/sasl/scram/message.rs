//! The grammar of RFC 5802 section 7.

use std::borrow::Cow;

use super::ScramError;

/// The longest message that is looked at, in bytes.
pub(super) const MAX_MESSAGE: usize = 8 * 1024;
/// The longest nonce of one side, in bytes.
pub(super) const MAX_NONCE: usize = 256;

/// `message` as text, if it is short enough to look at.
pub(super) fn text(message: &[u8]) -> Result<&str, ScramError> {
    if message.len() > MAX_MESSAGE {
        return Err(ScramError::Malformed);
    }
    std::str::from_utf8(message).map_err(|_| ScramError::Malformed)
}

/// Attributes one after the other, `name=value` between commas.
pub(super) struct Attributes<'a> {
    rest: Option<&'a str>,
}

impl<'a> Attributes<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: Some(text) }
    }

    /// The next attribute.
    pub(super) fn next(&mut self) -> Result<Option<(char, &'a str)>, ScramError> {
        let Some(rest) = self.rest else { return Ok(None) };
        let (attribute, rest) = match rest.split_once(',') {
            Some((attribute, rest)) => (attribute, Some(rest)),
            None => (rest, None),
        };
        self.rest = rest;
        let (name, value) = attribute.split_once('=').ok_or(ScramError::Malformed)?;
        let mut letters = name.chars();
        match (letters.next(), letters.next()) {
            (Some(letter), None) if letter.is_ascii_alphabetic() => Ok(Some((letter, value))),
            _ => Err(ScramError::Malformed),
        }
    }

    /// The next attribute's value, which has to be this one. `m=` in its place is a
    /// mandatory extension.
    pub(super) fn expect(&mut self, wanted: char) -> Result<&'a str, ScramError> {
        match self.next()? {
            Some((name, value)) if name == wanted => Ok(value),
            Some(('m', _)) => Err(ScramError::Extension),
            Some(_) | None => Err(ScramError::Malformed),
        }
    }

    /// Reads to the end: optional extensions are skipped, a mandatory one is not.
    pub(super) fn skip_extensions(&mut self) -> Result<(), ScramError> {
        while let Some((name, _)) = self.next()? {
            if name == 'm' {
                return Err(ScramError::Extension);
            }
        }
        Ok(())
    }
}

/// Whether this can be a nonce: printable ASCII without comma, not empty, bounded.
pub(super) fn is_nonce(nonce: &str, max: usize) -> bool {
    (1..=max).contains(&nonce.len()) && nonce.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',')
}

/// A name without its comma and equals sign.
pub(super) fn escape_name(name: &str) -> Cow<'_, str> {
    if name.contains([',', '=']) {
        Cow::Owned(name.replace('=', "=3D").replace(',', "=2C"))
    } else {
        Cow::Borrowed(name)
    }
}

/// The name that was escaped; `None` for any other use of the equals sign, NUL, or nothing.
pub(super) fn unescape_name(escaped: &str, max: usize) -> Option<String> {
    let mut parts = escaped.split('=');
    let mut name = parts.next()?.to_owned();
    for part in parts {
        let (letter, rest) = match (part.strip_prefix("2C"), part.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (_, Some(rest)) => ('=', rest),
            _ => return None,
        };
        name.push(letter);
        name.push_str(rest);
    }
    ((1..=max).contains(&name.len()) && !name.contains('\0')).then_some(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names() {
        assert_eq!(unescape_name("a=2Cb=3D", 99).as_deref(), Some("a,b="));
        for wrong in ["", "a=", "a=2c", "a=41", "=", "a\0"] {
            assert_eq!(unescape_name(wrong, 99), None, "{wrong:?}");
        }
        assert_eq!(unescape_name("abc", 2), None);
    }

    #[test]
    fn attributes() {
        let mut attributes = Attributes::new("r=a=b,x=,m=1");
        assert_eq!(attributes.next(), Ok(Some(('r', "a=b"))));
        assert_eq!(attributes.next(), Ok(Some(('x', ""))));
        assert_eq!(attributes.skip_extensions(), Err(ScramError::Extension));
        assert_eq!(Attributes::new("").next(), Err(ScramError::Malformed));
        assert_eq!(Attributes::new("rr=1").next(), Err(ScramError::Malformed));
    }

    proptest! {
        #[test]
        fn a_name_survives(name in "[^\0]{1,40}") {
            let escaped = escape_name(&name).into_owned();
            prop_assert!(!escaped.contains(','));
            prop_assert_eq!(unescape_name(&escaped, 400), Some(name));
        }
    }
}

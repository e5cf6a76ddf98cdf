//! Cursors are opaque to clients: what they hold may change.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Writes a cursor of the listing `kind` that continues after `key`.
pub(crate) fn write(kind: &str, key: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{kind}:{key}"))
}

/// Reads a cursor of the listing `kind`.
pub(crate) fn read(kind: &str, cursor: &str) -> Option<String> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    text.strip_prefix(kind)?.strip_prefix(':').map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn continues_its_own_listing_only() {
        let cursor = write("users", "zoë:1");
        assert_eq!(read("users", &cursor).as_deref(), Some("zoë:1"));
        assert_eq!(read("topics", &cursor), None);
        assert_eq!(read("user", &cursor), None);
        assert_eq!(read("users", "not base64!"), None);
        assert_eq!(read("users", ""), None);
    }
}

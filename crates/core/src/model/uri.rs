//! Which addresses a notification may carry: a tap opens them, so a scheme is allowed or it is not.

/// Schemes that are always allowed in a notification's `uri`.
const ALLOWED: [&str; 6] = ["http", "https", "tel", "mailto", "geo", "sms"];

/// Schemes that no setting allows: they run code, or open what is the device's own.
const NEVER: [&str; 4] = ["javascript", "data", "file", "vbscript"];

/// Looks at one of the setting `notifications.uri_schemes`.
///
/// # Errors
/// Why it cannot be one, for people.
pub fn check_scheme(scheme: &str) -> Result<(), String> {
    if !is_scheme(scheme) {
        return Err(format!("`{scheme}` is not a scheme; write it without its colon, such as `myapp`"));
    }
    if NEVER.iter().any(|never| scheme.eq_ignore_ascii_case(never)) {
        return Err(format!("`{scheme}` is never allowed"));
    }
    Ok(())
}

/// Looks at a notification's `uri`; `more` are schemes that the operator allows besides.
pub(crate) fn check_uri(uri: &str, more: &[String]) -> Result<(), String> {
    let (scheme, rest) = split(uri)?;
    let is = |one: &str| scheme.eq_ignore_ascii_case(one);
    let allowed = ALLOWED.into_iter().any(is) || more.iter().any(|one| is(one));
    if !allowed || NEVER.into_iter().any(is) {
        let names = ALLOWED.into_iter().chain(more.iter().map(String::as_str));
        let names = names.collect::<Vec<_>>().join(", ");
        return Err(format!("the scheme `{scheme}` is not allowed; one of {names} is"));
    }
    if is_web(scheme) { check_web(rest) } else { check_rest(rest) }
}

/// Looks at a notification's `image`.
pub(crate) fn check_image(uri: &str) -> Result<(), String> {
    let (scheme, rest) = split(uri)?;
    if is_web(scheme) { check_web(rest) } else { Err("must begin with https:// or http://".to_owned()) }
}

/// The scheme (RFC 3986 section 3.1), and what follows its colon.
fn split(uri: &str) -> Result<(&str, &str), String> {
    if uri.chars().any(char::is_control) {
        return Err("has control characters".to_owned());
    }
    match uri.split_once(':') {
        Some((scheme, rest)) if is_scheme(scheme) => Ok((scheme, rest)),
        _ => Err("must be a whole address with its scheme, such as https://example.org/".to_owned()),
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

fn is_web(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http")
}

/// What follows `https:` must name a host.
fn check_web(rest: &str) -> Result<(), String> {
    let authority = rest.strip_prefix("//").and_then(|rest| rest.split(['/', '?', '#']).next());
    let host = authority.and_then(|authority| authority.rsplit('@').next()).unwrap_or_default();
    if host.is_empty() || host.starts_with(':') || host.contains(char::is_whitespace) {
        return Err("names no host".to_owned());
    }
    Ok(())
}

fn check_rest(rest: &str) -> Result<(), String> {
    if rest.trim().is_empty() { Err("has nothing behind its scheme".to_owned()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_whole_and_of_an_allowed_scheme() {
        let more = ["myapp".to_owned(), "file".to_owned()];
        for uri in [
            "https://example.org",
            "HTTPS://example.org/ä?b#c",
            "http://[2001:db8::1]:8080/",
            "http://user@example.org/",
            "tel:+4930123",
            "mailto:a@example.org",
            "geo:52.5,13.4",
            "sms:+4930123?body=x",
            "myapp://screen/1",
            "MyApp:screen",
        ] {
            assert_eq!(check_uri(uri, &more), Ok(()), "{uri}");
        }
        for uri in [
            "",
            "not a uri",
            "example.org/path",
            "//example.org",
            "/path",
            ":x",
            "1a:x",
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            " javascript:alert(1)",
            "java\tscript:alert(1)",
            "https://example.org/\nfaked",
            "https://example.org/\u{85}",
            "data:text/html,x",
            "file:///etc/passwd",
            "vbscript:x",
            "ftp://example.org/",
            "intent://x",
            "https:",
            "https:/x",
            "https://",
            "https:///path",
            "https://:443/",
            "https://user@/",
            "https://exa mple/",
            "tel:",
        ] {
            assert!(check_uri(uri, &more).is_err(), "{uri}");
        }
        assert!(check_uri("myapp:x", &[]).is_err());
    }

    #[test]
    fn an_image_is_on_the_web() {
        assert_eq!(check_image("https://example.org/i.png"), Ok(()));
        assert_eq!(check_image("http://example.org/i.png"), Ok(()));
        for uri in ["", "i.png", "data:image/png;base64,AA==", "file:///i.png", "mailto:a@example.org"] {
            assert!(check_image(uri).is_err(), "{uri}");
        }
    }

    #[test]
    fn some_schemes_cannot_be_allowed() {
        for scheme in ["myapp", "org.example.app+x"] {
            assert_eq!(check_scheme(scheme), Ok(()));
        }
        for scheme in ["", "myapp:", "my app", "1x", "Javascript", "file", "data", "vbscript"] {
            assert!(check_scheme(scheme).is_err(), "{scheme}");
        }
    }
}

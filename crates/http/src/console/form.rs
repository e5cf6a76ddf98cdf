//! Forms as browsers send them: reading, the CSRF token, what is wrong with which field.

use std::collections::BTreeMap;

use axum::extract::{FromRequest, Request};
use axum::http::header::{CONTENT_TYPE, HOST, ORIGIN};
use axum::http::{HeaderMap, Uri};
use tidings_core::error::FieldError;

use super::failure::Failure;
use super::operator::Operator;
use super::page::Page;
use crate::Settings;
use crate::problem::{Problem, ProblemKind};
use crate::request::{read_body, read_unauthenticated_body};
use crate::state::App;

/// Bytes of a form.
const FORM_BYTES: usize = 256 * 1024;
/// Bytes of the login form.
const LOGIN_BYTES: usize = 8 * 1024;

/// A form's fields as they came, and what is wrong with them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Form {
    values: BTreeMap<String, String>,
    faults: BTreeMap<String, String>,
}

impl Form {
    /// A field's text, `""` when it is not there.
    pub fn value(&self, name: &str) -> &str {
        self.values.get(name).map_or("", String::as_str)
    }

    /// A field's text without the space around it; `None` when nothing is left.
    pub fn text(&self, name: &str) -> Option<String> {
        let text = self.value(name).trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// Names in a field, separated by spaces, commas or line ends.
    pub fn names(&self, name: &str) -> Vec<String> {
        let separated = self.value(name).split(|c: char| c.is_whitespace() || c == ',');
        separated.filter(|name| !name.is_empty()).map(str::to_owned).collect()
    }

    /// Whether a field has this text.
    pub fn is(&self, name: &str, value: &str) -> bool {
        self.value(name) == value
    }

    /// Whether any of these fields has a text or a fault.
    pub fn any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| !self.value(name).is_empty() || self.fault(name).is_some())
    }

    /// Fills a field in.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.values.insert(name.to_owned(), value.into());
    }

    /// Forgets a field, such as a password.
    pub fn forget(&mut self, name: &str) {
        self.values.remove(name);
    }

    /// All fields but the token and the step, to be sent again.
    pub fn pairs(&self) -> impl Iterator<Item = (&String, &String)> {
        self.values.iter().filter(|(name, _)| !matches!(name.as_str(), "csrf" | "step"))
    }

    /// What is wrong with a field.
    pub fn fault(&self, name: &str) -> Option<&str> {
        self.faults.get(name).map(String::as_str)
    }

    /// Notes that a field is wrong; the first fault of each stays.
    pub fn wrong(&mut self, name: &str, detail: impl Into<String>) {
        self.faults.entry(name.to_owned()).or_insert_with(|| detail.into());
    }

    /// Notes the API's faults beside this form's fields. A fault of one name in a list stands beside the
    /// field that has them all.
    pub fn wrong_fields(&mut self, errors: &[FieldError], place: impl Fn(&str) -> String) {
        for error in errors {
            match error.field.split_once('[') {
                Some((list, index)) => {
                    let index = index.trim_end_matches(']').parse().ok();
                    let named =
                        index.and_then(|index: usize| self.names(&place(list)).into_iter().nth(index));
                    let name = named.map(|name| format!("{name}: ")).unwrap_or_default();
                    self.wrong(&place(list), format!("{name}{}", error.detail));
                }
                None => self.wrong(&place(&error.field), error.detail.clone()),
            }
        }
    }

    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.faults.is_empty()
    }

    /// What is wrong, on one line.
    pub fn summary(&self) -> Option<String> {
        let faults: Vec<_> = self.faults.iter().map(|(name, detail)| format!("{name}: {detail}")).collect();
        (!faults.is_empty()).then(|| faults.join("; "))
    }
}

/// Reads the form of an operator who is logged in.
async fn read(request: Request) -> Result<Form, Problem> {
    check_kind(&request)?;
    read_body(request, FORM_BYTES).await.map(|body| parse(&body))
}

/// Reads the form of a client that is not logged in.
pub(crate) async fn read_unauthenticated(app: &App, request: Request) -> Result<Form, Problem> {
    check_kind(&request)?;
    read_unauthenticated_body(app, request, LOGIN_BYTES).await.map(|body| parse(&body))
}

fn check_kind(request: &Request) -> Result<(), Problem> {
    let is_form = request.headers().get(CONTENT_TYPE).is_some_and(|kind| {
        kind.as_bytes().to_ascii_lowercase().starts_with(b"application/x-www-form-urlencoded")
    });
    if !is_form {
        return Err(Problem::new(ProblemKind::MediaType).detail("this is not a form"));
    }
    Ok(())
}

fn parse(body: &[u8]) -> Form {
    // Browsers send line ends as CR LF; devices expect LF.
    let values = form_urlencoded::parse(body)
        .map(|(name, value)| (name.into_owned(), value.replace("\r\n", "\n")))
        .collect();
    Form { values, faults: BTreeMap::new() }
}

/// Whether a browser says that this comes from another site.
pub(crate) fn foreign(settings: &Settings, headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text(SEC_FETCH_SITE) {
        return !matches!(site, "same-origin" | "none");
    }
    // Browsers without the field above, and every browser on plain HTTP.
    let Some(origin) = text(ORIGIN.as_str()) else { return false };
    let Some(origin) = Origin::parse(origin) else { return true };
    let public = settings.public_url.as_deref().and_then(Origin::parse);
    if public.is_some_and(|public| public == origin) {
        return false;
    }
    // A proxy may say in a field of its own which host it was asked for.
    let hosts = [text(HOST.as_str()), text(X_FORWARDED_HOST)].into_iter().flatten();
    !hosts
        .into_iter()
        .any(|host| Origin::parse(&format!("{}://{host}", origin.scheme)).as_ref() == Some(&origin))
}

const SEC_FETCH_SITE: &str = "sec-fetch-site";
const X_FORWARDED_HOST: &str = "x-forwarded-host";

/// An origin (RFC 6454 section 4): what has the same scheme, host and port.
#[derive(Debug, PartialEq, Eq)]
struct Origin {
    scheme: &'static str,
    host: String,
    port: u16,
}

impl Origin {
    /// The origin of an address; a path does not matter.
    fn parse(url: &str) -> Option<Self> {
        let url: Uri = url.trim().parse().ok()?;
        let (scheme, usual) = match url.scheme_str()? {
            "http" => ("http", 80),
            "https" => ("https", 443),
            _ => return None,
        };
        let host = url.host()?.trim_end_matches('.').to_ascii_lowercase();
        Some(Self { scheme, host, port: url.port_u16().unwrap_or(usual) })
    }
}

/// Compares in a time that does not tell how much of it fits.
fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

/// A form sent by an operator who is logged in, with the right token.
pub(crate) struct Posted {
    pub page: Page,
    pub form: Form,
}

impl FromRequest<App> for Posted {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &App) -> Result<Self, Failure> {
        let (mut parts, body) = request.into_parts();
        let operator = Operator::find(&mut parts, app).await?;
        let forged = || {
            Problem::new(ProblemKind::Forged)
                .detail("this form did not come from a page of your login; load the page again")
        };
        if foreign(&app.settings, &parts.headers) {
            return Err(forged().into());
        }
        let uri = parts.uri.clone();
        let form = read(Request::from_parts(parts, body)).await?;
        // Both are derived from secrets that only this login's pages hold.
        if operator.csrf.is_empty() || !same(form.value("csrf"), &operator.csrf) {
            return Err(forged().into());
        }
        Ok(Self { page: Page::new(app, operator, &uri), form })
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn is_foreign(public_url: Option<&str>, fields: &[(&'static str, &str)]) -> bool {
        let settings = Settings { public_url: public_url.map(str::to_owned), ..Settings::default() };
        let field = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        foreign(&settings, &fields.iter().map(field).collect())
    }

    #[test]
    fn the_same_origin_is_known_however_it_is_written() {
        for (origin, host) in [
            ("http://push.example.org", "push.example.org"),
            ("http://push.example.org", "push.example.org:80"),
            ("https://push.example.org", "push.example.org:443"),
            ("http://push.example.org:80", "Push.Example.ORG"),
            ("http://push.example.org:8080", "push.example.org:8080"),
            ("http://[2001:db8::1]:7070", "[2001:db8::1]:7070"),
            ("http://127.0.0.1:7070", "127.0.0.1:7070"),
        ] {
            assert!(!is_foreign(None, &[("origin", origin), ("host", host)]), "{origin} {host}");
        }
        let behind = [("origin", "https://push.example.org:8443"), ("host", "127.0.0.1:7070")];
        assert!(is_foreign(None, &behind));
        for public in ["https://push.example.org:8443", "https://PUSH.example.org:8443/"] {
            assert!(!is_foreign(Some(public), &behind), "{public}");
        }
        let named = [behind[0], behind[1], ("x-forwarded-host", "push.example.org:8443")];
        assert!(!is_foreign(None, &named));
    }

    #[test]
    fn another_origin_is_foreign() {
        let public = Some("https://push.example.org");
        for origin in [
            "https://evil.example",
            "https://push.example.org:444",
            "http://push.example.org:443",
            "https://push.example.org.evil.example",
            "https://evil.example/push.example.org",
            "https://push.example.org@evil.example",
            "null",
            "",
        ] {
            assert!(is_foreign(public, &[("origin", origin), ("host", "push.example.org")]), "{origin}");
        }
        let here = [("origin", "https://push.example.org"), ("host", "push.example.org")];
        assert!(is_foreign(public, &[here[0], here[1], ("sec-fetch-site", "cross-site")]));
        assert!(is_foreign(public, &[here[0], here[1], ("sec-fetch-site", "same-site")]));
        assert!(!is_foreign(public, &[("host", "push.example.org")]), "no browser says so");
    }
}

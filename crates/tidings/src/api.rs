//! A client of a server's HTTP API.

use std::time::Duration;

use serde_json::Value;
use ureq::Agent;
use ureq::http::{Method, Request, StatusCode};

use crate::args::ServerArgs;
use crate::failure::Failure;

/// Where a server's API is when nothing is said.
const DEFAULT: &str = "http://127.0.0.1:7070";

/// The most that an answer may have.
const ANSWER_BYTES: u64 = 16 * 1024 * 1024;

/// One server's API.
pub(crate) struct Api {
    agent: Agent,
    base: String,
    key: String,
}

impl Api {
    /// By the command line and the environment.
    ///
    /// # Errors
    /// When there is no API key, or the address is none.
    pub(crate) fn of(server: &ServerArgs) -> Result<Self, Failure> {
        let url = server.server.clone().or_else(server_variable).unwrap_or_else(|| DEFAULT.to_owned());
        let key = server.api_key.as_deref().map(str::trim_end).filter(|key| !key.is_empty()).ok_or_else(|| {
            Failure::usage(
                "an API key is needed: --api-key KEY or TIDINGS_API_KEY; `tidings key create NAME` makes one",
            )
        })?;
        Self::new(&url, key)
    }

    /// A server by its address; `http://` may be left out, and the port with it.
    ///
    /// # Errors
    /// When the address is none.
    pub(crate) fn new(url: &str, key: &str) -> Result<Self, Failure> {
        let url = url.trim();
        let base = if url.contains("://") { url.to_owned() } else { with_port(url) };
        let base = base.trim_end_matches('/').to_owned();
        let wrong = || Failure::usage(format!("--server {url}: an address such as {DEFAULT} is needed"));
        let parsed: ureq::http::Uri = base.parse().map_err(|_| wrong())?;
        if parsed.host().is_none() || !matches!(parsed.scheme_str(), Some("http" | "https")) {
            return Err(wrong());
        }
        if key.chars().any(|c| c.is_control() || c.is_whitespace() || !c.is_ascii()) {
            return Err(Failure::usage("the API key has characters that none has"));
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(30)))
            .user_agent(concat!("tidings/", env!("CARGO_PKG_VERSION")))
            .max_redirects(0)
            .build();
        Ok(Self { agent: config.into(), base, key: key.to_owned() })
    }

    /// A request.
    ///
    /// # Errors
    /// One line: why the server refused, or why it could not be reached.
    pub(crate) fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        self.call_with(method, path, body, &[])
    }

    /// Creates something. What the server says of it where it will not have just this one: the name is
    /// taken, or a field is wrong.
    ///
    /// # Errors
    /// As for [`call`](Self::call), where the next one would fare no better.
    pub(crate) fn create(&self, path: &str, body: &Value) -> Result<Result<(), String>, Failure> {
        let (status, text) = self.exchange(Method::POST, path, Some(body), &[])?;
        if matches!(status, StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY) {
            let problem = serde_json::from_str(&text).unwrap_or_default();
            return Ok(Err(explain(&problem).unwrap_or_else(|| status.to_string())));
        }
        self.read(status, &text).map(|_| Ok(()))
    }

    /// A request with headers of its own.
    ///
    /// # Errors
    /// As for [`call`](Self::call).
    pub(crate) fn call_with(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Result<Value, Failure> {
        let (status, text) = self.exchange(method, path, body, headers)?;
        self.read(status, &text)
    }

    /// A request, and the status and text of its answer.
    fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Result<(StatusCode, String), Failure> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("authorization", format!("Bearer {}", self.key))
            .header("accept", "application/json, application/problem+json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = match body {
            Some(body) => {
                let request = request.header("content-type", "application/json").body(body.to_string());
                self.agent.run(request.map_err(|error| Failure::usage(error.to_string()))?)
            }
            None => self.agent.run(request.body(()).map_err(|error| Failure::usage(error.to_string()))?),
        };
        let mut answer = answer.map_err(|error| self.unreachable(&error))?;
        let status = answer.status();
        let text = answer.body_mut().with_config().limit(ANSWER_BYTES).read_to_string();
        Ok((status, text.map_err(|error| self.unreachable(&error))?))
    }

    fn read(&self, status: StatusCode, text: &str) -> Result<Value, Failure> {
        let json = serde_json::from_str(text);
        if status.is_success() {
            return match json {
                Ok(json) => Ok(json),
                Err(_) if text.is_empty() => Ok(Value::Null),
                Err(_) => Err(Failure::failed(format!("{} does not answer as Tidings does", self.base))),
            };
        }
        let detail =
            explain(&json.unwrap_or_default()).unwrap_or_else(|| format!("{} answered {status}", self.base));
        let detail = match status {
            StatusCode::UNAUTHORIZED => "the server does not know this API key (401)".to_owned(),
            StatusCode::FORBIDDEN => format!("this API key may not do that: {detail} (403)"),
            _ => detail,
        };
        Err(Failure::failed(crate::output::plain(&detail)))
    }

    fn unreachable(&self, error: &ureq::Error) -> Failure {
        let why = match error {
            ureq::Error::Io(error) if error.to_string().contains("InvalidContentType") => NO_TLS.to_owned(),
            ureq::Error::Io(error) => crate::failure::io(error),
            ureq::Error::ConnectionFailed => "connection failed".to_owned(),
            ureq::Error::HostNotFound => "there is no such host".to_owned(),
            ureq::Error::Timeout(_) => "no answer in time".to_owned(),
            // What answers does not speak TLS (RFC 8446 section 5.1).
            ureq::Error::Rustls(rustls::Error::InvalidMessage(_)) => NO_TLS.to_owned(),
            other if other.to_string().contains("InvalidContentType") => NO_TLS.to_owned(),
            other => other.to_string(),
        };
        Failure::failed(format!("cannot reach {}: {why}", self.base))
    }
}

const NO_TLS: &str = "this port speaks no TLS; write http:// instead of https://";

/// An address without a scheme, with the port of the API where it has none.
fn with_port(url: &str) -> String {
    let host = url.split(['/', '?', '#']).next().unwrap_or_default();
    let bare = !host.is_empty()
        && match host.rsplit_once(']') {
            Some((_, behind)) => behind.is_empty(),
            None => !host.contains(':'),
        };
    let (host, rest) = url.split_at(host.len());
    if bare { format!("http://{host}:7070{rest}") } else { format!("http://{url}") }
}

/// `TIDINGS_SERVER`.
pub(crate) fn server_variable() -> Option<String> {
    std::env::var("TIDINGS_SERVER").ok().filter(|url| !url.is_empty())
}

/// A problem document (RFC 9457) as a sentence.
fn explain(problem: &Value) -> Option<String> {
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let detail = text(problem, "detail").or_else(|| text(problem, "title"))?;
    let errors = problem.get("errors").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    // Usually the detail says it all; what it leaves out is added.
    let left_out: Vec<_> = errors
        .iter()
        .filter_map(|error| Some((text(error, "field")?, text(error, "detail")?)))
        .filter(|(_, why)| {
            !detail.contains(why.as_str()) && !why.split(": ").all(|part| detail.contains(part))
        })
        .map(|(field, why)| format!("{field}: {why}"))
        .collect();
    if left_out.is_empty() {
        return Some(detail);
    }
    Some(format!("{}: {}", detail.trim_end_matches('.'), left_out.join("; ")))
}

/// A text as a path segment or a query's value.
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_problem_is_one_sentence() {
        let problem = json!({"title": "Unprocessable", "detail": "a field is wrong",
            "errors": [{"field": "ttl", "detail": "too long"}]});
        assert_eq!(explain(&problem).unwrap(), "a field is wrong: ttl: too long");
        let unknown = json!({"detail": "unknown user: zz, yy; nothing was sent to anyone",
            "errors": [{"field": "to.users[1]", "detail": "unknown user: yy"}]});
        assert_eq!(explain(&unknown).unwrap(), "unknown user: zz, yy; nothing was sent to anyone");
        assert_eq!(explain(&json!({"title": "Not found"})).unwrap(), "Not found");
        assert_eq!(explain(&Value::Null), None);
    }

    #[test]
    fn addresses() {
        assert_eq!(Api::new("127.0.0.1:7070/", "k").ok().unwrap().base, "http://127.0.0.1:7070");
        for (given, base) in [
            ("localhost", "http://localhost:7070"),
            ("push.example.org/", "http://push.example.org:7070"),
            ("[::1]", "http://[::1]:7070"),
            ("[::1]:80", "http://[::1]:80"),
            ("http://localhost", "http://localhost"),
        ] {
            assert_eq!(Api::new(given, "k").ok().unwrap().base, base, "{given}");
        }
        assert!(Api::new("https://push.example.org", "k").is_ok());
        assert!(Api::new("ftp://x", "k").is_err());
        assert!(Api::new("http://", "k").is_err());
        assert!(Api::new("x", "a b").is_err());
    }

    #[test]
    fn encoding() {
        assert_eq!(encode("a/b c?ü"), "a%2Fb%20c%3F%C3%BC");
    }
}

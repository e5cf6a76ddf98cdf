//! What the types of the settings alone do not check.

use tidings_core::config::RegistrationPolicy;
use tidings_xmpp::jid::DomainPart;

use super::Settings;
use crate::failure::Failure;

/// More at once than any machine has descriptors for.
const MOST_AT_ONCE: u64 = 10_000_000;

/// What the types alone do not say.
pub(super) fn check(settings: &Settings) -> Result<(), Failure> {
    let wrong = |key: &str, why: &str| Err(Failure::usage(format!("{key}: {why}")));
    if !DomainPart::new(&settings.domain).is_ok_and(|prepared| prepared.as_str() == settings.domain) {
        return wrong("domain", &format!("`{}` is not a domain in lower case", settings.domain));
    }
    if settings.node.as_ref().is_some_and(|name| name.is_empty() || name.len() > 255) {
        return wrong("node", "a name of 1 to 255 bytes is needed");
    }
    if settings.data_dir.as_os_str().is_empty() {
        return wrong("data_dir", "a directory is needed");
    }
    if settings.tls.certificate.is_some() != settings.tls.key.is_some() {
        return wrong("tls", "`tls.certificate` and `tls.key` go together");
    }
    if let Some(url) = &settings.http.public_url {
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        let no_path = |rest: &str| !rest.contains(|c: char| "/?#@".contains(c) || c.is_whitespace());
        if !rest.is_some_and(|rest| !rest.is_empty() && no_path(rest)) {
            let why = "an address without a path, such as https://push.example.org, is needed";
            return wrong("http.public_url", why);
        }
    }
    let http = &settings.http;
    let ranges = [
        ("http.connections", http.connections as u64, 8..=MOST_AT_ONCE),
        ("http.requests", http.requests as u64, 1..=MOST_AT_ONCE),
        ("http.streams", http.streams as u64, 0..=MOST_AT_ONCE),
        ("http.header_seconds", http.header_seconds, 1..=3600),
        ("http.request_seconds", http.request_seconds, 1..=3600),
        ("http.stall_seconds", http.stall_seconds, 1..=3600),
        // After SIGTERM, ten seconds are all there is.
        ("http.drain_seconds", http.drain_seconds, 0..=8),
    ];
    for (key, value, range) in ranges {
        if !range.contains(&value) {
            return wrong(key, &format!("{value} is out of range; {} to {}", range.start(), range.end()));
        }
    }
    let limits = &settings.limits;
    let at_least = [
        ("limits.stanza_bytes_before_auth", limits.stanza_bytes_before_auth, 1024),
        ("limits.stanza_bytes", limits.stanza_bytes, 10_000),
        ("limits.depth", limits.depth.into(), 8),
        ("limits.attributes", limits.attributes.into(), 8),
        ("limits.outgoing_bytes", limits.outgoing_bytes, 4096),
        ("limits.sessions_per_account", limits.sessions_per_account, 1),
        ("limits.users_per_notification", limits.users_per_notification, 1),
        ("session.window", settings.session.window, 1),
    ];
    for (key, value, least) in at_least {
        if value < least {
            return wrong(key, &format!("{value} is too little; at least {least}"));
        }
    }
    let seconds = [
        ("limits.auth_seconds", limits.auth_seconds),
        ("limits.idle_seconds", limits.idle_seconds),
        ("limits.ping_timeout_seconds", limits.ping_timeout_seconds),
        ("limits.stall_seconds", limits.stall_seconds),
        ("notifications.max_ttl_seconds", settings.notifications.max_ttl_seconds),
    ];
    for (key, value) in seconds {
        if !(1..=10 * 365 * 86_400).contains(&value) {
            return wrong(key, &format!("{value} is out of range; 1 second to 10 years"));
        }
    }
    if settings.notifications.history_days > 36_500 {
        return wrong("notifications.history_days", "more than 100 years");
    }
    for scheme in &settings.notifications.uri_schemes {
        if let Err(why) = tidings_core::model::check_scheme(scheme) {
            return wrong("notifications.uri_schemes", &why);
        }
    }
    Ok(())
}

/// What is allowed, and hardly meant.
pub(super) fn doubts(settings: &Settings) -> Option<String> {
    let registration = &settings.registration;
    let no_token = registration.tokens.iter().all(String::is_empty);
    (registration.policy == RegistrationPolicy::Token && no_token).then(|| {
        "registration.policy is `token`, and registration.tokens is empty: no device can register \
         without an invitation (tokens to accept: registration.tokens = [\"…\"]; none at all: registration.policy = \"closed\")"
            .to_owned()
    })
}

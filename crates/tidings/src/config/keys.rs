//! The settings' keys, read off the defaults: which there are, what each takes, and which one a slip meant.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value;
use toml::value::Table;

use super::Settings;

/// Variables that are not keys.
pub(super) const RESERVED: &[&str] = &[
    "TIDINGS_CONFIG",
    "TIDINGS_SERVER",
    "TIDINGS_API_KEY",
    "TIDINGS_ADMIN_PASSWORD",
    "TIDINGS_PASSWORD",
    "TIDINGS_REGISTRATION_TOKEN",
    "TIDINGS_ACCOUNT",
];

/// Kubernetes sets these for a service that is called `tidings`.
const OF_A_SERVICE: &[&str] = &["TIDINGS_PORT_", "TIDINGS_SERVICE_"];

/// Whether a variable means something to this program's others, or is none of its business.
pub(super) fn is_reserved(variable: &str) -> bool {
    RESERVED.contains(&variable)
        || variable == "TIDINGS_PORT"
        || OF_A_SERVICE.iter().any(|prefix| variable.starts_with(prefix))
}

/// The variable whose name is the nearest to this one, and by how many letters they differ.
pub(super) fn nearest_variable(variable: &str) -> Option<(usize, String)> {
    let short = ALIASES.iter().map(|(short, _)| format!("TIDINGS_{}", short.to_uppercase()));
    let whole = KEYS.keys().map(|key| format!("TIDINGS_{}", key.to_uppercase().replace('.', "__")));
    let known = RESERVED.iter().map(|name| (*name).to_owned()).chain(short).chain(whole);
    known.map(|known| (strsim::damerau_levenshtein(variable, &known), known)).min()
}

/// Short names for keys that are set often.
const ALIASES: &[(&str, &str)] =
    &[("xmpp", "listen.xmpp"), ("xmpps", "listen.xmpps"), ("http", "listen.http"), ("log", "log.level")];

/// What a key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Switch,
    List,
}

/// Every key with what it takes, read off the defaults.
pub(super) static KEYS: LazyLock<BTreeMap<String, Kind>> = LazyLock::new(|| {
    let mut keys = BTreeMap::new();
    flatten("", &serde_json::to_value(Settings::default()).unwrap_or_default(), &mut keys);
    keys
});

fn flatten(path: &str, value: &Value, keys: &mut BTreeMap<String, Kind>) {
    let kind = match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                flatten(&path, value, keys);
            }
            return;
        }
        // What has no default is a text: a path, an address, a URL.
        Value::Null | Value::String(_) => Kind::Text,
        Value::Number(_) => Kind::Number,
        Value::Bool(_) => Kind::Switch,
        Value::Array(_) => Kind::List,
    };
    keys.insert(path.to_owned(), kind);
}

/// The full name of a key that may be given by its short one.
pub(super) fn full_name(key: &str) -> &str {
    ALIASES.iter().find(|(short, _)| *short == key).map_or(key, |(_, full)| full)
}

/// The key that an environment variable sets: `TIDINGS_LIMITS__DEPTH`, and
/// `TIDINGS_LIMITS_DEPTH` as well.
pub(super) fn of_variable(variable: &str) -> Option<&'static str> {
    let name = variable.strip_prefix("TIDINGS_")?.to_ascii_lowercase();
    if let Some((_, full)) = ALIASES.iter().find(|(short, _)| *short == name) {
        return Some(full);
    }
    let plain = name.replace("__", "_");
    KEYS.keys().map(String::as_str).find(|key| key.replace('.', "_") == plain)
}

/// What is said of a key that does not exist.
pub(super) fn unknown(key: &str) -> String {
    match closest(key, KEYS.keys().map(String::as_str)) {
        Some(close) => format!("there is no key `{key}`; did you mean `{close}`?"),
        None => format!("there is no key `{key}`"),
    }
}

/// The most similar of `candidates`.
pub(super) fn closest<'a>(key: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let scored = candidates.map(|candidate| {
        // A right name in the wrong table is close, too.
        let last = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
        let whole = strsim::jaro_winkler(key, candidate);
        (whole.max(strsim::jaro_winkler(&last(key), &last(candidate)) - 0.02), candidate)
    });
    scored.filter(|(score, _)| *score > 0.8).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, close)| close)
}

/// Reads what someone typed for a key.
pub(super) fn parse(kind: Kind, text: &str) -> Result<toml::Value, String> {
    match kind {
        Kind::Text => Ok(toml::Value::String(unquote(text))),
        Kind::Number => {
            let number = text.trim().replace('_', "").parse().map(toml::Value::Integer);
            number.map_err(|_| format!("a whole number is needed, not `{text}`"))
        }
        Kind::Switch => match text.trim() {
            "true" | "yes" | "on" | "1" => Ok(toml::Value::Boolean(true)),
            "false" | "no" | "off" | "0" => Ok(toml::Value::Boolean(false)),
            _ => Err(format!("`true` or `false` is needed, not `{text}`")),
        },
        Kind::List if text.trim_start().starts_with('[') => {
            let table: Result<Table, _> = toml::from_str(&format!("list = {text}"));
            let list = table.ok().and_then(|mut table| table.remove("list"));
            list.ok_or_else(|| format!("a list such as [\"a\", \"b\"] is needed, not `{text}`"))
        }
        Kind::List => {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            Ok(toml::Value::Array(parts.map(|part| toml::Value::String(part.to_owned())).collect()))
        }
    }
}

/// `"text"` as TOML writes it is taken for what it means.
fn unquote(text: &str) -> String {
    if !text.starts_with(['"', '\'']) {
        return text.to_owned();
    }
    let table: Result<Table, _> = toml::from_str(&format!("text = {text}"));
    match table.ok().and_then(|mut table| table.remove("text")) {
        Some(toml::Value::String(inner)) => inner,
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_variable_of_its_own() {
        for key in KEYS.keys() {
            let nested = format!("TIDINGS_{}", key.to_uppercase().replace('.', "__"));
            assert_eq!(of_variable(&nested), Some(key.as_str()), "{nested}");
            let flat = nested.replace("__", "_");
            assert_eq!(of_variable(&flat), Some(key.as_str()), "{flat}");
            assert!(!RESERVED.contains(&flat.as_str()));
        }
        assert_eq!(of_variable("TIDINGS_HTTP"), Some("listen.http"));
        assert_eq!(of_variable("TIDINGS_DATA_DIR"), Some("data_dir"));
        assert_eq!(of_variable("TIDINGS_PORT_5222_TCP"), None);
    }

    #[test]
    fn keys_that_outside_programs_set_exist() {
        let expected = [
            ("limits.registrations_per_minute", Kind::Number),
            ("limits.login_failures_per_minute", Kind::Number),
            ("registration.policy", Kind::Text),
            ("registration.tokens", Kind::List),
            ("topics.subscribe", Kind::Text),
            ("legacy.api_key", Kind::Text),
            ("legacy.iq_auth", Kind::Switch),
            ("http.public_url", Kind::Text),
        ];
        for (key, kind) in expected {
            assert_eq!(KEYS.get(key), Some(&kind), "{key}");
        }
    }

    #[test]
    fn a_typo_finds_its_key() {
        for (typo, meant) in [
            ("limits.registration_per_minute", "limits.registrations_per_minute"),
            ("regisration.policy", "registration.policy"),
            ("registrations_per_minute", "limits.registrations_per_minute"),
            ("data-dir", "data_dir"),
            ("http.publicurl", "http.public_url"),
        ] {
            assert!(unknown(typo).contains(&format!("`{meant}`")), "{}", unknown(typo));
        }
        assert!(!unknown("zzz").contains("mean"));
    }

    #[test]
    fn values_are_read_by_kind() {
        assert_eq!(parse(Kind::Number, "7"), Ok(toml::Value::Integer(7)));
        assert!(parse(Kind::Number, "seven").is_err());
        assert_eq!(parse(Kind::Switch, "on"), Ok(toml::Value::Boolean(true)));
        assert!(parse(Kind::Switch, "perhaps").is_err());
        assert_eq!(parse(Kind::Text, "\"a b\""), Ok(toml::Value::String("a b".into())));
        assert_eq!(parse(Kind::Text, "1234"), Ok(toml::Value::String("1234".into())));
        let list = toml::Value::Array(vec!["a".into(), "b".into()]);
        assert_eq!(parse(Kind::List, "a, b"), Ok(list.clone()));
        assert_eq!(parse(Kind::List, "['a', 'b']"), Ok(list));
        assert!(parse(Kind::List, "[a").is_err());
    }
}

//! Where settings come from, and which source wins.

use std::path::{Path, PathBuf};

use toml::Value;
use toml::value::Table;

use super::Settings;
use super::keys::{self, KEYS};
use crate::failure::Failure;

/// Where settings come from, weakest first. The file's name may itself come
/// from a flag or the environment.
#[derive(Debug, Default)]
pub(crate) struct Layers {
    /// `--config`.
    pub file: Option<PathBuf>,
    /// Environment variables.
    pub environment: Vec<(String, String)>,
    /// `--set KEY=VALUE`, in order.
    pub set: Vec<String>,
    /// Flags of their own: the key, and what was given.
    pub flags: Vec<(&'static str, String)>,
    /// A data directory whose name is not UTF-8, from a flag or the environment.
    pub odd_data_dir: Option<PathBuf>,
    /// Whether a variable that begins with `TIDINGS_` and means nothing is refused.
    pub strict: bool,
}

/// What was read, and what the operator should hear about it once there is a log.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub settings: Settings,
    pub warnings: Vec<String>,
}

/// Reads all layers and checks every value.
///
/// # Errors
/// One line that names the source, the key, and what is wrong with it.
pub(crate) fn load(layers: &Layers) -> Result<Loaded, Failure> {
    let mut merged = Table::new();
    let mut warnings = Vec::new();
    if let Some(file) = &layers.file {
        read_file(file, &mut merged)?;
    }
    for (variable, text) in &layers.environment {
        match keys::of_variable(variable) {
            Some(key) => set_text(&mut merged, variable, key, text)?,
            None if variable.contains("__") => {
                let name = variable.trim_start_matches("TIDINGS_").to_lowercase().replace("__", ".");
                return Err(Failure::usage(format!("{variable}: {}", keys::unknown(&name))));
            }
            None if keys::is_reserved(variable) => {}
            None if layers.strict => return Err(Failure::usage(meaningless(variable))),
            None => warnings.push(meaningless(variable)),
        }
    }
    for pair in &layers.set {
        let (key, text) = pair.split_once('=').ok_or_else(|| {
            Failure::usage(format!("--set {pair}: write it as KEY=VALUE, such as limits.depth=16"))
        })?;
        set_text(&mut merged, &format!("--set {key}"), keys::full_name(key.trim()), text)?;
    }
    for (key, text) in &layers.flags {
        set_text(&mut merged, &flag_name(key), key, text)?;
    }
    let mut settings: Settings =
        Value::Table(merged).try_into().map_err(|error| Failure::usage(one_line(&error)))?;
    if let Some(dir) = &layers.odd_data_dir {
        settings.data_dir.clone_from(dir);
    }
    if let Some(url) = &mut settings.http.public_url {
        url.truncate(url.trim_end_matches('/').len());
    }
    super::check::check(&settings)?;
    warnings.extend(super::check::doubts(&settings));
    Ok(Loaded { settings, warnings })
}

fn read_file(file: &Path, merged: &mut Table) -> Result<(), Failure> {
    let shown = file.display();
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::usage(format!("cannot read {shown}: {}", crate::failure::io(&error))))?;
    let table: Table = toml::from_str(&text).map_err(|error| {
        let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].lines().count().max(1));
        Failure::usage(format!("{shown}, line {line}: {}", error.message().replace('\n', " ")))
    })?;
    add_table(merged, &shown.to_string(), "", table)
}

fn add_table(merged: &mut Table, source: &str, path: &str, table: Table) -> Result<(), Failure> {
    for (name, value) in table {
        let key = if path.is_empty() { name } else { format!("{path}.{name}") };
        match value {
            Value::Table(inner) if KEYS.keys().any(|known| known.starts_with(&format!("{key}."))) => {
                add_table(merged, source, &key, inner)?;
            }
            value => set(merged, &format!("{source}: {key}"), keys::full_name(&key), value)?,
        }
    }
    Ok(())
}

fn set_text(merged: &mut Table, source: &str, key: &str, text: &str) -> Result<(), Failure> {
    let kind = KEYS.get(key).ok_or_else(|| Failure::usage(format!("{source}: {}", keys::unknown(key))))?;
    let value = keys::parse(*kind, text).map_err(|why| Failure::usage(format!("{source}: {why}")))?;
    set(merged, source, key, value)
}

/// Sets one key, after a trial that shows whether its value alone is fit.
fn set(merged: &mut Table, source: &str, key: &str, value: Value) -> Result<(), Failure> {
    if !KEYS.contains_key(key) {
        let source = source.strip_suffix(&format!(": {key}")).unwrap_or(source);
        return Err(Failure::usage(format!("{source}: {}", keys::unknown(key))));
    }
    let value = if key.starts_with("listen.") { address(value) } else { value };
    let mut trial = Table::new();
    insert(&mut trial, key, value.clone());
    if let Err(error) = Value::Table(trial).try_into::<Settings>() {
        let why = if key.starts_with("listen.") {
            format!("{value} is no address; write one such as 127.0.0.1:7070, [::]:7070 or *:7070")
        } else {
            one_line(&error)
        };
        return Err(Failure::usage(format!("{source}: {why}")));
    }
    insert(merged, key, value);
    Ok(())
}

/// `localhost:7070` and `*:7070` are understood where an address is needed.
fn address(value: Value) -> Value {
    match value.as_str().and_then(|text| text.split_once(':')) {
        Some(("localhost", port)) => Value::String(format!("127.0.0.1:{port}")),
        Some(("*" | "", port)) if !port.contains(':') => Value::String(format!("0.0.0.0:{port}")),
        _ => value,
    }
}

fn insert(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
        }
        Some((first, rest)) => {
            let inner = table.entry(first).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

fn meaningless(variable: &str) -> String {
    match keys::nearest_variable(variable) {
        Some((_, known)) => format!("{variable} means nothing here; did you mean {known}?"),
        None => format!("{variable} means nothing here"),
    }
}

fn flag_name(key: &str) -> String {
    let name = key.rsplit('.').next().unwrap_or(key).replace('_', "-");
    if key == "log.format" { "--log-format".into() } else { format!("--{name}") }
}

fn one_line(error: &toml::de::Error) -> String {
    error.message().lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tidings.toml");
        std::fs::write(&path, text).unwrap();
        (dir, path)
    }

    fn wrong(layers: &Layers) -> String {
        load(layers).unwrap_err().to_string()
    }

    fn env(name: &str, value: &str) -> Vec<(String, String)> {
        vec![(name.to_owned(), value.to_owned())]
    }

    #[test]
    fn flags_beat_environment_beats_file_beats_default() {
        let (_dir, path) =
            file("domain = 'file.example'\n[limits]\ndepth = 17\n[listen]\nhttp = '127.0.0.1:1'\n");
        let mut layers = Layers { file: Some(path), ..Layers::default() };
        let settings = load(&layers).unwrap().settings;
        assert_eq!((settings.domain.as_str(), settings.limits.depth), ("file.example", 17));
        assert_eq!(settings.limits.attributes, 64);

        layers.environment = env("TIDINGS_DOMAIN", "env.example");
        assert_eq!(load(&layers).unwrap().settings.domain, "env.example");
        layers.set = vec!["domain=set.example".into(), "limits.depth=19".into()];
        assert_eq!(load(&layers).unwrap().settings.domain, "set.example");
        layers.flags = vec![("domain", "flag.example".into()), ("listen.http", "127.0.0.1:0".into())];
        let settings = load(&layers).unwrap().settings;
        assert_eq!((settings.domain.as_str(), settings.limits.depth), ("flag.example", 19));
        assert_eq!(settings.listen.http.port(), 0);
    }

    #[test]
    fn a_wrong_key_is_refused_wherever_it_stands() {
        let (_dir, path) = file("[limits]\nregistration_per_minute = 7\n");
        let said = wrong(&Layers { file: Some(path), ..Layers::default() });
        assert!(said.contains("tidings.toml"), "{said}");
        assert!(said.contains("did you mean `limits.registrations_per_minute`?"), "{said}");

        let said = wrong(&Layers { set: vec!["limits.deph=3".into()], ..Layers::default() });
        assert!(said.contains("`limits.depth`"), "{said}");
        let said = wrong(&Layers { set: vec!["limits.depth".into()], ..Layers::default() });
        assert!(said.contains("KEY=VALUE"), "{said}");

        let said = wrong(&Layers { environment: env("TIDINGS_LIMITS__DEPHT", "1"), ..Layers::default() });
        assert!(said.starts_with("TIDINGS_LIMITS__DEPHT: ") && said.contains("`limits.depth`"), "{said}");
        let loaded = load(&Layers { environment: env("TIDINGS_DATADIR", "x"), ..Layers::default() }).unwrap();
        assert!(loaded.warnings[0].contains("TIDINGS_DATA_DIR"), "{:?}", loaded.warnings);
        for name in ["TIDINGS_PORT", "TIDINGS_PORT_5222_TCP", "TIDINGS_SERVICE_HOST", "TIDINGS_ACCOUNT"] {
            let layers = Layers { environment: env(name, "x"), strict: true, ..Layers::default() };
            assert!(load(&layers).unwrap().warnings.is_empty(), "{name}");
        }
        for (name, nearest) in [
            ("TIDINGS_HTPP", "TIDINGS_HTTP?"),
            ("TIDINGS_DOMIAN", "TIDINGS_DOMAIN?"),
            ("TIDINGS_ADMIN_PASSWROD", "TIDINGS_ADMIN_PASSWORD?"),
            ("TIDINGS_SERVICES", "TIDINGS_SERVER?"),
        ] {
            let said = wrong(&Layers { environment: env(name, "x"), strict: true, ..Layers::default() });
            assert!(said.starts_with(name) && said.ends_with(nearest), "{said}");
        }
    }

    #[test]
    fn an_address_of_ones_own_has_no_path() {
        let with = |url: &str| Layers { set: vec![format!("http.public_url={url}")], ..Layers::default() };
        for (given, taken) in [
            ("https://push.example.org", "https://push.example.org"),
            ("https://push.example.org/", "https://push.example.org"),
            ("http://[::1]:7070", "http://[::1]:7070"),
        ] {
            assert_eq!(load(&with(given)).unwrap().settings.http.public_url.as_deref(), Some(taken));
        }
        for given in
            ["https://example.org/push", "https://example.org?x", "https://", "example.org", "https://a b"]
        {
            assert!(wrong(&with(given)).contains("http.public_url"), "{given}");
        }
    }

    #[test]
    fn what_http_takes_has_a_range() {
        for (key, fine, wrong_ones) in [
            ("http.connections", 8, &["0", "7", "10000001", "18446744073709551615"][..]),
            ("http.requests", 1, &["0", "10000001"]),
            ("http.streams", 0, &["10000001"]),
            ("http.header_seconds", 1, &["0", "3601"]),
            ("http.request_seconds", 3600, &["0", "3601"]),
            ("http.stall_seconds", 1, &["0", "3601"]),
            ("http.drain_seconds", 0, &["9"]),
        ] {
            let with = |value: &str| Layers { set: vec![format!("{key}={value}")], ..Layers::default() };
            load(&with(&fine.to_string())).unwrap();
            for value in wrong_ones {
                assert!(wrong(&with(value)).contains(key), "{key}={value}");
            }
        }
    }

    #[test]
    fn a_wrong_value_names_its_key() {
        let (_dir, path) = file("[limits]\ndepth = 70000\n");
        let said = wrong(&Layers { file: Some(path), ..Layers::default() });
        assert!(said.contains("limits.depth"), "{said}");
        let said = wrong(&Layers { set: vec!["registration.policy=opne".into()], ..Layers::default() });
        assert!(said.contains("registration.policy") && said.contains("`open`"), "{said}");
        let said = wrong(&Layers { flags: vec![("listen.http", "nowhere".into())], ..Layers::default() });
        assert!(said.starts_with("--http: ") && said.contains("127.0.0.1:7070"), "{said}");
        let (_dir, path) = file("domain = 'a'\nlimits = [\n");
        let said = wrong(&Layers { file: Some(path), ..Layers::default() });
        assert!(said.contains("line 2"), "{said}");
        assert!(!said.contains('\n'), "{said}");
    }

    #[test]
    fn a_policy_under_which_no_device_can_register_is_doubted() {
        let warnings = |set: &[&str]| {
            let set = set.iter().map(|pair| (*pair).to_owned()).collect();
            load(&Layers { set, ..Layers::default() }).unwrap().warnings
        };
        let said = warnings(&["registration.policy=token"]);
        assert!(said[0].contains("registration.tokens") && said.len() == 1, "{said:?}");
        assert!(!warnings(&["registration.policy=token", "registration.tokens=[\"\"]"]).is_empty());
        assert!(warnings(&["registration.policy=token", "registration.tokens=[\"secret\"]"]).is_empty());
        assert!(warnings(&["registration.policy=closed"]).is_empty());
    }

    #[test]
    fn addresses_may_be_written_short() {
        let flags = vec![
            ("listen.xmpp", "localhost:1".to_owned()),
            ("listen.xmpps", ":2".to_owned()),
            ("listen.http", "[::1]:3".to_owned()),
        ];
        let listen = load(&Layers { flags, ..Layers::default() }).unwrap().settings.listen;
        assert_eq!(listen.xmpp.to_string(), "127.0.0.1:1");
        assert_eq!(listen.xmpps.to_string(), "0.0.0.0:2");
        assert_eq!(listen.http.to_string(), "[::1]:3");
    }

    #[test]
    fn short_names_work_in_the_file() {
        let (_dir, path) = file("xmpp = '127.0.0.1:1'\n");
        let layers = Layers { file: Some(path), set: vec!["http=127.0.0.1:2".into()], ..Layers::default() };
        let listen = load(&layers).unwrap().settings.listen;
        assert_eq!((listen.xmpp.port(), listen.http.port()), (1, 2));
    }
}

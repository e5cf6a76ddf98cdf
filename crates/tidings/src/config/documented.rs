//! `docs/operators.md` lists every key with its default.

use serde_json::Value;

use super::Settings;

const TEXT: &str = include_str!("../../../../docs/operators.md");

fn flatten(path: &str, value: &Value, out: &mut Vec<(String, String)>) {
    if let Value::Object(fields) = value {
        for (name, value) in fields {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            flatten(&path, value, out);
        }
        return;
    }
    let shown = match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => format!("`{text}`"),
        Value::Array(_) => format!("`{}`", value.to_string().replace(',', ", ")),
        other => format!("`{other}`"),
    };
    out.push((path.to_owned(), shown));
}

#[test]
fn the_reference_has_every_key_with_its_default() {
    let mut keys = Vec::new();
    flatten("", &serde_json::to_value(Settings::default()).unwrap(), &mut keys);
    let rows: Vec<(&str, &str)> = TEXT
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| ")?.split(" | ");
            Some((cells.next()?.trim(), cells.next()?.trim()))
        })
        .collect();
    for (key, default) in &keys {
        let row = rows.iter().find(|(cell, _)| *cell == format!("`{key}`"));
        assert_eq!(row.map(|(_, cell)| *cell), Some(default.as_str()), "docs/operators.md on `{key}`");
    }
    // And none that does not exist.
    for (cell, _) in &rows {
        let Some(name) = cell.strip_prefix('`').and_then(|cell| cell.strip_suffix('`')) else { continue };
        let table = name.split('.').next().unwrap_or_default();
        if name.contains('.') && keys.iter().any(|(key, _)| key.starts_with(&format!("{table}."))) {
            assert!(keys.iter().any(|(key, _)| key == name), "docs/operators.md names `{name}`");
        }
    }
}

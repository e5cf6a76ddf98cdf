//! The checked-in description of the API is what the code says.

use std::path::Path;

use serde_json::Value;

/// Regenerate with `TIDINGS_BLESS=1 cargo test -p tidings-http --test openapi`.
#[test]
fn the_checked_in_description_is_current() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let document = tidings_http::api::openapi_document();
    if std::env::var_os("TIDINGS_BLESS").is_some() {
        std::fs::write(&file, document).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(kept == document, "docs/openapi.json is stale: run this test with TIDINGS_BLESS=1");
}

#[test]
fn every_reference_leads_somewhere() {
    fn walk<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str));
                map.values().for_each(|value| walk(value, found));
            }
            Value::Array(list) => list.iter().for_each(|value| walk(value, found)),
            _ => {}
        }
    }
    let document: Value = serde_json::from_str(tidings_http::api::openapi_document()).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut references = Vec::new();
    walk(&document, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

#[test]
fn every_operation_says_how_it_refuses() {
    let document: Value = serde_json::from_str(tidings_http::api::openapi_document()).unwrap();
    let mut operations = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            operations += 1;
            for status in ["401", "403", "503"] {
                assert!(operation["responses"][status].is_object(), "{method} {path} {status}");
            }
            assert!(operation["security"].is_array(), "{method} {path}");
        }
    }
    assert_eq!(operations, 28);
}

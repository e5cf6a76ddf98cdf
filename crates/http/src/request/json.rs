//! JSON in which no field comes twice: of two values, a reader and the server
//! might each believe another one.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Some programs write it in front of UTF-8; parsers may pass over it (RFC 8259 section 8.1).
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A document without a mark in front of it.
pub(crate) fn text(document: &[u8]) -> &[u8] {
    document.strip_prefix(BYTE_ORDER_MARK).unwrap_or(document)
}

/// What a document in another encoding than UTF-8 begins with, for people.
pub(crate) fn foreign_encoding(document: &[u8]) -> Option<&'static str> {
    match document {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, _, ..] | [_, 0, ..] => {
            Some("this is UTF-16 or UTF-32, or binary; JSON is written in UTF-8 here")
        }
        [0x1f, 0x8b, ..] => Some("this is compressed with gzip; send it as it is"),
        _ => None,
    }
}

/// The most fields that are named.
const NAMED: usize = 16;

/// Reads a document, and the paths of fields that come twice.
pub(crate) fn parse(document: &[u8]) -> serde_json::Result<(Value, Vec<String>)> {
    let document = text(document);
    let mut twice = Vec::new();
    let mut reader = serde_json::Deserializer::from_slice(document);
    let value = Reader { twice: &mut twice }.deserialize(&mut reader)?;
    reader.end()?;
    Ok((value, twice))
}

struct Reader<'t> {
    twice: &'t mut Vec<String>,
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(Reader { twice: self.twice })? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            let inner = self.twice.len();
            let value = fields.next_value_seed(Reader { twice: self.twice })?;
            for path in self.twice.iter_mut().skip(inner) {
                path.insert_str(0, &format!("{name}."));
            }
            if object.contains_key(&name) && self.twice.len() < NAMED && !self.twice.contains(&name) {
                self.twice.push(name.clone());
            }
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_serde_json_reads() {
        for document in [
            r#"{"a": [1, -1, 1.5, true, null, "x\u0041"], "b": {"c": {}}}"#,
            "18446744073709551615",
            "[]",
            r#""text""#,
        ] {
            let (value, twice) = parse(document.as_bytes()).unwrap();
            assert_eq!(value, serde_json::from_str::<Value>(document).unwrap());
            assert!(twice.is_empty(), "{document}");
        }
        for broken in ["", "{", "{} {}", r#"{"a"}"#, "nul", "1e999"] {
            assert!(parse(broken.as_bytes()).is_err(), "{broken}");
        }
    }

    #[test]
    fn names_what_comes_twice_by_its_path() {
        let document =
            br#"{"a": 1, "d": {"k": 1, "k": 2, "k": 3, "e": {"x": 0, "x": 0}}, "b": {"a": 1}, "a": 2}"#;
        let (_, twice) = parse(document).unwrap();
        assert_eq!(twice, ["d.k", "d.e.x", "a"]);
    }

    #[test]
    fn names_only_so_many() {
        let document =
            format!("{{{}\"z\": 0}}", (0..2000).map(|n| format!("\"{}\":0,", n / 2)).collect::<String>());
        assert_eq!(parse(document.as_bytes()).unwrap().1.len(), NAMED);
    }
}

//! JSON documents, read by hand so that every wrong field is named at once.

use serde_json::{Map, Value};
use tidings_core::error::FieldError;

use super::json;
use crate::problem::{Problem, ProblemKind};

/// The fields of a JSON object. Each is taken once; [`finish`](Self::finish)
/// refuses what is left.
pub(crate) struct Fields {
    values: Map<String, Value>,
    /// `""`, or the object's path and a dot.
    prefix: String,
    errors: Vec<FieldError>,
}

impl Fields {
    /// Reads a document that must be an object.
    pub fn parse(document: &[u8]) -> Result<Self, Problem> {
        match json::parse(document) {
            Ok((Value::Object(values), names)) => {
                let twice = |field| FieldError { field, detail: "comes twice".into() };
                Ok(Self { values, prefix: String::new(), errors: names.into_iter().map(twice).collect() })
            }
            Ok(_) => Err(Problem::field("", "the document must be a JSON object")),
            Err(error) => {
                let problem = Problem::new(ProblemKind::NotJson);
                Err(match json::foreign_encoding(document) {
                    Some(why) => problem.detail(why),
                    None => problem.detail(error.to_string()),
                })
            }
        }
    }

    /// As [`parse`](Self::parse); no document at all is an object without fields.
    pub fn parse_optional(document: &[u8]) -> Result<Self, Problem> {
        Self::parse(if document.is_empty() { b"{}" } else { document })
    }

    /// Takes a field; null counts as absent.
    pub fn value(&mut self, name: &str) -> Option<Value> {
        self.values.remove(name).filter(|value| !value.is_null())
    }

    /// Takes a string.
    pub fn text(&mut self, name: &str) -> Option<String> {
        match self.value(name)? {
            Value::String(text) => Some(text),
            other => {
                self.mistyped(name, "a string", &other);
                None
            }
        }
    }

    /// Takes a string that must be there.
    pub fn required_text(&mut self, name: &str) -> Option<String> {
        let absent = self.values.get(name).is_none_or(Value::is_null);
        if absent {
            self.wrong(name, "is required");
        }
        self.text(name)
    }

    /// Takes a string that null removes.
    pub fn text_or_null(&mut self, name: &str) -> Option<Option<String>> {
        match self.values.remove(name)? {
            Value::Null => Some(None),
            Value::String(text) => Some(Some(text)),
            other => {
                self.mistyped(name, "a string or null", &other);
                None
            }
        }
    }

    /// Takes an array of strings.
    pub fn texts(&mut self, name: &str) -> Option<Vec<String>> {
        match self.value(name)? {
            Value::Array(values) => {
                let mut texts = Vec::with_capacity(values.len());
                for (index, value) in values.into_iter().enumerate() {
                    match value {
                        Value::String(text) => texts.push(text),
                        other => self.mistyped(&format!("{name}[{index}]"), "a string", &other),
                    }
                }
                Some(texts)
            }
            other => {
                self.mistyped(name, "an array of strings", &other);
                None
            }
        }
    }

    /// Takes an array of strings that null empties.
    pub fn texts_or_null(&mut self, name: &str) -> Option<Vec<String>> {
        match self.values.get(name)? {
            Value::Null => {
                self.values.remove(name);
                Some(Vec::new())
            }
            _ => self.texts(name),
        }
    }

    /// Takes true or false.
    pub fn flag(&mut self, name: &str) -> Option<bool> {
        match self.value(name)? {
            Value::Bool(flag) => Some(flag),
            other => {
                self.mistyped(name, "true or false", &other);
                None
            }
        }
    }

    /// Takes a whole number of seconds, not negative.
    pub fn seconds(&mut self, name: &str) -> Option<u64> {
        let value = self.value(name)?;
        let seconds = value.as_u64().or_else(|| whole(value.as_f64()?));
        if seconds.is_none() {
            self.mistyped(name, "a whole number of seconds, 0 or more", &value);
        }
        seconds
    }

    /// Takes an object and reads it.
    pub fn object<T>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> T) -> Option<T> {
        match self.value(name)? {
            Value::Object(values) => {
                let prefix = format!("{}{name}.", self.prefix);
                let mut inner = Self { values, prefix, errors: std::mem::take(&mut self.errors) };
                let out = read(&mut inner);
                inner.refuse_rest();
                self.errors = inner.errors;
                Some(out)
            }
            other => {
                self.mistyped(name, "an object", &other);
                None
            }
        }
    }

    /// All that is left, in order of the names.
    pub fn drain(&mut self) -> Map<String, Value> {
        std::mem::take(&mut self.values)
    }

    /// Whether nothing was wrong so far.
    pub fn is_sound(&self) -> bool {
        self.errors.is_empty()
    }

    /// How many of these fields are there.
    pub fn present(&self, names: &[&str]) -> usize {
        names.iter().filter(|name| self.values.contains_key(**name)).count()
    }

    /// Notes that a field is wrong.
    pub fn wrong(&mut self, name: &str, detail: impl Into<String>) {
        let field = format!("{}{name}", self.prefix);
        // An empty name means the object itself.
        let field = if name.is_empty() { field.trim_end_matches('.').to_owned() } else { field };
        self.errors.push(FieldError { field, detail: detail.into() });
    }

    /// Notes what a manager says of fields, of each only where nothing else is wrong with it.
    pub fn refused(&mut self, errors: Vec<FieldError>) {
        for error in errors {
            if !self.errors.iter().any(|known| known.field == error.field) {
                self.errors.push(error);
            }
        }
    }

    /// Notes that a field has another type.
    pub fn mistyped(&mut self, name: &str, wanted: &str, found: &Value) {
        let found = match found {
            Value::Null => "null",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "this number",
            Value::String(_) => "a string",
            Value::Array(_) => "an array",
            Value::Object(_) => "an object",
        };
        self.wrong(name, format!("must be {wanted}, not {found}"));
    }

    /// Refuses the document when a field was wrong or is unknown.
    pub fn finish(mut self) -> Result<(), Problem> {
        self.refuse_rest();
        if self.errors.is_empty() { Ok(()) } else { Err(Problem::fields(self.errors)) }
    }

    fn refuse_rest(&mut self) {
        for (name, _) in self.drain() {
            self.wrong(&name, "is not a field here");
        }
    }
}

/// A number that some programs write with a fraction of nothing, such as 60.0.
fn whole(number: f64) -> Option<u64> {
    let fits = number.fract() == 0.0 && (0.0..=MOST_WHOLE).contains(&number);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is whole, and in range")]
    fits.then_some(number as u64)
}

/// Up to here a floating-point number names each whole one.
const MOST_WHOLE: f64 = 9_007_199_254_740_992.0;

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    #[test]
    fn names_every_wrong_field() {
        let mut fields = Fields::parse(br#"{"a": 1, "b": {"c": true, "x": 0}, "d": -1, "y": null}"#).unwrap();
        assert_eq!(fields.text("a"), None);
        fields.object("b", |b| b.text("c"));
        fields.seconds("d");
        fields.required_text("e");
        let problem = fields.finish().unwrap_err();
        let named: Vec<_> = problem.errors().iter().map(|e| e.field.as_str()).collect();
        assert_eq!(named, ["a", "b.c", "b.x", "d", "e", "y"]);
    }

    #[test]
    fn whole_numbers_may_have_a_fraction_of_nothing() {
        for (text, seconds) in [("60.0", Some(60)), ("6e1", Some(60)), ("0.0", Some(0)), ("-0.0", Some(0))] {
            let mut fields = Fields::parse(format!("{{\"ttl\": {text}}}").as_bytes()).unwrap();
            assert_eq!(fields.seconds("ttl"), seconds, "{text}");
        }
        for text in ["60.5", "-1.0", "1e300", "1e16"] {
            let mut fields = Fields::parse(format!("{{\"ttl\": {text}}}").as_bytes()).unwrap();
            assert_eq!(fields.seconds("ttl"), None, "{text}");
        }
    }

    #[test]
    fn a_byte_order_mark_is_passed_over_and_another_encoding_is_named() {
        let mut fields = Fields::parse(b"\xef\xbb\xbf{\"a\": \"x\"}").unwrap();
        assert_eq!(fields.text("a").as_deref(), Some("x"));
        for (document, words) in [
            (&b"\0{\"a\": 1}"[..], "UTF-8"),
            (b"\xff\xfe{\0}\0", "UTF-16"),
            (b"{\0}\0", "UTF-16"),
            (b"\x1f\x8b\x08", "gzip"),
            (b"nonsense", "expected"),
        ] {
            let said = Fields::parse(document).err().unwrap();
            assert_eq!(said.status(), StatusCode::BAD_REQUEST);
            assert!(said.text().contains(words), "{}", said.text());
        }
    }

    #[test]
    fn a_field_that_comes_twice_is_wrong() {
        let mut fields = Fields::parse(br#"{"a": "x", "a": "y", "b": {"c": 1, "c": 1}}"#).unwrap();
        fields.text("a");
        fields.object("b", |b| b.value("c"));
        let named: Vec<_> = fields.finish().unwrap_err().errors().to_vec();
        let twice = |field: &str| FieldError { field: field.into(), detail: "comes twice".into() };
        assert_eq!(named, [twice("a"), twice("b.c")]);
    }

    #[test]
    fn tells_syntax_from_shape() {
        assert_eq!(Fields::parse(b"{").err().map(|p| p.status()), Some(StatusCode::BAD_REQUEST));
        assert_eq!(Fields::parse(b"[]").err().map(|p| p.status()), Some(StatusCode::UNPROCESSABLE_ENTITY));
        let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
        assert_eq!(Fields::parse(deep.as_bytes()).err().map(|p| p.status()), Some(StatusCode::BAD_REQUEST));
    }
}

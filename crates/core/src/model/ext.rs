//! What only one door understands of a notification.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::value::RawValue;
use thiserror::Error;

/// Doors that one notification may have something of.
const MAX_DOORS: usize = 8;
const MAX_DOOR_BYTES: usize = 32;

/// For each door at most one JSON object, which comes out byte for byte as it went in. It
/// means nothing to the rest of the server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ext(BTreeMap<Box<str>, Box<str>>);

/// Why something cannot be an [`Ext`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidExt {
    /// Not a JSON object.
    #[error("not a JSON object")]
    NotAnObject,
    /// A door's name.
    #[error("the name of a door is 1 to {MAX_DOOR_BYTES} bytes of a-z, 0-9 and -")]
    Door,
    /// An object is too long.
    #[error("longer than {} bytes", Ext::MAX_BYTES)]
    TooLong,
    /// Too many doors.
    #[error("more than {MAX_DOORS} doors")]
    TooMany,
    /// A character that XML cannot carry.
    #[error("U+FFFE and U+FFFF must be written as \\ufffe and \\uffff")]
    Character,
}

impl Ext {
    /// The longest object of one door, in bytes.
    pub const MAX_BYTES: usize = 16 * 1024;

    /// Whether no door has anything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sets what a door says: the text of a JSON object. Space around it is not part of it.
    ///
    /// # Errors
    /// See [`InvalidExt`]; nothing is changed then.
    pub fn insert(&mut self, door: &str, object: &str) -> Result<(), InvalidExt> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !(1..=MAX_DOOR_BYTES).contains(&door.len()) || !door.bytes().all(allowed) {
            return Err(InvalidExt::Door);
        }
        let object = object.trim_matches([' ', '\t', '\n', '\r']);
        if object.len() > Self::MAX_BYTES {
            return Err(InvalidExt::TooLong);
        }
        if !object.starts_with('{') || serde_json::from_str::<&RawValue>(object).is_err() {
            return Err(InvalidExt::NotAnObject);
        }
        if object.contains(['\u{fffe}', '\u{ffff}']) {
            return Err(InvalidExt::Character);
        }
        if self.0.len() >= MAX_DOORS && !self.0.contains_key(door) {
            return Err(InvalidExt::TooMany);
        }
        self.0.insert(door.into(), object.into());
        Ok(())
    }

    /// What a door says: the text of a JSON object.
    pub fn get(&self, door: &str) -> Option<&str> {
        self.0.get(door).map(|object| &**object)
    }

    /// Each door with its object, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(door, object)| (&**door, &**object))
    }

    /// Reads a JSON object that has an object for each door.
    ///
    /// # Errors
    /// See [`InvalidExt`].
    pub fn parse(json: &str) -> Result<Self, InvalidExt> {
        let doors: BTreeMap<String, &RawValue> =
            serde_json::from_str(json).map_err(|_| InvalidExt::NotAnObject)?;
        let mut ext = Self::default();
        for (door, object) in doors {
            ext.insert(&door, object.get())?;
        }
        Ok(ext)
    }

    /// What [`parse`](Self::parse) reads.
    pub fn to_json(&self) -> String {
        let mut json = String::from("{");
        for (place, (door, object)) in self.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            // Writing to a string does not fail.
            let _ = write!(json, "{comma}\"{door}\":{object}");
        }
        json.push('}');
        json
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_object_comes_out_as_it_went_in() {
        let odd = "{ \"b\" :1.0e+2,\r\n\t\"a\":[\"\\u0041 \\/ é\", 18446744073709551616], \"a\" : {} }";
        let mut ext = Ext::default();
        ext.insert("ntfy", &format!(" \n{odd}\t")).unwrap();
        ext.insert("a-1", "{}").unwrap();
        assert_eq!(ext.get("ntfy"), Some(odd));
        let read = Ext::parse(&ext.to_json()).unwrap();
        assert_eq!(read, ext);
        assert_eq!(read.iter().collect::<Vec<_>>(), [("a-1", "{}"), ("ntfy", odd)]);
        assert_eq!(Ext::parse("{}").unwrap(), Ext::default());
        assert_eq!(Ext::default().to_json(), "{}");
    }

    #[test]
    fn what_is_none_is_refused() {
        let mut ext = Ext::default();
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(Ext::MAX_BYTES - 7));
        for (door, object, why) in [
            ("", "{}", InvalidExt::Door),
            ("Ntfy", "{}", InvalidExt::Door),
            ("a\"b", "{}", InvalidExt::Door),
            (&"d".repeat(33), "{}", InvalidExt::Door),
            ("ntfy", "", InvalidExt::NotAnObject),
            ("ntfy", "[]", InvalidExt::NotAnObject),
            ("ntfy", "\"{}\"", InvalidExt::NotAnObject),
            ("ntfy", "{}{}", InvalidExt::NotAnObject),
            ("ntfy", "{\"a\":}", InvalidExt::NotAnObject),
            ("ntfy", "{\"a\":\"\n\"}", InvalidExt::NotAnObject),
            ("ntfy", "{\"a\":\"\u{ffff}\"}", InvalidExt::Character),
            ("ntfy", &long, InvalidExt::TooLong),
        ] {
            assert_eq!(ext.insert(door, object), Err(why), "{door} {object}");
        }
        assert!(ext.is_empty());
        ext.insert("ntfy", &long.replacen('x', "", 1)).unwrap();
        for number in 1..MAX_DOORS {
            ext.insert(&format!("d{number}"), "{}").unwrap();
        }
        ext.insert("ntfy", "{}").unwrap();
        assert_eq!(ext.insert("more", "{}"), Err(InvalidExt::TooMany));
        assert_eq!(Ext::parse("{\"ntfy\":[]}"), Err(InvalidExt::NotAnObject));
        assert_eq!(Ext::parse("[]"), Err(InvalidExt::NotAnObject));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,40}") {
            let mut ext = Ext::default();
            let object = format!("{{{text}}}");
            if ext.insert("ntfy", &object).is_ok() {
                prop_assert_eq!(ext.get("ntfy"), Some(object.as_str()));
                prop_assert_eq!(Ext::parse(&ext.to_json()), Ok(ext));
            }
        }
    }
}

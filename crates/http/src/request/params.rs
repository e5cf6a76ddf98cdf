//! Query parameters and path segments, read so that every wrong one is named.

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use tidings_core::error::FieldError;

use super::cursor;
use crate::problem::Problem;

/// The most rows of one page.
pub(crate) const MAX_LIMIT: usize = 1000;
const DEFAULT_LIMIT: usize = 100;

/// A query string, read by hand so that every wrong parameter is named at once.
pub(crate) struct Params {
    pairs: Vec<(String, String)>,
    errors: Vec<FieldError>,
}

impl<S: Sync> FromRequestParts<S> for Params {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map_err(|_| Problem::field("", "the query string is not form-encoded"))?;
        Ok(Self { pairs, errors: Vec::new() })
    }
}

impl Params {
    /// A parameter's text; empty counts as absent.
    pub fn text(&mut self, name: &str) -> Option<String> {
        let index = self.pairs.iter().position(|(key, _)| key == name)?;
        let (_, value) = self.pairs.remove(index);
        (!value.is_empty()).then_some(value)
    }

    /// `true` or `false`.
    pub fn flag(&mut self, name: &str) -> Option<bool> {
        let value = self.text(name)?;
        match value.as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => {
                self.wrong(name, "must be true or false");
                None
            }
        }
    }

    /// How many rows.
    pub fn limit(&mut self) -> usize {
        let Some(value) = self.text("limit") else { return DEFAULT_LIMIT };
        match value.parse() {
            Ok(limit) if (1..=MAX_LIMIT).contains(&limit) => limit,
            _ => {
                self.wrong("limit", &format!("must be a number from 1 to {MAX_LIMIT}"));
                DEFAULT_LIMIT
            }
        }
    }

    /// Where to continue in the listing `kind`.
    pub fn cursor(&mut self, kind: &str) -> Option<String> {
        let value = self.text("cursor")?;
        let key = cursor::read(kind, &value);
        if key.is_none() {
            self.wrong("cursor", "is not a cursor of this listing");
        }
        key
    }

    /// Where to continue in the listing `kind`, whose key `read` understands.
    pub fn place<T>(&mut self, kind: &str, read: impl Fn(&str) -> Option<T>) -> Option<T> {
        let place = read(&self.cursor(kind)?);
        if place.is_none() {
            self.wrong("cursor", "is not a cursor of this listing");
        }
        place
    }

    /// What to sort by: one of these names, and whether the order is turned round by a `-` before it.
    pub fn sort<T: Copy>(&mut self, sorts: &[(&str, T)]) -> Option<(T, bool)> {
        let value = self.text("sort")?;
        let name = value.strip_prefix('-').unwrap_or(&value);
        let Some((_, sort)) = sorts.iter().find(|(known, _)| *known == name) else {
            let names: Vec<_> = sorts.iter().map(|(name, _)| *name).collect();
            self.wrong("sort", &format!("must be one of {}, or that with a - before it", names.join(", ")));
            return None;
        };
        Some((*sort, name.len() < value.len()))
    }

    /// Where to continue in the listing `kind`, whose key is a number.
    pub fn position(&mut self, kind: &str) -> Option<u64> {
        self.place(kind, |key| key.parse().ok())
    }

    /// Refuses what was wrong, what is unknown, and what came twice.
    pub fn finish(mut self) -> Result<(), Problem> {
        for (name, _) in std::mem::take(&mut self.pairs) {
            self.wrong(&name, "is not a parameter here, or came twice");
        }
        if self.errors.is_empty() { Ok(()) } else { Err(Problem::fields(self.errors)) }
    }

    fn wrong(&mut self, field: &str, detail: &str) {
        self.errors.push(FieldError { field: field.into(), detail: detail.into() });
    }
}

/// The path's only parameter, decoded.
pub(crate) struct Segment(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.map(|Path(text)| Self(text)).map_err(|_| Problem::not_found("the path is not UTF-8"))
    }
}

/// The path's two parameters, decoded.
pub(crate) struct Segments(pub String, pub String);

impl<S: Send + Sync> FromRequestParts<S> for Segments {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        path.map(|Path((a, b))| Self(a, b)).map_err(|_| Problem::not_found("the path is not UTF-8"))
    }
}

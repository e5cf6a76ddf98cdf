//! How templates write things.

use std::fmt::Display;

use askama::Values;

use crate::percent;

/// An RFC 3339 moment in UTC, for people.
#[askama::filter_fn]
pub(crate) fn utc(at: impl Display, _: &dyn Values) -> askama::Result<String> {
    let text = at.to_string();
    Ok(match text.split_once('T') {
        Some((date, time)) => format!("{date} {} UTC", time.get(..8).unwrap_or(time)),
        None => text,
    })
}

/// A number with thin spaces between its thousands.
#[askama::filter_fn]
pub(crate) fn grouped(number: impl Display, _: &dyn Values) -> askama::Result<String> {
    Ok(group(&number.to_string()))
}

/// A path segment or a query's value.
#[askama::filter_fn]
pub(crate) fn path(segment: impl Display, _: &dyn Values) -> askama::Result<String> {
    Ok(percent::encode(&segment.to_string()))
}

/// Digits with thin spaces between the thousands.
pub(crate) fn group(digits: &str) -> String {
    let mut out = String::with_capacity(digits.len() * 2);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// An error's words as a sentence.
pub(crate) fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str().trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(group("7"), "7");
        assert_eq!(group("999"), "999");
        assert_eq!(group("1000"), "1\u{202f}000");
        assert_eq!(group("1234567"), "1\u{202f}234\u{202f}567");
    }
}

//! I/O errors in words for people, as this crate's own errors have them.

use std::io;

/// The error's text in lower case and without its number, to stand inside a sentence.
pub fn in_words(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_and_the_capital_go() {
        let refused = io::Error::other("Connection refused (os error 111)");
        assert_eq!(in_words(&refused), "connection refused");
        assert_eq!(in_words(&io::Error::other("")), "");
    }
}

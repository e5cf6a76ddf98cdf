//! What names, addresses and passwords may be: one rule each, whichever door asks.

use super::password;
use crate::error::FieldError;
use crate::model::{InvalidName, NamePattern, Topic, Username};

/// The longest display name, in bytes.
const NAME_BYTES: usize = 255;
/// The longest e-mail address, in bytes (RFC 5321 section 4.5.3.1).
const EMAIL_BYTES: usize = 254;
/// The longest name of an API key, in characters.
const KEY_NAME_CHARS: usize = 100;
/// The longest name of a token, in characters.
const LABEL_CHARS: usize = 100;
/// The longest life of a token: ten years.
const SPAN_SECONDS: u64 = 10 * 365 * 86_400;
/// The most patterns of topics or of users that a key or an account has.
const PATTERNS: usize = 256;
/// The longest login name of an operator, in bytes.
const LOGIN_BYTES: usize = 64;
/// The shortest password that an operator may choose, in characters.
const OPERATOR_PASSWORD_CHARS: usize = 8;

/// Reads fields, and gathers what is wrong with them.
#[derive(Default)]
pub(super) struct Rules {
    pub(super) errors: Vec<FieldError>,
}

impl Rules {
    fn wrong(&mut self, field: &str, detail: impl Into<String>) {
        self.errors.push(FieldError::new(field, detail));
    }

    /// A username or an alias.
    pub(super) fn username(&mut self, field: &str, text: &str) -> Option<Username> {
        if matches!(text, "." | "..") {
            // In a path of a URL they mean something else, however they are written.
            self.wrong(field, "cannot be a path of dots");
            return None;
        }
        Username::parse(text).map_err(|error: InvalidName| self.wrong(field, error.to_string())).ok()
    }

    /// A device's password.
    pub(super) fn password(&mut self, text: &str) {
        if let Err(why) = password::check(text) {
            self.wrong("password", why);
        }
    }

    /// A display name; none where it is blank.
    pub(super) fn name(&mut self, text: Option<&str>) -> Option<String> {
        let name = present(text)?;
        if name.len() > NAME_BYTES || name.chars().any(char::is_control) {
            self.wrong("name", format!("must be at most {NAME_BYTES} bytes without control characters"));
        }
        Some(name)
    }

    /// An e-mail address, as far as a glance tells; none where it is blank.
    pub(super) fn email(&mut self, text: Option<&str>) -> Option<String> {
        let email = present(text)?;
        let parts = email.split_once('@');
        if email.len() > EMAIL_BYTES
            || email.chars().any(|c| c.is_control() || c.is_whitespace())
            || !parts.is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
        {
            self.wrong("email", format!("must look like name@example.org, in at most {EMAIL_BYTES} bytes"));
        }
        Some(email)
    }

    /// What a token is called; none where it is blank.
    pub(super) fn label(&mut self, text: Option<&str>) -> Option<String> {
        let label = present(text)?;
        if label.chars().count() > LABEL_CHARS || label.chars().any(char::is_control) {
            self.wrong(
                "label",
                format!("must be at most {LABEL_CHARS} characters, none of them a control character"),
            );
        }
        Some(label)
    }

    /// Seconds until a token ends.
    pub(super) fn span(&mut self, field: &str, seconds: u64) {
        self.span_within(field, seconds, SPAN_SECONDS);
    }

    /// Seconds until something ends that lasts at most so many.
    pub(super) fn span_within(&mut self, field: &str, seconds: u64, most: u64) {
        if !(1..=most).contains(&seconds) {
            self.wrong(field, format!("must be 1 to {most} seconds"));
        }
    }

    /// Topics, at most so many.
    pub(super) fn topics(&mut self, field: &str, texts: &[String], most: usize) -> Vec<Topic> {
        if texts.len() > most {
            self.wrong(field, format!("an account has at most {most} topics"));
            return Vec::new();
        }
        let mut topics = Vec::with_capacity(texts.len());
        for (index, text) in texts.iter().enumerate() {
            match Topic::parse(text) {
                Ok(topic) => topics.push(topic),
                Err(error) => self.wrong(&format!("{field}[{index}]"), error.to_string()),
            }
        }
        topics.sort_unstable();
        topics.dedup();
        topics
    }

    /// What an API key is called.
    pub(super) fn key_name(&mut self, name: &str) {
        let unfit = name.trim().is_empty()
            || name.chars().count() > KEY_NAME_CHARS
            || name.chars().any(char::is_control);
        if unfit {
            let most = KEY_NAME_CHARS;
            self.wrong("name", format!("must be 1 to {most} characters, none of them a control character"));
        }
    }

    /// Topics, by name or by how their names begin.
    pub(super) fn topic_patterns(&mut self, field: &str, texts: &[String]) -> Vec<NamePattern> {
        self.patterns(field, texts, NamePattern::of_topics)
    }

    /// Users, by name or by how their names begin.
    pub(super) fn user_patterns(&mut self, field: &str, texts: &[String]) -> Vec<NamePattern> {
        self.patterns(field, texts, NamePattern::of_users)
    }

    fn patterns(
        &mut self,
        field: &str,
        texts: &[String],
        read: impl Fn(&str) -> Result<NamePattern, InvalidName>,
    ) -> Vec<NamePattern> {
        if texts.len() > PATTERNS {
            self.wrong(field, format!("more than {PATTERNS} names"));
            return Vec::new();
        }
        let mut patterns = Vec::with_capacity(texts.len());
        for (index, text) in texts.iter().enumerate() {
            match read(text) {
                Ok(pattern) if patterns.contains(&pattern) => {}
                Ok(pattern) => patterns.push(pattern),
                Err(error) => {
                    let star = "a * may stand at the end";
                    self.wrong(&format!("{field}[{index}]"), format!("{error}; {star}"));
                }
            }
        }
        patterns
    }

    /// An operator's login name.
    pub(super) fn login(&mut self, name: &str) {
        if name.is_empty()
            || name.len() > LOGIN_BYTES
            || name.chars().any(|c| c.is_control() || c.is_whitespace())
        {
            self.wrong("name", format!("a login name has 1 to {LOGIN_BYTES} bytes and no spaces"));
        }
    }

    /// A password that an operator chooses.
    pub(super) fn operator_password(&mut self, password: &str) {
        if password.chars().count() < OPERATOR_PASSWORD_CHARS {
            self.wrong("password", format!("needs at least {OPERATOR_PASSWORD_CHARS} characters"));
        } else if password.len() > password::MAX_PASSWORD {
            self.wrong("password", format!("is longer than {} bytes", password::MAX_PASSWORD));
        } else if password.chars().any(char::is_control) {
            self.wrong("password", "has control characters");
        }
    }
}

/// The text without the space around it; none where nothing is left.
fn present(text: Option<&str>) -> Option<String> {
    text.map(str::trim).filter(|text| !text.is_empty()).map(ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(read: impl FnOnce(&mut Rules)) -> Vec<String> {
        let mut rules = Rules::default();
        read(&mut rules);
        rules.errors.into_iter().map(|error| error.field).collect()
    }

    #[test]
    fn an_e_mail_address_has_two_parts_and_no_space() {
        let fits = |text: &str| named(|rules| drop(rules.email(Some(text)))).is_empty();
        assert!(fits("a@b") && fits(" a@b.example ") && fits("") && fits("  "));
        assert!(fits(&format!("{}@example.org", "x".repeat(242))));
        for unfit in ["x", "@b", "a@", "a b@c", "a\u{0}@c", &format!("{}@example.org", "x".repeat(243))] {
            assert!(!fits(unfit), "{unfit}");
        }
    }

    #[test]
    fn blank_is_none() {
        let mut rules = Rules::default();
        assert_eq!((rules.name(Some("  ")), rules.email(Some(""))), (None, None));
        assert_eq!(rules.name(Some(" Anna ")).as_deref(), Some("Anna"));
        assert!(rules.errors.is_empty());
    }

    #[test]
    fn every_wrong_field_is_named() {
        let wrong = named(|rules| {
            rules.username("username", "a b");
            rules.password("");
            rules.name(Some("a\u{7}b"));
            rules.email(Some("x"));
        });
        assert_eq!(wrong, ["username", "password", "name", "email"]);
        for dots in [".", ".."] {
            assert_eq!(named(|rules| drop(rules.username("username", dots))), ["username"]);
        }
        assert!(named(|rules| drop(rules.username("username", "..."))).is_empty());
        assert_eq!(named(|rules| rules.key_name(&"ä".repeat(100))), Vec::<String>::new());
        assert_eq!(named(|rules| rules.key_name(&"ä".repeat(101))), ["name"]);
    }
}

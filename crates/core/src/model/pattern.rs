//! Names, or all names that begin alike: what a key or an account may send to.

use std::fmt;

use super::{Audience, InvalidName, Topic, Username};

/// A name, or, with a trailing `*`, all names that begin with what stands before it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NamePattern {
    begin: String,
    open: bool,
}

impl NamePattern {
    /// Reads a pattern for topics.
    ///
    /// # Errors
    /// [`InvalidName::Topic`] where no topic's name can match it.
    pub fn of_topics(text: &str) -> Result<Self, InvalidName> {
        Self::parse(text, |name| Topic::parse(name).map(|topic| topic.as_str().to_owned()))
    }

    /// Reads a pattern for usernames; case is folded as in a name.
    ///
    /// # Errors
    /// [`InvalidName::Username`] where no username can match it.
    pub fn of_users(text: &str) -> Result<Self, InvalidName> {
        Self::parse(text, |name| Username::parse(name).map(|name| name.as_str().to_owned()))
    }

    fn parse(text: &str, name: impl Fn(&str) -> Result<String, InvalidName>) -> Result<Self, InvalidName> {
        match text.strip_suffix('*') {
            Some("") => Ok(Self { begin: String::new(), open: true }),
            Some(begin) => Ok(Self { begin: name(begin)?, open: true }),
            None => Ok(Self { begin: name(text)?, open: false }),
        }
    }

    /// Whether it matches a name.
    pub fn matches(&self, name: &str) -> bool {
        if self.open { name.starts_with(&self.begin) } else { name == self.begin }
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.begin)?;
        f.write_str(if self.open { "*" } else { "" })
    }
}

/// Whom an API key may send to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum SendRights {
    /// Everyone.
    #[default]
    Everyone,
    /// These alone; not all accounts at once.
    Only {
        /// Topics.
        topics: Vec<NamePattern>,
        /// Users, by the name that the sender gives.
        users: Vec<NamePattern>,
    },
}

impl SendRights {
    /// Whether a notification may be sent to this audience.
    pub fn allow(&self, audience: &Audience) -> bool {
        let Self::Only { topics, users } = self else { return true };
        let any = |patterns: &[NamePattern], name: &str| patterns.iter().any(|one| one.matches(name));
        match audience {
            Audience::All | Audience::Endpoint(_) => false,
            Audience::Topic(topic) => any(topics, topic.as_str()),
            Audience::Users(names) => names.iter().all(|name| any(users, name.as_str())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::EndpointId;

    fn users(names: &[&str]) -> Audience {
        Audience::Users(names.iter().map(|name| Username::parse(name).unwrap()).collect())
    }

    fn topic(name: &str) -> Audience {
        Audience::Topic(Topic::parse(name).unwrap())
    }

    #[test]
    fn a_star_at_the_end_matches_the_rest() {
        let all = NamePattern::of_topics("*").unwrap();
        let alerts = NamePattern::of_topics("alerts*").unwrap();
        let news = NamePattern::of_topics("news").unwrap();
        assert!(all.matches("") && all.matches("news"));
        assert!(alerts.matches("alerts") && alerts.matches("alerts/fire") && !alerts.matches("alert"));
        assert!(news.matches("news") && !news.matches("newsroom") && !news.matches("new"));
        for bad in ["", "a*b", "**", "a b", "*a"] {
            assert!(NamePattern::of_topics(bad).is_err(), "{bad}");
        }
        for text in ["*", "alerts*", "news"] {
            assert_eq!(NamePattern::of_topics(text).unwrap().to_string(), text);
        }
        assert!(NamePattern::of_users("Anna*").unwrap().matches("annabel"));
        assert!(NamePattern::of_users("a@b").is_err());
    }

    #[test]
    fn a_key_that_is_bound_reaches_what_it_names_alone() {
        let pattern = |text| vec![NamePattern::of_topics(text).unwrap()];
        let endpoint = Audience::Endpoint(EndpointId(1));
        for audience in [Audience::All, users(&["anna"]), topic("news"), endpoint.clone()] {
            assert!(SendRights::Everyone.allow(&audience));
            assert!(!SendRights::Only { topics: Vec::new(), users: Vec::new() }.allow(&audience));
        }
        let bound = SendRights::Only { topics: pattern("news"), users: pattern("an*") };
        assert!(bound.allow(&topic("news")) && !bound.allow(&topic("chess")));
        assert!(bound.allow(&users(&["anna", "andy"])) && !bound.allow(&users(&["anna", "bert"])));
        assert!(!bound.allow(&Audience::All) && !bound.allow(&endpoint));
    }
}

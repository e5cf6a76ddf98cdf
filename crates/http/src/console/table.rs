//! Tables that are sorted by a click on a heading: each heading is a link, so that
//! this works without script and a page's address says what it shows.

use crate::percent;

/// What a sorted table's headings and its link to the next page say.
pub(crate) struct Table {
    /// The address with its filters, and `sort=` to be followed by a name.
    address: String,
    /// What it is sorted by, as the parameter says it.
    sort: String,
    headings: Vec<Heading>,
}

/// A heading that sorts.
pub(crate) struct Heading {
    name: &'static str,
    /// Where a click leads.
    pub href: String,
    /// `ascending` or `descending`, where the table is sorted by this one.
    pub sorted: Option<&'static str>,
}

impl Table {
    /// A table at `path` with these filters, that can be sorted by any of `sorts`.
    pub fn new<T: Copy + PartialEq>(
        path: &str,
        filters: &[(&str, &str)],
        sorts: &[(&'static str, T)],
        order: T,
        descending: bool,
    ) -> Self {
        let mut address = format!("{path}?");
        for (name, value) in filters.iter().filter(|(_, value)| !value.is_empty()) {
            address.push_str(&format!("{name}={}&", percent::encode(value)));
        }
        address.push_str("sort=");
        let headings = sorts.iter().map(|(name, sort)| {
            let sorted = (*sort == order).then_some(if descending { "descending" } else { "ascending" });
            // Of times people want the newest first, of names the first.
            let by_time = matches!(*name, "created" | "last_seen");
            let turned = if *sort == order { !descending } else { by_time };
            let href = format!("{address}{}{name}", if turned { "-" } else { "" });
            Heading { name, href, sorted }
        });
        let headings = headings.collect();
        let name = sorts.iter().find(|(_, sort)| *sort == order).map_or("", |(name, _)| name);
        let sort = format!("{}{name}", if descending { "-" } else { "" });
        Self { address, sort, headings }
    }

    /// What it is sorted by, as the parameter says it.
    pub fn sort(&self) -> &str {
        &self.sort
    }

    /// The heading of this name.
    pub fn heading(&self, name: &str) -> Option<&Heading> {
        self.headings.iter().find(|heading| heading.name == name)
    }

    /// Where the first page is.
    pub fn first(&self) -> String {
        format!("{}{}", self.address, self.sort)
    }

    /// Where the page after this cursor is.
    pub fn after(&self, cursor: &str) -> String {
        format!("{}&cursor={cursor}", self.first())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_lead_to_their_order_and_back() {
        let sorts = [("username", 1), ("created", 2)];
        let href = |table: &Table, name: &str| table.heading(name).unwrap().href.clone();
        let sorted = |table: &Table, name: &str| table.heading(name).unwrap().sorted;
        let table = Table::new("/users", &[("q", "a b&c"), ("online", "")], &sorts, 1, false);
        assert_eq!(href(&table, "username"), "/users?q=a%20b%26c&sort=-username");
        assert_eq!(href(&table, "created"), "/users?q=a%20b%26c&sort=-created");
        assert_eq!((sorted(&table, "username"), sorted(&table, "created")), (Some("ascending"), None));
        assert_eq!(table.after("X"), "/users?q=a%20b%26c&sort=username&cursor=X");
        let table = Table::new("/users", &[], &sorts, 2, true);
        assert_eq!(href(&table, "created"), "/users?sort=created");
        assert_eq!(href(&table, "username"), "/users?sort=username");
        assert_eq!(sorted(&table, "created"), Some("descending"));
        assert_eq!(table.sort(), "-created");
    }
}

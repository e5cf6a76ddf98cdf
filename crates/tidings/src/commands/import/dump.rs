//! Reads androidpn's table `apn_user` out of what its databases write: HSQLDB's `.script` and `.log`,
//! dumps of MySQL and PostgreSQL.
//!
//! Only as much SQL is understood as those programs write. What is not about that table is passed over.

use std::collections::BTreeMap;

/// The table of androidpn's users, by its model (`org.androidpn.server.model.User`).
const TABLE: &str = "apn_user";

/// Its columns where a dump has no `CREATE TABLE`: Hibernate makes them in this order.
const COLUMNS: [&str; 7] = ["id", "created_date", "email", "name", "password", "updated_date", "username"];

/// A row of the table. What is null, or not there, is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct User {
    pub username: Option<String>,
    pub password: Option<String>,
    pub name: Option<String>,
    pub email: Option<String>,
}

/// The rows of the table, as one file after the other leaves them.
#[derive(Debug, Default)]
pub(super) struct Users {
    /// By `id`, or by the row's number where there is none.
    rows: BTreeMap<(u64, String), User>,
    columns: Option<Vec<String>>,
    /// Whether the table was seen at all.
    pub found: bool,
}

/// How a program writes texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    /// `''` and `\u00e9`; a statement a line.
    Hsqldb,
    /// `''` and `\'`.
    MySql,
    /// `''`; in `E'…'` also `\'`.
    PostgreSql,
}

impl Users {
    /// Reads a file, after those before it.
    pub fn read(&mut self, file: &[u8]) {
        // Dumps of old servers are in Latin-1 now and then.
        let text = match std::str::from_utf8(file) {
            Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text).to_owned(),
            Err(_) => file.iter().map(|byte| char::from(*byte)).collect(),
        };
        let dialect = dialect(&text);
        let mut rest = text.as_str();
        while let Some((statement, after)) = next_statement(rest, dialect) {
            rest = after;
            let tokens = tokens(statement, dialect);
            if let Some((is_ours, columns)) = copied(&tokens) {
                let (rows, after) = copied_rows(rest);
                if is_ours {
                    self.columns = Some(columns);
                    self.found = true;
                    rows.for_each(|row| self.insert(row.collect()));
                }
                rest = after;
            } else {
                self.run(&tokens);
            }
        }
    }

    /// The users, in the order of their ids.
    pub fn into_users(self) -> Vec<User> {
        self.rows.into_values().collect()
    }

    fn run(&mut self, tokens: &[Token]) {
        let words: Vec<String> = tokens.iter().take(4).map(Token::word).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["create", ..] => {
                if let Some(columns) = created(tokens) {
                    self.columns = Some(columns);
                    self.found = true;
                }
            }
            ["insert", "into", ..] | ["insert", "ignore", "into", ..] | ["replace", "into", ..] => {
                self.insert_all(tokens);
            }
            ["delete", "from", ..] => self.delete(tokens),
            _ => {}
        }
    }

    fn insert_all(&mut self, tokens: &[Token]) {
        let Some(into) = tokens.iter().position(|token| token.is("into")) else { return };
        let Some((rest, true)) = table(tokens.get(into + 1..).unwrap_or_default()) else { return };
        self.found = true;
        let Some(values) = rest.iter().position(|token| token.is("values")) else { return };
        let (named, rows) = rest.split_at(values);
        let named: Vec<String> =
            named.iter().filter(|token| matches!(token, Token::Word(_))).map(Token::word).collect();
        if !named.is_empty() {
            self.columns = Some(named);
        }
        let mut row: Option<Vec<Option<String>>> = None;
        for token in rows.iter().skip(1) {
            match (token, &mut row) {
                (Token::Sign('('), None) => row = Some(Vec::new()),
                (Token::Sign(')'), Some(_)) => {
                    let done = row.take().unwrap_or_default();
                    self.insert(done);
                }
                (Token::Sign(_), _) | (_, None) => {}
                // MySQL writes `_binary 'x'`.
                (Token::Word(word), Some(_)) if word.starts_with('_') => {}
                (Token::Word(word), Some(row)) if word.eq_ignore_ascii_case("null") => row.push(None),
                (Token::Word(word), Some(row)) => row.push(Some(word.clone())),
                (Token::Text(text), Some(row)) => row.push(Some(text.clone())),
            }
        }
    }

    fn insert(&mut self, values: Vec<Option<String>>) {
        let names: Vec<&str> = match &self.columns {
            Some(columns) => columns.iter().map(String::as_str).collect(),
            None => COLUMNS.to_vec(),
        };
        let mut row: BTreeMap<&str, String> =
            names.into_iter().zip(values).filter_map(|(name, value)| Some((name, value?))).collect();
        let id = row.remove("id").unwrap_or_else(|| format!("row {}", self.rows.len()));
        let number = id.parse().unwrap_or(u64::MAX);
        let user = User {
            username: row.remove("username"),
            password: row.remove("password"),
            name: row.remove("name"),
            email: row.remove("email"),
        };
        self.rows.insert((number, id), user);
    }

    /// HSQLDB's log names the row by its key, or by all that is in it.
    fn delete(&mut self, tokens: &[Token]) {
        let Some((rest, true)) = table(tokens.get(2..).unwrap_or_default()) else { return };
        let mut wanted = Vec::new();
        for window in rest.windows(3) {
            if let [Token::Word(column), Token::Sign('='), Token::Word(value) | Token::Text(value)] = window {
                wanted.push((column.to_lowercase(), value.clone()));
            }
        }
        let is = |known: Option<&String>, value: &String| known == Some(value);
        self.rows.retain(|(_, id), user| {
            let fits = wanted.iter().all(|(column, value)| match column.as_str() {
                "id" => id == value,
                "username" => is(user.username.as_ref(), value),
                "password" => is(user.password.as_ref(), value),
                _ => true,
            });
            !fits
        });
    }
}

fn dialect(text: &str) -> Dialect {
    let head: String = text.chars().take(64 * 1024).collect::<String>().to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| head.contains(word));
    if has(&["mysql", "mariadb", "engine=", "`"]) {
        Dialect::MySql
    } else if has(&["postgresql", "from stdin;", "standard_conforming_strings", "create table public."]) {
        Dialect::PostgreSql
    } else if has(&[
        "create schema public",
        "create memory table",
        "create cached table",
        "/*c1*/",
        "connect user",
    ]) || !text.contains(';')
    {
        Dialect::Hsqldb
    } else {
        Dialect::PostgreSql
    }
}

/// A piece of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// A name or a number; of a name in quotes what is between them.
    Word(String),
    /// A text.
    Text(String),
    Sign(char),
}

impl Token {
    /// The word in lower case; nothing of anything else.
    fn word(&self) -> String {
        if let Self::Word(word) = self { word.to_lowercase() } else { String::new() }
    }

    fn is(&self, wanted: &str) -> bool {
        matches!(self, Self::Word(word) if word.eq_ignore_ascii_case(wanted))
    }
}

/// The next statement and what follows it; `None` at the end.
fn next_statement(text: &str, dialect: Dialect) -> Option<(&str, &str)> {
    let text = text.trim_start();
    if text.is_empty() {
        return None;
    }
    if dialect == Dialect::Hsqldb {
        return Some(text.split_once('\n').unwrap_or((text, "")));
    }
    let mut scan = Scan { rest: text, dialect };
    loop {
        match scan.next() {
            Some(Token::Sign(';')) | None => {
                let end = text.len() - scan.rest.len();
                return Some(text.split_at(end));
            }
            Some(_) => {}
        }
    }
}

fn tokens(statement: &str, dialect: Dialect) -> Vec<Token> {
    Scan { rest: statement, dialect }.filter(|token| *token != Token::Sign(';')).collect()
}

/// Goes through a text token by token.
struct Scan<'a> {
    rest: &'a str,
    dialect: Dialect,
}

impl Iterator for Scan<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        self.skip();
        let first = self.rest.chars().next()?;
        let after = self.rest.get(first.len_utf8()..).unwrap_or_default();
        match first {
            '\'' => {
                self.rest = after;
                Some(Token::Text(self.quoted('\'', self.dialect == Dialect::MySql)))
            }
            '"' if self.dialect == Dialect::MySql => {
                self.rest = after;
                Some(Token::Text(self.quoted('"', true)))
            }
            '"' | '`' => {
                self.rest = after;
                Some(Token::Word(self.quoted(first, false)))
            }
            'E' | 'e' if self.dialect == Dialect::PostgreSql && after.starts_with('\'') => {
                self.rest = after.get(1..).unwrap_or_default();
                Some(Token::Text(self.quoted('\'', true)))
            }
            letter if is_word(letter) => {
                let end = self.rest.find(|c| !is_word(c)).unwrap_or(self.rest.len());
                let (word, rest) = self.rest.split_at(end);
                self.rest = rest;
                Some(Token::Word(word.to_owned()))
            }
            sign => {
                self.rest = after;
                Some(Token::Sign(sign))
            }
        }
    }
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || "_$-+:.".contains(letter)
}

impl Scan<'_> {
    /// Passes over space and comments.
    fn skip(&mut self) {
        loop {
            self.rest = self.rest.trim_start();
            let end = if self.rest.starts_with("--") || self.rest.starts_with('#') {
                self.rest.find('\n')
            } else if self.rest.starts_with("/*") {
                self.rest.find("*/").map(|at| at + 1)
            } else {
                return;
            };
            self.rest = end.and_then(|end| self.rest.get(end + 1..)).unwrap_or_default();
        }
    }

    /// Reads up to the closing quote, which comes twice where it is meant.
    fn quoted(&mut self, quote: char, backslash: bool) -> String {
        let mut text = String::new();
        let mut letters = self.rest.char_indices().peekable();
        let mut end = self.rest.len();
        while let Some((at, letter)) = letters.next() {
            if letter == quote {
                if letters.next_if(|(_, next)| *next == quote).is_none() {
                    end = at + quote.len_utf8();
                    break;
                }
                text.push(quote);
            } else if letter == '\\' && backslash {
                text.extend(letters.next().map(|(_, escaped)| unescaped(escaped)));
            } else if letter == '\\' && self.dialect == Dialect::Hsqldb {
                text.push(unicode(self.rest, at, &mut letters).unwrap_or('\\'));
            } else {
                text.push(letter);
            }
        }
        self.rest = self.rest.get(end..).unwrap_or_default();
        pairs_joined(&text)
    }
}

/// `\u00e9`; the escape is passed over if it is one. Halves of a pair come as private characters and
/// are put together by [`pairs_joined`].
fn unicode(
    text: &str,
    at: usize,
    letters: &mut std::iter::Peekable<std::str::CharIndices<'_>>,
) -> Option<char> {
    let digits = text.get(at + 2..at + 6).filter(|_| text.get(at + 1..at + 2) == Some("u"))?;
    let unit = u32::from_str_radix(digits, 16).ok()?;
    for _ in 0..5 {
        letters.next();
    }
    char::from_u32(unit).or_else(|| char::from_u32(unit - FIRST_HALF + HALVES))
}

/// Where UTF-16's halves of pairs begin, and where they are kept until they are put together.
const FIRST_HALF: u32 = 0xd800;
const HALVES: u32 = 0x10_f000;

/// Puts halves of pairs together; one without the other is U+FFFD.
fn pairs_joined(text: &str) -> String {
    let half = |letter: char| (u32::from(letter)).checked_sub(HALVES).filter(|half| *half < 0x800);
    if !text.chars().any(|letter| half(letter).is_some()) {
        return text.to_owned();
    }
    let units = text.chars().flat_map(|letter| match half(letter) {
        Some(half) => vec![u16::try_from(FIRST_HALF + half).unwrap_or_default()],
        None => letter.encode_utf16(&mut [0; 2]).to_vec(),
    });
    char::decode_utf16(units).map(|letter| letter.unwrap_or('\u{fffd}')).collect()
}

/// What stands behind a backslash, in MySQL and in PostgreSQL's `E'…'`.
fn unescaped(letter: char) -> char {
    match letter {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        'b' => '\u{8}',
        'Z' => '\u{1a}',
        '0' => '\0',
        other => other,
    }
}

/// Passes over a table's name, with its schema; whether it is ours.
fn table(tokens: &[Token]) -> Option<(&[Token], bool)> {
    let mut rest = tokens;
    loop {
        let [Token::Word(word), after @ ..] = rest else { return None };
        rest = after;
        // A quoted schema is a word of its own, and so is the dot behind it.
        if let [Token::Word(dot), after @ ..] = rest
            && dot == "."
        {
            rest = after;
            continue;
        }
        let name = word.rsplit('.').next().unwrap_or_default();
        return Some((rest, name.eq_ignore_ascii_case(TABLE)));
    }
}

/// The columns of `CREATE TABLE apn_user (…)`.
fn created(tokens: &[Token]) -> Option<Vec<String>> {
    let at = tokens.iter().position(|token| token.is("table"))?;
    let mut rest = tokens.get(at + 1..)?;
    while let [token, after @ ..] = rest
        && ["if", "not", "exists"].iter().any(|word| token.is(word))
    {
        rest = after;
    }
    let (rest, true) = table(rest)? else { return None };
    let mut columns = Vec::new();
    let mut depth = 0;
    let mut first = false;
    for token in rest {
        match token {
            Token::Sign('(') => {
                depth += 1;
                first = depth == 1;
            }
            Token::Sign(')') => depth -= 1,
            Token::Sign(',') if depth == 1 => first = true,
            Token::Word(word) if first && depth == 1 => {
                first = false;
                columns.push(word.to_lowercase());
            }
            _ => first = false,
        }
    }
    // Not columns, but what is said of them.
    columns.retain(|name| {
        !["primary", "unique", "key", "constraint", "index", "foreign", "check", "fulltext"]
            .contains(&name.as_str())
    });
    Some(columns)
}

/// PostgreSQL's `COPY table (…) FROM stdin`, behind which the rows come: whether it is our table, and
/// the columns.
fn copied(tokens: &[Token]) -> Option<(bool, Vec<String>)> {
    let [copy, rest @ ..] = tokens else { return None };
    let (rest, is_ours) = table(rest).filter(|_| copy.is("copy"))?;
    let columns = rest.iter().take_while(|token| **token != Token::Sign(')'));
    let columns: Vec<String> = columns.map(Token::word).filter(|word| !word.is_empty()).collect();
    rest.iter().any(|token| token.is("stdin")).then_some((is_ours, columns))
}

/// The rows up to `\.`, and what follows.
fn copied_rows(text: &str) -> (impl Iterator<Item = impl Iterator<Item = Option<String>>>, &str) {
    let text = text.strip_prefix('\r').unwrap_or(text);
    let text = text.strip_prefix('\n').unwrap_or(text);
    let (rows, rest) = match text.split_once("\\.\n").or_else(|| text.split_once("\\.\r\n")) {
        Some((rows, rest)) => (rows, rest),
        None => (text.strip_suffix("\\.").unwrap_or(text), ""),
    };
    let value = |field: &str| (field != "\\N").then(|| copied_text(field));
    (rows.lines().map(move |line| line.split('\t').map(value)), rest)
}

fn copied_text(field: &str) -> String {
    let mut text = String::new();
    let mut letters = field.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => text.extend(letters.next().map(unescaped)),
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(files: &[&[u8]]) -> Vec<User> {
        let mut users = Users::default();
        files.iter().for_each(|file| users.read(file));
        assert!(users.found);
        users.into_users()
    }

    fn user(username: &str, password: &str, name: Option<&str>, email: Option<&str>) -> User {
        User {
            username: Some(username.into()),
            password: Some(password.into()),
            name: name.map(Into::into),
            email: email.map(Into::into),
        }
    }

    /// What each of the databases holds, and writes in its own way: see `tests/androidpn`.
    fn expected() -> Vec<User> {
        vec![
            user("admin", "admin", Some("Administrator"), Some("admin@domain.com")),
            user("c3f1a0de", "O'Brien\\n;", Some("Zoë “\u{1f4f1}”, (x)"), None),
            User { password: None, ..user("nopass", "", None, None) },
            user("Case", "two words", Some(""), Some("not an address")),
        ]
    }

    #[test]
    fn a_script_and_a_log_of_hsqldb() {
        let script = include_bytes!("../../../tests/androidpn/androidpndb.script");
        let log = include_bytes!("../../../tests/androidpn/androidpndb.log");
        assert_eq!(read(&[script, log]), expected());
        assert_eq!(read(&[script]).len(), 3, "what was there before the log");
    }

    #[test]
    fn a_dump_of_mysql() {
        assert_eq!(read(&[include_bytes!("../../../tests/androidpn/mysql.sql")]), expected());
    }

    #[test]
    fn a_dump_of_postgresql() {
        assert_eq!(read(&[include_bytes!("../../../tests/androidpn/postgresql.sql")]), expected());
        assert_eq!(read(&[include_bytes!("../../../tests/androidpn/postgresql-inserts.sql")]), expected());
    }

    #[test]
    fn what_is_not_about_users_is_passed_over_and_broken_files_end_nothing() {
        for text in [
            "",
            "garbage",
            "INSERT INTO `other` VALUES (1,'a;');",
            "INSERT INTO apn_user_old VALUES (1,2,3,4,5,6,'x');",
            "INSERT INTO `apn_users` VALUES (1,'",
            "/* no end",
            "COPY public.other (a) FROM stdin;\n1\n\\.\n",
            "CREATE TABLE x (apn_user int);",
            "COPY \"public\".\"other\" (a) FROM stdin;\nit's\tINSERT INTO apn_user VALUES (1);\n\\.\n",
        ] {
            let mut users = Users::default();
            users.read(text.as_bytes());
            assert!(!users.found && users.into_users().is_empty(), "{text}");
        }
        for text in [
            "INSERT INTO `apn_user` VALUES (1,NULL,NULL,NULL,'p",
            "INSERT INTO apn_user VALUES(",
            "COPY apn_user (username) FROM stdin;",
            "CREATE MEMORY TABLE APN_USER(",
            "INSERT INTO APN_USER VALUES(1,'\\ud83d','\\u12",
            "DELETE FROM APN_USER WHERE",
        ] {
            let mut users = Users::default();
            users.read(text.as_bytes());
            users.into_users();
        }
        let users = read(&[
            b"CREATE TABLE t (a int);\nCOPY public.t (a) FROM stdin;\nit's\n\\.\n
            INSERT INTO \"public\".\"apn_user\" (\"id\", \"username\", x, \"password\") VALUES (7, 'a', 1.5, 'b');",
        ]);
        assert_eq!(users, [user("a", "b", None, None)]);
        // Latin-1.
        let users =
            read(&[b"INSERT INTO `apn_user` (`username`,`password`,`name`) VALUES ('a','b','Zo\xeb');"]);
        assert_eq!(users, [user("a", "b", Some("Zoë"), None)]);
    }
}

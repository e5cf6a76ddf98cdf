//! Rust's text as words and signs, without comments and literals.

/// A word, `::`, or one sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    pub fn text(&self) -> &str {
        &self.0
    }

    pub fn is_word(&self) -> bool {
        self.0.starts_with(|first: char| first.is_alphabetic() || first == '_')
    }
}

/// Cuts a file's text; what is no Rust gives nonsense, but ends.
pub fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let used = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            comment(rest)
        } else if let Some(used) = raw_string(rest) {
            used
        } else if first == '"' {
            string(rest)
        } else if first == '\'' {
            quote(rest)
        } else if first.is_alphanumeric() || first == '_' {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            // `b"…"` and `c"…"`: the letter belongs to the literal.
            if !matches!(&rest[..end], "b" | "c") || !rest[end..].starts_with(['"', '\'']) {
                tokens.push(Token(rest[..end].to_owned()));
            }
            end
        } else if rest.starts_with("::") {
            tokens.push(Token("::".to_owned()));
            2
        } else {
            if !first.is_whitespace() {
                tokens.push(Token(first.to_string()));
            }
            first.len_utf8()
        };
        rest = &rest[used..];
    }
    tokens
}

/// Comments nest.
fn comment(text: &str) -> usize {
    let mut depth = 0usize;
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// `r"…"`, `br#"…"#`: nothing in it is escaped.
fn raw_string(text: &str) -> Option<usize> {
    let letters = ["br", "cr", "r"].into_iter().find(|letters| text.starts_with(letters))?;
    let behind = &text[letters.len()..];
    let hashes = behind.len() - behind.trim_start_matches('#').len();
    let body = behind[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = body.find(&end).map_or(body.len(), |at| at + end.len());
    Some(letters.len() + hashes + 1 + length)
}

fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// A character, or a lifetime's sign alone.
fn quote(text: &str) -> usize {
    let mut letters = text.char_indices().skip(1);
    match (letters.next(), letters.next()) {
        (Some((_, '\\')), Some((_, _))) => {
            letters.find(|(_, letter)| *letter == '\'').map_or(text.len(), |(at, _)| at + 1)
        }
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 1,
    }
}

//! Rust's text as words and signs, without comments, literals and tests.

use std::collections::BTreeSet;

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

/// The same without what stands under `cfg(test)`, and the names of the modules among that.
pub fn without_tests(tokens: &[Token]) -> (Vec<Token>, BTreeSet<String>) {
    let (mut code, mut modules) = (Vec::new(), BTreeSet::new());
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match test_attribute(tokens, at) {
            Some(behind) => at = skip_item(tokens, behind, &mut modules),
            None => {
                code.push(token.clone());
                at += 1;
            }
        }
    }
    (code, modules)
}

/// Behind `#[cfg(test)]`, where that begins here.
fn test_attribute(tokens: &[Token], at: usize) -> Option<usize> {
    let texts = ["#", "[", "cfg", "(", "test", ")", "]"];
    let is = texts.iter().zip(tokens.get(at..)?).filter(|(text, token)| **text == token.text()).count();
    let all = ["#", "[", "cfg", "(", "all", "(", "test"];
    let is_all = all.iter().zip(tokens.get(at..)?).filter(|(text, token)| **text == token.text()).count();
    match (is == texts.len(), is_all == all.len()) {
        (true, _) => Some(at + texts.len()),
        (_, true) => Some(closing(tokens, at + 1, "[", "]") + 1),
        _ => None,
    }
}

/// Behind the item that begins here, with the attributes before it; a module's name is noted.
fn skip_item(tokens: &[Token], mut at: usize, modules: &mut BTreeSet<String>) -> usize {
    while tokens.get(at).is_some_and(|token| token.text() == "#") {
        at = closing(tokens, at + 1, "[", "]") + 1;
    }
    while let Some(token) = tokens.get(at) {
        match token.text() {
            "mod" => modules.extend(tokens.get(at + 1).map(|name| name.text().to_owned())),
            ";" | "," => return at + 1,
            "{" => {
                let end = closing(tokens, at, "{", "}") + 1;
                let is_use = tokens.get(end).is_some_and(|token| token.text() == ";");
                return end + usize::from(is_use);
            }
            "(" => at = closing(tokens, at, "(", ")"),
            _ => {}
        }
        at += 1;
    }
    at
}

/// Where the bracket that opens here closes.
fn closing(tokens: &[Token], open: usize, opening: &str, closing: &str) -> usize {
    let mut depth = 0usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        if token.text() == opening {
            depth += 1;
        } else if token.text() == closing {
            depth -= 1;
            if depth == 0 {
                return at;
            }
        }
    }
    tokens.len()
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

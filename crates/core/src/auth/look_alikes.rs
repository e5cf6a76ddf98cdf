//! Names that look like another (Unicode Technical Standard 39).
//!
//! Two names look alike where they have the same skeleton. Most names are of letters and digits of
//! ASCII, so those are found that a skeleton may have come from. What mixes scripts is refused.

use unicode_security::{MixedScript, skeleton};

/// Names that are looked for, at most: a number in hexadecimal may look like thousands, which
/// nobody takes for one another.
const MAX_SIMILAR: usize = 256;

/// Characters of ASCII, and what skeletons have for them.
const PROTOTYPES: &[(&str, &[&str])] = &[("l", &["l", "1", "i"]), ("O", &["o", "0"]), ("rn", &["m", "rn"])];

/// The names in small letters of ASCII that look like `name`, itself among them where it is one: of
/// too many, itself and those of letters or of digits alone. `None` where it mixes scripts.
pub(super) fn of(name: &str) -> Option<Vec<String>> {
    if !name.is_single_script() {
        return None;
    }
    let skeleton: String = skeleton(name).collect();
    let mut similar = vec![String::new()];
    let (mut letters, mut digits) = (String::new(), String::new());
    let mut rest = skeleton.as_str();
    while let Some(first) = rest.chars().next() {
        let found = PROTOTYPES.iter().find(|(prototype, _)| rest.starts_with(prototype));
        let lower = first.to_lowercase().to_string();
        let (taken, choices) = match found {
            Some((prototype, choices)) => (prototype.len(), choices.to_vec()),
            None => (first.len_utf8(), vec![lower.as_str()]),
        };
        letters.push_str(choices.first().copied().unwrap_or_default());
        digits.push_str(choices.get(1).or(choices.first()).copied().unwrap_or_default());
        let longer = similar.iter().flat_map(|start| choices.iter().map(move |end| format!("{start}{end}")));
        similar = longer.collect();
        similar.truncate(MAX_SIMILAR + 1);
        rest = rest.get(taken..).unwrap_or_default();
    }
    Some(if similar.len() > MAX_SIMILAR { vec![name.to_owned(), letters, digits] } else { similar })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_name_is_found() {
        for (looks_like, name) in [
            ("аdmin", None),
            ("сео", Some("ceo")),
            ("ceo", Some("ceo")),
            ("ce0", Some("ceo")),
            ("adrnin", Some("admin")),
            ("bi11", Some("bill")),
            ("office", Some("office")),
        ] {
            let similar = of(looks_like);
            match name {
                None => assert_eq!(similar, None, "{looks_like}"),
                Some(name) => {
                    let similar = similar.unwrap();
                    assert!(similar.iter().any(|one| one == name), "{looks_like}: {similar:?}");
                }
            }
        }
        assert_eq!(of("ben"), Some(vec!["ben".to_owned()]));
        let number = "10101010ab0101101f";
        assert_eq!(of(number).unwrap(), [number, "lolololoabolollolf", number], "too many");
    }
}

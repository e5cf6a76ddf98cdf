//! Resources: the part of a JID behind the slash (RFC 7622 section 3.4).
//!
//! `jid` prepares them by RFC 6122's stringprep, which knows Unicode 3.2 alone and refuses what
//! people write today. RFC 7622 has the profile `OpaqueString` of RFC 8265 instead.

use unicode_normalization::UnicodeNormalization;

/// The longest resource, in bytes.
const MAX_RESOURCE: usize = 1023;

/// Prepares a resource (RFC 8265 section 4.2): spaces of any kind are the plain one, and letters
/// with marks have one spelling. `None` where it cannot be one: empty, too long, or with
/// characters that nobody can see.
///
/// Which code points are unassigned changes with each version of Unicode: those are allowed.
pub fn prepare(resource: &str) -> Option<String> {
    if resource.len() > MAX_RESOURCE {
        return None;
    }
    let spaced = resource.chars().map(|c| if is_space(c) { ' ' } else { c });
    let prepared: String = spaced.nfc().collect();
    let fits = (1..=MAX_RESOURCE).contains(&prepared.len());
    (fits && !prepared.chars().any(is_disallowed)).then_some(prepared)
}

/// The category Zs.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}')
}

/// Controls, noncharacters and what is ignorable (RFC 8264 sections 9.7, 9.12 and 9.13), old Hangul
/// jamo (9.10) left alone.
fn is_disallowed(c: char) -> bool {
    c.is_control()
        || u32::from(c) & 0xfffe == 0xfffe
        || matches!(
            c,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'
                | '\u{1160}'
                | '\u{17b4}'
                | '\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{fdd0}'..='\u{fdef}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_people_write_is_a_resource() {
        let long = "x".repeat(MAX_RESOURCE);
        for good in ["📱", "شبكة 1", "телефон", "Pixel 9 Pro", "a/b@c", "tidings-00ff", "❤️", &long]
        {
            assert_eq!(prepare(good).as_deref(), Some(good));
        }
        assert_eq!(prepare("u\u{308}ber\u{3000}all").as_deref(), Some("über all"));
    }

    #[test]
    fn what_nobody_sees_is_none() {
        let long = "x".repeat(MAX_RESOURCE + 1);
        for bad in ["", &long, "a\u{200b}b", "a\u{202e}b", "\u{feff}", "a\nb", "a\0", "\u{ffff}", "\u{e0041}"]
        {
            assert_eq!(prepare(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn a_prepared_one_stays_as_it_is(text in ".{0,40}") {
            if let Some(prepared) = prepare(&text) {
                prop_assert_eq!(prepare(&prepared), Some(prepared.clone()));
                prop_assert!(prepared.len() <= MAX_RESOURCE);
            }
        }
    }
}

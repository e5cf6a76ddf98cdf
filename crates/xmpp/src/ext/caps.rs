//! XEP-0115: entity capabilities.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

use super::disco::Info;
use crate::ns;
use crate::xml::Element;

/// The verification string of an answer to disco#info (section 5.1), for entities
/// that have no forms.
pub fn verification(info: &Info) -> String {
    let mut identities: Vec<String> = info
        .identities
        .iter()
        .map(|identity| {
            let lang = identity.lang.as_deref().unwrap_or_default();
            let name = identity.name.as_deref().unwrap_or_default();
            format!("{}/{}/{lang}/{name}<", identity.category, identity.kind)
        })
        .collect();
    identities.sort_unstable();
    let mut features: Vec<&str> = info.features.iter().map(String::as_str).collect();
    features.sort_unstable();
    let mut hash = Sha1::new();
    for identity in &identities {
        hash.update(identity);
    }
    for feature in features {
        hash.update(feature);
        hash.update("<");
    }
    STANDARD.encode(hash.finalize())
}

/// The stream feature, or the child of a presence.
pub fn element(node: &str, verification: &str) -> Element {
    Element::new("c", ns::CAPS)
        .with_attribute("hash", "sha-1")
        .with_attribute("node", node)
        .with_attribute("ver", verification)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ext::disco::Identity;

    #[test]
    fn the_example_of_the_document() {
        // XEP-0115 section 5.2.
        let info = Info {
            node: None,
            identities: vec![Identity::new("client", "pc", "Exodus 0.9.1")],
            features: ["http://jabber.org/protocol/muc", ns::DISCO_ITEMS, ns::CAPS, ns::DISCO_INFO]
                .map(String::from)
                .to_vec(),
        };
        assert_eq!(verification(&info), "QgayPKawpkPSDYmwT/WM94uAlu0=");
    }
}

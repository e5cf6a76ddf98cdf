//! XEP-0352: client state indication.

use crate::ns;
use crate::xml::Element;

/// Whether a person looks at the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientState {
    /// In use.
    Active,
    /// In a pocket.
    Inactive,
}

impl ClientState {
    /// Reads the first-level element that says so.
    pub fn from_element(element: &Element) -> Option<Self> {
        match (element.ns(), element.name()) {
            (ns::CSI, "active") => Some(Self::Active),
            (ns::CSI, "inactive") => Some(Self::Inactive),
            _ => None,
        }
    }

    /// The first-level element.
    pub fn to_element(self) -> Element {
        let name = match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
        };
        Element::new(name, ns::CSI)
    }
}

/// The stream feature.
pub fn feature() -> Element {
    Element::new("csi", ns::CSI)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_states_survive_the_wire() {
        for state in [ClientState::Active, ClientState::Inactive] {
            assert_eq!(ClientState::from_element(&state.to_element()), Some(state));
        }
        assert_eq!(ClientState::from_element(&feature()), None);
    }
}

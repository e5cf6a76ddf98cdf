//! XEP-0478: stream limits advertisement.

use crate::ns;
use crate::xml::Element;

/// What the peer accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StreamLimits {
    /// Bytes of a first-level element.
    pub max_bytes: Option<u64>,
    /// Seconds of silence before the stream is probed or closed.
    pub idle_seconds: Option<u64>,
}

impl StreamLimits {
    /// The stream feature.
    pub fn to_element(self) -> Element {
        let mut limits = Element::new("limits", ns::STREAM_LIMITS);
        for (name, value) in [("max-bytes", self.max_bytes), ("idle-seconds", self.idle_seconds)] {
            if let Some(value) = value {
                limits = limits.with_field(name, value.to_string());
            }
        }
        limits
    }

    /// Reads the stream feature.
    pub fn from_element(feature: &Element) -> Option<Self> {
        let number = |name| feature.child_text(name, ns::STREAM_LIMITS)?.trim().parse().ok();
        feature
            .is("limits", ns::STREAM_LIMITS)
            .then(|| Self { max_bytes: number("max-bytes"), idle_seconds: number("idle-seconds") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_the_wire() {
        for limits in
            [StreamLimits { max_bytes: Some(65_536), idle_seconds: Some(1200) }, StreamLimits::default()]
        {
            assert_eq!(StreamLimits::from_element(&limits.to_element()), Some(limits));
        }
    }
}

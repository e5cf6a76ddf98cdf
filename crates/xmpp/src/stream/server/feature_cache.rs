//! The stream features of each stage, written once for all streams.

use std::sync::Arc;

use super::login::Login;
use super::pre_tls::PreTls;
use super::resource_binding::ResourceBinding;
use super::settings::Settings;
use crate::ns;
use crate::sasl::TlsBinding;
use crate::stream::Features;

/// The settings, and the stream features that come of them: written once for all
/// streams, since every login reads two or three of them.
#[derive(Debug)]
pub struct FeatureCache {
    pub(super) settings: Settings,
    pre_tls: Vec<u8>,
    /// By what a login can be bound to; see [`kinds`].
    login: [Vec<u8>; 4],
    binding: Vec<u8>,
    bound: Vec<u8>,
}

impl FeatureCache {
    /// What streams with these settings are offered.
    pub fn new(settings: Settings) -> Self {
        let write = |features: Features| {
            let mut bytes = Vec::new();
            features.to_element().write(&mut bytes, ns::CLIENT);
            bytes
        };
        let login = std::array::from_fn(|kinds| {
            let tls = TlsBinding {
                version: "",
                server_end_point: (kinds & 1 != 0).then(Arc::default),
                exporter: (kinds & 2 != 0).then(|| [0; 32].into()),
            };
            write(Login::features(&tls, &settings))
        });
        let pre_tls = write(PreTls::features());
        let (binding, bound) =
            (write(ResourceBinding::features(&settings)), write(ResourceBinding::bound_features(&settings)));
        Self { settings, pre_tls, login, binding, bound }
    }

    pub(super) fn pre_tls(&self) -> &[u8] {
        &self.pre_tls
    }

    pub(super) fn login(&self, tls: &TlsBinding) -> &[u8] {
        self.login.get(kinds(tls)).map(Vec::as_slice).unwrap_or_default()
    }

    pub(super) fn binding(&self) -> &[u8] {
        &self.binding
    }

    /// For a stream that has its resource by XEP-0386.
    pub(super) fn bound(&self) -> &[u8] {
        &self.bound
    }
}

/// Which channel bindings a connection has.
fn kinds(tls: &TlsBinding) -> usize {
    usize::from(tls.server_end_point.is_some()) | usize::from(tls.exporter.is_some()) << 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sasl::{BindingType, Exporter, Mechanism};
    use crate::xml::parse_stanza;

    #[test]
    fn a_login_is_offered_what_its_connection_can_be_bound_to() {
        let offer = FeatureCache::new(Settings::new("example.org"));
        for server_end_point in [None, Some(Arc::<[u8]>::from([1, 2]))] {
            for exporter in [None, Some(Exporter::from([7; 32]))] {
                let server_end_point = server_end_point.clone();
                let tls = TlsBinding { version: "TLSv1.3", server_end_point, exporter };
                let features = Features::from_element(&parse_stanza(offer.login(&tls)).unwrap()).unwrap();
                let types: Vec<BindingType> = tls.types().collect();
                assert_eq!(features.channel_bindings, types);
                let plus = features.mechanisms.iter().any(|name| name.ends_with("-PLUS"));
                assert_eq!(plus, !types.is_empty());
                assert_eq!(features.mechanisms.len(), Mechanism::offered(&tls).count());
            }
        }
    }
}

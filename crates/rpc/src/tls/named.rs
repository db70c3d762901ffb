//! Which of its certificates a port presents: that of the name which a client asks for (SNI, RFC 6066), or the usual one.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::{ServerCertificate, TlsError, crypto_provider, host_names};

/// A certificate for clients that ask for one of its names; there may be none yet. Cheap to clone, and all clones change together.
#[derive(Clone, Debug, Default)]
pub struct NamedCertificate(Arc<ArcSwapOption<Named>>);

#[derive(Debug)]
struct Named {
    /// In small letters; of wildcards the whole, with `*.`.
    names: Vec<String>,
    presented: Arc<CertifiedKey>,
}

impl NamedCertificate {
    /// From the next handshake on, clients that ask for a name of the first certificate get this chain.
    ///
    /// # Errors
    /// If the key is not that of the first certificate, or cannot be used; what there was stays then.
    pub fn replace(
        &self,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<(), TlsError> {
        let names = chain.first().map(host_names).unwrap_or_default();
        let named = Named {
            names: names.iter().map(|name| name.to_ascii_lowercase()).collect(),
            presented: Arc::new(CertifiedKey::from_der(chain, key, &crypto_provider())?),
        };
        self.0.store(Some(Arc::new(named)));
        Ok(())
    }

    /// The certificate, if there is one.
    pub fn presented(&self) -> Option<CertificateDer<'static>> {
        self.0.load().as_ref()?.presented.cert.first().cloned()
    }

    fn of_name(&self, asked: &str) -> Option<Arc<CertifiedKey>> {
        let named = self.0.load();
        let named = named.as_ref()?;
        let covers = named.names.iter().any(|name| is_covered(asked, name));
        covers.then(|| Arc::clone(&named.presented))
    }
}

/// Whether a certificate's name is the one asked for; a wildcard stands for one label (RFC 6125, 6.4.3).
fn is_covered(asked: &str, name: &str) -> bool {
    let asked = asked.to_ascii_lowercase();
    match name.strip_prefix("*.") {
        Some(parent) => asked.split_once('.').is_some_and(|(_, rest)| rest == parent),
        None => asked == name,
    }
}

/// All certificates of a port.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// By name; the first that has the name counts.
    by_name: Vec<NamedCertificate>,
    /// For clients that ask for no name (who dials an address asks for none) or for one that nobody has.
    usual: ServerCertificate,
}

impl Certificates {
    /// The certificates `by_name`, and the `usual` one.
    pub fn new(by_name: Vec<NamedCertificate>, usual: ServerCertificate) -> Self {
        Self { by_name, usual }
    }

    fn of_name(&self, asked: &str) -> Option<Arc<CertifiedKey>> {
        self.by_name.iter().find_map(|named| named.of_name(asked))
    }
}

impl From<ServerCertificate> for Certificates {
    fn from(usual: ServerCertificate) -> Self {
        Self::new(Vec::new(), usual)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = hello.server_name().and_then(|asked| self.of_name(asked));
        named.or_else(|| self.usual.resolve(hello))
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    fn certificate(names: &[&str]) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        (certificate.der().clone(), key)
    }

    fn named(names: &[&str]) -> (NamedCertificate, CertificateDer<'static>) {
        let (certificate, key) = certificate(names);
        let named = NamedCertificate::default();
        named.replace(vec![certificate.clone()], key).unwrap();
        (named, certificate)
    }

    fn shown(certificates: &Certificates, asked: &str) -> Option<CertificateDer<'static>> {
        certificates.of_name(asked)?.cert.first().cloned()
    }

    #[test]
    fn a_name_is_covered_by_itself_and_by_a_wildcard_of_one_label() {
        for (asked, name, covered) in [
            ("smd.example", "smd.example", true),
            ("SMD.example", "smd.example", true),
            ("smd.example", "example", false),
            ("a.example", "*.example", true),
            ("a.b.example", "*.example", false),
            ("example", "*.example", false),
        ] {
            assert_eq!(is_covered(asked, name), covered, "{asked} {name}");
        }
    }

    /// What a site puts first goes before what a member has signed for itself.
    #[test]
    fn the_first_certificate_with_the_name_is_presented() {
        let (site, of_site) = named(&["Old.Example", "*.hpc.example"]);
        let (own, of_own) = named(&["old.example", "member.example"]);
        let (usual, key) = certificate(&["usual.example"]);
        let usual = ServerCertificate::new(vec![usual], key).unwrap();
        let all = Certificates::new(vec![site, NamedCertificate::default(), own], usual);
        assert_eq!(shown(&all, "old.example"), Some(of_site.clone()));
        assert_eq!(shown(&all, "a.hpc.example"), Some(of_site));
        assert_eq!(shown(&all, "member.example"), Some(of_own));
        assert_eq!(shown(&all, "usual.example"), None, "the usual one needs no name");
    }

    /// Renewal: all clones of a port change together, and what does not fit changes nothing.
    #[test]
    fn a_certificate_is_replaced_with_its_own_key_only() {
        let (port, first) = named(&["smd.example"]);
        let (second, of_second) = certificate(&["smd.example"]);
        let keeper = port.clone();
        let (_, wrong) = certificate(&["smd.example"]);
        keeper.replace(vec![second.clone()], wrong).unwrap_err();
        assert_eq!(port.presented(), Some(first));
        keeper.replace(vec![second.clone()], of_second).unwrap();
        assert_eq!(port.presented(), Some(second));
        assert_eq!(NamedCertificate::default().presented(), None);
    }
}

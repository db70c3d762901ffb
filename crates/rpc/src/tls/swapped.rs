//! What a port of the API presents and whom it trusts, changed while it serves: connections that there are go on, and the next
//! handshake takes what is right by then.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{DigitallySignedStruct, DistinguishedName, SignatureScheme};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};

use super::users::OptionalUsers;
use super::{TlsError, crypto_provider, is_authority};

/// The certificate that a server port presents; cheap to clone, and all clones change together.
#[derive(Clone, Debug)]
pub struct ServerCertificate(Arc<ArcSwap<CertifiedKey>>);

impl ServerCertificate {
    /// Presents `chain`, own certificate first, with its private key.
    ///
    /// # Errors
    /// If the key is not that of the first certificate, or cannot be used.
    pub fn new(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Self, TlsError> {
        let presented = CertifiedKey::from_der(chain, key, &crypto_provider())?;
        Ok(Self(Arc::new(ArcSwap::from_pointee(presented))))
    }

    /// The next handshake presents these instead.
    ///
    /// # Errors
    /// As [`ServerCertificate::new`]; what is presented stays then.
    pub fn replace(
        &self,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<(), TlsError> {
        let presented = CertifiedKey::from_der(chain, key, &crypto_provider())?;
        self.0.store(Arc::new(presented));
        Ok(())
    }

    /// The certificate that the next handshake presents.
    pub fn presented(&self) -> Option<CertificateDer<'static>> {
        self.0.load().cert.first().cloned()
    }
}

impl ResolvesServerCert for ServerCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

/// The CAs whose client certificates a port of the API accepts, if they name somebody of the cluster; cheap to clone, and all
/// clones change together.
#[derive(Clone, Debug)]
pub struct TrustedClients {
    cluster: Arc<str>,
    users: Arc<ArcSwap<OptionalUsers>>,
}

impl TrustedClients {
    /// Trusts these CAs of the cluster.
    ///
    /// # Errors
    /// If there is none, or one of them is no CA.
    pub fn new(cluster: &str, ca: &[CertificateDer<'static>]) -> Result<Self, TlsError> {
        let users = trusting(cluster, ca, &[])?;
        Ok(Self {
            cluster: cluster.into(),
            users: Arc::new(ArcSwap::from_pointee(users)),
        })
    }

    /// The next handshake trusts these CAs and those of `site`, and no others. The cluster's state does not have those of the site, so
    /// nobody asks it whether they are trusted.
    ///
    /// # Errors
    /// As [`TrustedClients::new`]; who is trusted stays then.
    pub fn replace_beside(
        &self,
        ca: &[CertificateDer<'static>],
        site: &[CertificateDer<'static>],
    ) -> Result<(), TlsError> {
        self.users.store(Arc::new(trusting(&self.cluster, ca, site)?));
        Ok(())
    }
}

fn trusting(
    cluster: &str,
    ca: &[CertificateDer<'static>],
    site: &[CertificateDer<'static>],
) -> Result<OptionalUsers, TlsError> {
    if !ca.iter().chain(site).all(is_authority) {
        return Err(TlsError::NotAnAuthority);
    }
    OptionalUsers::new(cluster.to_owned(), ca, site)
}

impl ClientCertVerifier for TrustedClients {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    /// None: they would be those of the moment when the port was opened. A client then shows what it has.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let users = self.users.load();
        users.verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.users.load().verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.users.load().verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.users.load().supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};

    use super::*;

    struct Ca {
        issuer: Issuer<'static, KeyPair>,
        certificate: CertificateDer<'static>,
    }

    fn ca() -> Ca {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().der().clone();
        let issuer = Issuer::new(params, key);
        Ca { issuer, certificate }
    }

    fn signed(ca: &Ca, uri: &str) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params
            .subject_alt_names
            .push(SanType::URI(uri.try_into().unwrap()));
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &ca.issuer).unwrap().der().clone();
        (certificate, PrivateKeyDer::Pkcs8(key.serialize_der().into()))
    }

    /// As long as two CAs are trusted, both have their users; when one is gone, only its are refused.
    #[test]
    fn who_is_trusted_changes_at_the_next_handshake() {
        let (old, new) = (ca(), ca());
        let (of_old, of_new) = (
            signed(&old, "spiffe://demo/user/ada").0,
            signed(&new, "spiffe://demo/user/ada").0,
        );
        let trusted = TrustedClients::new("demo", std::slice::from_ref(&old.certificate)).unwrap();
        let port = trusted.clone();
        let is_let_in = |certificate: &CertificateDer<'_>| {
            port.verify_client_cert(certificate, &[], UnixTime::now()).is_ok()
        };
        assert!(is_let_in(&of_old) && !is_let_in(&of_new));
        trusted
            .replace_beside(&[old.certificate.clone(), new.certificate.clone()], &[])
            .unwrap();
        assert!(is_let_in(&of_old) && is_let_in(&of_new));
        trusted
            .replace_beside(std::slice::from_ref(&new.certificate), &[])
            .unwrap();
        assert!(!is_let_in(&of_old) && is_let_in(&of_new));
    }

    fn signer_of(certificate: &CertificateDer<'_>) -> String {
        match crate::tls::identity_of(certificate) {
            Ok(crate::Identity::Known(who)) => who.authority_id.clone(),
            other => panic!("{other:?}"),
        }
    }

    /// Whoever is let in is known with the CA that has let him in, so that he goes when it does; that of a site's file nobody can ask for.
    #[test]
    fn who_is_let_in_is_known_with_the_ca_that_signed() {
        let (first, second, site) = (ca(), ca(), ca());
        let trusted = TrustedClients::new("demo", std::slice::from_ref(&first.certificate)).unwrap();
        let both = [first.certificate.clone(), second.certificate.clone()];
        trusted
            .replace_beside(&both, std::slice::from_ref(&site.certificate))
            .unwrap();
        for (by, id) in [
            (&first, super::super::signers::id_of(&first.certificate)),
            (&second, super::super::signers::id_of(&second.certificate)),
            (&site, String::new()),
        ] {
            let certificate = signed(by, "spiffe://demo/user/ada").0;
            assert_eq!(signer_of(&certificate), "", "no handshake has seen it");
            trusted
                .verify_client_cert(&certificate, &[], UnixTime::now())
                .unwrap();
            assert_eq!(signer_of(&certificate), id);
        }
    }

    /// Vault CVE-2024-2048: a certificate that is no CA's must never become one by being listed.
    #[test]
    fn what_is_no_ca_is_not_trusted_and_nothing_changes() {
        let real = ca();
        let (user, _) = signed(&real, "spiffe://demo/user/ada");
        let refused = TrustedClients::new("demo", std::slice::from_ref(&user)).unwrap_err();
        assert!(matches!(refused, TlsError::NotAnAuthority), "{refused}");
        let trusted = TrustedClients::new("demo", std::slice::from_ref(&real.certificate)).unwrap();
        trusted
            .replace_beside(std::slice::from_ref(&user), &[])
            .unwrap_err();
        trusted.replace_beside(&[], &[]).unwrap_err();
        trusted.verify_client_cert(&user, &[], UnixTime::now()).unwrap();
    }

    #[test]
    fn a_certificate_is_presented_with_its_own_key_only() {
        let ca = ca();
        let (first, key) = signed(&ca, "spiffe://demo/member/1");
        let (second, of_second) = signed(&ca, "spiffe://demo/member/1");
        let presented = ServerCertificate::new(vec![first.clone()], key.clone_key()).unwrap();
        let port = presented.clone();
        presented.replace(vec![second.clone()], key).unwrap_err();
        assert_eq!(port.presented(), Some(first));
        presented.replace(vec![second.clone()], of_second).unwrap();
        assert_eq!(port.presented(), Some(second));
    }
}

//! The cluster's certificate authority, and the certificates of members and users.

use std::fmt;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData, SanType, SerialNumber,
};
use rpc::tls::{BACKDATED_BY, SpiffeId, authority_name};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Bytes of a certificate's serial number.
const SERIAL_BYTES: usize = 16;
/// Validity of the CA.
pub const CA_VALID_FOR: Duration = Duration::from_secs(20 * 365 * 24 * 3600);
/// Validity of the certificate in a member's identity. Long: on the peer port the pinned key counts, and where the CA's key is kept
/// offline nothing re-issues what clients of the API are shown.
pub const MEMBER_VALID_FOR: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// Validity of what a member signs for itself, to be shown to clients of the API; it does so again at half of it.
pub const MEMBER_API_VALID_FOR: Duration = Duration::from_secs(90 * 24 * 3600);
/// Validity of a user's certificate.
pub const USER_VALID_FOR: Duration = DAY;

/// A certificate or key could not be made.
#[derive(Debug, thiserror::Error)]
#[error("could not make a certificate")]
pub struct PkiError(#[from] rcgen::Error);

/// The authority that signs members' and users' certificates. Its key exists here and in `ca.key` only.
pub struct CertificateAuthority {
    issuer: Issuer<'static, KeyPair>,
    certificate_pem: String,
    cluster: String,
}

/// A certificate with its key.
pub struct Issued {
    /// The certificate, PEM.
    pub certificate_pem: String,
    /// The private key, PKCS#8 PEM.
    pub key_pem: String,
    /// The public key, SPKI in DER: what other members pin.
    pub public_key: Vec<u8>,
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued")
            .field("certificate_pem", &self.certificate_pem)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for CertificateAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateAuthority")
            .field("cluster", &self.cluster)
            .finish_non_exhaustive()
    }
}

impl CertificateAuthority {
    /// A new authority for `cluster`, valid from `now` for [`CA_VALID_FOR`].
    ///
    /// # Errors
    /// If the key or the certificate cannot be made.
    pub fn generate(cluster: &str, now: SystemTime) -> Result<Self, PkiError> {
        let key = KeyPair::generate()?;
        let mut params = params(&authority_name(cluster), Vec::new(), now, CA_VALID_FOR)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate_pem = params.self_signed(&key)?.pem();
        Ok(Self {
            issuer: Issuer::new(params, key),
            certificate_pem,
            cluster: cluster.to_owned(),
        })
    }

    /// The authority of `cluster` with this certificate and key (PKCS#8 PEM).
    ///
    /// # Errors
    /// If `key_pem` is no key.
    pub fn from_pem(cluster: &str, certificate_pem: &str, key_pem: &str) -> Result<Self, PkiError> {
        let key = KeyPair::from_pem(key_pem)?;
        // what a certificate says of its issuer: the name, and which of its keys; the dates count for nothing here
        let params = params(
            &authority_name(cluster),
            Vec::new(),
            SystemTime::UNIX_EPOCH + 2 * DAY,
            CA_VALID_FOR,
        )?;
        Ok(Self {
            issuer: Issuer::new(params, key),
            certificate_pem: certificate_pem.to_owned(),
            cluster: cluster.to_owned(),
        })
    }

    /// The authority's certificate, PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The authority's private key, PKCS#8 PEM. Whoever has it can become any user.
    pub fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// A certificate for member `id`, good for serving and dialling under the host names and addresses
    /// `names`.
    ///
    /// # Errors
    /// If a name cannot stand in a certificate.
    pub fn issue_member(&self, id: u64, names: Vec<String>, now: SystemTime) -> Result<Issued, PkiError> {
        let key = KeyPair::generate()?;
        Ok(Issued {
            certificate_pem: self.sign_member(id, names, &key, MEMBER_VALID_FOR, now)?,
            key_pem: key.serialize_pem(),
            public_key: key.subject_public_key_info(),
        })
    }

    /// The certificate of a member that made its key itself; `public_key` is its SPKI in DER, of a P-256 key.
    ///
    /// # Errors
    /// If it is no such key, or a name cannot stand in a certificate.
    pub fn certify_member(
        &self,
        id: u64,
        names: Vec<String>,
        public_key: &[u8],
        now: SystemTime,
    ) -> Result<String, PkiError> {
        let key = P256Key::from_spki(public_key)?;
        self.sign_member(id, names, &key, MEMBER_VALID_FOR, now)
    }

    /// The certificate that a member presents to clients of the API, which look at its end: valid for
    /// [`MEMBER_API_VALID_FOR`]. Its key is that which the others pin.
    ///
    /// # Errors
    /// As [`CertificateAuthority::certify_member`].
    pub fn certify_member_for_api(
        &self,
        id: u64,
        names: Vec<String>,
        public_key: &[u8],
        now: SystemTime,
    ) -> Result<String, PkiError> {
        let key = P256Key::from_spki(public_key)?;
        self.sign_member(id, names, &key, MEMBER_API_VALID_FOR, now)
    }

    fn sign_member(
        &self,
        id: u64,
        names: Vec<String>,
        key: &impl PublicKeyData,
        valid_for: Duration,
        now: SystemTime,
    ) -> Result<String, PkiError> {
        let common_name = format!("member {id} of {}", self.cluster);
        let mut params = params(&common_name, names, now, valid_for)?;
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        self.sign(params, &SpiffeId::member(&self.cluster, id), key)
    }

    /// A client certificate for user `name`, valid for [`USER_VALID_FOR`].
    ///
    /// # Errors
    /// If the name cannot stand in a certificate.
    pub fn issue_user(&self, name: &str, now: SystemTime) -> Result<Issued, PkiError> {
        let mut params = params(name, Vec::new(), now, USER_VALID_FOR)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate()?;
        Ok(Issued {
            certificate_pem: self.sign(params, &SpiffeId::user(&self.cluster, name), &key)?,
            key_pem: key.serialize_pem(),
            public_key: key.subject_public_key_info(),
        })
    }

    /// The cluster's name.
    pub(crate) fn cluster(&self) -> &str {
        &self.cluster
    }

    pub(crate) fn sign(
        &self,
        mut params: CertificateParams,
        name: &SpiffeId,
        key: &impl PublicKeyData,
    ) -> Result<String, PkiError> {
        params
            .subject_alt_names
            .push(SanType::URI(name.to_string().try_into()?));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.serial_number = Some(new_serial()?);
        Ok(params.signed_by(key, &self.issuer)?.pem())
    }
}

/// Never the same twice: a key is certified again and again, and some clients refuse two certificates of one CA with one number.
///
/// Source: RFC 5280, 4.1.2.2.
fn new_serial() -> Result<SerialNumber, PkiError> {
    let mut serial = [0; SERIAL_BYTES];
    aws_lc_rs::rand::fill(&mut serial).map_err(|_| rcgen::Error::RingUnspecified)?;
    serial[0] = (serial[0] & 0x7f) | 0x40; // positive, and as long as all others
    Ok(SerialNumber::from_slice(&serial))
}

/// A member's new private key (PKCS#8 PEM) and its public half (SPKI, DER).
///
/// # Errors
/// If no key can be made.
pub fn new_member_key() -> Result<(String, Vec<u8>), PkiError> {
    let key = KeyPair::generate()?;
    Ok((key.serialize_pem(), key.subject_public_key_info()))
}

/// The public half (SPKI, DER) of a member's key (PKCS#8 PEM).
///
/// # Errors
/// If it is no key.
pub fn public_key_of(key_pem: &str) -> Result<Vec<u8>, PkiError> {
    Ok(KeyPair::from_pem(key_pem)?.subject_public_key_info())
}

/// A public key that another machine made.
pub(crate) struct P256Key(Vec<u8>);

impl P256Key {
    pub(crate) fn from_spki(spki: &[u8]) -> Result<Self, PkiError> {
        let point = rpc::token::p256_point(spki);
        let point = point.map_err(|_| rcgen::Error::UnsupportedSignatureAlgorithm)?;
        Ok(P256Key(point.to_vec()))
    }
}

impl PublicKeyData for P256Key {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

pub(crate) fn params(
    common_name: &str,
    names: Vec<String>,
    now: SystemTime,
    valid_for: Duration,
) -> Result<CertificateParams, PkiError> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.not_before = (now - BACKDATED_BY).into();
    params.not_after = (now + valid_for).into();
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

#[cfg(test)]
mod tests {
    use rpc::tls::Material;
    use rustls_pki_types::{CertificateDer, UnixTime};
    use webpki::KeyUsage;

    use super::*;

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000)
    }

    /// Checks `issued` as a TLS library would, at the time `at`.
    fn verify(
        ca: &CertificateAuthority,
        issued: &Issued,
        usage: KeyUsage,
        at: SystemTime,
    ) -> Result<(), webpki::Error> {
        let material = material(ca, issued);
        let anchor = webpki::anchor_from_trusted_cert(&material.ca[0])?;
        let certificate = webpki::EndEntityCert::try_from(&material.chain[0])?;
        let at = UnixTime::since_unix_epoch(at.duration_since(SystemTime::UNIX_EPOCH).unwrap());
        let algorithms = rpc::tls::crypto_provider().signature_verification_algorithms.all;
        certificate
            .verify_for_usage(algorithms, &[anchor], &[], at, usage, None, None)
            .map(|_| ())
    }

    fn material(ca: &CertificateAuthority, issued: &Issued) -> Material {
        let (ca, chain, key) = (ca.certificate_pem(), &issued.certificate_pem, &issued.key_pem);
        Material::from_pem(ca.as_bytes(), chain.as_bytes(), key.as_bytes()).unwrap()
    }

    fn certificate(ca: &CertificateAuthority, issued: &Issued) -> CertificateDer<'static> {
        material(ca, issued).chain[0].clone()
    }

    #[test]
    fn a_member_certificate_serves_and_dials_under_one_id() {
        let ca = CertificateAuthority::generate("demo", now()).unwrap();
        let names = vec!["10.97.1.2".to_owned(), "admin2.example".to_owned()];
        let issued = ca.issue_member(2, names, now()).unwrap();
        verify(&ca, &issued, KeyUsage::server_auth(), now()).unwrap();
        verify(&ca, &issued, KeyUsage::client_auth(), now()).unwrap();
        let der = certificate(&ca, &issued);
        assert_eq!(SpiffeId::of(&der), Ok(SpiffeId::member("demo", 2)));
        let parsed = webpki::EndEntityCert::try_from(&der).unwrap();
        for name in ["10.97.1.2", "admin2.example"] {
            parsed
                .verify_is_valid_for_subject_name(&name.try_into().unwrap())
                .unwrap();
        }
        parsed
            .verify_is_valid_for_subject_name(&"10.97.1.3".try_into().unwrap())
            .unwrap_err();
        assert_eq!(parsed.subject_public_key_info().as_ref(), issued.public_key);
    }

    /// A user's key must not be able to answer as a server.
    #[test]
    fn a_user_certificate_is_for_clients_and_for_a_day() {
        let ca = CertificateAuthority::generate("demo", now()).unwrap();
        let issued = ca.issue_user("ada", now()).unwrap();
        assert_eq!(
            SpiffeId::of(&certificate(&ca, &issued)),
            Ok(SpiffeId::user("demo", "ada"))
        );
        verify(&ca, &issued, KeyUsage::client_auth(), now() + DAY / 2).unwrap();
        verify(&ca, &issued, KeyUsage::server_auth(), now()).unwrap_err();
        verify(&ca, &issued, KeyUsage::client_auth(), now() + 2 * DAY).unwrap_err();
    }

    /// Clocks of fresh machines are wrong by hours.
    #[test]
    fn a_certificate_is_good_on_a_clock_that_is_behind() {
        let ca = CertificateAuthority::generate("demo", now()).unwrap();
        let issued = ca.issue_member(1, Vec::new(), now()).unwrap();
        verify(&ca, &issued, KeyUsage::server_auth(), now() - DAY / 2).unwrap();
    }

    #[test]
    fn another_authority_of_the_same_name_signs_nothing_for_us() {
        let ca = CertificateAuthority::generate("demo", now()).unwrap();
        let other = CertificateAuthority::generate("demo", now()).unwrap();
        let issued = other.issue_user("ada", now()).unwrap();
        verify(&ca, &issued, KeyUsage::client_auth(), now()).unwrap_err();
    }

    /// The key lies sealed in the state; whoever opens it signs as the one that made it.
    #[test]
    fn an_authority_read_back_signs_for_the_same_anchor() {
        let first = CertificateAuthority::generate("demo", now()).unwrap();
        let again =
            CertificateAuthority::from_pem("demo", first.certificate_pem(), &first.key_pem()).unwrap();
        let issued = again
            .issue_member(3, vec!["10.97.1.3".to_owned()], now())
            .unwrap();
        verify(&first, &issued, KeyUsage::server_auth(), now()).unwrap();
        CertificateAuthority::from_pem("demo", first.certificate_pem(), "no key").unwrap_err();
    }

    /// A member's private key never leaves it.
    #[test]
    fn a_key_made_elsewhere_is_certified_for_its_id() {
        let ca = CertificateAuthority::generate("demo", now()).unwrap();
        let (key_pem, public_key) = new_member_key().unwrap();
        assert_eq!(public_key_of(&key_pem).unwrap(), public_key);
        let certificate_pem = ca
            .certify_member(4, vec!["10.97.1.4".to_owned()], &public_key, now())
            .unwrap();
        let issued = Issued {
            certificate_pem,
            key_pem,
            public_key: public_key.clone(),
        };
        verify(&ca, &issued, KeyUsage::server_auth(), now()).unwrap();
        verify(&ca, &issued, KeyUsage::client_auth(), now()).unwrap();
        assert_eq!(
            SpiffeId::of(&certificate(&ca, &issued)),
            Ok(SpiffeId::member("demo", 4))
        );
        for wrong in [&public_key[1..], &public_key[..90], &[0; 91][..], b""] {
            ca.certify_member(4, Vec::new(), wrong, now()).unwrap_err();
        }
    }

    /// Two certificates of one CA under one number are refused by some clients.
    #[test]
    fn the_same_key_is_certified_under_another_number_each_time() {
        let ca = CertificateAuthority::generate("demo", now()).unwrap();
        let (_, public_key) = new_member_key().unwrap();
        let certified = || {
            let pem = ca
                .certify_member_for_api(1, Vec::new(), &public_key, now())
                .unwrap();
            crate::certificates(&pem).unwrap().remove(0)
        };
        let (first, second) = (certified(), certified());
        // after the heads of three elements and the version
        assert_ne!(first[15..31], second[15..31]);
    }

    /// `{:?}` ends up in logs.
    #[test]
    fn debug_shows_no_private_key() {
        let ca = CertificateAuthority::generate("demo", now()).unwrap();
        let issued = ca.issue_user("ada", now()).unwrap();
        let shown = format!("{ca:?} {issued:?}");
        assert!(!shown.contains("PRIVATE"), "{shown}");
    }
}

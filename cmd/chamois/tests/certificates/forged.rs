//! Certificates that must not be accepted, made with the CA's own key or without it.

use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::site::{Shown, Site};

pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);

/// Who signs.
pub(crate) struct Forger(Issuer<'static, KeyPair>);

/// What a certificate says.
#[derive(Clone)]
pub(crate) struct Wish<'a> {
    pub(crate) uris: &'a [&'a str],
    pub(crate) from: SystemTime,
    pub(crate) to: SystemTime,
}

impl<'a> Wish<'a> {
    /// Good now.
    pub(crate) fn for_uris(uris: &'a [&'a str]) -> Self {
        Wish {
            uris,
            from: SystemTime::now() - DAY,
            to: SystemTime::now() + DAY,
        }
    }
}

impl Forger {
    /// With the key of the CA that the cluster began with.
    pub(crate) fn of_the_cluster(site: &Site) -> Forger {
        let pem = std::fs::read_to_string(site.path("identities/ca.key")).unwrap();
        Forger::called("Chamois CA of test", KeyPair::from_pem(&pem).unwrap())
    }

    /// A CA of the same name that nobody knows.
    pub(crate) fn stranger() -> Forger {
        Forger::called("Chamois CA of test", KeyPair::generate().unwrap())
    }

    /// Somebody who has a certificate of the cluster, and signs with its key as if it were a CA's.
    pub(crate) fn user(name: &str, key: KeyPair) -> Forger {
        Forger::called(name, key)
    }

    fn called(name: &str, key: KeyPair) -> Forger {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        Forger(Issuer::new(params, key))
    }

    /// With a new key.
    pub(crate) fn make(&self, wish: &Wish<'_>) -> Shown {
        self.make_for(wish, &KeyPair::generate().unwrap())
    }

    pub(crate) fn make_for(&self, wish: &Wish<'_>, key: &KeyPair) -> Shown {
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "forged");
        for uri in wish.uris {
            params
                .subject_alt_names
                .push(SanType::URI((*uri).try_into().unwrap()));
        }
        (params.not_before, params.not_after) = (wish.from.into(), wish.to.into());
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ClientAuth,
            ExtendedKeyUsagePurpose::ServerAuth,
        ];
        let certificate: CertificateDer<'static> = params.signed_by(key, &self.0).unwrap().der().clone();
        (
            vec![certificate],
            PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
    }
}

//! The one name in a certificate that counts: its single URI, `spiffe://<cluster>/<kind>/<name>` of a `member`, a `user`, a
//! service (`svc`) or a `node`.

use std::fmt;
use std::str::FromStr;

use model::Xname;
use rustls_pki_types::CertificateDer;

/// Longest cluster name or user name, bytes.
const NAME_LENGTH_MAX: usize = 64;

/// Whom a certificate names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpiffeId {
    /// A member of a cluster.
    Member {
        /// The cluster's name.
        cluster: String,
        /// The member's id, from 1.
        id: u64,
    },
    /// A user of a cluster.
    User {
        /// The cluster's name.
        cluster: String,
        /// The user's name.
        name: String,
    },
    /// A program that uses the API of a cluster.
    Service {
        /// The cluster's name.
        cluster: String,
        /// The service's name.
        name: String,
    },
    /// A compute node of a cluster.
    Node {
        /// The cluster's name.
        cluster: String,
        /// The node, normalised.
        xname: String,
    },
}

/// Why a certificate names nobody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The certificate does not parse.
    #[error("the certificate does not parse")]
    Malformed,
    /// None, or more than one: with two names a certificate could be taken for either.
    #[error("the certificate has {0} URI names; exactly one is accepted")]
    UriCount(usize),
    /// The URI is not one of ours.
    #[error(
        "{0:?} is not a SPIFFE id of this system: `spiffe://<cluster>/` and `member/<id>`, `user/<name>`, `svc/<name>` or `node/<xname>`"
    )]
    NotOurs(String),
}

impl SpiffeId {
    /// The id of member `id`.
    pub fn member(cluster: &str, id: u64) -> Self {
        Self::Member {
            cluster: cluster.to_owned(),
            id,
        }
    }

    /// The id of user `name`.
    pub fn user(cluster: &str, name: &str) -> Self {
        Self::User {
            cluster: cluster.to_owned(),
            name: name.to_owned(),
        }
    }

    /// The id of service `name`.
    pub fn service(cluster: &str, name: &str) -> Self {
        Self::Service {
            cluster: cluster.to_owned(),
            name: name.to_owned(),
        }
    }

    /// The id of the node `xname`.
    pub fn node(cluster: &str, xname: &Xname) -> Self {
        Self::Node {
            cluster: cluster.to_owned(),
            xname: xname.to_string(),
        }
    }

    /// Whom `certificate` names by its single URI.
    ///
    /// # Errors
    /// If it does not parse, has no or several URIs, or one of another form.
    pub fn of(certificate: &CertificateDer<'_>) -> Result<Self, NameError> {
        let certificate = webpki::EndEntityCert::try_from(certificate).map_err(|_| NameError::Malformed)?;
        let uris: Vec<&str> = certificate.valid_uri_names().collect();
        match uris.as_slice() {
            [uri] => uri.parse(),
            other => Err(NameError::UriCount(other.len())),
        }
    }

    /// The cluster that the name belongs to.
    pub fn cluster(&self) -> &str {
        match self {
            Self::Member { cluster, .. }
            | Self::User { cluster, .. }
            | Self::Service { cluster, .. }
            | Self::Node { cluster, .. } => cluster,
        }
    }

    /// As policies name it; `None` for a member, whom no policy is for.
    pub fn principal(&self) -> Option<String> {
        match self {
            Self::Member { .. } => None,
            Self::User { name, .. } => Some(format!("user/{name}")),
            Self::Service { name, .. } => Some(format!("service/{name}")),
            Self::Node { xname, .. } => Some(format!("node/{xname}")),
        }
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member { cluster, id } => write!(f, "spiffe://{cluster}/member/{id}"),
            Self::User { cluster, name } => write!(f, "spiffe://{cluster}/user/{name}"),
            Self::Service { cluster, name } => write!(f, "spiffe://{cluster}/svc/{name}"),
            Self::Node { cluster, xname } => write!(f, "spiffe://{cluster}/node/{xname}"),
        }
    }
}

impl FromStr for SpiffeId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let parsed = text.strip_prefix("spiffe://").and_then(|rest| {
            let mut parts = rest.split('/');
            let (cluster, kind, name) = (parts.next()?, parts.next()?, parts.next()?);
            if parts.next().is_some() || !is_name(cluster) {
                return None;
            }
            match kind {
                "member" => Some(Self::member(cluster, parse_member_id(name)?)),
                "user" if is_name(name) => Some(Self::user(cluster, name)),
                "svc" if is_name(name) => Some(Self::service(cluster, name)),
                "node" => Some(Self::node(cluster, &parse_xname(name)?)),
                _ => None,
            }
        });
        parsed.ok_or_else(|| NameError::NotOurs(text.to_owned()))
    }
}

fn is_name(text: &str) -> bool {
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.' | b'_');
    (1..=NAME_LENGTH_MAX).contains(&text.len()) && text.bytes().all(legal)
}

/// Only the canonical decimal form: `01` and `+1` would be second names of member 1.
fn parse_member_id(text: &str) -> Option<u64> {
    text.parse()
        .ok()
        .filter(|id: &u64| *id > 0 && id.to_string() == text)
}

/// Only the normalised form: `x01` would be a second name of `x1`.
fn parse_xname(text: &str) -> Option<Xname> {
    text.parse().ok().filter(|xname: &Xname| xname.as_str() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_name_is_read_and_written_alike() {
        let xname: Xname = "x0c0s1b0n0".parse().unwrap();
        for (text, id) in [
            ("spiffe://demo/member/2", SpiffeId::member("demo", 2)),
            (
                "spiffe://hpc-1.site/user/ada",
                SpiffeId::user("hpc-1.site", "ada"),
            ),
            ("spiffe://demo/svc/coresmd", SpiffeId::service("demo", "coresmd")),
            ("spiffe://demo/node/x0c0s1b0n0", SpiffeId::node("demo", &xname)),
        ] {
            assert_eq!(text.parse(), Ok(id.clone()));
            assert_eq!(id.to_string(), text);
        }
    }

    #[test]
    fn policies_name_everybody_but_members() {
        for (text, principal) in [
            ("spiffe://demo/member/2", None),
            ("spiffe://demo/user/ada", Some("user/ada")),
            ("spiffe://demo/svc/coresmd", Some("service/coresmd")),
            ("spiffe://demo/node/x0c0s1b0n0", Some("node/x0c0s1b0n0")),
        ] {
            let id: SpiffeId = text.parse().unwrap();
            assert_eq!((id.principal().as_deref(), id.cluster()), (principal, "demo"));
        }
    }

    /// Each of these would be a second spelling, or somebody else's name.
    #[test]
    fn nothing_but_the_exact_form_is_a_name() {
        for text in [
            "",
            "spiffe://demo",
            "spiffe://demo/member",
            "spiffe://demo/member/",
            "spiffe://demo/member/0",
            "spiffe://demo/member/01",
            "spiffe://demo/member/+1",
            "spiffe://demo/member/-1",
            "spiffe://demo/member/1/",
            "spiffe://demo/member/1/2",
            "spiffe://demo/member/1?x",
            "spiffe:///member/1",
            "spiffe://demo/svc/",
            "spiffe://demo/svc/A",
            "spiffe://demo/service/x",
            "spiffe://demo/node/",
            "spiffe://demo/node/x00c0s1b0n0",
            "spiffe://demo/node/X0c0s1b0n0",
            "spiffe://demo/node/host",
            "spiffe://demo/token/admin",
            "spiffe://demo/user/",
            "spiffe://demo/user/a b",
            "SPIFFE://demo/member/1",
            "https://demo/member/1",
            "spiffe://demo/member/18446744073709551616",
        ] {
            assert_eq!(text.parse::<SpiffeId>(), Err(NameError::NotOurs(text.to_owned())));
        }
    }

    #[test]
    fn a_certificate_needs_exactly_one_uri() {
        let with = |uris: &[&str]| {
            let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
            for uri in uris {
                params
                    .subject_alt_names
                    .push(rcgen::SanType::URI((*uri).try_into().unwrap()));
            }
            let key = rcgen::KeyPair::generate().unwrap();
            SpiffeId::of(params.self_signed(&key).unwrap().der())
        };
        assert_eq!(with(&["spiffe://demo/member/1"]), Ok(SpiffeId::member("demo", 1)));
        assert_eq!(with(&[]), Err(NameError::UriCount(0)));
        let two = with(&["spiffe://demo/member/1", "spiffe://demo/member/2"]);
        assert_eq!(two, Err(NameError::UriCount(2)));
        assert_eq!(
            SpiffeId::of(&CertificateDer::from(vec![0x30, 0x00])),
            Err(NameError::Malformed)
        );
    }
}

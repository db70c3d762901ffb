//! `JoinService`: lets a machine in that shows a token.

use std::net::IpAddr;
use std::time::SystemTime;

use auth::pki::CertificateAuthority;
use auth::{KekStore, secret_digest};
use proto::cluster::v1::cluster_command::{self, AdmitMember};
use proto::cluster::v1::join_service_server::JoinService;
use proto::cluster::v1::{ClusterCommand, JoinRequest, JoinResponse, join_response, member_kind};
use proto::raft::v1::MemberNode;
use proto::raft::v1::entry::Command;
use proto::raft::v1::membership_change::Change;
use raft::Store;
use rpc::Error;
use rpc::client::endpoint_host;
use tonic::{Request, Response, Status};

use super::identity::CA_KEY;
use super::member_service::require_ca_key;

/// Names that a certificate may be asked for.
const NAMES_MAX: usize = 32;
/// Characters of one of them.
const NAME_LENGTH_MAX: usize = 253;

/// What a member gives to one that joins.
#[derive(Clone, Debug)]
pub(super) struct Joining {
    pub(super) store: Store,
    pub(super) keks: KekStore,
    pub(super) ca_pem: String,
    pub(super) token_pem: String,
}

#[tonic::async_trait]
impl JoinService for Joining {
    async fn join(&self, request: Request<JoinRequest>) -> Result<Response<JoinResponse>, Status> {
        let request = request.into_inner();
        let names = certificate_names(&request)?;
        require_ca_key(&self.store)?;
        let digest = secret_digest(&request.token_secret).to_vec();
        self.require_token(&request.token_id, &digest).await?;
        let id = self.admit(&request, digest).await?;
        let kind = self.kind(&request.token_id);
        let ca = self.ca()?;
        let certificate = ca
            .certify_member(id, names, &request.public_key, SystemTime::now())
            .map_err(|_| rpc::invalid("public_key", "it must be a P-256 key (SubjectPublicKeyInfo, DER)"))?;
        let node = MemberNode {
            id,
            peer_address: request.peer_address,
            api_address: request.api_address,
            public_key: request.public_key,
            kind: kind.into(),
        };
        self.store
            .change_membership(Change::AddLearner(node.clone()))
            .await?;
        tracing::info!(
            member = id,
            address = node.peer_address,
            ?kind,
            "a member was admitted"
        );
        Ok(Response::new(JoinResponse {
            member_id: id,
            cluster_name: self.store.state().cluster_name().to_owned(),
            ca_certificate: ca.certificate_pem().to_owned(),
            certificate,
            kek: kek_for_joiner(&self.keks)?,
            token_key: self.token_pem.clone(),
            members: self.members(node),
        }))
    }
}

impl Joining {
    /// Looked at before anything is written to the log: strangers may call this.
    async fn require_token(&self, id: &str, digest: &[u8]) -> Result<(), Status> {
        self.store.linearize().await?;
        let state = self.store.state();
        match state
            .cluster
            .join_token(id)
            .filter(|token| token.secret_sha256 == digest)
        {
            Some(_) => Ok(()),
            None => Err(Error::Denied {
                reason: "the token is unknown or has ended; `chamois member add` prints a new one".to_owned(),
            }
            .into()),
        }
    }

    async fn admit(&self, request: &JoinRequest, secret_sha256: Vec<u8>) -> Result<u64, Status> {
        let last = self.store.members().keys().max().copied().unwrap_or(0);
        let admit = AdmitMember {
            token_id: request.token_id.clone(),
            secret_sha256,
            public_key: request.public_key.clone(),
            id_at_least: last + 1,
        };
        let change = Some(cluster_command::Change::AdmitMember(admit));
        let principal = format!("join/{}", request.token_id);
        let command = Command::Cluster(ClusterCommand { change });
        let committed = self.store.propose(&principal, command, None).await?;
        let id = committed.applied.value.parse();
        id.map_err(|_| Status::internal("the new member was given no id"))
    }

    fn kind(&self, token_id: &str) -> member_kind::Kind {
        let token = self.store.state().cluster.join_token(token_id);
        token.map_or(member_kind::Kind::Learner, |token| token.kind())
    }

    /// The CA that the token pins: the one that signs now, or where none is recorded the one that the cluster began with.
    fn ca(&self) -> Result<CertificateAuthority, Status> {
        let state = self.store.state();
        if access::active_authority(&state).is_some() {
            return Ok(access::signing_authority(&state, self.keks.sealer())?);
        }
        let sealed = state
            .cluster
            .secret(CA_KEY)
            .ok_or_else(|| Status::failed_precondition("the CA's key is not there"))?;
        let key = self
            .keks
            .sealer()
            .open(&sealed)
            .map_err(|error| Status::internal(error.to_string()))?;
        let key = String::from_utf8_lossy(key.bytes());
        let unusable = |_| Status::internal("the CA's key cannot be used");
        CertificateAuthority::from_pem(state.cluster_name(), &self.ca_pem, &key).map_err(unusable)
    }

    fn members(&self, new: MemberNode) -> Vec<join_response::Member> {
        let mut members = self.store.members();
        let new_node = raft::MemberNode {
            peer_address: new.peer_address,
            api_address: new.api_address,
            public_key: new.public_key,
            ..raft::MemberNode::default()
        };
        members.insert(new.id, new_node);
        let listed = |(id, node): (u64, raft::MemberNode)| join_response::Member {
            id,
            peer_address: node.peer_address,
            api_address: node.api_address,
            public_key: node.public_key,
        };
        members.into_iter().map(listed).collect()
    }
}

/// Empty where the operator gives keys: they may lie on no disk there, and he gives them to the new member, too.
fn kek_for_joiner(keks: &KekStore) -> Result<String, Status> {
    if !keks.is_file() {
        return Ok(String::new());
    }
    let pem = keks.sealer().to_pem();
    pem.ok_or_else(|| Status::failed_precondition("this member has no kek.key; join at another one"))
}

/// Hosts of both addresses, and what else was asked for.
fn certificate_names(request: &JoinRequest) -> Result<Vec<String>, Status> {
    if request.names.len() > NAMES_MAX {
        return Err(rpc::invalid("names", format!("at most {NAMES_MAX} are accepted")).into());
    }
    let mut names = Vec::new();
    for (field, address) in [
        ("peer_address", &request.peer_address),
        ("api_address", &request.api_address),
    ] {
        let host = endpoint_host(address).map_err(|error| rpc::invalid(field, error))?;
        if host.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified()) {
            let problem = format!("{host} is not an address that others can dial");
            return Err(rpc::invalid(field, problem).into());
        }
        names.push(host.to_owned());
    }
    for name in &request.names {
        let accepted = |c: char| c.is_ascii_alphanumeric() || "-.:".contains(c);
        if name.is_empty() || name.len() > NAME_LENGTH_MAX || !name.chars().all(accepted) {
            return Err(
                rpc::invalid("names", format!("{name:?} is neither a host name nor an address")).into(),
            );
        }
        names.push(name.clone());
    }
    names.sort();
    names.dedup();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use auth::{KekSource, Sealer};

    use super::*;

    /// What a vault gives must not come to lie on a disk because a member joins.
    #[test]
    fn a_key_that_the_operator_gives_is_not_handed_to_who_joins() {
        rpc::tls::install_crypto_provider();
        let (dir, sealer) = (tempfile::tempdir().unwrap(), Sealer::generate().unwrap());
        let of = |source| kek_for_joiner(&KekStore::new(dir.path(), source, sealer.clone())).unwrap();
        assert_eq!(of(KekSource::File), sealer.to_pem().unwrap());
        assert_eq!(of(KekSource::Credential("chamois-kek".into())), "");
    }

    fn request() -> JoinRequest {
        JoinRequest {
            peer_address: "10.97.1.4:7440".into(),
            api_address: "10.97.1.4:7441".into(),
            names: vec!["admin4.hpc".into()],
            ..JoinRequest::default()
        }
    }

    #[test]
    fn a_certificate_is_good_for_the_addresses_and_names_given() {
        assert_eq!(
            certificate_names(&request()).unwrap(),
            ["10.97.1.4", "admin4.hpc"]
        );
    }

    /// Anyone may send this.
    #[test]
    fn what_cannot_be_dialled_or_certified_is_named() {
        let wrong = [
            JoinRequest {
                peer_address: "10.97.1.4".into(),
                ..request()
            },
            JoinRequest {
                api_address: "0.0.0.0:7441".into(),
                ..request()
            },
            JoinRequest {
                names: vec!["a b".into()],
                ..request()
            },
            JoinRequest {
                names: vec!["a".into(); 33],
                ..request()
            },
        ];
        let fields = ["peer_address", "api_address", "names", "names"];
        for (request, field) in wrong.iter().zip(fields) {
            let status = certificate_names(request).unwrap_err();
            assert_eq!(status.code(), tonic::Code::InvalidArgument);
            assert!(status.message().starts_with(field), "{status}");
        }
    }
}

//! `MemberService`: who is a member, and who is to be one.

use std::time::Duration;

use auth::JoinToken;
use proto::cluster::v1::member_service_server::MemberService;
use proto::cluster::v1::{self as v1, ClusterCommand, cluster_command};
use proto::raft::v1::MemberNode;
use proto::raft::v1::entry::Command;
use proto::raft::v1::membership_change::{Change, Replace};
use raft::Store;
use rpc::client::endpoint_host;
use rustls_pki_types::CertificateDer;
use tonic::{Request, Response, Status};

use super::identity::CA_KEY;

/// How long a token is good for if nothing is said.
const TOKEN_VALID: Duration = Duration::from_secs(3600);

/// Hands changes to the leader.
#[derive(Clone, Debug)]
pub(super) struct Members {
    pub(super) store: Store,
    /// The CA that the cluster began with.
    pub(super) first_ca: CertificateDer<'static>,
}

impl Members {
    /// The CA that a token pins: that which has signed what members present now.
    fn ca(&self) -> CertificateDer<'static> {
        let state = self.store.state();
        let active = access::active_authority(&state);
        let found = active.and_then(|active| auth::certificates(&active.certificate_pem)?.into_iter().next());
        found.unwrap_or_else(|| self.first_ca.clone())
    }
}

/// A join needs the CA's key in the state.
pub(super) fn require_ca_key(store: &Store) -> Result<(), Status> {
    match store.state().cluster.secret(CA_KEY) {
        Some(_) => Ok(()),
        None => Err(Status::failed_precondition(
            "the key of this cluster's CA is kept offline: it was made by `chamois init --static`, and its members are \
             those of that file; a cluster that members join is made by `chamois init --cluster`",
        )),
    }
}

#[tonic::async_trait]
impl MemberService for Members {
    async fn create_join_token(
        &self,
        request: Request<v1::CreateJoinTokenRequest>,
    ) -> Result<Response<v1::CreateJoinTokenResponse>, Status> {
        require_ca_key(&self.store)?;
        let author = rpc::author(&request);
        let request = request.into_inner();
        let token = JoinToken::generate(&self.ca()).map_err(|error| Status::internal(error.to_string()))?;
        let valid_ms = match request.valid_s {
            0 => u64::try_from(TOKEN_VALID.as_millis()).unwrap_or(u64::MAX),
            seconds => seconds.saturating_mul(1000),
        };
        let expires_at_ms = self.store.cluster_time_ms().saturating_add(valid_ms);
        let stored = v1::JoinToken {
            id: token.id(),
            secret_sha256: token.secret_sha256().to_vec(),
            expires_at_ms,
            uses: request.uses.max(1),
            kind: request.kind,
            admitted: Vec::new(),
        };
        let create = cluster_command::CreateJoinToken { token: Some(stored) };
        let change = Some(cluster_command::Change::CreateJoinToken(create));
        let command = Command::Cluster(ClusterCommand { change });
        // with what gives the caller the right: a token that lets members in outlives him
        self.store.propose_by(&author, command).await?;
        let own = self.store.status();
        let address = own.members.iter().find(|member| member.id == own.member_id);
        Ok(Response::new(v1::CreateJoinTokenResponse {
            token: token.to_string(),
            expires_at_ms,
            address: address
                .map(|member| member.api_address.clone())
                .unwrap_or_default(),
        }))
    }

    async fn promote_member(
        &self,
        request: Request<v1::PromoteMemberRequest>,
    ) -> Result<Response<v1::PromoteMemberResponse>, Status> {
        self.change(Change::Promote(request.into_inner().id)).await?;
        Ok(Response::new(v1::PromoteMemberResponse {}))
    }

    async fn remove_member(
        &self,
        request: Request<v1::RemoveMemberRequest>,
    ) -> Result<Response<v1::RemoveMemberResponse>, Status> {
        self.change(Change::Remove(request.into_inner().id)).await?;
        Ok(Response::new(v1::RemoveMemberResponse {}))
    }

    async fn replace_member(
        &self,
        request: Request<v1::ReplaceMemberRequest>,
    ) -> Result<Response<v1::ReplaceMemberResponse>, Status> {
        let v1::ReplaceMemberRequest { id: old, with: new } = request.into_inner();
        self.change(Change::Replace(Replace { old, new })).await?;
        Ok(Response::new(v1::ReplaceMemberResponse {}))
    }

    async fn set_member_address(
        &self,
        request: Request<v1::SetMemberAddressRequest>,
    ) -> Result<Response<v1::SetMemberAddressResponse>, Status> {
        let request = request.into_inner();
        let members = self.store.members();
        let known = members
            .get(&request.id)
            .ok_or_else(|| Status::not_found(format!("no such member: {}", request.id)))?;
        let or_known = |field: &str, given: String, known: &str| match given.is_empty() {
            true => Ok(known.to_owned()),
            false => endpoint_host(&given)
                .map(|_| given.clone())
                .map_err(|error| Status::from(rpc::invalid(field, error))),
        };
        let node = MemberNode {
            id: request.id,
            peer_address: or_known("peer_address", request.peer_address, &known.peer_address)?,
            api_address: or_known("api_address", request.api_address, &known.api_address)?,
            ..MemberNode::default()
        };
        self.change(Change::SetAddress(node)).await?;
        Ok(Response::new(v1::SetMemberAddressResponse {}))
    }

    async fn transfer_leader(
        &self,
        request: Request<v1::TransferLeaderRequest>,
    ) -> Result<Response<v1::TransferLeaderResponse>, Status> {
        self.change(Change::TransferLeader(request.into_inner().to))
            .await?;
        let leader_id = self.store.status().leader_id;
        Ok(Response::new(v1::TransferLeaderResponse { leader_id }))
    }
}

impl Members {
    /// No entry that `apply` could judge: the guard has asked for the caller's right behind a read index.
    async fn change(&self, change: Change) -> Result<(), Status> {
        self.store.change_membership(change).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proto::auth::v1::Grant;
    use proto::cluster::v1::SealedSecret;
    use proto::cluster::v1::cluster_command::Bootstrap;
    use rpc::{Caller, Identity};

    use super::*;

    /// Without the CA's key nobody can be given a certificate; whoever asks must learn it before he prints a token.
    #[tokio::test]
    async fn a_cluster_whose_ca_is_offline_gives_no_token() {
        let members = Members {
            store: Store::in_memory(),
            first_ca: CertificateDer::from(vec![1]),
        };
        let refused = members
            .create_join_token(Request::new(v1::CreateJoinTokenRequest::default()))
            .await
            .unwrap_err();
        assert_eq!(refused.code(), tonic::Code::FailedPrecondition);
        assert!(refused.message().contains("chamois init --cluster"), "{refused}");
    }

    #[tokio::test]
    async fn an_unknown_member_has_no_address_to_set() {
        let members = Members {
            store: Store::in_memory(),
            first_ca: CertificateDer::from(vec![1]),
        };
        let request = v1::SetMemberAddressRequest {
            id: 9,
            ..Default::default()
        };
        let refused = members
            .set_member_address(Request::new(request))
            .await
            .unwrap_err();
        assert_eq!(refused.code(), tonic::Code::NotFound);
    }

    /// A policy that was deleted a moment ago, at another member: who had it must not let anybody in any more.
    #[tokio::test]
    async fn a_join_token_is_judged_where_it_is_applied() {
        let store = Store::in_memory();
        let bootstrap = Bootstrap {
            cluster_name: "test".into(),
            ca_key: Some(SealedSecret {
                name: CA_KEY.into(),
                version: 1,
                ciphertext: vec![1],
            }),
            ..Bootstrap::default()
        };
        let change = Some(cluster_command::Change::Bootstrap(bootstrap));
        let command = Command::Cluster(ClusterCommand { change });
        store.propose("member/1", command, None).await.unwrap();
        let members = Members {
            store,
            first_ca: CertificateDer::from(vec![1]),
        };
        let request = |grant: Option<Grant>| {
            let mut request = Request::new(v1::CreateJoinTokenRequest::default());
            request.extensions_mut().insert(Caller {
                identity: Identity::User { name: "ada".into() },
                ..Caller::anonymous()
            });
            if let Some(grant) = grant {
                request.extensions_mut().insert(Arc::new(grant));
            }
            request
        };
        let gone = Grant {
            permission: "cluster.admin".into(),
            policies: vec!["gone".into()],
            ..Grant::default()
        };
        let refused = members.create_join_token(request(Some(gone))).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::PermissionDenied);
        assert!(refused.message().contains("cluster.admin"), "{refused}");
        // the cluster's own key needs no policy
        members.create_join_token(request(None)).await.unwrap();
    }
}

//! `SecretService`: which keys there are, and another one.

use std::collections::BTreeSet;

use auth::Sealer;
use boot_files::Peer;
use futures::future::join_all;
use proto::cluster::v1::cluster_command::{Change, RotateSealingKey};
use proto::cluster::v1::secret_service_server::SecretService;
use proto::cluster::v1::{
    ClusterCommand, GetSecretsStatusRequest, KeepKekRequest, MemberKeks, RotateKekRequest, RotateKekResponse,
    SecretsStatus,
};
use proto::raft::v1::entry::Command;
use rpc::Error;
use state::State;
use state::cluster::FEATURE_LEVEL_AUTH;
use tonic::{Code, Request, Response, Status};

use super::peer_service::{on_disk, refused};
use super::{InUse, PEER_ANSWERS_AT_MOST, Secrets, bounded, client, keks_of, listed, unopened};

#[tonic::async_trait]
impl SecretService for Secrets {
    async fn get_secrets_status(
        &self,
        _: Request<GetSecretsStatusRequest>,
    ) -> Result<Response<SecretsStatus>, Status> {
        let in_use = self.in_use();
        let members = self.members_keks(&in_use).await?;
        let (state, sealer) = (self.store.state(), self.keks.sealer().clone());
        let counted = on_disk(move || counted(&state, &sealer)).await?;
        Ok(Response::new(SecretsStatus {
            active_id: in_use.active_id,
            since_ms: in_use.since_ms,
            retiring_id: in_use.retiring_id,
            members,
            ..counted
        }))
    }

    async fn rotate_kek(
        &self,
        request: Request<RotateKekRequest>,
    ) -> Result<Response<RotateKekResponse>, Status> {
        let author = rpc::author(&request);
        let request = request.into_inner();
        self.store.linearize().await?;
        self.require_level()?;
        let in_use = self.in_use();
        check_begins(&in_use, &request.if_active)?;
        let new = NewKek::of(&request)?;
        if new.id == in_use.active_id {
            return Err(conflict(format!("key {} seals already", new.id)));
        }
        let public_key = self.keep(&new).await?;
        let handed = self.hand_over(&new).await?;
        let rotate = RotateSealingKey {
            public_key,
            if_active: in_use.active_id.clone(),
        };
        let change = Some(Change::RotateSealingKey(rotate));
        let command = Command::Cluster(ClusterCommand { change });
        // with what gives the caller the right: members have been waited for since the guard has asked
        let committed = self.store.propose_by(&author, command).await?;
        tracing::info!(key = new.id, absent = ?handed.absent, "another key seals secrets from now on");
        Ok(Response::new(RotateKekResponse {
            revision: committed.revision,
            active_id: new.id,
            retiring_id: in_use.active_id,
            members: handed.members.into_iter().collect(),
            absent: handed.absent.into_iter().collect(),
        }))
    }
}

/// What is said of the secrets; all of them are looked at.
fn counted(state: &State, sealer: &Sealer) -> SecretsStatus {
    let count = |secrets: usize| u64::try_from(secrets).unwrap_or(u64::MAX);
    SecretsStatus {
        secrets: count(state.sealed().count()),
        to_be_resealed: count(state.to_be_resealed().count()),
        unopened: unopened(state, sealer).collect(),
        ..SecretsStatus::default()
    }
}

/// A key that is to seal.
struct NewKek {
    id: String,
    /// Empty: every member was given it by hand.
    pem: String,
}

impl NewKek {
    /// # Errors
    /// `Invalid` naming the field; what is no key is not quoted.
    fn of(request: &RotateKekRequest) -> Result<NewKek, Error> {
        match (request.kek.is_empty(), request.to_id.is_empty()) {
            (false, true) => {
                let key = Sealer::from_pem(request.kek.as_bytes())
                    .map_err(|error| rpc::invalid("kek", error.to_string()))?;
                let ids = key.key_ids();
                match ids.as_slice() {
                    [id] => Ok(NewKek {
                        id: id.clone(),
                        pem: request.kek.clone(),
                    }),
                    _ => Err(rpc::invalid(
                        "kek",
                        format!("{} keys are given, one is accepted", ids.len()),
                    )),
                }
            }
            (true, false) => Ok(NewKek {
                id: request.to_id.clone(),
                pem: String::new(),
            }),
            _ => Err(rpc::invalid(
                "kek",
                "give the new key, or with `to_id` the id of one that every member has",
            )),
        }
    }
}

/// Who has the new key.
#[derive(Debug, Default, PartialEq, Eq)]
struct Handed {
    members: BTreeSet<u64>,
    absent: BTreeSet<u64>,
}

impl Secrets {
    fn require_level(&self) -> Result<(), Error> {
        let (needed, current) = (FEATURE_LEVEL_AUTH, self.store.state().feature_level());
        match current < needed {
            true => Err(model::Rejection::FeatureLevel { needed, current }.into()),
            false => Ok(()),
        }
    }

    /// First on this member: what it cannot keep, others need not. Gives the public half, which is read before the others are asked.
    async fn keep(&self, new: &NewKek) -> Result<Vec<u8>, Status> {
        let (keks, id, pem) = (self.keks.clone(), new.id.clone(), new.pem.clone());
        let kept = on_disk(move || match pem.is_empty() {
            true => keks.require(&id),
            false => keks.keep(&pem),
        });
        let own = self.store.status().member_id;
        kept.await?.map_err(|error| {
            let status = refused(&error);
            Status::new(status.code(), format!("member {own}: {}", status.message()))
        })?;
        let public_key = self.keks.sealer().public_key(&new.id);
        public_key.ok_or_else(|| Status::internal("the new key is not there"))
    }

    /// To all that answer. Nothing is sealed for the key yet, so whatever fails here costs nothing.
    ///
    /// # Errors
    /// A member that is there did not keep it; there is no majority of voters.
    async fn hand_over(&self, new: &NewKek) -> Result<Handed, Status> {
        let roster = (self.members)();
        let answers = join_all(roster.others.iter().map(|peer| hand_to(peer, new))).await;
        let mut handed = Handed::default();
        let mut voters = (usize::from(roster.own_is_voter), usize::from(roster.own_is_voter));
        handed.members.insert(self.store.status().member_id);
        for (peer, answer) in roster.others.iter().zip(answers) {
            voters.1 += usize::from(peer.is_voter);
            match answer {
                Ok(()) => {
                    voters.0 += usize::from(peer.is_voter);
                    handed.members.insert(peer.id);
                }
                Err(status) if is_absent(&status) => {
                    handed.absent.insert(peer.id);
                }
                Err(status) => {
                    let text = format!(
                        "member {} has not kept the new key: {}; nothing was changed",
                        peer.id,
                        status.message()
                    );
                    return Err(Status::failed_precondition(text));
                }
            }
        }
        // a store without members is its own majority
        if voters.1 > 0 && voters.0 * 2 <= voters.1 {
            let text = format!(
                "{} of {} voters have the new key, which is no majority; nothing was changed",
                voters.0, voters.1
            );
            return Err(Status::unavailable(text));
        }
        Ok(handed)
    }

    /// Every member, this one included, by id.
    async fn members_keks(&self, in_use: &InUse) -> Result<Vec<MemberKeks>, Status> {
        let keks = self.keks.clone();
        let own = on_disk(move || listed(&keks)).await?;
        let roster = (self.members)();
        let answers = join_all(roster.others.iter().map(keks_of)).await;
        let others = roster.others.iter().map(|peer| peer.id).zip(answers);
        let own = (self.store.status().member_id, Some(own));
        let of_member = |(member_id, answer): (u64, Option<proto::cluster::v1::ListKeksResponse>)| {
            let unreachable = answer.is_none();
            let answer = answer.unwrap_or_default();
            MemberKeks {
                member_id,
                unreachable,
                missing_ids: match unreachable {
                    true => Vec::new(),
                    false => in_use.missing(&answer.kek_ids),
                },
                kek_ids: answer.kek_ids,
                source: answer.source,
                problem: answer.problem,
            }
        };
        let mut members: Vec<MemberKeks> = others.chain([own]).map(of_member).collect();
        members.sort_by_key(|member| member.member_id);
        Ok(members)
    }
}

async fn hand_to(peer: &Peer, new: &NewKek) -> Result<(), Status> {
    let request = bounded(KeepKekRequest {
        kek: new.pem.clone(),
        id: new.id.clone(),
    });
    let mut client = client(peer);
    let answer = tokio::time::timeout(PEER_ANSWERS_AT_MOST, client.keep_kek(request)).await;
    let answer = answer.map_err(|_| Status::deadline_exceeded("it did not answer"))?;
    answer.map(|_| ())
}

/// Whether a member is away rather than unwilling.
fn is_absent(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled
    )
}

/// The log decides; this spares members a key that comes to nothing.
fn check_begins(in_use: &InUse, if_active: &str) -> Result<(), Status> {
    if !in_use.retiring_id.is_empty() {
        return Err(conflict(format!(
            "secrets of key {} are still being sealed anew; wait until `chamois secrets status` shows none",
            in_use.retiring_id
        )));
    }
    if !if_active.is_empty() && if_active != in_use.active_id {
        return Err(conflict(format!(
            "key {} seals, not {if_active}",
            in_use.active_id
        )));
    }
    Ok(())
}

fn conflict(detail: String) -> Status {
    Error::Conflict { detail }.into()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use auth::{KekSource, KekStore};
    use boot_files::Roster;
    use proto::auth::v1::Grant;
    use raft::Store;
    use rpc::{Caller, Identity};

    use super::*;

    /// A member that is alone; its key file is in a folder of its own.
    fn alone() -> (tempfile::TempDir, Secrets) {
        rpc::tls::install_crypto_provider();
        let (dir, sealer) = (tempfile::tempdir().unwrap(), Sealer::generate().unwrap());
        let nobody = || Roster {
            own_is_voter: true,
            others: Vec::new(),
        };
        let secrets = Secrets {
            store: Store::in_memory(),
            keks: KekStore::new(dir.path(), KekSource::File, sealer),
            members: Arc::new(nobody),
        };
        (dir, secrets)
    }

    async fn rotate(secrets: &Secrets, request: RotateKekRequest) -> Result<RotateKekResponse, Status> {
        let answer = secrets.rotate_kek(Request::new(request)).await;
        answer.map(Response::into_inner)
    }

    fn with(new: &Sealer) -> RotateKekRequest {
        RotateKekRequest {
            kek: new.to_pem().unwrap(),
            ..RotateKekRequest::default()
        }
    }

    #[tokio::test]
    async fn a_key_that_was_handed_over_seals_and_a_second_rotation_waits() {
        let (_dir, secrets) = alone();
        let (old, new) = (secrets.keks.sealer().sealing_id(), Sealer::generate().unwrap());
        let answer = rotate(&secrets, with(&new)).await.unwrap();
        assert_eq!(
            (answer.active_id, answer.retiring_id),
            (new.sealing_id(), old.clone())
        );
        assert!(answer.absent.is_empty() && answer.members.len() == 1);
        let status = secrets
            .get_secrets_status(Request::new(GetSecretsStatusRequest {}))
            .await;
        let status = status.unwrap().into_inner();
        assert_eq!((status.active_id, status.retiring_id), (new.sealing_id(), old));
        assert!(status.members[0].missing_ids.is_empty(), "{:?}", status.members);
        let again = rotate(&secrets, with(&Sealer::generate().unwrap()))
            .await
            .unwrap_err();
        assert!(again.message().contains("still being sealed anew"), "{again:?}");
    }

    /// A policy that was deleted while members were given the key: who had it must not have it seal.
    #[tokio::test]
    async fn a_rotation_is_judged_where_it_is_applied() {
        let (_dir, secrets) = alone();
        let mut request = Request::new(with(&Sealer::generate().unwrap()));
        request.extensions_mut().insert(Caller {
            identity: Identity::User { name: "ada".into() },
            ..Caller::anonymous()
        });
        request.extensions_mut().insert(Arc::new(Grant {
            permission: "auth.admin".into(),
            policies: vec!["gone".into()],
            ..Grant::default()
        }));
        let refused = secrets.rotate_kek(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied);
        assert!(refused.message().contains("auth.admin"), "{refused}");
        assert!(secrets.store.state().cluster.sealing_keys().is_none());
    }

    #[tokio::test]
    async fn what_is_no_key_or_another_state_is_refused() {
        let (_dir, secrets) = alone();
        let (one, two) = (Sealer::generate().unwrap(), Sealer::generate().unwrap());
        let both = format!("{}{}", one.to_pem().unwrap(), two.to_pem().unwrap());
        for (request, says) in [
            (RotateKekRequest::default(), "kek"),
            (
                RotateKekRequest {
                    kek: "c4n4ry".into(),
                    ..Default::default()
                },
                "X25519",
            ),
            (
                RotateKekRequest {
                    kek: both,
                    ..Default::default()
                },
                "one is accepted",
            ),
            (
                RotateKekRequest {
                    to_id: one.sealing_id(),
                    ..Default::default()
                },
                "put it there first",
            ),
            (
                RotateKekRequest {
                    if_active: one.sealing_id(),
                    ..with(&two)
                },
                "seals, not",
            ),
        ] {
            let refused = rotate(&secrets, request).await.unwrap_err();
            let text = refused.message();
            assert!(text.contains(says) && !text.contains("c4n4ry"), "{says}: {text}");
        }
        assert_eq!(secrets.keks.sealer().key_ids().len(), 1, "nothing was kept");
        assert!(secrets.store.state().cluster.sealing_keys().is_none());
    }

    #[test]
    fn who_does_not_answer_is_away_and_who_says_no_is_not() {
        assert!(is_absent(&Status::unavailable("")));
        assert!(is_absent(&Status::deadline_exceeded("")));
        for status in [
            Status::failed_precondition(""),
            Status::unimplemented(""),
            Status::permission_denied(""),
        ] {
            assert!(!is_absent(&status), "{status:?}");
        }
    }
}

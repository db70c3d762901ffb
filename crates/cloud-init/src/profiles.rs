//! Profiles: what some nodes boot with for a while, for a test.

use proto::cloud_init::v1::cloud_init_command::{self, Change};
use proto::cloud_init::v1::{
    CloudInitCommand, DeleteProfileRequest, GetProfileRequest, ListProfilesRequest, ListProfilesResponse,
    Profile, ProfileChange, PutProfileRequest, profile_service_server,
};
use proto::raft::v1::entry::Command;
use raft::{Committed, Store};
use rpc::{Author, Error};
use tonic::{Request, Response, Status};

/// Variants of what is set, for some nodes and some time.
#[derive(Clone, Debug)]
pub struct ProfileService {
    store: Store,
}

impl ProfileService {
    /// A service that changes and answers from `store`.
    #[must_use]
    pub fn new(store: Store) -> ProfileService {
        ProfileService { store }
    }

    async fn propose(&self, author: &Author, change: Change) -> Result<Committed, Error> {
        let command = Command::CloudInit(CloudInitCommand { change: Some(change) });
        self.store.propose_by(author, command).await
    }
}

/// What is secret must not come as far as a digest of the request: a profile holds nothing that is.
fn check_nothing_is_secret(profile: &Profile) -> Result<(), Error> {
    let groups = profile.groups.iter().any(|group| group.secret);
    if groups || profile.instance_infos.iter().any(|info| info.secret) {
        let problem = "a profile holds nothing secret; put it into the group or the instance-info itself";
        return Err(rpc::invalid("secret", problem));
    }
    Ok(())
}

#[tonic::async_trait]
impl profile_service_server::ProfileService for ProfileService {
    #[tracing::instrument(level = "debug", name = "cloud_init.list_profiles", skip_all)]
    async fn list_profiles(
        &self,
        _: Request<ListProfilesRequest>,
    ) -> Result<Response<ListProfilesResponse>, Status> {
        let state = self.store.state();
        let profiles = state.cloud_init.profiles();
        Ok(Response::new(ListProfilesResponse {
            profiles: profiles.map(|profile| profile.as_ref().clone()).collect(),
        }))
    }

    #[tracing::instrument(level = "debug", name = "cloud_init.get_profile", skip_all, fields(name = ?request.get_ref().name))]
    async fn get_profile(&self, request: Request<GetProfileRequest>) -> Result<Response<Profile>, Status> {
        let name = &request.get_ref().name;
        let profile = self.store.state().cloud_init.profile(name);
        let profile = profile.ok_or_else(|| Error::NotFound {
            kind: "profile".to_owned(),
            id: name.clone(),
        })?;
        Ok(Response::new(profile.as_ref().clone()))
    }

    #[tracing::instrument(name = "cloud_init.put_profile", skip_all, fields(name = ?request.get_ref().name))]
    async fn put_profile(
        &self,
        request: Request<PutProfileRequest>,
    ) -> Result<Response<ProfileChange>, Status> {
        let author = rpc::author(&request);
        let request = request.into_inner();
        let profile = Profile {
            name: request.name.clone(),
            ..request.profile.clone().unwrap_or_default()
        };
        check_nothing_is_secret(&profile)?;
        author.asks(&request);
        let put = cloud_init_command::PutProfile {
            profile: Some(profile),
            lifetime_s: request.lifetime_s,
            if_revision: request.if_revision,
        };
        let committed = self.propose(&author, Change::PutProfile(put)).await?;
        let stored = self.store.state_after(&author).cloud_init.profile(&request.name);
        let stored = stored.unwrap_or_default();
        Ok(Response::new(ProfileChange {
            revision: committed.revision,
            expires_at_ms: stored.expires_at_ms,
            expires_at: committed.applied.value,
        }))
    }

    #[tracing::instrument(name = "cloud_init.delete_profile", skip_all, fields(name = ?request.get_ref().name))]
    async fn delete_profile(
        &self,
        request: Request<DeleteProfileRequest>,
    ) -> Result<Response<ProfileChange>, Status> {
        let author = rpc::author(&request);
        let DeleteProfileRequest { name, if_revision } = request.into_inner();
        let delete = cloud_init_command::DeleteProfile { name, if_revision };
        let committed = self.propose(&author, Change::DeleteProfile(delete)).await?;
        Ok(Response::new(ProfileChange {
            revision: committed.revision,
            ..ProfileChange::default()
        }))
    }
}

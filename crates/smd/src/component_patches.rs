//! HSM's PATCH State/Components/{xname}/… and …/Bulk….

use model::Xname;
use proto::raft::v1::entry::Command;
use proto::smd::v1::smd_command::{Change, ComponentNid, PatchComponents, SetNids};
use proto::smd::v1::{
    BulkPatchEnabledRequest, BulkPatchFlagOnlyRequest, BulkPatchNidRequest, BulkPatchRoleRequest,
    BulkPatchSoftwareStatusRequest, BulkPatchStateDataRequest, PatchComponentsResponse, PatchEnabledRequest,
    PatchFlagOnlyRequest, PatchNidRequest, PatchRoleRequest, PatchSoftwareStatusRequest, SmdCommand,
    component_patch_service_server, patch_components_response,
};
use raft::{Committed, Store};
use rpc::{Author, Error};
use tonic::{Request, Response, Status};

use crate::legacy;

type Answer = Result<Response<PatchComponentsResponse>, Status>;

/// Single properties of one component or of many.
#[derive(Clone, Debug)]
pub struct ComponentPatchService {
    store: Store,
}

impl ComponentPatchService {
    /// A service that changes `store`.
    #[must_use]
    pub fn new(store: Store) -> ComponentPatchService {
        ComponentPatchService { store }
    }

    async fn patch(&self, author: &Author, patch: PatchComponents) -> Answer {
        self.propose(author, Change::PatchComponents(patch)).await
    }

    async fn propose(&self, author: &Author, change: Change) -> Answer {
        let command = Command::Smd(SmdCommand { change: Some(change) });
        let Committed { revision, applied } = self.store.propose_by(author, command).await?;
        let refused = applied
            .refused
            .into_iter()
            .map(|refusal| patch_components_response::Refusal {
                id: refusal.id,
                reason: refusal.reason,
            });
        Ok(legacy::told(PatchComponentsResponse {
            revision,
            applied: applied.updated,
            unchanged: applied.unchanged,
            refused_count: applied.refused_count,
            refused: refused.collect(),
        }))
    }
}

#[tonic::async_trait]
impl component_patch_service_server::ComponentPatchService for ComponentPatchService {
    #[tracing::instrument(name = "smd.patch_flag", skip_all, fields(xname = ?request.get_ref().id))]
    async fn patch_flag_only(&self, request: Request<PatchFlagOnlyRequest>) -> Answer {
        let author = rpc::author(&request);
        let PatchFlagOnlyRequest {
            id,
            flag,
            if_revision,
        } = request.into_inner();
        let patch = PatchComponents {
            flag: given_flag(flag)?,
            if_revision,
            ..one(&id)?
        };
        self.patch(&author, patch).await
    }

    #[tracing::instrument(name = "smd.patch_enabled", skip_all, fields(xname = ?request.get_ref().id))]
    async fn patch_enabled(&self, request: Request<PatchEnabledRequest>) -> Answer {
        let author = rpc::author(&request);
        let PatchEnabledRequest {
            id,
            enabled,
            if_revision,
        } = request.into_inner();
        let patch = PatchComponents {
            enabled: Some(given_enabled(enabled)?),
            if_revision,
            ..one(&id)?
        };
        self.patch(&author, patch).await
    }

    #[tracing::instrument(name = "smd.patch_software_status", skip_all, fields(xname = ?request.get_ref().id))]
    async fn patch_software_status(&self, request: Request<PatchSoftwareStatusRequest>) -> Answer {
        let author = rpc::author(&request);
        let PatchSoftwareStatusRequest {
            id,
            software_status,
            if_revision,
        } = request.into_inner();
        let patch = PatchComponents {
            software_status: Some(given_software_status(software_status)?),
            if_revision,
            ..one(&id)?
        };
        self.patch(&author, patch).await
    }

    #[tracing::instrument(name = "smd.patch_role", skip_all, fields(xname = ?request.get_ref().id))]
    async fn patch_role(&self, request: Request<PatchRoleRequest>) -> Answer {
        let author = rpc::author(&request);
        let PatchRoleRequest {
            id,
            role,
            sub_role,
            if_revision,
        } = request.into_inner();
        let patch = PatchComponents {
            role: Some(given_role(role)?),
            sub_role: Some(sub_role),
            if_revision,
            ..one(&id)?
        };
        self.patch(&author, patch).await
    }

    #[tracing::instrument(name = "smd.patch_nid", skip_all, fields(xname = ?request.get_ref().id))]
    async fn patch_nid(&self, request: Request<PatchNidRequest>) -> Answer {
        let author = rpc::author(&request);
        let PatchNidRequest { id, nid, if_revision } = request.into_inner();
        let id = xname("ID", &id)?;
        let components = vec![ComponentNid {
            id,
            nid: given_nid("NID", nid)?,
        }];
        let set = SetNids {
            components,
            if_revision,
        };
        self.propose(&author, Change::SetNids(set)).await
    }

    #[tracing::instrument(name = "smd.bulk_patch_state", skip_all)]
    async fn bulk_patch_state_data(&self, request: Request<BulkPatchStateDataRequest>) -> Answer {
        let author = rpc::author(&request);
        let BulkPatchStateDataRequest {
            component_ids,
            state,
            flag,
            force,
        } = request.into_inner();
        if state == 0 {
            return Err(legacy::state_missing().into());
        }
        let patch = PatchComponents {
            state,
            flag,
            force,
            ..many(&component_ids)?
        };
        self.patch(&author, patch).await
    }

    #[tracing::instrument(name = "smd.bulk_patch_flag", skip_all)]
    async fn bulk_patch_flag_only(&self, request: Request<BulkPatchFlagOnlyRequest>) -> Answer {
        let author = rpc::author(&request);
        let BulkPatchFlagOnlyRequest { component_ids, flag } = request.into_inner();
        let patch = PatchComponents {
            flag: given_flag(flag)?,
            ..many(&component_ids)?
        };
        self.patch(&author, patch).await
    }

    #[tracing::instrument(name = "smd.bulk_patch_enabled", skip_all)]
    async fn bulk_patch_enabled(&self, request: Request<BulkPatchEnabledRequest>) -> Answer {
        let author = rpc::author(&request);
        let BulkPatchEnabledRequest {
            component_ids,
            enabled,
        } = request.into_inner();
        let patch = PatchComponents {
            enabled: Some(given_enabled(enabled)?),
            ..many(&component_ids)?
        };
        self.patch(&author, patch).await
    }

    #[tracing::instrument(name = "smd.bulk_patch_software_status", skip_all)]
    async fn bulk_patch_software_status(&self, request: Request<BulkPatchSoftwareStatusRequest>) -> Answer {
        let author = rpc::author(&request);
        let BulkPatchSoftwareStatusRequest {
            component_ids,
            software_status,
        } = request.into_inner();
        let patch = PatchComponents {
            software_status: Some(given_software_status(software_status)?),
            ..many(&component_ids)?
        };
        self.patch(&author, patch).await
    }

    #[tracing::instrument(name = "smd.bulk_patch_role", skip_all)]
    async fn bulk_patch_role(&self, request: Request<BulkPatchRoleRequest>) -> Answer {
        let author = rpc::author(&request);
        let BulkPatchRoleRequest {
            component_ids,
            role,
            sub_role,
        } = request.into_inner();
        let patch = PatchComponents {
            role: Some(given_role(role)?),
            sub_role: Some(sub_role),
            ..many(&component_ids)?
        };
        self.patch(&author, patch).await
    }

    #[tracing::instrument(name = "smd.bulk_patch_nid", skip_all)]
    async fn bulk_patch_nid(&self, request: Request<BulkPatchNidRequest>) -> Answer {
        let author = rpc::author(&request);
        let given = request.into_inner().components;
        if given.is_empty() {
            return Err(missing("Components", "write `[{\"ID\":\"x0c0s0b0n0\",\"NID\":1}]`").into());
        }
        let components = given
            .into_iter()
            .enumerate()
            .map(|(place, component)| {
                let field = |name: &str| format!("Components[{place}].{name}");
                let id = xname(&field("ID"), &component.id)?;
                let nid = given_nid(&field("NID"), component.nid)?;
                Ok(ComponentNid { id, nid })
            })
            .collect::<Result<_, Error>>()?;
        let set = SetNids {
            components,
            if_revision: None,
        };
        self.propose(&author, Change::SetNids(set)).await
    }
}

/// A patch of nothing yet, of the component that the path names.
fn one(id: &str) -> Result<PatchComponents, Error> {
    Ok(PatchComponents {
        ids: vec![xname("ID", id)?],
        ..PatchComponents::default()
    })
}

/// As [`one`], of the components in the body.
fn many(ids: &[String]) -> Result<PatchComponents, Error> {
    if ids.is_empty() {
        return Err(missing("ComponentIDs", "name at least one xname"));
    }
    let parse = |(place, id): (usize, &String)| xname(&format!("ComponentIDs[{place}]"), id);
    Ok(PatchComponents {
        ids: ids.iter().enumerate().map(parse).collect::<Result<_, _>>()?,
        ..PatchComponents::default()
    })
}

fn xname(field: &str, text: &str) -> Result<String, Error> {
    let id: Xname = text.parse().map_err(|problem| rpc::invalid(field, problem))?;
    Ok(id.to_string())
}

fn given_flag(flag: i32) -> Result<i32, Error> {
    match flag {
        0 => Err(missing("Flag", "write Unknown, OK, Warning, Alert or Locked")),
        _ => Ok(flag),
    }
}

fn given_enabled(enabled: Option<bool>) -> Result<bool, Error> {
    enabled.ok_or_else(|| missing("Enabled", "write true or false"))
}

fn given_software_status(status: Option<String>) -> Result<String, Error> {
    status.ok_or_else(|| missing("SoftwareStatus", "write a text; \"\" takes it away"))
}

fn given_role(role: String) -> Result<String, Error> {
    match role.is_empty() {
        true => {
            let known = model::ROLES.join(", ");
            Err(missing(
                "Role",
                &format!("write {known}, or a role of your site's own"),
            ))
        }
        false => Ok(role),
    }
}

fn given_nid(field: &str, nid: Option<u64>) -> Result<u64, Error> {
    nid.ok_or_else(|| missing(field, "write a number, e.g. 1"))
}

fn missing(field: &str, remedy: &str) -> Error {
    rpc::invalid(field, format!("it is missing; {remedy}"))
}

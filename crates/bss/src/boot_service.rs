//! OpenCHAMI's boot-service, as `ochami boot` speaks it: the same boot configurations in another envelope.

use model::Xname;
use proto::bss::v1::bss_command::{Change, DeleteBootConfiguration, PutBootConfiguration, Together};
use proto::bss::v1::{
    BootConfiguration, BootConfigurationResource, BootConfigurationSpec, BssCommand,
    CreateBootConfigurationResourceRequest, CreateNodeResourceRequest,
    DeleteBootConfigurationResourceRequest, DeleteBootConfigurationResourceResponse,
    DeleteNodeResourceRequest, DeleteNodeResourceResponse, GetBootConfigurationResourceRequest,
    GetNodeResourceRequest, ListBootConfigurationResourcesRequest, ListBootConfigurationResourcesResponse,
    ListNodeResourcesRequest, ListNodeResourcesResponse, NodeResource, PatchBootConfigurationResourceRequest,
    PatchNodeResourceRequest, ReplaceBootConfigurationResourceRequest, ReplaceNodeResourceRequest,
    boot_service_service_server,
};
use proto::raft::v1::entry::Command;
use raft::Store;
use rpc::{Author, Error};
use tonic::{Request, Response, Status};

use crate::boot_configurations::Changes;
use crate::node_changes::Wanted;
use crate::{Config, node_changes, resources};

/// Boot configurations and nodes by uid.
#[derive(Clone, Debug)]
pub struct BootServiceService {
    changes: Changes,
}

impl BootServiceService {
    /// A service that changes and answers from `store`.
    #[must_use]
    pub fn new(store: Store, config: Config) -> BootServiceService {
        BootServiceService {
            changes: Changes::new(store, config),
        }
    }

    /// The configuration that is changed; that it is not there may only mean that this member has not heard yet.
    async fn stored(&self, uid: &str) -> Result<BootConfiguration, Error> {
        self.changes.store.linearize().await?;
        self.changes.stored(uid)
    }

    /// Stores the spec that a configuration has now, unless it was changed since it was read.
    async fn put(
        &self,
        author: &Author,
        before: BootConfiguration,
        spec: BootConfigurationSpec,
        if_revision: Option<u64>,
    ) -> Result<Response<BootConfigurationResource>, Status> {
        let modified = before.meta.as_ref().and_then(|meta| meta.modified.as_ref());
        let read_at = modified.map(|modified| modified.revision);
        let put = PutBootConfiguration {
            configuration: Some(resources::with_spec(before, spec)?),
            must_be_new: false,
            if_revision: if_revision.or(read_at),
        };
        let stored = self.changes.put(author, put).await?;
        Ok(Response::new(resources::shown(stored)))
    }

    /// One entry of what makes a node, planned on a state that has all that was acknowledged before.
    async fn change_node(
        &self,
        author: &Author,
        plan: impl FnOnce(&state::State) -> Result<Together, Error>,
    ) -> Result<(), Error> {
        self.changes.store.linearize().await?;
        let together = plan(&self.changes.store.state())?;
        let command = Command::Bss(BssCommand {
            change: Some(Change::Together(together)),
        });
        self.changes.store.propose_by(author, command).await?;
        Ok(())
    }

    /// The node as the change has left it.
    fn changed_node(&self, author: &Author, node: &Xname) -> Result<Response<NodeResource>, Status> {
        let state = self.changes.store.state_after(author);
        let component = state.smd.component(node);
        let shown = component.and_then(|component| resources::node(&state, &component));
        let shown = shown.ok_or_else(|| Error::Conflict {
            detail: format!("node {node} was deleted by someone else"),
        })?;
        Ok(Response::new(NodeResource {
            meta: author.told_meta(shown.meta),
            ..shown
        }))
    }
}

/// A node's xname.
fn node_of(field: &str, text: &str) -> Result<Xname, Error> {
    let xname: Xname = text.parse().map_err(|error| rpc::invalid(field, error))?;
    if !xname.is_node() {
        let problem = format!(
            "{xname} is a {}, not a node; write e.g. x1000c0s0b0n0",
            xname.hms_type()
        );
        return Err(rpc::invalid(field, problem));
    }
    Ok(xname)
}

/// That of the path. One in the spec may only say the same.
fn node_of_path(uid: &str, given: &str) -> Result<Xname, Error> {
    let node = node_of("uid", uid)?;
    if !given.is_empty() && node_of("spec.xname", given)? != node {
        let problem = format!("{node} is changed, so it cannot be another; leave it out");
        return Err(rpc::invalid("spec.xname", problem));
    }
    Ok(node)
}

#[tonic::async_trait]
impl boot_service_service_server::BootServiceService for BootServiceService {
    #[tracing::instrument(level = "debug", name = "bss.list_boot_configuration_resources", skip_all)]
    async fn list_boot_configuration_resources(
        &self,
        _: Request<ListBootConfigurationResourcesRequest>,
    ) -> Result<Response<ListBootConfigurationResourcesResponse>, Status> {
        let state = self.changes.store.state();
        let configurations = state.bss.configurations();
        let items = configurations.map(|configuration| resources::shown(configuration.as_ref().clone()));
        Ok(Response::new(ListBootConfigurationResourcesResponse {
            items: items.collect(),
        }))
    }

    #[tracing::instrument(level = "debug", name = "bss.get_boot_configuration_resource", skip_all, fields(uid = ?request.get_ref().uid))]
    async fn get_boot_configuration_resource(
        &self,
        request: Request<GetBootConfigurationResourceRequest>,
    ) -> Result<Response<BootConfigurationResource>, Status> {
        let stored = self.changes.stored(&request.get_ref().uid)?;
        Ok(Response::new(resources::shown(stored)))
    }

    #[tracing::instrument(name = "bss.create_boot_configuration_resource", skip_all)]
    async fn create_boot_configuration_resource(
        &self,
        request: Request<CreateBootConfigurationResourceRequest>,
    ) -> Result<Response<BootConfigurationResource>, Status> {
        let author = rpc::author(&request);
        let CreateBootConfigurationResourceRequest { metadata, spec } = request.into_inner();
        let named = BootConfiguration {
            name: metadata.unwrap_or_default().name,
            ..BootConfiguration::default()
        };
        let put = PutBootConfiguration {
            configuration: Some(resources::with_spec(named, spec.unwrap_or_default())?),
            must_be_new: true,
            if_revision: None,
        };
        let stored = self.changes.put(&author, put).await?;
        Ok(Response::new(resources::shown(stored)))
    }

    #[tracing::instrument(name = "bss.replace_boot_configuration_resource", skip_all, fields(uid = ?request.get_ref().uid))]
    async fn replace_boot_configuration_resource(
        &self,
        request: Request<ReplaceBootConfigurationResourceRequest>,
    ) -> Result<Response<BootConfigurationResource>, Status> {
        let author = rpc::author(&request);
        let ReplaceBootConfigurationResourceRequest {
            uid,
            metadata,
            spec,
            if_revision,
        } = request.into_inner();
        let name = metadata.unwrap_or_default().name;
        if !name.is_empty() && name != uid {
            let problem = format!("{uid} cannot be renamed; create another and delete this one");
            return Err(rpc::invalid("metadata.name", problem).into());
        }
        let before = self.stored(&uid).await?;
        self.put(&author, before, spec.unwrap_or_default(), if_revision)
            .await
    }

    #[tracing::instrument(name = "bss.patch_boot_configuration_resource", skip_all, fields(uid = ?request.get_ref().uid))]
    async fn patch_boot_configuration_resource(
        &self,
        request: Request<PatchBootConfigurationResourceRequest>,
    ) -> Result<Response<BootConfigurationResource>, Status> {
        let author = rpc::author(&request);
        let PatchBootConfigurationResourceRequest {
            uid,
            patch,
            if_revision,
        } = request.into_inner();
        let before = self.stored(&uid).await?;
        let spec = resources::patched(resources::spec_of(&before), patch.unwrap_or_default());
        self.put(&author, before, spec, if_revision).await
    }

    #[tracing::instrument(name = "bss.delete_boot_configuration_resource", skip_all, fields(uid = ?request.get_ref().uid))]
    async fn delete_boot_configuration_resource(
        &self,
        request: Request<DeleteBootConfigurationResourceRequest>,
    ) -> Result<Response<DeleteBootConfigurationResourceResponse>, Status> {
        let author = rpc::author(&request);
        let DeleteBootConfigurationResourceRequest { uid, if_revision } = request.into_inner();
        let delete = DeleteBootConfiguration {
            name: uid.clone(),
            if_revision,
        };
        self.changes.delete(&author, delete).await?;
        Ok(Response::new(DeleteBootConfigurationResourceResponse {
            message: "BootConfiguration deleted successfully".to_owned(),
            uid,
        }))
    }

    #[tracing::instrument(level = "debug", name = "bss.list_node_resources", skip_all)]
    async fn list_node_resources(
        &self,
        _: Request<ListNodeResourcesRequest>,
    ) -> Result<Response<ListNodeResourcesResponse>, Status> {
        let state = self.changes.store.state();
        Ok(Response::new(ListNodeResourcesResponse {
            items: resources::nodes(&state).collect(),
        }))
    }

    #[tracing::instrument(level = "debug", name = "bss.get_node_resource", skip_all, fields(uid = ?request.get_ref().uid))]
    async fn get_node_resource(
        &self,
        request: Request<GetNodeResourceRequest>,
    ) -> Result<Response<NodeResource>, Status> {
        let uid = &request.get_ref().uid;
        let state = self.changes.store.state();
        let component = uid.parse().ok().and_then(|xname| state.smd.component(&xname));
        let node = component.and_then(|component| resources::node(&state, &component));
        let node = node.ok_or_else(|| Error::NotFound {
            kind: "node".to_owned(),
            id: uid.clone(),
        })?;
        Ok(Response::new(node))
    }

    #[tracing::instrument(name = "bss.create_node_resource", skip_all)]
    async fn create_node_resource(
        &self,
        request: Request<CreateNodeResourceRequest>,
    ) -> Result<Response<NodeResource>, Status> {
        let author = rpc::author(&request);
        let spec = request.into_inner().spec.unwrap_or_default();
        let node = node_of("spec.xname", &spec.xname)?;
        let wanted = Wanted::of_spec(spec);
        let created = self.change_node(&author, |state| node_changes::create(state, &node, wanted));
        created.await.map_err(|error| match error {
            Error::RevisionMismatch { id, .. } if id == node.as_str() => Error::AlreadyExists {
                kind: "node".to_owned(),
                id,
                detail: format!("PUT /boot-service/nodes/{node} changes it"),
            },
            other => other,
        })?;
        self.changed_node(&author, &node)
    }

    #[tracing::instrument(name = "bss.replace_node_resource", skip_all, fields(uid = ?request.get_ref().uid))]
    async fn replace_node_resource(
        &self,
        request: Request<ReplaceNodeResourceRequest>,
    ) -> Result<Response<NodeResource>, Status> {
        let author = rpc::author(&request);
        let ReplaceNodeResourceRequest {
            uid,
            metadata: _,
            spec,
            if_revision,
        } = request.into_inner();
        let spec = spec.unwrap_or_default();
        let node = node_of_path(&uid, &spec.xname)?;
        let wanted = Wanted::of_spec(spec);
        self.change_node(&author, |state| {
            node_changes::change(state, &node, wanted, if_revision)
        })
        .await?;
        self.changed_node(&author, &node)
    }

    #[tracing::instrument(name = "bss.patch_node_resource", skip_all, fields(uid = ?request.get_ref().uid))]
    async fn patch_node_resource(
        &self,
        request: Request<PatchNodeResourceRequest>,
    ) -> Result<Response<NodeResource>, Status> {
        let author = rpc::author(&request);
        let PatchNodeResourceRequest {
            uid,
            patch,
            if_revision,
        } = request.into_inner();
        let patch = patch.unwrap_or_default();
        let node = node_of_path(&uid, &patch.xname)?;
        let wanted = Wanted::of_patch(patch);
        self.change_node(&author, |state| {
            node_changes::change(state, &node, wanted, if_revision)
        })
        .await?;
        self.changed_node(&author, &node)
    }

    #[tracing::instrument(name = "bss.delete_node_resource", skip_all, fields(uid = ?request.get_ref().uid))]
    async fn delete_node_resource(
        &self,
        request: Request<DeleteNodeResourceRequest>,
    ) -> Result<Response<DeleteNodeResourceResponse>, Status> {
        let author = rpc::author(&request);
        let DeleteNodeResourceRequest { uid, if_revision } = request.into_inner();
        let node = node_of("uid", &uid)?;
        self.change_node(&author, |state| {
            Ok(node_changes::delete(state, &node, if_revision))
        })
        .await?;
        Ok(Response::new(DeleteNodeResourceResponse {
            message: "Node deleted successfully".to_owned(),
            uid: node.to_string(),
        }))
    }
}

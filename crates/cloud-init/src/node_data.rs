//! The service of nodes: each handler finds the caller, waits for its boot context, and renders.

use std::sync::Arc;

use model::{BootContext, NodeUrls};
use proto::bss::v1::{BssCommand, bss_command};
use proto::cloud_init::v1::{
    CloudInitCommand, NodeDataRequest, PhoneHomeRequest, PhoneHomeResponse, cloud_init_command,
    node_data_service_server,
};
use proto::google::api::HttpBody;
use proto::raft::v1::entry::Command;
use raft::Store;
use rpc::{Caller, Error};
use state::State;
use tonic::{Request, Response, Status};

use crate::meta_data::NodeFacts;
use crate::node::Node;
use crate::{meta_data, network_config, phone_home, user_data, vendor_data};

const YAML: &str = "application/x-yaml";
const CLOUD_CONFIG: &str = "text/cloud-config";

/// NoCloud for the nodes of this cluster.
#[derive(Clone, Debug)]
pub struct NodeDataService {
    store: Store,
    urls: Arc<NodeUrls>,
}

/// A call of a node, with what every document needs.
struct Call {
    node: Node,
    state: Arc<State>,
    context: Option<BootContext>,
    /// `http://<service address>:<port>/cloud-init`.
    base_url: String,
}

impl NodeDataService {
    /// A service that answers from `store` and names the addresses of `urls`.
    #[must_use]
    pub fn new(store: Store, urls: Arc<NodeUrls>) -> NodeDataService {
        NodeDataService { store, urls }
    }

    async fn call(&self, caller: &Caller, context: &str) -> Result<Call, Error> {
        let context = self.store.boot_context(context).await?;
        let (node, state) = Node::of_caller(&self.store, caller).await?;
        let local = caller.local.map(|local| local.ip());
        let base = self
            .urls
            .base_for(local.into_iter().chain([node.address]))
            .ok_or_else(|| Error::Conflict {
                detail: "this member serves no boot network; ask a member with a [[network]] of kind boot"
                    .to_owned(),
            })?;
        Ok(Call {
            node,
            state,
            context,
            base_url: format!("{base}/cloud-init"),
        })
    }

    /// The stored instance-id; the first call of a node has one stored.
    async fn instance_id(&self, call: &Call, principal: &str) -> Result<String, Error> {
        if let Some(instance) = call.state.cloud_init.instance(&call.node.xname) {
            return Ok(instance.instance_id.clone());
        }
        let assign = cloud_init_command::AssignInstanceId {
            node: call.node.xname.to_string(),
        };
        let change = cloud_init_command::Change::AssignInstanceId(assign);
        let command = Command::CloudInit(CloudInitCommand { change: Some(change) });
        self.store.propose(principal, command, None).await?;
        let stored = self.store.state().cloud_init.instance(&call.node.xname);
        stored
            .map(|instance| instance.instance_id.clone())
            .ok_or_else(|| {
                Error::Internal(format!(
                    "no instance-id of {} after it was assigned",
                    call.node.xname
                ))
            })
    }

    /// The caller may report for itself only. An instance-id that is not known here may have been assigned by
    /// another member a moment ago, so a "no" needs a read index.
    async fn check_own(&self, id: &str, call: &Call) -> Result<(), Error> {
        let xname = &call.node.xname;
        let is_own = |state: &State| {
            let instance = state.cloud_init.instance(xname);
            phone_home::is_own(
                id,
                xname,
                instance.as_ref().map(|instance| instance.instance_id.as_str()),
            )
        };
        if is_own(&call.state) {
            return Ok(());
        }
        self.store.linearize().await?;
        if is_own(&self.store.state()) {
            return Ok(());
        }
        Err(Error::Denied {
            reason: format!("a node may phone home for itself only: this address belongs to {xname}"),
        })
    }
}

#[tonic::async_trait]
impl node_data_service_server::NodeDataService for NodeDataService {
    #[tracing::instrument(name = "cloud_init.network_config", skip_all)]
    async fn get_network_config(
        &self,
        request: Request<NodeDataRequest>,
    ) -> Result<Response<HttpBody>, Status> {
        let call = self.call(rpc::caller(&request), &request.get_ref().ctx).await?;
        Ok(body(YAML, network_config::render(call.node.mac)))
    }

    #[tracing::instrument(name = "cloud_init.meta_data", skip_all)]
    async fn get_meta_data(&self, request: Request<NodeDataRequest>) -> Result<Response<HttpBody>, Status> {
        let caller = rpc::caller(&request);
        let call = self.call(caller, &request.get_ref().ctx).await?;
        let instance_id = self.instance_id(&call, &caller.identity.principal()).await?;
        let component = &call.node.component;
        let facts = NodeFacts {
            xname: &call.node.xname,
            nid: component.nid,
            role: &component.role,
            sub_role: &component.sub_role,
            instance_id: &instance_id,
            address: call.node.address,
            cluster_name: call.state.cluster_name(),
            base_url: &call.base_url,
        };
        Ok(body(YAML, yaml(meta_data::render(&facts))?))
    }

    #[tracing::instrument(name = "cloud_init.user_data", skip_all)]
    async fn get_user_data(&self, request: Request<NodeDataRequest>) -> Result<Response<HttpBody>, Status> {
        self.call(rpc::caller(&request), &request.get_ref().ctx).await?;
        Ok(body(CLOUD_CONFIG, user_data::render().to_owned()))
    }

    #[tracing::instrument(name = "cloud_init.vendor_data", skip_all)]
    async fn get_vendor_data(&self, request: Request<NodeDataRequest>) -> Result<Response<HttpBody>, Status> {
        let call = self.call(rpc::caller(&request), &request.get_ref().ctx).await?;
        let boot = match &call.context {
            Some(context) => {
                let revision = call.state.applied_index();
                format!(
                    "/b/{}",
                    BootContext {
                        revision,
                        boot_id: context.boot_id
                    }
                )
            }
            None => String::new(),
        };
        let url = format!("{}{boot}/phone-home/{}", call.base_url, call.node.xname);
        Ok(body(CLOUD_CONFIG, yaml(vendor_data::render(&url))?))
    }

    async fn get_group_data(
        &self,
        _: Request<proto::cloud_init::v1::GroupDataRequest>,
    ) -> Result<Response<HttpBody>, Status> {
        Err(Status::unimplemented("this member does not serve the data of groups"))
    }

    #[tracing::instrument(name = "cloud_init.phone_home", skip_all, fields(id = ?request.get_ref().id))]
    async fn phone_home(
        &self,
        request: Request<PhoneHomeRequest>,
    ) -> Result<Response<PhoneHomeResponse>, Status> {
        let caller = rpc::caller(&request);
        let form = request.get_ref();
        let call = self.call(caller, &form.ctx).await?;
        self.check_own(&form.id, &call).await?;
        let record = phone_home::record(&call.node, call.context, form)?;
        let change = bss_command::Change::RecordBoot(bss_command::RecordBoot { record: Some(record) });
        let command = Command::Bss(BssCommand { change: Some(change) });
        let committed = self
            .store
            .propose(&caller.identity.principal(), command, None)
            .await?;
        tracing::debug!(node = %call.node.xname, revision = committed.revision, "a node phoned home");
        Ok(Response::new(PhoneHomeResponse {}))
    }
}

fn body(content_type: &str, text: String) -> Response<HttpBody> {
    Response::new(HttpBody {
        content_type: content_type.to_owned(),
        data: text.into_bytes(),
        extensions: Vec::new(),
    })
}

fn yaml(rendered: serde_yaml_ng::Result<String>) -> Result<String, Error> {
    rendered.map_err(|error| Error::Internal(format!("the document could not be written as YAML: {error}")))
}

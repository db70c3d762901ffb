//! The service of nodes: each handler finds the caller, waits for its boot context, and renders.

use std::net::IpAddr;
use std::sync::Arc;

use model::{BootContext, NodeUrls};
use proto::bss::v1::boot_phase::Phase;
use proto::bss::v1::{BssCommand, bss_command};
use proto::cloud_init::v1::{
    CloudInitCommand, GroupDataRequest, NodeDataRequest, PhoneHomeRequest, PhoneHomeResponse,
    cloud_init_command, node_data_service_server,
};
use proto::google::api::HttpBody;
use proto::raft::v1::entry::Command;
use raft::Store;
use rpc::{Caller, Error};
use state::State;
use state::cluster::FEATURE_LEVEL_BOOT;
use timeline::{Seen, Timeline};
use tonic::{Request, Response, Status};

use crate::document::{self, View};
use crate::node::Node;
use crate::phone_home;

/// NoCloud for the nodes of this cluster.
#[derive(Clone, Debug)]
pub struct NodeDataService {
    store: Store,
    urls: Arc<NodeUrls>,
    timeline: Timeline,
}

/// A call of a node, with what every document needs.
struct Call {
    node: Node,
    state: Arc<State>,
    context: Option<BootContext>,
    /// `http://<service address>:<port>/cloud-init`.
    service_url: String,
}

impl Call {
    fn view(&self) -> View<'_> {
        View {
            state: &self.state,
            xname: &self.node.xname,
            component: &self.node.component,
            mac: Some(self.node.mac),
            address: Some(self.node.address),
            service_url: self.service_url.clone(),
            boot_id: self.context.map(|context| context.boot_id),
        }
    }

    /// The answer, which is noted as a phase of the node's boot.
    fn answer(&self, timeline: &Timeline, phase: Phase, document: HttpBody) -> Response<HttpBody> {
        timeline.note(Seen {
            node: self.node.xname.clone(),
            boot_id: self.context.map(|context| context.boot_id),
            phase,
            bytes: document.data.len() as u64,
            revision: self.state.applied_index(),
        });
        Response::new(document)
    }
}

impl NodeDataService {
    /// A service that answers from `store` and names the addresses of `urls`.
    #[must_use]
    pub fn new(store: Store, urls: Arc<NodeUrls>) -> NodeDataService {
        let timeline = Timeline::default();
        NodeDataService {
            store,
            urls,
            timeline,
        }
    }

    /// As it is, and notes in `timeline` what nodes fetch.
    #[must_use]
    pub fn noting_in(self, timeline: Timeline) -> NodeDataService {
        NodeDataService { timeline, ..self }
    }

    async fn call(&self, caller: &Caller, context: &str) -> Result<Call, Error> {
        let context = self.store.boot_context(context).await?;
        let (node, state) = Node::of_caller(&self.store, caller).await?;
        let local = caller.local.map(|local| local.ip());
        let base = base_for(&self.urls, local.into_iter().chain([node.address]))?;
        Ok(Call {
            node,
            state,
            context,
            service_url: format!("{base}/cloud-init"),
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
        let document = call.view().network_config();
        let document = document
            .ok_or_else(|| Error::Internal(format!("{} calls and has no interface", call.node.xname)))?;
        Ok(call.answer(&self.timeline, Phase::NetworkConfig, document))
    }

    #[tracing::instrument(name = "cloud_init.meta_data", skip_all)]
    async fn get_meta_data(&self, request: Request<NodeDataRequest>) -> Result<Response<HttpBody>, Status> {
        let caller = rpc::caller(&request);
        let call = self.call(caller, &request.get_ref().ctx).await?;
        let instance_id = self.instance_id(&call, &caller.identity.principal()).await?;
        Ok(call.answer(
            &self.timeline,
            Phase::MetaData,
            call.view().meta_data(&instance_id)?,
        ))
    }

    #[tracing::instrument(name = "cloud_init.user_data", skip_all)]
    async fn get_user_data(&self, request: Request<NodeDataRequest>) -> Result<Response<HttpBody>, Status> {
        let call = self.call(rpc::caller(&request), &request.get_ref().ctx).await?;
        Ok(call.answer(&self.timeline, Phase::UserData, call.view().user_data()))
    }

    #[tracing::instrument(name = "cloud_init.vendor_data", skip_all)]
    async fn get_vendor_data(&self, request: Request<NodeDataRequest>) -> Result<Response<HttpBody>, Status> {
        let call = self.call(rpc::caller(&request), &request.get_ref().ctx).await?;
        Ok(call.answer(&self.timeline, Phase::VendorData, call.view().vendor_data()?))
    }

    /// That the node is no member, or the group has no file, another member may know better: both are said after a
    /// read index only.
    #[tracing::instrument(name = "cloud_init.group_data", skip_all, fields(file = ?request.get_ref().file))]
    async fn get_group_data(&self, request: Request<GroupDataRequest>) -> Result<Response<HttpBody>, Status> {
        let (caller, asked) = (rpc::caller(&request), request.get_ref());
        let label = document::label_of(&asked.file)?;
        let call = self.call(caller, &asked.ctx).await?;
        if let Some(document) = call.view().group_data(label) {
            return Ok(Response::new(document));
        }
        self.store.linearize().await?;
        let call = self.call(caller, &asked.ctx).await?;
        let view = call.view();
        match view.group_data(label) {
            Some(document) => Ok(Response::new(document)),
            None if view.is_member_of(label) => Ok(Response::new(document::no_settings())),
            None => Err(document::not_a_member(view.xname, label).into()),
        }
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
        let mut record = phone_home::record(&call.node, call.context, form)?;
        // members of an older version do not know the field
        if call.state.feature_level() >= FEATURE_LEVEL_BOOT {
            record.script_revision = call.context.map_or(0, |context| context.revision);
        }
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

/// Scheme, service address and port for a node that is known by `addresses`.
///
/// # Errors
/// `Conflict` if this member serves no network with nodes.
pub(crate) fn base_for(urls: &NodeUrls, addresses: impl IntoIterator<Item = IpAddr>) -> Result<&str, Error> {
    urls.base_for(addresses).ok_or_else(|| Error::Conflict {
        detail: "this member serves no boot network; ask a member with a [[network]] of kind boot".to_owned(),
    })
}

//! The service of nodes: each handler finds the caller, waits for its boot context, and renders.

use std::net::IpAddr;
use std::sync::Arc;

use auth::BootTokens;
use model::{BootContext, NodeUrls};
use proto::bss::v1::boot_phase::Phase;
use proto::bss::v1::{BssCommand, bss_command};
use proto::cloud_init::v1::{
    CloudInitCommand, GroupDataRequest, InitWireGuardRequest, InitWireGuardResponse, NodeDataRequest,
    PhoneHomeRequest, PhoneHomeResponse, Profile, cloud_init_command, node_data_service_server,
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
use crate::secrets::{Holder, Opened, Opener, has_secrets, secret_labels};

/// What a client of OpenCHAMI's WireGuard tunnel is told.
const NOT_IMPLEMENTED: u16 = 501;

/// Why meta-data has nothing secret, for a node whose script gave it no token, or that asks without it.
const NO_TOKEN: &str = "it was asked for without the token of a boot, which is in the ds= of the boot script";

/// NoCloud for the nodes of this cluster.
#[derive(Clone, Debug)]
pub struct NodeDataService {
    store: Store,
    urls: Arc<NodeUrls>,
    opener: Opener,
    timeline: Timeline,
}

/// A call of a node, with what every document needs.
struct Call {
    node: Node,
    state: Arc<State>,
    context: Option<BootContext>,
    /// `http://<service address>:<port>/cloud-init`.
    service_url: String,
    /// The profile that applies to the node for now.
    profile: Option<Arc<Profile>>,
}

impl Call {
    fn view(&self, opened: Opened) -> View<'_> {
        View {
            state: &self.state,
            xname: &self.node.xname,
            component: &self.node.component,
            mac: Some(self.node.mac),
            address: Some(self.node.address),
            service_url: self.service_url.clone(),
            boot_id: self.context.map(|context| context.boot_id),
            profile: self.profile.clone(),
            opened,
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

    /// Who asks for what is secret; `None` without a token, or when nothing of the node's is.
    fn holder<'a>(&'a self, token: &'a str, principal: &'a str) -> Option<Holder<'a>> {
        let is_asked = !token.is_empty() && has_secrets(&self.state, &self.node.xname);
        is_asked.then_some(Holder {
            node: &self.node,
            context: self.context,
            token,
            principal,
        })
    }
}

impl NodeDataService {
    /// A service that answers from `store`, names the addresses of `urls`, and opens what is secret with `tokens`.
    #[must_use]
    pub fn new(store: Store, urls: Arc<NodeUrls>, tokens: BootTokens) -> NodeDataService {
        let opener = Opener::new(store.clone(), tokens);
        let timeline = Timeline::default();
        NodeDataService {
            store,
            urls,
            opener,
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
        let profile = state
            .cloud_init
            .profile_of(&node.xname, self.store.cluster_time_ms());
        Ok(Call {
            profile,
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

    /// The contents of a group that is secret for the node: its boot must hold the token.
    async fn opened_group(
        &self,
        call: &Call,
        caller: &Caller,
        asked: &GroupDataRequest,
        label: &str,
    ) -> Result<Opened, Error> {
        let view = call.view(Opened::default());
        if !view.is_member_of(label) || !view.is_secret(label) {
            return Ok(Opened::default());
        }
        match call.holder(&asked.token, &caller.identity.principal()) {
            Some(holder) => self.opener.open(&call.state, &holder, &[label]).await,
            None => Err(document::is_secret(label)),
        }
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
        let document = call.view(Opened::default()).network_config();
        let document = document
            .ok_or_else(|| Error::Internal(format!("{} calls and has no interface", call.node.xname)))?;
        Ok(call.answer(&self.timeline, Phase::NetworkConfig, document))
    }

    /// A part that is secret and cannot be given now is left out, and the document says so in its place: without meta-data
    /// cloud-init would leave the node without a name and without keys.
    #[tracing::instrument(name = "cloud_init.meta_data", skip_all)]
    async fn get_meta_data(&self, request: Request<NodeDataRequest>) -> Result<Response<HttpBody>, Status> {
        let caller = rpc::caller(&request);
        let asked = request.get_ref();
        let call = self.call(caller, &asked.ctx).await?;
        let principal = caller.identity.principal();
        let opened = match call.holder(&asked.token, &principal) {
            Some(holder) => {
                let labels = secret_labels(&call.state, &call.node.xname);
                self.opener
                    .open_or_withhold(&call.state, &holder, &labels)
                    .await?
            }
            None => Opened::nothing(NO_TOKEN),
        };
        let instance_id = self.instance_id(&call, &principal).await?;
        let document = call.view(opened).meta_data(&instance_id)?;
        Ok(call.answer(&self.timeline, Phase::MetaData, document))
    }

    #[tracing::instrument(name = "cloud_init.user_data", skip_all)]
    async fn get_user_data(&self, request: Request<NodeDataRequest>) -> Result<Response<HttpBody>, Status> {
        let call = self.call(rpc::caller(&request), &request.get_ref().ctx).await?;
        let document = call.view(Opened::default()).user_data();
        Ok(call.answer(&self.timeline, Phase::UserData, document))
    }

    #[tracing::instrument(name = "cloud_init.vendor_data", skip_all)]
    async fn get_vendor_data(&self, request: Request<NodeDataRequest>) -> Result<Response<HttpBody>, Status> {
        let (caller, asked) = (rpc::caller(&request), request.get_ref());
        let call = self.call(caller, &asked.ctx).await?;
        let opened = match call.holder(&asked.token, &caller.identity.principal()) {
            Some(holder) => self.opener.named(&call.state, &holder),
            None => Opened::default(),
        };
        let document = call.view(opened).vendor_data()?;
        Ok(call.answer(&self.timeline, Phase::VendorData, document))
    }

    /// That the node is no member, or the group has no file, another member may know better: both are said after a
    /// read index only. A secret file is opened for the boot that holds its token.
    #[tracing::instrument(name = "cloud_init.group_data", skip_all, fields(file = ?request.get_ref().file))]
    async fn get_group_data(&self, request: Request<GroupDataRequest>) -> Result<Response<HttpBody>, Status> {
        let (caller, asked) = (rpc::caller(&request), request.get_ref());
        let label = document::label_of(&asked.file)?;
        let call = self.call(caller, &asked.ctx).await?;
        let opened = self.opened_group(&call, caller, asked, label).await?;
        if let Some(document) = call.view(opened).group_data(label) {
            return Ok(Response::new(document));
        }
        self.store.linearize().await?;
        let call = self.call(caller, &asked.ctx).await?;
        let opened = self.opened_group(&call, caller, asked, label).await?;
        let view = call.view(opened);
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

    #[tracing::instrument(name = "cloud_init.init_wire_guard", skip_all)]
    async fn init_wire_guard(
        &self,
        _: Request<InitWireGuardRequest>,
    ) -> Result<Response<InitWireGuardResponse>, Status> {
        let detail = "a WireGuard tunnel is not offered; mark what is secret with `chamois cloud-init group put NAME \
                      --secret`, and nodes are given it by the token in the ds= of their boot script";
        let error = Error::Conflict {
            detail: detail.to_owned(),
        };
        Err(error.with_http_status(NOT_IMPLEMENTED))
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

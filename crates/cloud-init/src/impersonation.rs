//! OpenCHAMI's `/cloud-init/admin/impersonation`: what a node would be given, shown to an administrator; without what is
//! secret, which nobody is shown but the node. All of a node's documents at once are what `ExplainBoot` shows.

use std::net::IpAddr;
use std::sync::Arc;

use model::{NodeUrls, Xname};
use proto::bss::v1::BootDocument;
use proto::cloud_init::v1::{GetNodeDataRequest, Profile, impersonation_service_server};
use proto::google::api::HttpBody;
use proto::smd::v1::{Component, EthernetInterface};
use raft::Store;
use rpc::Error;
use state::State;
use tonic::{Request, Response, Status};

use crate::document::{self, View};
use crate::node::node_of;
use crate::node_data::base_for;
use crate::secrets::Opened;

/// Documents that every node asks for, in the order in which cloud-init does.
const DOCUMENTS: [&str; 4] = ["network-config", "meta-data", "user-data", "vendor-data"];
/// Stands in the place of what is secret.
const NOT_SHOWN: &str = "it is given to the node alone, at its boot";

/// Every document that a node would get now, and the files of its groups, in a boot with the id 0; what is secret is told and
/// not shown. A document that it would not get says why. Pure: nothing is stored, no token made. None for what is no node.
#[must_use]
pub fn documents(state: &State, urls: &NodeUrls, node: &Xname, now_ms: u64) -> Vec<BootDocument> {
    let Some(component) = state.smd.component(node).filter(|_| node.is_node()) else {
        return Vec::new();
    };
    let profile = state.cloud_init.profile_of(node, now_ms);
    let mut view = match view_of(state, urls, node, &component, profile) {
        Ok(view) => view,
        Err(error) => return DOCUMENTS.map(|name| shown(name, Err(error.to_string()))).into(),
    };
    view.boot_id = Some(0);
    let files = view.with_file().map(|label| format!("{label}.yaml"));
    let names = DOCUMENTS.map(str::to_owned).into_iter().chain(files);
    names
        .map(|name| {
            shown(
                &name,
                document_of(&view, &name).map_err(|error| error.to_string()),
            )
        })
        .collect()
}

fn shown(name: &str, document: Result<HttpBody, String>) -> BootDocument {
    let name = name.to_owned();
    match document {
        Ok(body) => BootDocument {
            name,
            content_type: body.content_type,
            text: String::from_utf8_lossy(&body.data).into_owned(),
            problem: String::new(),
        },
        Err(problem) => BootDocument {
            name,
            problem,
            ..BootDocument::default()
        },
    }
}

/// Documents of nodes, without side effects.
#[derive(Clone, Debug)]
pub struct ImpersonationService {
    store: Store,
    urls: Arc<NodeUrls>,
}

impl ImpersonationService {
    /// A service that answers from `store` and names the addresses of `urls`.
    #[must_use]
    pub fn new(store: Store, urls: Arc<NodeUrls>) -> ImpersonationService {
        ImpersonationService { store, urls }
    }

    /// A profile that has not expired, whether the node is in it or not.
    fn profile(&self, state: &State, name: &str) -> Result<Arc<Profile>, Error> {
        let now_ms = self.store.cluster_time_ms();
        let found = state.cloud_init.profile(name);
        let live = found.filter(|profile| profile.expires_at_ms > now_ms);
        live.ok_or_else(|| Error::NotFound {
            kind: "profile".to_owned(),
            id: format!("{name}, or it has expired"),
        })
    }
}

#[tonic::async_trait]
impl impersonation_service_server::ImpersonationService for ImpersonationService {
    #[tracing::instrument(name = "cloud_init.impersonate", skip_all, fields(id = ?request.get_ref().id))]
    async fn get_node_data(
        &self,
        request: Request<GetNodeDataRequest>,
    ) -> Result<Response<HttpBody>, Status> {
        let asked = request.get_ref();
        let xname = node_of(&asked.id)?;
        let state = self.store.state();
        let component = state.smd.component(&xname).ok_or_else(|| Error::NotFound {
            kind: "component".to_owned(),
            id: xname.to_string(),
        })?;
        let profile = match asked.profile.as_str() {
            "" => state.cloud_init.profile_of(&xname, self.store.cluster_time_ms()),
            name => Some(self.profile(&state, name)?),
        };
        let view = view_of(&state, &self.urls, &xname, &component, profile)?;
        Ok(Response::new(document_of(&view, &asked.document)?))
    }
}

/// What the node would be shown, but for what is secret.
fn view_of<'a>(
    state: &'a State,
    urls: &NodeUrls,
    xname: &'a Xname,
    component: &'a Component,
    profile: Option<Arc<Profile>>,
) -> Result<View<'a>, Error> {
    let boot_interface = boot_interface(state, xname);
    let address = boot_interface.as_deref().and_then(address_of);
    let base = base_for(urls, address)?;
    Ok(View {
        state,
        xname,
        component,
        mac: boot_interface.and_then(|interface| interface.mac_address.parse().ok()),
        address,
        service_url: format!("{base}/cloud-init"),
        boot_id: None,
        profile,
        opened: Opened::nothing(NOT_SHOWN),
    })
}

/// The interface that the node would ask from: the first, by MAC, that has an address, else the first.
fn boot_interface(state: &State, xname: &Xname) -> Option<Arc<EthernetInterface>> {
    let mut interfaces = state.smd.interfaces_of(xname);
    let with_address = interfaces.find(|interface| address_of(interface).is_some());
    with_address
        .or_else(|| state.smd.interfaces_of(xname).next())
        .cloned()
}

fn address_of(interface: &EthernetInterface) -> Option<IpAddr> {
    let mut addresses = interface.ip_addresses.iter();
    addresses.find_map(|mapping| mapping.ip_address.parse().ok())
}

fn document_of(view: &View<'_>, document: &str) -> Result<HttpBody, Error> {
    match document {
        "network-config" => view.network_config().ok_or_else(|| Error::NotFound {
            kind: "Ethernet interface of".to_owned(),
            id: format!("{}; network-config names its MAC", view.xname),
        }),
        "meta-data" => meta_data(view),
        "user-data" => Ok(view.user_data()),
        "vendor-data" => view.vendor_data(),
        file => {
            let label = document::label_of(file)?;
            if view.is_member_of(label) && view.is_secret(label) {
                return Err(document::is_secret(label));
            }
            match view.group_data(label) {
                Some(data) => Ok(data),
                None if view.is_member_of(label) => Ok(document::no_settings()),
                None => Err(document::not_a_member(view.xname, label)),
            }
        }
    }
}

/// A node that has not asked yet has no instance-id: the document says so in a comment, and none is made up.
fn meta_data(view: &View<'_>) -> Result<HttpBody, Error> {
    if let Some(instance) = view.state.cloud_init.instance(view.xname) {
        return view.meta_data(&instance.instance_id);
    }
    let mut document = view.meta_data("")?;
    let note = format!(
        "# {} has no instance-id yet: its first request stores one\n",
        view.xname
    );
    document.data.splice(..0, note.into_bytes());
    Ok(document)
}

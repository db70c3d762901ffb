//! OpenCHAMI's `/cloud-init/admin/impersonation`: what a node would be given, shown to an administrator; without what is
//! secret, which nobody is shown but the node.

use std::net::IpAddr;
use std::sync::Arc;

use model::{NodeUrls, Xname};
use proto::cloud_init::v1::{GetNodeDataRequest, Profile, impersonation_service_server};
use proto::google::api::HttpBody;
use proto::smd::v1::EthernetInterface;
use raft::Store;
use rpc::Error;
use state::State;
use tonic::{Request, Response, Status};

use crate::document::{self, View};
use crate::node::node_of;
use crate::node_data::base_for;
use crate::secrets::Opened;

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
        let boot_interface = boot_interface(&state, &xname);
        let address = boot_interface.as_deref().and_then(address_of);
        let base = base_for(&self.urls, address)?;
        let profile = match asked.profile.as_str() {
            "" => state.cloud_init.profile_of(&xname, self.store.cluster_time_ms()),
            name => Some(self.profile(&state, name)?),
        };
        let view = View {
            state: &state,
            xname: &xname,
            component: &component,
            mac: boot_interface.and_then(|interface| interface.mac_address.parse().ok()),
            address,
            service_url: format!("{base}/cloud-init"),
            boot_id: None,
            profile,
            opened: Opened::default(),
        };
        Ok(Response::new(document_of(&view, &asked.document)?))
    }
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

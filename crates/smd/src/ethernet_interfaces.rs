//! HSM's Inventory/EthernetInterfaces.

use std::net::IpAddr;
use std::sync::Arc;

use model::{MacAddr, Xname};
use proto::raft::v1::entry::Command;
use proto::smd::v1::{
    AddIpAddressRequest, CreateEthernetInterfaceRequest, CreateEthernetInterfacesRequest,
    CreateEthernetInterfacesResponse, DeleteEthernetInterfaceRequest, DeleteEthernetInterfacesRequest,
    DeleteIpAddressRequest, DeleteResponse, EthernetInterface, GetEthernetInterfaceRequest, IpAddressMapping,
    ListEthernetInterfacesRequest, ListEthernetInterfacesResponse, ListIpAddressesRequest,
    ListIpAddressesResponse, PatchEthernetInterfaceRequest, PatchIpAddressRequest, ResourceUri, SmdCommand,
    ethernet_interface_service_server, smd_command,
};
use raft::{Committed, Store};
use rpc::{Author, Error};
use tonic::{Request, Response, Status};

use crate::ethernet_interface_filter::EthernetInterfaceFilter;
use crate::{etag, legacy, page};

/// Where the collection is found.
const COLLECTION: &str = "/hsm/v2/Inventory/EthernetInterfaces";

/// NICs of the system: MACs with their addresses and carriers.
#[derive(Clone, Debug)]
pub struct EthernetInterfaceService {
    store: Store,
}

impl EthernetInterfaceService {
    /// A service that changes and answers from `store`.
    #[must_use]
    pub fn new(store: Store) -> EthernetInterfaceService {
        EthernetInterfaceService { store }
    }

    async fn propose(&self, author: &Author, change: smd_command::Change) -> Result<Committed, Error> {
        self.store
            .propose_by(author, Command::Smd(SmdCommand { change: Some(change) }))
            .await
    }

    fn stored(&self, id: &str) -> Result<Arc<EthernetInterface>, Error> {
        self.store
            .state()
            .smd
            .interface(&interface_id(id)?)
            .ok_or_else(|| legacy::no_such_interface(id))
    }
}

#[tonic::async_trait]
impl ethernet_interface_service_server::EthernetInterfaceService for EthernetInterfaceService {
    #[tracing::instrument(level = "debug", name = "smd.list_ethernet_interfaces", skip_all)]
    async fn list_ethernet_interfaces(
        &self,
        request: Request<ListEthernetInterfacesRequest>,
    ) -> Result<Response<ListEthernetInterfacesResponse>, Status> {
        let mut request = request.into_inner();
        let asked = page::Asked::take(&mut request.page_size, &mut request.page_token);
        let filter = EthernetInterfaceFilter::parse(&request)?;
        let state = self.store.state();
        let page = asked.of(&request, state.cluster_id())?;
        let named = filter.named(&state);
        let all = named.is_none().then(|| state.smd.interfaces_after(page.after()));
        let is_ahead = |interface: &&Arc<EthernetInterface>| {
            page.after()
                .is_none_or(|after: &MacAddr| interface.id > after.id())
        };
        let wanted = named
            .iter()
            .flatten()
            .filter(is_ahead)
            .chain(all.into_iter().flatten())
            .filter(|interface| filter.admits(interface));
        let (interfaces, next_page_token) = page.cut(
            wanted,
            |interface| &interface.id,
            |interface| interface.as_ref().clone(),
        );
        Ok(Response::new(ListEthernetInterfacesResponse {
            interfaces,
            revision: state.applied_index(),
            next_page_token,
        }))
    }

    #[tracing::instrument(name = "smd.create_ethernet_interface", skip_all)]
    async fn create_ethernet_interface(
        &self,
        request: Request<CreateEthernetInterfaceRequest>,
    ) -> Result<Response<ResourceUri>, Status> {
        let author = rpc::author(&request);
        let interface = new_interface(request.get_ref())?;
        let uri = format!("{COLLECTION}/{}", interface.id);
        let create = smd_command::CreateEthernetInterface {
            interface: Some(interface),
        };
        let committed = self
            .propose(&author, smd_command::Change::CreateEthernetInterface(create))
            .await?;
        Ok(Response::new(ResourceUri {
            uri,
            revision: committed.revision,
        }))
    }

    #[tracing::instrument(name = "smd.create_ethernet_interfaces", skip_all)]
    async fn create_ethernet_interfaces(
        &self,
        request: Request<CreateEthernetInterfacesRequest>,
    ) -> Result<Response<CreateEthernetInterfacesResponse>, Status> {
        let author = rpc::author(&request);
        let CreateEthernetInterfacesRequest {
            interfaces,
            replace,
            if_revisions,
        } = request.into_inner();
        let interfaces = interfaces.iter().enumerate().map(|(place, interface)| {
            new_interface(interface).map_err(|error| within(&format!("interfaces[{place}]."), error))
        });
        let create = smd_command::CreateEthernetInterfaces {
            interfaces: interfaces.collect::<Result<_, _>>()?,
            replace,
            if_revisions,
        };
        let committed = self
            .propose(&author, smd_command::Change::CreateEthernetInterfaces(create))
            .await?;
        let Committed { revision, applied } = committed;
        Ok(Response::new(CreateEthernetInterfacesResponse {
            revision,
            created: applied.created,
            updated: applied.updated,
            unchanged: applied.unchanged,
        }))
    }

    #[tracing::instrument(name = "smd.delete_ethernet_interfaces", skip_all)]
    async fn delete_ethernet_interfaces(
        &self,
        request: Request<DeleteEthernetInterfacesRequest>,
    ) -> Result<Response<DeleteResponse>, Status> {
        let author = rpc::author(&request);
        let delete = smd_command::DeleteEthernetInterfaces {
            all: true,
            ..Default::default()
        };
        let outcome = self
            .propose(&author, smd_command::Change::DeleteEthernetInterfaces(delete))
            .await;
        Ok(Response::new(legacy::deleted_all(outcome)?))
    }

    #[tracing::instrument(level = "debug", name = "smd.get_ethernet_interface", skip_all, fields(id = ?request.get_ref().id))]
    async fn get_ethernet_interface(
        &self,
        request: Request<GetEthernetInterfaceRequest>,
    ) -> Result<Response<EthernetInterface>, Status> {
        Ok(Response::new(
            self.stored(&request.get_ref().id)?.as_ref().clone(),
        ))
    }

    /// HSM answers with the object, as it is after the patch.
    #[tracing::instrument(name = "smd.patch_ethernet_interface", skip_all, fields(id = ?request.get_ref().id))]
    async fn patch_ethernet_interface(
        &self,
        request: Request<PatchEthernetInterfaceRequest>,
    ) -> Result<Response<EthernetInterface>, Status> {
        let author = rpc::author(&request);
        let patch = patch_of(request.get_ref())?;
        let mac = interface_id(&patch.id)?;
        self.propose(&author, smd_command::Change::PatchEthernetInterface(patch))
            .await?;
        let patched = self.store.state_after(&author).smd.interface(&mac);
        let patched = patched.ok_or_else(|| legacy::no_such_interface(&request.get_ref().id))?;
        let patched = patched.as_ref().clone();
        Ok(Response::new(EthernetInterface {
            meta: author.told_meta(patched.meta),
            ..patched
        }))
    }

    #[tracing::instrument(name = "smd.delete_ethernet_interface", skip_all, fields(id = ?request.get_ref().id))]
    async fn delete_ethernet_interface(
        &self,
        request: Request<DeleteEthernetInterfaceRequest>,
    ) -> Result<Response<DeleteResponse>, Status> {
        let author = rpc::author(&request);
        let DeleteEthernetInterfaceRequest { id, if_revision } = request.get_ref();
        let delete = smd_command::DeleteEthernetInterfaces {
            ids: vec![interface_id(id)?.id()],
            all: false,
            if_revision: *if_revision,
        };
        let committed = self
            .propose(&author, smd_command::Change::DeleteEthernetInterfaces(delete))
            .await?;
        Ok(Response::new(legacy::deleted_one(&committed)))
    }

    #[tracing::instrument(level = "debug", name = "smd.list_ip_addresses", skip_all, fields(id = ?request.get_ref().id))]
    async fn list_ip_addresses(
        &self,
        request: Request<ListIpAddressesRequest>,
    ) -> Result<Response<ListIpAddressesResponse>, Status> {
        let interface = self.stored(&request.get_ref().id)?;
        let ip_addresses = interface.ip_addresses.clone();
        let mut response = Response::new(ListIpAddressesResponse { ip_addresses });
        etag::set(&mut response, &self.store, interface.meta.as_ref());
        Ok(response)
    }

    #[tracing::instrument(name = "smd.add_ip_address", skip_all, fields(id = ?request.get_ref().id))]
    async fn add_ip_address(
        &self,
        request: Request<AddIpAddressRequest>,
    ) -> Result<Response<ResourceUri>, Status> {
        let author = rpc::author(&request);
        let AddIpAddressRequest {
            id,
            ip_address,
            network,
            if_revision,
        } = request.get_ref();
        let id = interface_id(id)?.id();
        let ip = address("IPAddress", ip_address)?.to_string();
        let uri = format!("{COLLECTION}/{id}/IPAddresses/{ip}");
        let mapping = IpAddressMapping {
            ip_address: ip,
            network: network.clone(),
        };
        let add = smd_command::AddIpAddress {
            id,
            mapping: Some(mapping),
            if_revision: *if_revision,
        };
        let committed = self
            .propose(&author, smd_command::Change::AddIpAddress(add))
            .await?;
        Ok(Response::new(ResourceUri {
            uri,
            revision: committed.revision,
        }))
    }

    #[tracing::instrument(name = "smd.patch_ip_address", skip_all, fields(id = ?request.get_ref().id))]
    async fn patch_ip_address(
        &self,
        request: Request<PatchIpAddressRequest>,
    ) -> Result<Response<IpAddressMapping>, Status> {
        let author = rpc::author(&request);
        let PatchIpAddressRequest {
            id,
            ip,
            network,
            if_revision,
        } = request.get_ref();
        let id = interface_id(id)?.id();
        let ip = address("ip", ip)?.to_string();
        let patched = IpAddressMapping {
            ip_address: ip.clone(),
            network: network.clone(),
        };
        let patch = smd_command::PatchIpAddress {
            id,
            ip,
            network: network.clone(),
            if_revision: *if_revision,
        };
        self.propose(&author, smd_command::Change::PatchIpAddress(patch))
            .await?;
        Ok(Response::new(patched))
    }

    #[tracing::instrument(name = "smd.delete_ip_address", skip_all, fields(id = ?request.get_ref().id))]
    async fn delete_ip_address(
        &self,
        request: Request<DeleteIpAddressRequest>,
    ) -> Result<Response<DeleteResponse>, Status> {
        let author = rpc::author(&request);
        let DeleteIpAddressRequest { id, ip, if_revision } = request.get_ref();
        let delete = smd_command::DeleteIpAddress {
            id: interface_id(id)?.id(),
            ip: address("ip", ip)?.to_string(),
            if_revision: *if_revision,
        };
        let committed = self
            .propose(&author, smd_command::Change::DeleteIpAddress(delete))
            .await?;
        Ok(Response::new(legacy::deleted_one(&committed)))
    }
}

/// The interface that a URL means: its MAC in any notation. Other texts are ids of nothing.
fn interface_id(id: &str) -> Result<MacAddr, Error> {
    id.parse().map_err(|_| legacy::no_such_interface(id))
}

fn new_interface(request: &CreateEthernetInterfaceRequest) -> Result<EthernetInterface, Error> {
    let mac: MacAddr = request
        .mac_address
        .parse()
        .map_err(|problem| rpc::invalid("MACAddress", problem))?;
    let component = component(&request.component_id)?;
    Ok(EthernetInterface {
        id: mac.id(),
        mac_address: mac.to_string(),
        description: request.description.clone(),
        component_id: component.map(|xname| xname.to_string()).unwrap_or_default(),
        ip_addresses: mappings(&request.ip_addresses)?,
        ..EthernetInterface::default()
    })
}

/// The error of one item of a list: its field named with the item's place.
fn within(place: &str, error: Error) -> Error {
    match error {
        Error::Invalid { field, problem } => Error::Invalid {
            field: format!("{place}{field}"),
            problem,
        },
        other => other,
    }
}

fn patch_of(request: &PatchEthernetInterfaceRequest) -> Result<smd_command::PatchEthernetInterface, Status> {
    let id = interface_id(&request.id)?.id();
    let component_id = request.component_id.as_deref().map(component).transpose()?;
    let replaces = request.replace_ip_addresses || !request.ip_addresses.is_empty();
    if component_id.is_none() && request.description.is_none() && !replaces {
        return Err(Status::invalid_argument(
            "Request must have at least one patch field.",
        ));
    }
    let items = mappings(&request.ip_addresses)?;
    Ok(smd_command::PatchEthernetInterface {
        id,
        component_id: component_id.map(|xname| xname.map(|xname| xname.to_string()).unwrap_or_default()),
        description: request.description.clone(),
        ip_addresses: replaces.then_some(smd_command::IpAddresses { items }),
        if_revision: request.if_revision,
    })
}

/// The carrier; an empty text is none.
fn component(text: &str) -> Result<Option<Xname>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse()
        .map(Some)
        .map_err(|problem| rpc::invalid("ComponentID", problem))
}

fn mappings(mappings: &[IpAddressMapping]) -> Result<Vec<IpAddressMapping>, Error> {
    let normalised = |mapping: &IpAddressMapping| {
        let ip = address("IPAddresses", &mapping.ip_address)?;
        Ok(IpAddressMapping {
            ip_address: ip.to_string(),
            network: mapping.network.clone(),
        })
    };
    mappings.iter().map(normalised).collect()
}

fn address(field: &str, text: &str) -> Result<IpAddr, Error> {
    text.parse().map_err(|_| {
        let given = text
            .chars()
            .take(64)
            .flat_map(char::escape_debug)
            .collect::<String>();
        rpc::invalid(
            field,
            format!("`{given}` is not an IP address; write e.g. 10.97.3.4"),
        )
    })
}

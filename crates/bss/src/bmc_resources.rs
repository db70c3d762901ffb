//! BMCs as `ochami boot bmc` knows them: SMD's Redfish endpoints in boot-service's envelope, one object and not a copy.

use std::sync::Arc;

use model::Xname;
use proto::bss::v1::{
    BmcInterface, BmcInterfacePatch, BmcResource, BmcSpec, BmcSpecPatch, BmcStatus, BootServiceHealth,
    CreateBmcResourceRequest, DeleteBmcResourceRequest, DeleteBmcResourceResponse, GetBmcResourceRequest,
    GetBootServiceHealthRequest, ListBmcResourcesRequest, ListBmcResourcesResponse, PatchBmcResourceRequest,
    ReplaceBmcResourceRequest, bmc_resource_service_server,
};
use proto::raft::v1::entry::Command;
use proto::smd::v1::smd_command::{
    Change, DeleteRedfishEndpoints, DiscoveredEndpoint, PatchRedfishEndpoint, StoreDiscovery,
};
use proto::smd::v1::{RedfishEndpoint, SmdCommand};
use raft::Store;
use rpc::{Author, Error};
use state::State;
use tonic::{Request, Response, Status};

use crate::resources::{API_VERSION, metadata};

/// Word for the kind in errors.
const KIND: &str = "BMC";
/// SMD's word for a discovery that went well.
const DISCOVERED: &str = "DiscoverOK";

/// BMCs by uid, which is their xname.
#[derive(Clone, Debug)]
pub struct BmcResourceService {
    store: Store,
}

impl BmcResourceService {
    /// A service that changes and answers from `store`.
    #[must_use]
    pub fn new(store: Store) -> BmcResourceService {
        BmcResourceService { store }
    }

    async fn propose(&self, author: &Author, change: Change) -> Result<(), Error> {
        let command = Command::Smd(SmdCommand { change: Some(change) });
        self.store.propose_by(author, command).await?;
        Ok(())
    }

    /// The endpoint as the change has left it.
    fn changed(&self, author: &Author, bmc: &Xname) -> Result<Response<BmcResource>, Status> {
        let stored = self.store.state_after(author).smd.redfish_endpoint(bmc);
        let stored = stored.ok_or_else(|| Error::Conflict {
            detail: format!("BMC {bmc} was deleted by someone else"),
        })?;
        let shown = shown(&stored);
        Ok(Response::new(BmcResource {
            meta: author.told_meta(shown.meta),
            ..shown
        }))
    }

    /// Changes what a spec can say; the address that the endpoint is called by must be known as it is now.
    async fn change(
        &self,
        author: &Author,
        bmc: &Xname,
        wanted: Wanted,
        if_revision: Option<u64>,
    ) -> Result<Response<BmcResource>, Status> {
        self.store.linearize().await?;
        let before = existing(&self.store.state(), bmc)?;
        let patch = patch_of(&before, wanted, if_revision);
        self.propose(author, Change::PatchRedfishEndpoint(patch)).await?;
        self.changed(author, bmc)
    }
}

/// What a request says of a BMC; what is absent stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Wanted {
    description: Option<String>,
    mac: Option<String>,
    ip: Option<String>,
}

impl Wanted {
    /// A whole spec: what it leaves out is empty.
    fn of_spec(spec: BmcSpec) -> Wanted {
        let BmcInterface { mac, ip, r#type: _ } = spec.interface.unwrap_or_default();
        Wanted {
            description: Some(spec.description),
            mac: Some(mac),
            ip: Some(ip),
        }
    }

    /// A merge patch.
    fn of_patch(patch: BmcSpecPatch) -> Wanted {
        let BmcInterfacePatch { mac, ip, r#type: _ } = patch.interface.unwrap_or_default();
        Wanted {
            description: patch.description,
            mac,
            ip,
        }
    }
}

/// An endpoint that is called by its address is called by the new one, or by its xname where there is none any more. One with a name
/// of its own keeps it.
fn patch_of(before: &RedfishEndpoint, wanted: Wanted, if_revision: Option<u64>) -> PatchRedfishEndpoint {
    let is_called_by_address = !before.ip_address.is_empty() && before.fqdn == before.ip_address;
    let fqdn = wanted.ip.clone().filter(|_| is_called_by_address);
    PatchRedfishEndpoint {
        id: before.id.clone(),
        name: wanted.description,
        mac_addr: wanted.mac,
        fqdn,
        ip_address: wanted.ip,
        if_revision,
        ..PatchRedfishEndpoint::default()
    }
}

/// An endpoint that nobody has discovered; it must not exist.
fn new_endpoint(bmc: &Xname, spec: BmcSpec) -> StoreDiscovery {
    let BmcInterface { mac, ip, r#type: _ } = spec.interface.unwrap_or_default();
    let endpoint = RedfishEndpoint {
        id: bmc.to_string(),
        name: spec.description,
        mac_addr: mac,
        // as a name it would be all that SMD's clients see of the host
        fqdn: ip.clone(),
        ip_address: ip,
        enabled: true,
        ..RedfishEndpoint::default()
    };
    let found = DiscoveredEndpoint {
        endpoint: Some(endpoint),
        ..DiscoveredEndpoint::default()
    };
    StoreDiscovery {
        endpoints: vec![found],
        update: false,
    }
}

fn existing(state: &State, bmc: &Xname) -> Result<Arc<RedfishEndpoint>, Error> {
    let found = state.smd.redfish_endpoint(bmc);
    found.ok_or_else(|| no_such(bmc.as_str()))
}

fn no_such(uid: &str) -> Error {
    Error::NotFound {
        kind: KIND.to_owned(),
        id: uid.to_owned(),
    }
}

/// An endpoint in its envelope.
fn shown(endpoint: &RedfishEndpoint) -> BmcResource {
    let interface = BmcInterface {
        mac: endpoint.mac_addr.clone(),
        ip: endpoint.ip_address.clone(),
        r#type: endpoint.r#type.clone(),
    };
    let discovery = endpoint.discovery_info.clone().unwrap_or_default();
    let attempt = discovery.last_discovery_attempt;
    BmcResource {
        api_version: API_VERSION.to_owned(),
        kind: KIND.to_owned(),
        metadata: Some(metadata(&endpoint.id, endpoint.meta.as_ref())),
        spec: Some(BmcSpec {
            xname: endpoint.id.clone(),
            description: endpoint.name.clone(),
            interface: Some(interface),
        }),
        status: Some(BmcStatus {
            ready: discovery.last_discovery_status == DISCOVERED,
            phase: discovery.last_discovery_status,
            message: match attempt.is_empty() {
                true => String::new(),
                false => format!("discovered {attempt}"),
            },
        }),
        meta: endpoint.meta.clone(),
    }
}

/// The xname of a BMC; which of them may have an endpoint the log decides.
fn bmc_of(field: &str, text: &str) -> Result<Xname, Error> {
    text.parse().map_err(|error| rpc::invalid(field, error))
}

/// That of the path. One in the spec may only say the same.
fn bmc_of_path(uid: &str, given: &str) -> Result<Xname, Error> {
    let bmc = bmc_of("uid", uid)?;
    if !given.is_empty() && bmc_of("spec.xname", given)? != bmc {
        let problem = format!("{bmc} is changed, so it cannot be another; leave it out");
        return Err(rpc::invalid("spec.xname", problem));
    }
    Ok(bmc)
}

#[tonic::async_trait]
impl bmc_resource_service_server::BmcResourceService for BmcResourceService {
    #[tracing::instrument(level = "debug", name = "bss.list_bmc_resources", skip_all)]
    async fn list_bmc_resources(
        &self,
        _: Request<ListBmcResourcesRequest>,
    ) -> Result<Response<ListBmcResourcesResponse>, Status> {
        let state = self.store.state();
        let items = state.smd.redfish_endpoints().map(|endpoint| shown(endpoint));
        Ok(Response::new(ListBmcResourcesResponse {
            items: items.collect(),
        }))
    }

    #[tracing::instrument(level = "debug", name = "bss.get_bmc_resource", skip_all, fields(uid = ?request.get_ref().uid))]
    async fn get_bmc_resource(
        &self,
        request: Request<GetBmcResourceRequest>,
    ) -> Result<Response<BmcResource>, Status> {
        let uid = &request.get_ref().uid;
        let bmc: Xname = uid.parse().map_err(|_| no_such(uid))?;
        let found = existing(&self.store.state(), &bmc)?;
        Ok(Response::new(shown(&found)))
    }

    #[tracing::instrument(name = "bss.create_bmc_resource", skip_all)]
    async fn create_bmc_resource(
        &self,
        request: Request<CreateBmcResourceRequest>,
    ) -> Result<Response<BmcResource>, Status> {
        let author = rpc::author(&request);
        let CreateBmcResourceRequest { metadata, spec } = request.into_inner();
        let (name, spec) = (metadata.unwrap_or_default().name, spec.unwrap_or_default());
        let bmc = match spec.xname.is_empty() {
            true => bmc_of("spec.xname", &name)?,
            false => bmc_of("spec.xname", &spec.xname)?,
        };
        let store = new_endpoint(&bmc, spec);
        self.propose(&author, Change::StoreDiscovery(store)).await?;
        self.changed(&author, &bmc)
    }

    #[tracing::instrument(name = "bss.replace_bmc_resource", skip_all, fields(uid = ?request.get_ref().uid))]
    async fn replace_bmc_resource(
        &self,
        request: Request<ReplaceBmcResourceRequest>,
    ) -> Result<Response<BmcResource>, Status> {
        let author = rpc::author(&request);
        let ReplaceBmcResourceRequest {
            uid,
            metadata: _,
            spec,
            if_revision,
        } = request.into_inner();
        let spec = spec.unwrap_or_default();
        let bmc = bmc_of_path(&uid, &spec.xname)?;
        self.change(&author, &bmc, Wanted::of_spec(spec), if_revision)
            .await
    }

    #[tracing::instrument(name = "bss.patch_bmc_resource", skip_all, fields(uid = ?request.get_ref().uid))]
    async fn patch_bmc_resource(
        &self,
        request: Request<PatchBmcResourceRequest>,
    ) -> Result<Response<BmcResource>, Status> {
        let author = rpc::author(&request);
        let PatchBmcResourceRequest {
            uid,
            patch,
            if_revision,
        } = request.into_inner();
        let patch = patch.unwrap_or_default();
        let bmc = bmc_of_path(&uid, &patch.xname)?;
        self.change(&author, &bmc, Wanted::of_patch(patch), if_revision)
            .await
    }

    #[tracing::instrument(name = "bss.delete_bmc_resource", skip_all, fields(uid = ?request.get_ref().uid))]
    async fn delete_bmc_resource(
        &self,
        request: Request<DeleteBmcResourceRequest>,
    ) -> Result<Response<DeleteBmcResourceResponse>, Status> {
        let author = rpc::author(&request);
        let DeleteBmcResourceRequest { uid, if_revision } = request.into_inner();
        let bmc = bmc_of("uid", &uid)?;
        let delete = DeleteRedfishEndpoints {
            ids: vec![bmc.to_string()],
            all: false,
            if_revision,
        };
        self.propose(&author, Change::DeleteRedfishEndpoints(delete))
            .await?;
        Ok(Response::new(DeleteBmcResourceResponse {
            message: "BMC deleted successfully".to_owned(),
            uid: bmc.to_string(),
        }))
    }

    async fn get_boot_service_health(
        &self,
        _: Request<GetBootServiceHealthRequest>,
    ) -> Result<Response<BootServiceHealth>, Status> {
        Ok(Response::new(BootServiceHealth {
            status: "ok".to_owned(),
            service: "boot-service".to_owned(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use proto::smd::v1::DiscoveryInfo;

    use super::*;

    fn endpoint(fqdn: &str, ip: &str) -> RedfishEndpoint {
        RedfishEndpoint {
            id: "x0c0s0b0".to_owned(),
            r#type: "NodeBMC".to_owned(),
            name: "rack 3".to_owned(),
            fqdn: fqdn.to_owned(),
            ip_address: ip.to_owned(),
            ..RedfishEndpoint::default()
        }
    }

    fn moved_to(ip: &str) -> Wanted {
        Wanted {
            ip: Some(ip.to_owned()),
            ..Wanted::default()
        }
    }

    /// Else the name would say the old address, which SMD refuses as a contradiction.
    #[test]
    fn an_endpoint_that_is_called_by_its_address_is_called_by_the_new_one() {
        let patch = patch_of(&endpoint("10.0.0.1", "10.0.0.1"), moved_to("10.0.0.2"), Some(7));
        assert_eq!(patch.fqdn.as_deref(), Some("10.0.0.2"));
        assert_eq!((patch.hostname, patch.domain), (None, None));
        assert_eq!(
            (patch.ip_address.as_deref(), patch.if_revision),
            (Some("10.0.0.2"), Some(7))
        );
    }

    #[test]
    fn an_endpoint_with_a_name_keeps_it() {
        let patch = patch_of(&endpoint("bmc1.example", "10.0.0.1"), moved_to("10.0.0.2"), None);
        assert_eq!((patch.fqdn, patch.hostname), (None, None));
        assert_eq!(patch.ip_address.as_deref(), Some("10.0.0.2"));
        assert_eq!(
            (patch.name, patch.mac_addr),
            (None, None),
            "nothing else was said"
        );
    }

    #[test]
    fn a_patch_says_less_than_a_spec() {
        let patch = BmcSpecPatch {
            description: Some(String::new()),
            ..BmcSpecPatch::default()
        };
        let cleared = Wanted {
            description: Some(String::new()),
            ..Wanted::default()
        };
        assert_eq!(Wanted::of_patch(patch), cleared);
        let all = Wanted::of_spec(BmcSpec::default());
        assert_eq!((all.mac.as_deref(), all.ip.as_deref()), (Some(""), Some("")));
    }

    #[test]
    fn only_what_was_discovered_well_is_ready() {
        for (status, ready) in [
            (DISCOVERED, true),
            ("HTTPsGetFailed", false),
            ("NotYetQueried", false),
        ] {
            let found = RedfishEndpoint {
                discovery_info: Some(DiscoveryInfo {
                    last_discovery_status: status.to_owned(),
                    last_discovery_attempt: "2026-11-30T00:00:00Z".to_owned(),
                    ..DiscoveryInfo::default()
                }),
                ..endpoint("", "10.0.0.1")
            };
            let told = shown(&found).status.unwrap();
            assert_eq!((told.phase.as_str(), told.ready), (status, ready));
            assert_eq!(told.message, "discovered 2026-11-30T00:00:00Z");
        }
        assert_eq!(shown(&endpoint("", "")).status.unwrap().message, "");
    }

    #[test]
    fn a_spec_may_only_repeat_the_xname_of_the_path() {
        assert_eq!(bmc_of_path("X0c0s0b0", "").unwrap().as_str(), "x0c0s0b0");
        assert_eq!(bmc_of_path("x0c0s0b0", "X0C0S0B0").unwrap().as_str(), "x0c0s0b0");
        let other = bmc_of_path("x0c0s0b0", "x0c0s1b0").unwrap_err().to_string();
        assert!(
            other.starts_with("spec.xname: ") && other.contains("leave it out"),
            "{other}"
        );
    }
}

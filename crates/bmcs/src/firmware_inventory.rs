//! The firmware behind BMCs, as their last crawls read it.

use model::{NodeSet, Xname};
use proto::discovery::v1::{
    FirmwareInventory, GetFirmwareRequest, ListFirmwareRequest, ListFirmwareResponse, SystemFirmware,
    firmware_inventory_service_server,
};
use raft::Store;
use rpc::{Error, page};
use tonic::{Request, Response, Status};

/// Shows firmware.
#[derive(Clone, Debug)]
pub struct FirmwareInventoryService {
    store: Store,
}

impl FirmwareInventoryService {
    /// A service that answers from `store`.
    #[must_use]
    pub fn new(store: Store) -> FirmwareInventoryService {
        FirmwareInventoryService { store }
    }
}

#[tonic::async_trait]
impl firmware_inventory_service_server::FirmwareInventoryService for FirmwareInventoryService {
    #[tracing::instrument(level = "debug", name = "discovery.list_firmware", skip_all)]
    async fn list_firmware(
        &self,
        request: Request<ListFirmwareRequest>,
    ) -> Result<Response<ListFirmwareResponse>, Status> {
        let mut request = request.into_inner();
        let asked = page::Asked::take(&mut request.page_size, &mut request.page_token);
        let sets = sets_of(&request.id)?;
        let state = self.store.state();
        let page = asked.of::<String, _>(&request, state.cluster_id())?;
        let wanted = state.discovery.firmwares().filter(|inventory| {
            page.after().is_none_or(|after| inventory.id > *after) && is_meant(&sets, &inventory.id)
        });
        let (inventories, next_page_token) = page.cut(
            wanted,
            |inventory| inventory.id.as_str(),
            |inventory| without_bios(inventory),
        );
        Ok(Response::new(ListFirmwareResponse {
            inventories,
            next_page_token,
        }))
    }

    #[tracing::instrument(level = "debug", name = "discovery.get_firmware", skip_all, fields(xname = ?request.get_ref().id))]
    async fn get_firmware(
        &self,
        request: Request<GetFirmwareRequest>,
    ) -> Result<Response<FirmwareInventory>, Status> {
        let id = &request.get_ref().id;
        let xname: Xname = id.parse().map_err(|problem| rpc::invalid("id", problem))?;
        let state = self.store.state();
        let found = state.discovery.firmware(&xname);
        let found = found.map(|inventory| FirmwareInventory::clone(inventory));
        let missing = || Error::NotFound {
            kind: "firmware inventory".to_owned(),
            id: xname.to_string(),
        };
        Ok(Response::new(found.ok_or_else(missing)?))
    }
}

fn sets_of(texts: &[String]) -> Result<Vec<NodeSet>, Error> {
    let mut sets = Vec::new();
    for text in texts {
        sets.extend(NodeSet::list(text).map_err(|problem| rpc::invalid("id", problem))?);
    }
    Ok(sets)
}

fn is_meant(sets: &[NodeSet], id: &str) -> bool {
    let is_in = |xname: &Xname| sets.iter().any(|set| set.contains(xname));
    sets.is_empty() || id.parse::<Xname>().is_ok_and(|xname| is_in(&xname))
}

/// BIOS attributes of a whole machine are more than anybody reads.
fn without_bios(inventory: &FirmwareInventory) -> FirmwareInventory {
    let systems = inventory.systems.iter().map(|system| SystemFirmware {
        id: system.id.clone(),
        bios_version: system.bios_version.clone(),
        secure_boot: system.secure_boot.clone(),
        bios: Vec::new(),
    });
    FirmwareInventory {
        id: inventory.id.clone(),
        firmware: inventory.firmware.clone(),
        systems: systems.collect(),
        meta: inventory.meta.clone(),
    }
}

#[cfg(test)]
mod tests {
    use proto::discovery::v1::BiosAttribute;

    use super::*;

    #[test]
    fn nodesets_choose_and_none_is_all() {
        let sets = sets_of(&["x1000c0s[0-1]b0,x1001".to_owned()]).unwrap();
        assert!(is_meant(&sets, "x1000c0s1b0") && is_meant(&sets, "x1001c7s0b0"));
        assert!(!is_meant(&sets, "x1000c0s2b0"));
        assert!(is_meant(&[], "x1000c0s2b0"));
        assert!(
            sets_of(&["no xname".to_owned()])
                .unwrap_err()
                .to_string()
                .starts_with("id: ")
        );
    }

    #[test]
    fn a_list_is_without_bios_attributes() {
        let system = SystemFirmware {
            id: "x1000c0s0b0n0".to_owned(),
            bios_version: "2.1".to_owned(),
            bios: vec![BiosAttribute::default()],
            ..SystemFirmware::default()
        };
        let inventory = FirmwareInventory {
            id: "x1000c0s0b0".to_owned(),
            systems: vec![system],
            ..FirmwareInventory::default()
        };
        let shown = without_bios(&inventory);
        assert_eq!(shown.systems[0].bios_version, "2.1");
        assert!(shown.systems[0].bios.is_empty());
    }
}

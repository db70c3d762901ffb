//! HSM's sysinfo/powermaps: where components get their power from.

use model::Xname;
use proto::raft::v1::entry::Command;
use proto::smd::v1::smd_command::{self, Change};
use proto::smd::v1::{
    DeletePowerMapRequest, DeletePowerMapsRequest, DeleteResponse, GetPowerMapRequest, ListPowerMapsRequest,
    ListPowerMapsResponse, MapsResponse, PowerMap, PutPowerMapRequest, PutPowerMapsRequest, SmdCommand,
    power_map_service_server,
};
use raft::{Committed, Store};
use rpc::{Author, Error};
use tonic::{Request, Response, Status};

use crate::{legacy, page};

/// The supplies of components.
#[derive(Clone, Debug)]
pub struct PowerMapService {
    store: Store,
}

impl PowerMapService {
    /// A service that changes and answers from `store`.
    #[must_use]
    pub fn new(store: Store) -> PowerMapService {
        PowerMapService { store }
    }

    async fn propose(&self, author: &Author, change: Change) -> Result<Committed, Error> {
        self.store
            .propose_by(author, Command::Smd(SmdCommand { change: Some(change) }))
            .await
    }

    async fn delete(
        &self,
        author: &Author,
        delete: smd_command::DeletePowerMaps,
    ) -> Result<Committed, Error> {
        self.propose(author, Change::DeletePowerMaps(delete)).await
    }
}

#[tonic::async_trait]
impl power_map_service_server::PowerMapService for PowerMapService {
    #[tracing::instrument(level = "debug", name = "smd.list_power_maps", skip_all)]
    async fn list_power_maps(
        &self,
        request: Request<ListPowerMapsRequest>,
    ) -> Result<Response<ListPowerMapsResponse>, Status> {
        let mut request = request.into_inner();
        let asked = page::Asked::take(&mut request.page_size, &mut request.page_token);
        let state = self.store.state();
        let page = asked.of(&request, state.cluster_id())?;
        let maps = state.smd.power_maps_after(page.after());
        let (power_maps, next_page_token) = page.cut(maps, |map| &map.id, |map| map.as_ref().clone());
        Ok(Response::new(ListPowerMapsResponse {
            power_maps,
            revision: state.applied_index(),
            next_page_token,
        }))
    }

    #[tracing::instrument(name = "smd.put_power_maps", skip_all)]
    async fn put_power_maps(
        &self,
        request: Request<PutPowerMapsRequest>,
    ) -> Result<Response<MapsResponse>, Status> {
        let author = rpc::author(&request);
        let PutPowerMapsRequest {
            power_maps,
            if_revisions,
        } = request.into_inner();
        let numbered = power_maps.into_iter().enumerate();
        let checked = numbered.map(|(place, map)| {
            let at = |problem: String| {
                rpc::invalid(&format!("couldn't validate map data at idx {place}"), problem)
            };
            checked(&map).map_err(at)
        });
        let maps = checked.collect::<Result<_, Error>>()?;
        let put = smd_command::PutPowerMaps { maps, if_revisions };
        let committed = self.propose(&author, Change::PutPowerMaps(put)).await?;
        Ok(Response::new(legacy::created_or_modified(&committed)))
    }

    #[tracing::instrument(name = "smd.delete_power_maps", skip_all)]
    async fn delete_power_maps(
        &self,
        request: Request<DeletePowerMapsRequest>,
    ) -> Result<Response<DeleteResponse>, Status> {
        let author = rpc::author(&request);
        let delete = smd_command::DeletePowerMaps {
            all: true,
            ..Default::default()
        };
        let outcome = self.delete(&author, delete).await;
        Ok(Response::new(legacy::deleted_all(outcome)?))
    }

    #[tracing::instrument(level = "debug", name = "smd.get_power_map", skip_all, fields(xname = ?request.get_ref().id))]
    async fn get_power_map(
        &self,
        request: Request<GetPowerMapRequest>,
    ) -> Result<Response<PowerMap>, Status> {
        let id = xname(&request.get_ref().id)?;
        let map = self.store.state().smd.power_map(&id);
        let map = map.ok_or_else(|| legacy::no_such_xname(id.as_str()))?;
        Ok(Response::new(map.as_ref().clone()))
    }

    /// Answers with the map as it is stored.
    #[tracing::instrument(name = "smd.put_power_map", skip_all, fields(xname = ?request.get_ref().id))]
    async fn put_power_map(
        &self,
        request: Request<PutPowerMapRequest>,
    ) -> Result<Response<PowerMap>, Status> {
        let author = rpc::author(&request);
        let PutPowerMapRequest {
            id,
            powered_by,
            if_revision,
        } = request.into_inner();
        let given = PowerMap {
            id,
            powered_by,
            meta: None,
        };
        let map =
            checked(&given).map_err(|problem| rpc::invalid("couldn't validate PowerMap data", problem))?;
        let id = xname(&map.id)?;
        let put = smd_command::PutPowerMaps {
            maps: vec![map.clone()],
            if_revisions: if_revision.into_iter().collect(),
        };
        self.propose(&author, Change::PutPowerMaps(put)).await?;
        let stored = self.store.state_after(&author).smd.power_map(&id);
        let stored = stored.map_or(map, |stored| stored.as_ref().clone());
        Ok(Response::new(PowerMap {
            meta: author.told_meta(stored.meta),
            ..stored
        }))
    }

    #[tracing::instrument(name = "smd.delete_power_map", skip_all, fields(xname = ?request.get_ref().id))]
    async fn delete_power_map(
        &self,
        request: Request<DeletePowerMapRequest>,
    ) -> Result<Response<DeleteResponse>, Status> {
        let author = rpc::author(&request);
        let DeletePowerMapRequest { id, if_revision } = request.get_ref();
        let delete = smd_command::DeletePowerMaps {
            ids: vec![xname(id)?.to_string()],
            all: false,
            if_revision: *if_revision,
        };
        let committed = self.delete(&author, delete).await?;
        Ok(Response::new(legacy::deleted_one(&committed)))
    }
}

/// A map as it stands in the log: xnames in normal form, without a meta of the client's.
fn checked(map: &PowerMap) -> Result<PowerMap, String> {
    let id: Xname = map
        .id
        .parse()
        .map_err(|_| format!("xname ID '{}' is invalid", map.id.escape_debug()))?;
    if map.powered_by.is_empty() {
        return Err("poweredby is required for PowerMaps".to_owned());
    }
    let supply = |text: &String| {
        let parsed: Result<Xname, _> = text.parse();
        let refused = |_| format!("Power supply xname ID '{}' is invalid", text.escape_debug());
        parsed.map(|supply| supply.to_string()).map_err(refused)
    };
    Ok(PowerMap {
        id: id.to_string(),
        powered_by: map.powered_by.iter().map(supply).collect::<Result<_, _>>()?,
        meta: None,
    })
}

fn xname(text: &str) -> Result<Xname, Error> {
    text.parse()
        .map_err(|problem| rpc::invalid("invalid xname", problem))
}

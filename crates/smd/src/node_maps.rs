//! HSM's Defaults/NodeMaps: NID and roles that nodes are given when their components are created.

use model::Xname;
use proto::raft::v1::entry::Command;
use proto::smd::v1::smd_command::{self, Change};
use proto::smd::v1::{
    DeleteNodeMapRequest, DeleteNodeMapsRequest, DeleteResponse, GetNodeMapRequest, ListNodeMapsRequest,
    ListNodeMapsResponse, MapsResponse, NodeMap, PutNodeMapRequest, PutNodeMapsRequest, SmdCommand,
    node_map_service_server,
};
use raft::{Committed, Store};
use rpc::{Author, Error};
use tonic::{Request, Response, Status};

use crate::{legacy, page};

/// What nodes are given at their creation.
#[derive(Clone, Debug)]
pub struct NodeMapService {
    store: Store,
}

impl NodeMapService {
    /// A service that changes and answers from `store`.
    #[must_use]
    pub fn new(store: Store) -> NodeMapService {
        NodeMapService { store }
    }

    async fn propose(&self, author: &Author, change: Change) -> Result<Committed, Error> {
        self.store
            .propose_by(author, Command::Smd(SmdCommand { change: Some(change) }))
            .await
    }

    async fn delete(&self, author: &Author, delete: smd_command::DeleteNodeMaps) -> Result<Committed, Error> {
        self.propose(author, Change::DeleteNodeMaps(delete)).await
    }
}

#[tonic::async_trait]
impl node_map_service_server::NodeMapService for NodeMapService {
    #[tracing::instrument(level = "debug", name = "smd.list_node_maps", skip_all)]
    async fn list_node_maps(
        &self,
        request: Request<ListNodeMapsRequest>,
    ) -> Result<Response<ListNodeMapsResponse>, Status> {
        let mut request = request.into_inner();
        let asked = page::Asked::take(&mut request.page_size, &mut request.page_token);
        let state = self.store.state();
        let page = asked.of(&request, state.cluster_id())?;
        let maps = state.smd.node_maps_after(page.after());
        let (node_maps, next_page_token) = page.cut(maps, |map| &map.id, |map| map.as_ref().clone());
        Ok(Response::new(ListNodeMapsResponse {
            node_maps,
            revision: state.applied_index(),
            next_page_token,
        }))
    }

    #[tracing::instrument(name = "smd.put_node_maps", skip_all)]
    async fn put_node_maps(
        &self,
        request: Request<PutNodeMapsRequest>,
    ) -> Result<Response<MapsResponse>, Status> {
        let author = rpc::author(&request);
        let mut request = request.into_inner();
        let if_revisions = std::mem::take(&mut request.if_revisions);
        let maps = given_maps(request)?;
        let put = smd_command::PutNodeMaps { maps, if_revisions };
        let committed = self.propose(&author, Change::PutNodeMaps(put)).await?;
        Ok(Response::new(legacy::created_or_modified(&committed)))
    }

    #[tracing::instrument(name = "smd.delete_node_maps", skip_all)]
    async fn delete_node_maps(
        &self,
        request: Request<DeleteNodeMapsRequest>,
    ) -> Result<Response<DeleteResponse>, Status> {
        let author = rpc::author(&request);
        let delete = smd_command::DeleteNodeMaps {
            all: true,
            ..Default::default()
        };
        let outcome = self.delete(&author, delete).await;
        Ok(Response::new(legacy::deleted_all(outcome)?))
    }

    #[tracing::instrument(level = "debug", name = "smd.get_node_map", skip_all, fields(xname = ?request.get_ref().id))]
    async fn get_node_map(&self, request: Request<GetNodeMapRequest>) -> Result<Response<NodeMap>, Status> {
        let id = xname(&request.get_ref().id)?;
        let map = self.store.state().smd.node_map(&id);
        let map = map.ok_or_else(|| legacy::no_such_xname(id.as_str()))?;
        Ok(Response::new(map.as_ref().clone()))
    }

    /// Answers with the map as it is stored.
    #[tracing::instrument(name = "smd.put_node_map", skip_all, fields(xname = ?request.get_ref().id))]
    async fn put_node_map(&self, request: Request<PutNodeMapRequest>) -> Result<Response<NodeMap>, Status> {
        let author = rpc::author(&request);
        let (map, if_revision) = given_map(request.into_inner());
        let map = checked(map).map_err(in_body("couldn't validate endpoint data"))?;
        let id = xname(&map.id)?;
        let put = smd_command::PutNodeMaps {
            maps: vec![map.clone()],
            if_revisions: if_revision.into_iter().collect(),
        };
        self.propose(&author, Change::PutNodeMaps(put)).await?;
        let stored = self.store.state_after(&author).smd.node_map(&id);
        let stored = stored.map_or(map, |stored| stored.as_ref().clone());
        Ok(Response::new(NodeMap {
            meta: author.told_meta(stored.meta),
            ..stored
        }))
    }

    #[tracing::instrument(name = "smd.delete_node_map", skip_all, fields(xname = ?request.get_ref().id))]
    async fn delete_node_map(
        &self,
        request: Request<DeleteNodeMapRequest>,
    ) -> Result<Response<DeleteResponse>, Status> {
        let author = rpc::author(&request);
        let DeleteNodeMapRequest { id, if_revision } = request.get_ref();
        let delete = smd_command::DeleteNodeMaps {
            ids: vec![xname(id)?.to_string()],
            all: false,
            if_revision: *if_revision,
        };
        let committed = self.delete(&author, delete).await?;
        Ok(Response::new(legacy::deleted_one(&committed)))
    }
}

/// HSM takes a list, or one map as the body itself.
fn given_maps(request: PutNodeMapsRequest) -> Result<Vec<NodeMap>, Error> {
    let PutNodeMapsRequest {
        node_maps,
        id,
        nid,
        role,
        sub_role,
        node_info,
        if_revisions: _,
    } = request;
    if id.is_empty() && !node_maps.is_empty() {
        let numbered = node_maps.into_iter().enumerate();
        let checked = numbered.map(|(place, map)| {
            checked(map).map_err(in_body(format!("couldn't validate map data at idx {place}")))
        });
        return checked.collect();
    }
    let one = NodeMap {
        id,
        nid,
        role,
        sub_role,
        node_info,
        meta: None,
    };
    Ok(vec![
        checked(one).map_err(in_body("couldn't validate mapping data"))?,
    ])
}

/// The map that a request has, and the revision that it is to be at.
fn given_map(request: PutNodeMapRequest) -> (NodeMap, Option<u64>) {
    let PutNodeMapRequest {
        id,
        nid,
        role,
        sub_role,
        node_info,
        if_revision,
    } = request;
    let map = NodeMap {
        id,
        nid,
        role,
        sub_role,
        node_info,
        meta: None,
    };
    (map, if_revision)
}

/// A map as it stands in the log: its xname in normal form, without a meta of the client's.
fn checked(map: NodeMap) -> Result<NodeMap, String> {
    let id: Xname = map.id.parse().map_err(|_| not_a_node(&map.id))?;
    if !id.is_node() {
        return Err(not_a_node(&map.id));
    }
    if map.nid == 0 {
        return Err("NID '0' is out of range".to_owned());
    }
    Ok(NodeMap {
        id: id.to_string(),
        meta: None,
        ..map
    })
}

fn not_a_node(text: &str) -> String {
    format!("xname ID '{}' is invalid or not a node", text.escape_debug())
}

/// HSM says first what it could not use.
fn in_body(what: impl Into<String>) -> impl FnOnce(String) -> Error {
    let field = what.into();
    move |problem| Error::Invalid { field, problem }
}

fn xname(text: &str) -> Result<Xname, Error> {
    text.parse()
        .map_err(|problem| rpc::invalid("invalid xname", problem))
}

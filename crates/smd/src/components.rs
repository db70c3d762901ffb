//! HSM's State/Components.

use model::{NodeState, Xname};
use proto::raft::v1::entry::Command;
use proto::smd::v1::{
    Component, CreateComponentsRequest, CreateComponentsResponse, DeleteComponentRequest,
    DeleteComponentsRequest, DeleteResponse, GetComponentByNidRequest, GetComponentRequest,
    ListComponentsRequest, ListComponentsResponse, PatchStateDataRequest, PatchStateDataResponse,
    PutComponentRequest, SmdCommand, component_service_server, smd_command,
};
use raft::{Committed, Store};
use rpc::{Author, Error};
use tonic::{Request, Response, Status};

use crate::component_filter::{ComponentFilter, Projection};
use crate::{legacy, page};

/// Components of the system.
#[derive(Clone, Debug)]
pub struct ComponentService {
    store: Store,
}

impl ComponentService {
    /// A service that changes and answers from `store`.
    #[must_use]
    pub fn new(store: Store) -> ComponentService {
        ComponentService { store }
    }

    async fn propose(&self, author: &Author, change: smd_command::Change) -> Result<Committed, Error> {
        self.store
            .propose_by(author, Command::Smd(SmdCommand { change: Some(change) }))
            .await
    }

    async fn create(
        &self,
        author: &Author,
        create: smd_command::CreateComponents,
    ) -> Result<Response<CreateComponentsResponse>, Status> {
        let Committed { revision, applied } = self
            .propose(author, smd_command::Change::CreateComponents(create))
            .await?;
        let unchanged = applied.unchanged.len();
        let mut response = Response::new(CreateComponentsResponse {
            revision,
            created: applied.created,
            updated: applied.updated,
            unchanged: applied.unchanged,
        });
        if unchanged > 0 {
            rpc::set_http_header(
                response.metadata_mut(),
                "chamois-unchanged",
                &unchanged.to_string(),
            );
        }
        Ok(response)
    }
}

#[tonic::async_trait]
impl component_service_server::ComponentService for ComponentService {
    #[tracing::instrument(level = "debug", name = "smd.list_components", skip_all)]
    async fn list_components(
        &self,
        request: Request<ListComponentsRequest>,
    ) -> Result<Response<ListComponentsResponse>, Status> {
        let mut request = request.into_inner();
        let asked = page::Asked::take(&mut request.page_size, &mut request.page_token);
        let filter = ComponentFilter::parse(&request)?;
        let projection = Projection::of(&request);
        let state = self.store.state();
        let page = asked.of(&request, state.cluster_id())?;
        let named = filter.named(&state);
        let all = named.is_none().then(|| state.smd.components_after(page.after()));
        let named = named.iter().flatten().filter(|component| {
            page.after()
                .is_none_or(|after: &Xname| component.id.as_str() > after.as_str())
        });
        let wanted = named
            .chain(all.into_iter().flatten())
            .filter(|component| filter.admits_in(&state, component));
        let (components, next_page_token) = page.cut(
            wanted,
            |component| &component.id,
            |component| projection.of_component(component),
        );
        Ok(Response::new(ListComponentsResponse {
            components,
            revision: state.applied_index(),
            next_page_token,
        }))
    }

    #[tracing::instrument(level = "debug", name = "smd.get_component", skip_all, fields(xname = ?request.get_ref().id))]
    async fn get_component(
        &self,
        request: Request<GetComponentRequest>,
    ) -> Result<Response<Component>, Status> {
        let id = &request.get_ref().id;
        let xname: Xname = id.parse().map_err(|_| legacy::no_such_xname(id))?;
        let component = self
            .store
            .state()
            .smd
            .component(&xname)
            .ok_or_else(|| legacy::no_such_xname(id))?;
        Ok(Response::new(component.as_ref().clone()))
    }

    #[tracing::instrument(level = "debug", name = "smd.get_component_by_nid", skip_all, fields(nid = ?request.get_ref().nid))]
    async fn get_component_by_nid(
        &self,
        request: Request<GetComponentByNidRequest>,
    ) -> Result<Response<Component>, Status> {
        let text = &request.get_ref().nid;
        let nid: u64 = text
            .parse()
            .map_err(|_| rpc::invalid("NID", "a required argument was not an integer"))?;
        let missing = || Error::NotFound {
            kind: "NID".to_owned(),
            id: nid.to_string(),
        };
        let component = self.store.state().smd.component_by_nid(nid).ok_or_else(missing)?;
        Ok(Response::new(component.as_ref().clone()))
    }

    #[tracing::instrument(name = "smd.create_components", skip_all)]
    async fn create_components(
        &self,
        request: Request<CreateComponentsRequest>,
    ) -> Result<Response<CreateComponentsResponse>, Status> {
        let author = rpc::author(&request);
        let CreateComponentsRequest {
            components,
            force,
            if_revisions,
            as_given,
        } = request.into_inner();
        if components.is_empty() {
            return Err(Status::invalid_argument("Missing Components"));
        }
        let components = components
            .into_iter()
            .enumerate()
            .map(|component| normalised(component, as_given))
            .collect::<Result<_, _>>()?;
        let create = smd_command::CreateComponents {
            components,
            force,
            if_revisions,
            as_given,
        };
        self.create(&author, create).await
    }

    #[tracing::instrument(name = "smd.put_component", skip_all, fields(xname = ?request.get_ref().id))]
    async fn put_component(
        &self,
        request: Request<PutComponentRequest>,
    ) -> Result<Response<CreateComponentsResponse>, Status> {
        let author = rpc::author(&request);
        let PutComponentRequest {
            id,
            component,
            force,
            if_revision,
        } = request.into_inner();
        let component = component.ok_or_else(|| rpc::invalid("component", "it is missing"))?;
        let component = normalised((0, of_path(&id, component)?), false)?;
        let create = smd_command::CreateComponents {
            components: vec![component],
            force,
            if_revisions: if_revision.into_iter().collect(),
            as_given: false,
        };
        self.create(&author, create).await
    }

    #[tracing::instrument(name = "smd.patch_state", skip_all, fields(xname = ?request.get_ref().id))]
    async fn patch_state_data(
        &self,
        request: Request<PatchStateDataRequest>,
    ) -> Result<Response<PatchStateDataResponse>, Status> {
        let author = rpc::author(&request);
        let patch = patch_of(request.get_ref())?;
        let id = patch.id.clone();
        let Committed { revision, applied } = self
            .propose(&author, smd_command::Change::PatchState(patch))
            .await?;
        let applied = applied.updated.contains(&id);
        let mut response = Response::new(PatchStateDataResponse { revision, applied });
        let header = match applied {
            true => ("chamois-applied", "1".to_owned()),
            false => (
                "chamois-refused",
                format!("1 ({id}: it may not enter this state from its own without force)"),
            ),
        };
        rpc::set_http_header(response.metadata_mut(), header.0, &header.1);
        Ok(response)
    }

    #[tracing::instrument(name = "smd.delete_component", skip_all, fields(xname = ?request.get_ref().id))]
    async fn delete_component(
        &self,
        request: Request<DeleteComponentRequest>,
    ) -> Result<Response<DeleteResponse>, Status> {
        let author = rpc::author(&request);
        let DeleteComponentRequest { id, if_revision } = request.get_ref();
        let id: Xname = id
            .parse()
            .map_err(|problem| rpc::invalid("invalid xname", problem))?;
        let delete = smd_command::DeleteComponents {
            ids: vec![id.to_string()],
            all: false,
            if_revision: *if_revision,
        };
        let committed = self
            .propose(&author, smd_command::Change::DeleteComponents(delete))
            .await?;
        Ok(Response::new(legacy::deleted_one(&committed)))
    }

    #[tracing::instrument(name = "smd.delete_components", skip_all)]
    async fn delete_components(
        &self,
        request: Request<DeleteComponentsRequest>,
    ) -> Result<Response<DeleteResponse>, Status> {
        let author = rpc::author(&request);
        let delete = smd_command::DeleteComponents {
            all: true,
            ..Default::default()
        };
        let outcome = self
            .propose(&author, smd_command::Change::DeleteComponents(delete))
            .await;
        Ok(Response::new(legacy::deleted_all(outcome)?))
    }
}

/// A component as it stands in the log: its xname in normal form, without a meta of the client's. Spellings and
/// defaults are `state`'s; what has no chance there is refused here, before it takes a place in the log. `as_given` needs no
/// state.
///
/// # Errors
/// `Invalid` naming the component by its place in the list.
fn normalised((place, component): (usize, Component), as_given: bool) -> Result<Component, Error> {
    let problem = |field: &str, problem: String| Error::Invalid {
        field: "couldn't validate components".to_owned(),
        problem: format!("Components[{place}].{field}: {problem}"),
    };
    let id: Xname = component
        .id
        .parse()
        .map_err(|e: model::InvalidValue| problem("ID", e.to_string()))?;
    let is_absent = as_given && component.state == 0;
    if !is_absent && NodeState::try_from(component.state).is_err() {
        let names = NodeState::ALL.map(NodeState::as_str).join(", ");
        return Err(problem("State", format!("it is missing; write one of {names}")));
    }
    Ok(Component {
        id: id.to_string(),
        meta: None,
        ..component
    })
}

/// The component that the path names.
///
/// # Errors
/// `Invalid` if its body names another one.
fn of_path(id: &str, component: Component) -> Result<Component, Error> {
    let path: Xname = id.parse().map_err(|problem| rpc::invalid("xname", problem))?;
    let is_other = |own: &str| own.parse::<Xname>().map_or(true, |own| own != path);
    if !component.id.is_empty() && is_other(&component.id) {
        let problem = format!("it is not that of the path, {path}; leave it out or write the same");
        return Err(rpc::invalid("component.ID", problem));
    }
    Ok(Component {
        id: path.to_string(),
        ..component
    })
}

/// # Errors
/// `Invalid` for an id that is no xname or a missing state.
fn patch_of(request: &PatchStateDataRequest) -> Result<smd_command::PatchState, Error> {
    let id: Xname = request
        .id
        .parse()
        .map_err(|problem| rpc::invalid("ID", problem))?;
    let state = NodeState::try_from(request.state).map_err(|_| legacy::state_missing())?;
    Ok(smd_command::PatchState {
        id: id.to_string(),
        state: state as i32,
        flag: request.flag,
        force: request.force,
        if_revision: request.if_revision,
    })
}

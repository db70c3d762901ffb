//! HSM's memberships: groups and partitions seen from the component.

use model::Xname;
use proto::smd::v1::{
    GetMembershipRequest, ListComponentsRequest, ListMembershipsRequest, ListMembershipsResponse, Membership,
    membership_service_server,
};
use raft::Store;
use tonic::{Request, Response, Status};

use crate::component_filter::ComponentFilter;
use crate::{legacy, page};

/// Who is in which groups, and in which partition.
#[derive(Clone, Debug)]
pub struct MembershipService {
    store: Store,
}

impl MembershipService {
    /// A service that answers from `store`.
    #[must_use]
    pub fn new(store: Store) -> MembershipService {
        MembershipService { store }
    }
}

#[tonic::async_trait]
impl membership_service_server::MembershipService for MembershipService {
    #[tracing::instrument(level = "debug", name = "smd.list_memberships", skip_all)]
    async fn list_memberships(
        &self,
        request: Request<ListMembershipsRequest>,
    ) -> Result<Response<ListMembershipsResponse>, Status> {
        let mut request = request.into_inner();
        let asked = page::Asked::take(&mut request.page_size, &mut request.page_token);
        let state = self.store.state();
        let page = asked.of(&request, state.cluster_id())?;
        let filter = ComponentFilter::parse(&filter_of(request))?;
        let all = state.smd.components_with_groups_after(page.after());
        let wanted = all.filter(|(component, labels)| {
            filter.admits(component, labels.clone(), state.smd.partition_of(&component.id))
        });
        let (memberships, next_page_token) = page.cut(
            wanted,
            |(component, _)| &component.id,
            |(component, labels)| membership(&component.id, labels, state.smd.partition_of(&component.id)),
        );
        Ok(Response::new(ListMembershipsResponse {
            memberships,
            revision: state.applied_index(),
            next_page_token,
        }))
    }

    #[tracing::instrument(level = "debug", name = "smd.get_membership", skip_all, fields(xname = ?request.get_ref().id))]
    async fn get_membership(
        &self,
        request: Request<GetMembershipRequest>,
    ) -> Result<Response<Membership>, Status> {
        let id = &request.get_ref().id;
        let xname: Xname = id.parse().map_err(|_| legacy::no_such_xname(id))?;
        let state = self.store.state();
        if state.smd.component(&xname).is_none() {
            return Err(legacy::no_such_xname(id).into());
        }
        let labels = state.smd.group_labels_of(&xname);
        let partition = state.smd.partition_of(xname.as_str());
        Ok(Response::new(membership(xname.as_str(), labels, partition)))
    }
}

fn membership<'a>(id: &str, labels: impl Iterator<Item = &'a str>, partition: Option<&str>) -> Membership {
    Membership {
        id: id.to_owned(),
        group_labels: labels.map(str::to_owned).collect(),
        partition_name: partition.unwrap_or_default().to_owned(),
    }
}

/// The filters are those of State/Components.
fn filter_of(request: ListMembershipsRequest) -> ListComponentsRequest {
    let ListMembershipsRequest {
        id,
        r#type,
        state,
        flag,
        role,
        sub_role,
        subtype,
        arch,
        class,
        nid,
        nid_start,
        nid_end,
        enabled,
        software_status,
        group,
        partition,
        locked,
        reservation_disabled,
        page_size: _,
        page_token: _,
    } = request;
    ListComponentsRequest {
        id,
        r#type,
        state,
        flag,
        role,
        sub_role,
        subtype,
        arch,
        class,
        nid,
        nid_start,
        nid_end,
        enabled,
        software_status,
        group,
        partition,
        locked,
        reservation_disabled,
        ..ListComponentsRequest::default()
    }
}

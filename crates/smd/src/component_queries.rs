//! HSM's State/Components/Query and State/Components/ByNID/Query.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use model::Xname;
use proto::smd::v1::{
    Component, ListComponentsRequest, ListComponentsResponse, QueryComponentRequest,
    QueryComponentsByNidRequest, QueryComponentsRequest, component_query_service_server,
};
use raft::Store;
use rpc::Error;
use state::State;
use tonic::{Request, Response, Status};

use crate::component_filter::{ComponentFilter, Projection};

/// Places of one query.
const PLACES_MAX: usize = 100_000;
/// Ranges of one query.
const RANGES_MAX: usize = 10_000;
/// SMD's words for everything.
const EVERYTHING: [&str; 3] = ["all", "all_comp", "s0"];

/// Components by place and by ranges of NIDs.
#[derive(Clone, Debug)]
pub struct ComponentQueryService {
    store: Store,
}

impl ComponentQueryService {
    /// A service that answers from `store`.
    #[must_use]
    pub fn new(store: Store) -> ComponentQueryService {
        ComponentQueryService { store }
    }

    /// Those below `places` that the filter in `asked` admits.
    fn below(
        &self,
        places: &[String],
        asked: &ListComponentsRequest,
    ) -> Result<ListComponentsResponse, Error> {
        let places = Places::parse(places)?;
        let filter = ComponentFilter::parse(asked)?;
        let projection = Projection::of(asked);
        let state = self.store.state();
        let admitted = places
            .components(&state)
            .into_iter()
            .filter(|component| filter.admits_in(&state, component));
        Ok(ListComponentsResponse {
            components: admitted
                .map(|component| projection.of_component(component))
                .collect(),
            revision: state.applied_index(),
            ..ListComponentsResponse::default()
        })
    }
}

#[tonic::async_trait]
impl component_query_service_server::ComponentQueryService for ComponentQueryService {
    #[tracing::instrument(level = "debug", name = "smd.query_components", skip_all)]
    async fn query_components(
        &self,
        request: Request<QueryComponentsRequest>,
    ) -> Result<Response<ListComponentsResponse>, Status> {
        let asked = request.into_inner();
        let places = asked.component_ids;
        if places.is_empty() {
            let problem = "it is missing; name xnames, or \"all\"";
            return Err(rpc::invalid("ComponentIDs", problem).into());
        }
        let filter = ListComponentsRequest {
            nid: asked.nid,
            nid_start: asked.nid_start,
            nid_end: asked.nid_end,
            r#type: asked.r#type,
            state: asked.state,
            flag: asked.flag,
            enabled: asked.enabled,
            software_status: asked.software_status,
            role: asked.role,
            sub_role: asked.sub_role,
            subtype: asked.subtype,
            arch: asked.arch,
            class: asked.class,
            locked: asked.locked,
            reservation_disabled: asked.reservation_disabled,
            state_only: asked.state_only,
            flag_only: asked.flag_only,
            role_only: asked.role_only,
            nid_only: asked.nid_only,
            group: asked.group,
            partition: asked.partition,
            ..ListComponentsRequest::default()
        };
        Ok(Response::new(self.below(&places, &filter)?))
    }

    #[tracing::instrument(level = "debug", name = "smd.query_component", skip_all, fields(xname = ?request.get_ref().xname))]
    async fn query_component(
        &self,
        request: Request<QueryComponentRequest>,
    ) -> Result<Response<ListComponentsResponse>, Status> {
        let asked = request.into_inner();
        let filter = ListComponentsRequest {
            r#type: asked.r#type,
            state: asked.state,
            flag: asked.flag,
            enabled: asked.enabled,
            software_status: asked.software_status,
            role: asked.role,
            sub_role: asked.sub_role,
            subtype: asked.subtype,
            arch: asked.arch,
            class: asked.class,
            state_only: asked.state_only,
            flag_only: asked.flag_only,
            role_only: asked.role_only,
            nid_only: asked.nid_only,
            group: asked.group,
            partition: asked.partition,
            ..ListComponentsRequest::default()
        };
        Ok(Response::new(self.below(&[asked.xname], &filter)?))
    }

    #[tracing::instrument(level = "debug", name = "smd.query_components_by_nid", skip_all)]
    async fn query_components_by_nid(
        &self,
        request: Request<QueryComponentsByNidRequest>,
    ) -> Result<Response<ListComponentsResponse>, Status> {
        let asked = request.into_inner();
        let ranges = nid_ranges(&asked.nid_ranges)?;
        let filter = ListComponentsRequest {
            state_only: asked.state_only,
            flag_only: asked.flag_only,
            role_only: asked.role_only,
            nid_only: asked.nid_only,
            partition: asked.partition,
            ..ListComponentsRequest::default()
        };
        let projection = Projection::of(&filter);
        let filter = ComponentFilter::parse(&filter)?;
        let state = self.store.state();
        let components: BTreeMap<u64, &Component> = ranges
            .into_iter()
            .flat_map(|range| state.smd.components_by_nids(range))
            .filter(|component| filter.admits_in(&state, component))
            .filter_map(|component| component.nid.map(|nid| (nid, component.as_ref())))
            .collect();
        Ok(Response::new(ListComponentsResponse {
            components: components
                .into_values()
                .map(|component| projection.of_component(component))
                .collect(),
            revision: state.applied_index(),
            next_page_token: String::new(),
        }))
    }
}

/// What a query looks below.
enum Places {
    Everything,
    Named(Vec<Xname>),
}

impl Places {
    fn parse(texts: &[String]) -> Result<Places, Error> {
        if texts.len() > PLACES_MAX {
            let problem = format!("{} are given, at most {PLACES_MAX} are accepted", texts.len());
            return Err(rpc::invalid("ComponentIDs", problem));
        }
        if texts
            .iter()
            .any(|text| EVERYTHING.contains(&text.to_ascii_lowercase().as_str()))
        {
            return Ok(Places::Everything);
        }
        let parse = |text: &String| {
            text.parse()
                .map_err(|problem| rpc::invalid("ComponentIDs", problem))
        };
        let named: BTreeSet<Xname> = texts.iter().map(parse).collect::<Result<_, Error>>()?;
        // what lies below another one that is named would only be looked at twice
        let is_outermost = |place: &&Xname| {
            let mut above = std::iter::successors(place.parent(), Xname::parent);
            !above.any(|above| named.contains(&above))
        };
        Ok(Places::Named(
            named.iter().filter(is_outermost).cloned().collect(),
        ))
    }

    /// Sorted by xname, each once.
    fn components<'s>(&self, state: &'s State) -> Vec<&'s Component> {
        let Places::Named(places) = self else {
            return state.smd.components().map(AsRef::as_ref).collect();
        };
        let below: BTreeMap<&str, &Component> = places
            .iter()
            .flat_map(|place| state.smd.components_below(place))
            .map(|component| (component.id.as_str(), component.as_ref()))
            .collect();
        below.into_values().collect()
    }
}

/// Reads `["1-9", "12"]`.
fn nid_ranges(texts: &[String]) -> Result<Vec<RangeInclusive<u64>>, Error> {
    let wrong = |problem: String| rpc::invalid("NIDRanges", problem);
    if texts.is_empty() || texts.len() > RANGES_MAX {
        return Err(wrong(format!(
            "write 1 to {RANGES_MAX} ranges, e.g. [\"1-9\",\"12\"]"
        )));
    }
    let parse = |text: &String| {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (first.trim().parse(), last.trim().parse()) {
            (Ok(first), Ok(last)) if first <= last => Ok(first..=last),
            _ => Err(wrong(format!(
                "`{}` is no range; write e.g. 1-9 or 12",
                text.escape_debug()
            ))),
        }
    };
    let mut ranges: Vec<RangeInclusive<u64>> = texts.iter().map(parse).collect::<Result<_, Error>>()?;
    ranges.sort_unstable_by_key(|range| *range.start());
    Ok(disjoint(ranges))
}

/// The same NIDs, each in one range only; `ranges` are sorted by their beginnings.
fn disjoint(ranges: Vec<RangeInclusive<u64>>) -> Vec<RangeInclusive<u64>> {
    let mut merged: Vec<RangeInclusive<u64>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut().filter(|last| range.start() <= last.end()) {
            Some(last) => *last = *last.start()..=*last.end().max(range.end()),
            None => merged.push(range),
        }
    }
    merged
}

//! BSS's `/boot/v1/bootparameters`: parse, propose, wrap.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::NodeUrls;
use proto::bss::v1::{
    BootParameters, BootParametersChange, BootParametersEntry, BssCommand, ListBootParametersRequest,
    ListBootParametersResponse, boot_parameters_service_server, bss_command,
};
use proto::raft::v1::entry::Command;
use raft::{Committed, Store};
use rpc::{Author, Error};
use state::State;
use tonic::{Request, Response, Status};

use crate::data_source;
use crate::legacy;
use crate::lookup::{self, Asked};
use crate::parameters::{self, Subject, Target};

/// Header that carries the token of a new entry.
const REFERRAL_TOKEN_HEADER: &str = "bss-referral-token";
/// Header that carries [`WARNING`].
const WARNING_HEADER: &str = "warning";
/// What a `ds=` that points elsewhere means.
const WARNING: &str = "299 chamois \"ds= points to another service: nodes that boot so are given nothing secret of cloud-init; \
                       leave ds= out, or point it at /cloud-init of their service address\"";

/// Boot parameters of nodes.
#[derive(Clone, Debug)]
pub struct BootParametersService {
    store: Store,
    urls: Arc<NodeUrls>,
}

impl BootParametersService {
    /// A service that changes and answers from `store`.
    #[must_use]
    pub fn new(store: Store) -> BootParametersService {
        let urls = Arc::default();
        BootParametersService { store, urls }
    }

    /// The same, which warns of parameters that send nodes elsewhere than to `urls` for their cloud-init data.
    #[must_use]
    pub fn with_urls(self, urls: Arc<NodeUrls>) -> BootParametersService {
        BootParametersService { urls, ..self }
    }

    /// A `ds=` that points elsewhere can be given no token, so that its nodes are given nothing secret.
    fn warn(
        &self,
        body: &BootParameters,
        mut answer: Response<BootParametersChange>,
    ) -> Response<BootParametersChange> {
        if data_source::points_elsewhere(&body.params, &self.urls) {
            rpc::set_http_header(answer.metadata_mut(), WARNING_HEADER, WARNING);
        }
        answer
    }

    /// The state that decides which keys `body` means. MACs and NIDs are turned into xnames, and that must not
    /// miss what another member has been told a moment ago.
    async fn state_for(&self, body: &BootParameters) -> Result<Arc<State>, Error> {
        if parameters::needs_state(body) {
            self.store.linearize().await?;
        }
        Ok(self.store.state())
    }

    async fn propose(&self, author: &Author, change: bss_command::Change) -> Result<Committed, Error> {
        let command = Command::Bss(BssCommand { change: Some(change) });
        self.store.propose_by(author, command).await
    }

    /// Keys and values of a change, or `None` when BSS would store nothing.
    async fn parse(
        &self,
        body: &BootParameters,
    ) -> Result<Option<(Vec<Target>, BootParametersEntry)>, Error> {
        let state = self.state_for(body).await?;
        match parameters::subject(&state, body)? {
            Subject::Keys(targets) => Ok(Some((targets, parameters::values(body)?))),
            Subject::Nothing => Ok(None),
            Subject::Image => Err(rpc::invalid(
                "kernel",
                "parameters of an image for all its users are not kept; name hosts, macs or nids, or the host Default",
            )),
        }
    }

    /// The answer of a request that stores nothing.
    fn unchanged(&self) -> Response<BootParametersChange> {
        Response::new(BootParametersChange {
            revision: self.store.state().applied_index(),
            ..Default::default()
        })
    }
}

#[tonic::async_trait]
impl boot_parameters_service_server::BootParametersService for BootParametersService {
    #[tracing::instrument(level = "debug", name = "bss.list_boot_parameters", skip_all)]
    async fn list_boot_parameters(
        &self,
        request: Request<ListBootParametersRequest>,
    ) -> Result<Response<ListBootParametersResponse>, Status> {
        let query = Query::parse(request.get_ref())?;
        let state = self.store.state();
        let items: Vec<BootParameters> = match &query {
            Query::All => state
                .bss
                .entries()
                .map(|entry| parameters::shown(entry.as_ref()))
                .collect(),
            Query::Of { asked, .. } => found(&state, asked)
                .iter()
                .map(|entry| parameters::shown(entry))
                .collect(),
        };
        match query {
            Query::Of { kinds, .. } if items.is_empty() => Err(legacy::none_found(&kinds)),
            _ => Ok(Response::new(ListBootParametersResponse { items })),
        }
    }

    #[tracing::instrument(name = "bss.create_boot_parameters", skip_all)]
    async fn create_boot_parameters(
        &self,
        request: Request<BootParameters>,
    ) -> Result<Response<BootParametersChange>, Status> {
        let body = request.get_ref();
        parameters::check_hosts_are_nodes(body).map_err(legacy::bad_request)?;
        let Some((targets, values)) = self.parse(body).await.map_err(legacy::bad_request)? else {
            return Ok(self.unchanged());
        };
        let create = bss_command::Create {
            keys: keys(&targets),
            values: Some(values),
        };
        let author = rpc::author(&request);
        let committed = self.propose(&author, bss_command::Change::Create(create)).await;
        committed
            .map(|committed| self.warn(body, answer(committed)))
            .map_err(|error| legacy::create_failed(error, |key| asked_as(&targets, key)))
    }

    #[tracing::instrument(name = "bss.replace_boot_parameters", skip_all)]
    async fn replace_boot_parameters(
        &self,
        request: Request<BootParameters>,
    ) -> Result<Response<BootParametersChange>, Status> {
        let parsed = self.parse(request.get_ref()).await.map_err(legacy::bad_request)?;
        let Some((targets, values)) = parsed else {
            return Ok(self.unchanged());
        };
        let replace = bss_command::Replace {
            keys: keys(&targets),
            values: Some(values),
        };
        let author = rpc::author(&request);
        let committed = self.propose(&author, bss_command::Change::Replace(replace)).await;
        committed
            .map(|committed| self.warn(request.get_ref(), answer(committed)))
            .map_err(legacy::bad_request)
    }

    #[tracing::instrument(name = "bss.update_boot_parameters", skip_all)]
    async fn update_boot_parameters(
        &self,
        request: Request<BootParameters>,
    ) -> Result<Response<BootParametersChange>, Status> {
        let parsed = self.parse(request.get_ref()).await.map_err(legacy::bad_request)?;
        let Some((targets, values)) = parsed else {
            return Ok(self.unchanged());
        };
        let update = bss_command::Update {
            keys: keys(&targets),
            values: Some(values),
        };
        let author = rpc::author(&request);
        let committed = self.propose(&author, bss_command::Change::Update(update)).await;
        committed
            .map(|committed| self.warn(request.get_ref(), answer(committed)))
            .map_err(legacy::update_failed)
    }

    /// Entries by key, and the kernel or initrd out of every entry that has it.
    #[tracing::instrument(name = "bss.delete_boot_parameters", skip_all)]
    async fn delete_boot_parameters(
        &self,
        request: Request<BootParameters>,
    ) -> Result<Response<BootParametersChange>, Status> {
        let body = request.get_ref();
        let state = self.state_for(body).await?;
        let targets = parameters::all_targets(&state, body).map_err(legacy::bad_request)?;
        if targets.is_empty() && body.kernel.is_empty() && body.initrd.is_empty() {
            return Ok(self.unchanged());
        }
        let delete = bss_command::Delete {
            keys: keys(&targets),
            kernel: body.kernel.clone(),
            initrd: body.initrd.clone(),
        };
        let author = rpc::author(&request);
        let committed = self.propose(&author, bss_command::Change::Delete(delete)).await;
        committed.map(answer).map_err(legacy::delete_failed)
    }
}

/// What a list is asked for.
enum Query {
    /// Everything.
    All,
    /// Entries that these names have for themselves; `kinds` as BSS's 404 names them.
    Of {
        asked: Vec<Asked>,
        kinds: Vec<&'static str>,
    },
}

impl Query {
    fn parse(request: &ListBootParametersRequest) -> Result<Query, Status> {
        let filter = request.filter.clone().unwrap_or_default();
        let names = items(&request.name)
            .chain(items(&filter.hosts))
            .map(|name| Ok(Asked::Name(parameters::host_key(name)?)));
        let macs = items(&request.mac).chain(items(&filter.macs)).map(|mac| {
            mac.parse()
                .map(Asked::Mac)
                .map_err(|problem| Status::from(rpc::invalid("mac", problem)))
        });
        let filter_nids: Vec<String> = filter.nids.iter().map(i64::to_string).collect();
        let nids = items(&request.nid)
            .chain(items(&filter_nids))
            .map(|nid| nid.parse().map(Asked::Nid).map_err(|_| legacy::invalid_nid(nid)));
        let parts: [(&'static str, Vec<Asked>); 3] = [
            ("Hosts", names.collect::<Result<_, Error>>()?),
            ("MACs", macs.collect::<Result<_, Status>>()?),
            ("NIDs", nids.collect::<Result<_, Status>>()?),
        ];
        let kinds: Vec<_> = parts
            .iter()
            .filter(|(_, asked)| !asked.is_empty())
            .map(|(kind, _)| *kind)
            .collect();
        let asked: Vec<_> = parts.into_iter().flat_map(|(_, asked)| asked).collect();
        for (field, text) in [("kernel", &filter.kernel), ("initrd", &filter.initrd)] {
            if kinds.is_empty() && !text.is_empty() {
                let problem = "entries are not looked up by image; ask by hosts, macs or nids, or for all";
                return Err(rpc::invalid(field, problem).into());
            }
        }
        Ok(if kinds.is_empty() {
            Query::All
        } else {
            Query::Of { asked, kinds }
        })
    }
}

/// The items of comma lists, which may be repeated.
fn items(lists: &[String]) -> impl Iterator<Item = &str> {
    lists
        .iter()
        .flat_map(|list| list.split(','))
        .map(str::trim)
        .filter(|item| !item.is_empty())
}

/// Each entry once, in the order of the question.
fn found(state: &State, asked: &[Asked]) -> Vec<Arc<BootParametersEntry>> {
    let mut seen = BTreeSet::new();
    let own = |asked: &Asked| lookup::own_entry_of(state, asked, asked.component(state).as_deref());
    asked
        .iter()
        .filter_map(own)
        .filter(|entry| seen.insert(entry.key.clone()))
        .collect()
}

fn keys(targets: &[Target]) -> Vec<String> {
    targets.iter().map(|target| target.key.clone()).collect()
}

/// The name that the caller used for `key`.
fn asked_as(targets: &[Target], key: &str) -> String {
    targets
        .iter()
        .find(|target| target.key == key)
        .map_or_else(|| key.to_owned(), |target| target.asked.clone())
}

fn answer(committed: Committed) -> Response<BootParametersChange> {
    let referral_token = committed.applied.value;
    let change = BootParametersChange {
        revision: committed.revision,
        referral_token: referral_token.clone(),
    };
    let mut response = Response::new(change);
    if !referral_token.is_empty() {
        rpc::set_http_header(response.metadata_mut(), REFERRAL_TOKEN_HEADER, &referral_token);
    }
    response
}

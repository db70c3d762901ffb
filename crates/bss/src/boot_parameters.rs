//! BSS's `/boot/v1/bootparameters`: parse, propose, wrap.

use std::sync::Arc;

use model::NodeUrls;
use proto::bss::v1::bss_command::{Change, Conditional, Create, Delete, Put, Replace, Update, conditional};
use proto::bss::v1::{
    BootParameters, BootParametersChange, BootParametersEntry, BssCommand, GetBootParametersRequest,
    ListBootParametersRequest, ListBootParametersResponse, PutBootParametersRequest,
    PutBootParametersResponse, boot_parameters_service_server,
};
use proto::raft::v1::entry::Command;
use raft::{Committed, Store};
use rpc::{Author, Error, page};
use state::State;
use tonic::{Request, Response, Status};

use crate::data_source;
use crate::legacy;
use crate::parameter_query::Query;
use crate::parameters::{self, Subject, Target};
use crate::s3::{self, S3Signer};

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
    signer: Option<Arc<S3Signer>>,
    urls: Arc<NodeUrls>,
}

impl BootParametersService {
    /// A service that changes and answers from `store`, and takes `s3://` images if there is a `signer`.
    #[must_use]
    pub fn new(store: Store, signer: Option<Arc<S3Signer>>) -> BootParametersService {
        let urls = Arc::default();
        BootParametersService { store, signer, urls }
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

    async fn propose(&self, author: &Author, change: Change) -> Result<Committed, Error> {
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
            Subject::Keys(targets) => Ok(Some((targets, self.values(body)?))),
            Subject::Nothing => Ok(None),
            Subject::Image => Err(rpc::invalid(
                "kernel",
                "parameters of an image for all its users are not kept; name hosts, macs or nids, or the host Default",
            )),
        }
    }

    fn values(&self, body: &BootParameters) -> Result<BootParametersEntry, Error> {
        let values = parameters::values(body)?;
        s3::check(self.signer.as_deref(), &values)?;
        Ok(values)
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
        let mut request = request.into_inner();
        let asked = page::Asked::take(&mut request.page_size, &mut request.page_token);
        let query = Query::parse(&request)?;
        let state = self.store.state();
        let page = asked.of(&request, state.cluster_id())?;
        let (items, next_page_token) = query.answer(&state, &page)?;
        Ok(Response::new(ListBootParametersResponse {
            items,
            next_page_token,
        }))
    }

    #[tracing::instrument(level = "debug", name = "bss.get_boot_parameters", skip_all, fields(key = ?request.get_ref().key))]
    async fn get_boot_parameters(
        &self,
        request: Request<GetBootParametersRequest>,
    ) -> Result<Response<BootParameters>, Status> {
        let key = parameters::host_key(&request.get_ref().key)?;
        let entry = self.store.state().bss.entry(&key);
        let entry = entry.ok_or_else(|| Error::NotFound {
            kind: legacy::KIND.to_owned(),
            id: key,
        })?;
        Ok(Response::new(parameters::shown(&entry)))
    }

    #[tracing::instrument(name = "bss.put_boot_parameters", skip_all)]
    async fn put_boot_parameters(
        &self,
        request: Request<PutBootParametersRequest>,
    ) -> Result<Response<PutBootParametersResponse>, Status> {
        let author = rpc::author(&request);
        let PutBootParametersRequest {
            entries,
            if_revisions,
        } = request.into_inner();
        if entries.iter().any(parameters::needs_state) {
            self.store.linearize().await?;
        }
        let state = self.store.state();
        let entry = |(place, body): (usize, &BootParameters)| {
            let key = parameters::only_key(&state, body);
            let values = key.and_then(|key| {
                Ok(BootParametersEntry {
                    key,
                    ..self.values(body)?
                })
            });
            values.map_err(|error| within(place, error))
        };
        let entries = entries.iter().enumerate().map(entry).collect::<Result<_, _>>()?;
        let put = Put {
            entries,
            if_revisions,
        };
        let committed = self.propose(&author, Change::Put(put)).await?;
        Ok(Response::new(PutBootParametersResponse {
            revision: committed.revision,
            created: committed.applied.created,
            updated: committed.applied.updated,
            unchanged: committed.applied.unchanged,
        }))
    }

    #[tracing::instrument(name = "bss.create_boot_parameters", skip_all)]
    async fn create_boot_parameters(
        &self,
        request: Request<BootParameters>,
    ) -> Result<Response<BootParametersChange>, Status> {
        let body = request.get_ref();
        parameters::check_hosts_are_nodes(body).map_err(legacy::bad_request)?;
        if body.if_revision.is_some() {
            let problem = "what is created has no revision yet; leave it out";
            return Err(rpc::invalid("if_revision", problem).into());
        }
        let Some((targets, values)) = self.parse(body).await.map_err(legacy::bad_request)? else {
            return Ok(self.unchanged());
        };
        let create = Create {
            keys: keys(&targets),
            values: Some(values),
        };
        let author = rpc::author(&request);
        let committed = self.propose(&author, Change::Create(create)).await;
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
        let replace = Replace {
            keys: keys(&targets),
            values: Some(values),
        };
        let change = match request.get_ref().if_revision {
            Some(seen) => conditional(seen, conditional::Change::Replace(replace)),
            None => Change::Replace(replace),
        };
        let committed = self.propose(&rpc::author(&request), change).await;
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
        let update = Update {
            keys: keys(&targets),
            values: Some(values),
        };
        let change = match request.get_ref().if_revision {
            Some(seen) => conditional(seen, conditional::Change::Update(update)),
            None => Change::Update(update),
        };
        let committed = self.propose(&rpc::author(&request), change).await;
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
        let delete = Delete {
            keys: keys(&targets),
            kernel: body.kernel.clone(),
            initrd: body.initrd.clone(),
        };
        let change = match body.if_revision {
            Some(seen) => conditional(seen, conditional::Change::Delete(delete)),
            None => Change::Delete(delete),
        };
        let committed = self.propose(&rpc::author(&request), change).await;
        committed.map(answer).map_err(legacy::delete_failed)
    }
}

/// A change of one entry that its author has seen at `if_revision`.
fn conditional(if_revision: u64, change: conditional::Change) -> Change {
    Change::Conditional(Conditional {
        if_revision,
        change: Some(change),
    })
}

/// A problem of one entry of many.
fn within(place: usize, error: Error) -> Error {
    match error {
        Error::Invalid { field, problem } => Error::Invalid {
            field: format!("entries[{place}].{field}"),
            problem,
        },
        other => other,
    }
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

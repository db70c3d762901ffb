//! Boot configurations, the native resource: parse, propose, answer.

use proto::bss::v1::bss_command::{Change, DeleteBootConfiguration, PutBootConfiguration};
use proto::bss::v1::{
    BootConfiguration, BssCommand, CreateBootConfigurationRequest, DeleteBootConfigurationRequest,
    DeleteBootConfigurationResponse, GetBootConfigurationRequest, ListBootConfigurationsRequest,
    ListBootConfigurationsResponse, ReplaceBootConfigurationRequest, boot_configuration_service_server,
};
use proto::raft::v1::entry::Command;
use raft::{Committed, Store};
use rpc::{Author, Error, page};
use tonic::{Request, Response, Status};

use crate::Config;
use crate::loaders;

/// Word for the kind in errors.
const KIND: &str = "boot configuration";
/// Where the collection is found, for `Location`.
const COLLECTION: &str = "/chamois/v1/boot-configurations";

/// What some nodes boot, and which those are.
#[derive(Clone, Debug)]
pub struct BootConfigurationService {
    pub(crate) changes: Changes,
}

/// Changes of boot configurations, whichever route they come by.
#[derive(Clone, Debug)]
pub(crate) struct Changes {
    pub(crate) store: Store,
    config: Config,
}

impl BootConfigurationService {
    /// A service that changes and answers from `store`.
    #[must_use]
    pub fn new(store: Store, config: Config) -> BootConfigurationService {
        BootConfigurationService {
            changes: Changes::new(store, config),
        }
    }
}

impl Changes {
    pub(crate) fn new(store: Store, config: Config) -> Changes {
        Changes { store, config }
    }

    async fn propose(&self, author: &Author, change: Change) -> Result<Committed, Error> {
        let command = Command::Bss(BssCommand { change: Some(change) });
        self.store.propose_by(author, command).await
    }

    /// Stores a configuration, and gives it as it is stored.
    ///
    /// # Errors
    /// `Invalid` with the field, also for nodes that this member has no boot loader for; those of the state.
    pub(crate) async fn put(
        &self,
        author: &Author,
        put: PutBootConfiguration,
    ) -> Result<BootConfiguration, Error> {
        let given = put.configuration.as_ref();
        let given = given.ok_or_else(|| rpc::invalid("configuration", "it is missing"))?;
        let configuration = state::bss::normalise_boot_configuration(given)?;
        loaders::check(&self.store.state(), &configuration, &self.config)?;
        let name = configuration.name.clone();
        let put = PutBootConfiguration {
            configuration: Some(configuration),
            ..put
        };
        self.propose(author, Change::PutBootConfiguration(put)).await?;
        let stored = self.store.state_after(author).bss.configuration(&name);
        let stored = stored.ok_or_else(|| Error::Conflict {
            detail: format!("{KIND} {name} was deleted by someone else"),
        })?;
        let stored = stored.as_ref().clone();
        Ok(BootConfiguration {
            meta: author.told_meta(stored.meta),
            ..stored
        })
    }

    /// Deletes a configuration.
    ///
    /// # Errors
    /// Those of the state.
    pub(crate) async fn delete(
        &self,
        author: &Author,
        delete: DeleteBootConfiguration,
    ) -> Result<Committed, Error> {
        self.propose(author, Change::DeleteBootConfiguration(delete))
            .await
    }

    /// # Errors
    /// `NotFound`.
    pub(crate) fn stored(&self, name: &str) -> Result<BootConfiguration, Error> {
        let stored = self.store.state().bss.configuration(name);
        let stored = stored.ok_or_else(|| Error::NotFound {
            kind: KIND.to_owned(),
            id: name.to_owned(),
        })?;
        Ok(stored.as_ref().clone())
    }
}

#[tonic::async_trait]
impl boot_configuration_service_server::BootConfigurationService for BootConfigurationService {
    #[tracing::instrument(level = "debug", name = "bss.list_boot_configurations", skip_all)]
    async fn list_boot_configurations(
        &self,
        request: Request<ListBootConfigurationsRequest>,
    ) -> Result<Response<ListBootConfigurationsResponse>, Status> {
        let mut request = request.into_inner();
        let asked = page::Asked::take(&mut request.page_size, &mut request.page_token);
        let state = self.changes.store.state();
        let page = asked.of(&request, state.cluster_id())?;
        let (configurations, next_page_token) = page.cut(
            state.bss.configurations_after(page.after()),
            |configuration| &configuration.name,
            |configuration| configuration.as_ref().clone(),
        );
        Ok(Response::new(ListBootConfigurationsResponse {
            configurations,
            revision: state.applied_index(),
            next_page_token,
        }))
    }

    #[tracing::instrument(level = "debug", name = "bss.get_boot_configuration", skip_all, fields(name = ?request.get_ref().name))]
    async fn get_boot_configuration(
        &self,
        request: Request<GetBootConfigurationRequest>,
    ) -> Result<Response<BootConfiguration>, Status> {
        Ok(Response::new(self.changes.stored(&request.get_ref().name)?))
    }

    #[tracing::instrument(name = "bss.create_boot_configuration", skip_all)]
    async fn create_boot_configuration(
        &self,
        request: Request<CreateBootConfigurationRequest>,
    ) -> Result<Response<BootConfiguration>, Status> {
        let author = rpc::author(&request);
        let put = PutBootConfiguration {
            configuration: request.into_inner().configuration,
            must_be_new: true,
            if_revision: None,
        };
        let stored = self.changes.put(&author, put).await?;
        let location = format!("{COLLECTION}/{}", stored.name);
        let mut response = Response::new(stored);
        rpc::set_http_header(response.metadata_mut(), "location", &location);
        Ok(response)
    }

    #[tracing::instrument(name = "bss.replace_boot_configuration", skip_all, fields(name = ?request.get_ref().name))]
    async fn replace_boot_configuration(
        &self,
        request: Request<ReplaceBootConfigurationRequest>,
    ) -> Result<Response<BootConfiguration>, Status> {
        let author = rpc::author(&request);
        let ReplaceBootConfigurationRequest {
            name,
            configuration,
            if_revision,
        } = request.into_inner();
        let mut configuration = configuration.unwrap_or_default();
        if !configuration.name.is_empty() && configuration.name != name {
            let problem = format!("{name} is replaced, so it cannot be another; leave it out");
            return Err(rpc::invalid("name", problem).into());
        }
        configuration.name = name;
        let put = PutBootConfiguration {
            configuration: Some(configuration),
            must_be_new: false,
            if_revision,
        };
        Ok(Response::new(self.changes.put(&author, put).await?))
    }

    #[tracing::instrument(name = "bss.delete_boot_configuration", skip_all, fields(name = ?request.get_ref().name))]
    async fn delete_boot_configuration(
        &self,
        request: Request<DeleteBootConfigurationRequest>,
    ) -> Result<Response<DeleteBootConfigurationResponse>, Status> {
        let author = rpc::author(&request);
        let DeleteBootConfigurationRequest { name, if_revision } = request.into_inner();
        let delete = DeleteBootConfiguration { name, if_revision };
        let committed = self.changes.delete(&author, delete).await?;
        Ok(Response::new(DeleteBootConfigurationResponse {
            revision: committed.revision,
        }))
    }
}

//! `TemplateService`: files that administrators describe themselves. A text that cannot be parsed never reaches the log.

use proto::configurator::v1::configurator_command::{self, Change};
use proto::configurator::v1::{
    ConfiguratorCommand, DeleteTemplateRequest, DeleteTemplateResponse, GetTemplateRequest,
    GrantTemplateSecretsRequest, ListTemplatesRequest, ListTemplatesResponse, PutTargetRequest,
    PutTemplateRequest, Template, template_service_server,
};
use proto::google::api::HttpBody;
use proto::raft::v1::entry::Command;
use raft::Store;
use rpc::{Author, Error};
use tonic::{Request, Response, Status};

use crate::error::told;
use crate::generate_service::json;
use crate::put_target;

/// Shows and changes templates.
#[derive(Clone, Debug)]
pub struct TemplateService {
    store: Store,
}

impl TemplateService {
    /// A service that changes and answers from `store`.
    #[must_use]
    pub fn new(store: Store) -> TemplateService {
        TemplateService { store }
    }

    async fn propose(&self, author: &Author, change: Change) -> Result<(), Error> {
        let command = ConfiguratorCommand { change: Some(change) };
        let proposed = self.store.propose_by(author, Command::Configurator(command));
        proposed.await.map(|_| ())
    }

    async fn put(
        &self,
        author: &Author,
        template: Template,
        if_revision: Option<u64>,
    ) -> Result<Template, Error> {
        check_name(&template.name)?;
        configurator::check_template(&template).map_err(told)?;
        let name = template.name.clone();
        let put = configurator_command::PutTemplate {
            template: Some(template),
            if_revision,
        };
        self.propose(author, Change::PutTemplate(put)).await?;
        self.stored(author, &name)
    }

    /// As it is after a change, or would be.
    fn stored(&self, author: &Author, name: &str) -> Result<Template, Error> {
        let state = self.store.state_after(author);
        let stored = state.configurator.template(name).map(|it| Template::clone(it));
        let stored = stored.ok_or_else(|| Error::Conflict {
            detail: format!("{name} was deleted by someone else"),
        })?;
        Ok(Template {
            meta: author.told_meta(stored.meta),
            ..stored
        })
    }
}

#[tonic::async_trait]
impl template_service_server::TemplateService for TemplateService {
    #[tracing::instrument(level = "debug", name = "configurator.get_template", skip_all)]
    async fn get_template(&self, request: Request<GetTemplateRequest>) -> Result<Response<Template>, Status> {
        let GetTemplateRequest { name } = request.into_inner();
        let state = self.store.state();
        let found = state.configurator.template(&name).map(|it| Template::clone(it));
        let found = found.ok_or(Error::NotFound {
            kind: "template".to_owned(),
            id: name,
        })?;
        Ok(Response::new(found))
    }

    #[tracing::instrument(level = "debug", name = "configurator.list_templates", skip_all)]
    async fn list_templates(
        &self,
        _: Request<ListTemplatesRequest>,
    ) -> Result<Response<ListTemplatesResponse>, Status> {
        let state = self.store.state();
        let templates = state.configurator.templates().map(|it| Template {
            name: it.name.clone(),
            path: it.path.clone(),
            body: String::new(),
            description: it.description.clone(),
            secrets: it.secrets.clone(),
            meta: it.meta.clone(),
        });
        Ok(Response::new(ListTemplatesResponse {
            templates: templates.collect(),
        }))
    }

    #[tracing::instrument(name = "configurator.put_template", skip_all)]
    async fn put_template(&self, request: Request<PutTemplateRequest>) -> Result<Response<Template>, Status> {
        let author = rpc::author(&request);
        let PutTemplateRequest {
            template,
            if_revision,
        } = request.into_inner();
        let template = template.ok_or_else(|| rpc::invalid("template", "it is missing"))?;
        Ok(Response::new(self.put(&author, template, if_revision).await?))
    }

    #[tracing::instrument(name = "configurator.delete_template", skip_all)]
    async fn delete_template(
        &self,
        request: Request<DeleteTemplateRequest>,
    ) -> Result<Response<DeleteTemplateResponse>, Status> {
        let author = rpc::author(&request);
        let DeleteTemplateRequest { name, if_revision } = request.into_inner();
        let delete = configurator_command::DeleteTemplate { name, if_revision };
        self.propose(&author, Change::DeleteTemplate(delete)).await?;
        Ok(Response::new(DeleteTemplateResponse {}))
    }

    #[tracing::instrument(name = "configurator.grant_template_secrets", skip_all)]
    async fn grant_template_secrets(
        &self,
        request: Request<GrantTemplateSecretsRequest>,
    ) -> Result<Response<Template>, Status> {
        let author = rpc::author(&request);
        let GrantTemplateSecretsRequest {
            name,
            secrets,
            if_revision,
        } = request.into_inner();
        let grant = configurator_command::GrantSecrets {
            name: name.clone(),
            secrets,
            if_revision,
        };
        self.propose(&author, Change::GrantSecrets(grant)).await?;
        Ok(Response::new(self.stored(&author, &name)?))
    }

    #[tracing::instrument(name = "configurator.put_target", skip_all)]
    async fn put_target(&self, request: Request<PutTargetRequest>) -> Result<Response<HttpBody>, Status> {
        let author = rpc::author(&request);
        let template = put_target::template(request.into_inner())?;
        let stored = self.put(&author, template, None).await?;
        let message = format!("target {0} is template {0}", stored.name);
        let body = serde_json::json!({ "code": 200, "message": message });
        Ok(json(body.to_string().into_bytes()))
    }
}

/// `/generate?target=hosts` is the target, so a template of that name would never be made.
fn check_name(name: &str) -> Result<(), Error> {
    match configurator::target(name) {
        Err(_) => Ok(()),
        Ok(_) => {
            let problem = format!("{name} is a target; choose another name");
            Err(rpc::invalid("name", problem))
        }
    }
}

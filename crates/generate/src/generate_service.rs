//! `GenerateService`: files of the state, natively and as today's configurator answers.

use auth::Sealer;
use proto::configurator::v1::{
    GenerateMapRequest, GenerateRequest, GenerateResponse, GetHttpSdRequest, GetStatusRequest,
    ListTargetsRequest, ListTargetsResponse, Target, TargetOption, generate_service_server,
};
use proto::google::api::HttpBody;
use raft::Store;
use rpc::Error;
use tonic::{Request, Response, Status};

use crate::maker::{Asked, Made, Maker, Shown};
use crate::{SecretLog, etag};

/// The permission of all methods but the one with passwords.
const READ: &str = "configurator.read";
/// The permission of the method with passwords.
const READ_SECRETS: &str = "configurator-secret.read";
/// The target that Prometheus asks for.
const HTTP_SD: &str = "http-sd";
/// What the configurator says of itself.
const HEALTHY: &str = r#"{"code":200,"message":"Configurator is healthy"}"#;

/// Makes files for whoever asks.
#[derive(Clone, Debug)]
pub struct GenerateService {
    maker: Maker,
    log: SecretLog,
}

impl GenerateService {
    /// A service that makes files of the state of `store`, opens with `sealer` what templates were granted, and tells
    /// `log` who was handed it.
    #[must_use]
    pub fn new(store: Store, sealer: Sealer, log: SecretLog) -> GenerateService {
        GenerateService {
            maker: Maker::new(store, sealer),
            log,
        }
    }

    async fn without_secrets<T>(
        &self,
        request: &Request<T>,
        target: &str,
        option: &[String],
    ) -> Result<Made, Error> {
        let asked = Asked {
            rights: rpc::rights(request),
            permission: READ,
            secrets: None,
        };
        let request = GenerateRequest {
            target: target.to_owned(),
            option: option.to_vec(),
        };
        self.maker.make(request, asked).await
    }
}

#[tonic::async_trait]
impl generate_service_server::GenerateService for GenerateService {
    #[tracing::instrument(level = "debug", name = "configurator.generate", skip_all, fields(target = ?request.get_ref().target))]
    async fn generate(
        &self,
        request: Request<GenerateRequest>,
    ) -> Result<Response<GenerateResponse>, Status> {
        let GenerateRequest { target, option } = request.get_ref();
        let made = self.without_secrets(&request, target, option).await?;
        Ok(etag::with(Response::new(made.answer), &made.etag))
    }

    #[tracing::instrument(name = "configurator.generate_with_secrets", skip_all, fields(target = ?request.get_ref().target))]
    async fn generate_with_secrets(
        &self,
        request: Request<GenerateRequest>,
    ) -> Result<Response<GenerateResponse>, Status> {
        let asked = Asked {
            rights: rpc::rights(&request),
            permission: READ_SECRETS,
            secrets: Some(Shown {
                scope: rpc::scope(&request),
                by: rpc::author(&request).principal().to_owned(),
                log: self.log.clone(),
            }),
        };
        // without an ETag: a hash of a password is something to try passwords against
        let made = self.maker.make(request.into_inner(), asked).await?;
        Ok(Response::new(made.answer))
    }

    #[tracing::instrument(level = "debug", name = "configurator.list_targets", skip_all)]
    async fn list_targets(
        &self,
        _: Request<ListTargetsRequest>,
    ) -> Result<Response<ListTargetsResponse>, Status> {
        let targets = configurator::targets().iter().map(shown).collect();
        Ok(Response::new(ListTargetsResponse { targets }))
    }

    #[tracing::instrument(level = "debug", name = "configurator.get_http_sd", skip_all)]
    async fn get_http_sd(&self, request: Request<GetHttpSdRequest>) -> Result<Response<HttpBody>, Status> {
        let option = &request.get_ref().option;
        let made = self.without_secrets(&request, HTTP_SD, option).await?;
        let file = made.answer.files.into_iter().next();
        let file = file.ok_or_else(|| Error::Internal(format!("{HTTP_SD} made no file")))?;
        Ok(etag::with(json(file.content.into_bytes()), &made.etag))
    }

    #[tracing::instrument(level = "debug", name = "configurator.generate_map", skip_all, fields(target = ?request.get_ref().target))]
    async fn generate_map(&self, request: Request<GenerateMapRequest>) -> Result<Response<HttpBody>, Status> {
        let GenerateMapRequest { target, option } = request.get_ref();
        let made = self.without_secrets(&request, target, option).await?;
        let files = made.answer.files.into_iter();
        let map: serde_json::Map<_, _> = files.map(|file| (file.path, file.content.into())).collect();
        let map = json(serde_json::Value::Object(map).to_string().into_bytes());
        Ok(etag::with(map, &made.etag))
    }

    async fn get_status(&self, _: Request<GetStatusRequest>) -> Result<Response<HttpBody>, Status> {
        Ok(json(HEALTHY.as_bytes().to_vec()))
    }
}

fn shown(target: &configurator::Target) -> Target {
    let options = target.options.iter().map(|option| TargetOption {
        name: option.name.to_owned(),
        meaning: option.meaning.to_owned(),
    });
    Target {
        name: target.name.to_owned(),
        summary: target.summary.to_owned(),
        options: options.collect(),
    }
}

/// A body of JSON.
pub(crate) fn json(data: Vec<u8>) -> Response<HttpBody> {
    Response::new(HttpBody {
        content_type: "application/json".to_owned(),
        data,
        extensions: Vec::new(),
    })
}

//! BSS's `/boot/v1/service/…`: whether the service runs, its version, and whether what it stands on can be reached.

use proto::bss::v1::{GetStatusRequest, service_status_service_server};
use proto::google::api::HttpBody;
use raft::Store;
use serde::Serialize;
use tonic::{Request, Response, Status};

/// Go's guess for a body whose type nobody names.
const CONTENT_TYPE: &str = "text/plain; charset=utf-8";
/// What BSS says where `etcd` or `postgres` is behind it.
const STORAGE: &str = "raft";
const INTERNAL_SERVER_ERROR: u16 = 500;

/// What BSS says of itself.
#[derive(Clone, Debug)]
pub struct ServiceStatusService {
    store: Store,
}

/// In the order of BSS's keys; what is not asked for is absent.
#[derive(Default, Serialize)]
struct Told {
    #[serde(rename = "bss-version", skip_serializing_if = "Option::is_none")]
    version: Option<&'static str>,
    #[serde(rename = "bss-status", skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(rename = "bss-status-hsm", skip_serializing_if = "Option::is_none")]
    hsm: Option<&'static str>,
    #[serde(rename = "bss-storage-backend", skip_serializing_if = "Option::is_none")]
    storage: Option<Storage>,
}

#[derive(Serialize)]
struct Storage {
    name: &'static str,
    status: &'static str,
}

impl ServiceStatusService {
    /// A service that reports on `store`.
    #[must_use]
    pub fn new(store: Store) -> ServiceStatusService {
        ServiceStatusService { store }
    }

    /// A read index proves what BSS's test write proves: a majority answers.
    async fn storage(&self) -> Storage {
        let status = match self.store.linearize().await {
            Ok(()) => "connected",
            Err(_) => "error",
        };
        Storage {
            name: STORAGE,
            status,
        }
    }
}

impl Told {
    fn answer(&self) -> Response<HttpBody> {
        let mut text = serde_json::to_string(self).expect("texts only: JSON cannot fail");
        text.push('\n');
        let mut response = Response::new(HttpBody {
            content_type: CONTENT_TYPE.to_owned(),
            data: text.into_bytes(),
            extensions: Vec::new(),
        });
        if self
            .storage
            .as_ref()
            .is_some_and(|storage| storage.status == "error")
        {
            rpc::set_http_status(response.metadata_mut(), INTERNAL_SERVER_ERROR);
        }
        response
    }
}

/// Said as long as it can be said; whether the service can write is told by its storage.
const RUNNING: Option<&str> = Some("running");
/// The inventory is in the same state: there is no connection that could break.
const CONNECTED: Option<&str> = Some("connected");
const VERSION: Option<&str> = Some(env!("CARGO_PKG_VERSION"));

#[tonic::async_trait]
impl service_status_service_server::ServiceStatusService for ServiceStatusService {
    async fn get_status(&self, _: Request<GetStatusRequest>) -> Result<Response<HttpBody>, Status> {
        let told = Told {
            status: RUNNING,
            ..Told::default()
        };
        Ok(told.answer())
    }

    async fn get_status_of_all(&self, _: Request<GetStatusRequest>) -> Result<Response<HttpBody>, Status> {
        let told = Told {
            version: VERSION,
            status: RUNNING,
            hsm: CONNECTED,
            storage: Some(self.storage().await),
        };
        Ok(told.answer())
    }

    async fn get_version(&self, _: Request<GetStatusRequest>) -> Result<Response<HttpBody>, Status> {
        let told = Told {
            version: VERSION,
            ..Told::default()
        };
        Ok(told.answer())
    }

    async fn get_hsm_status(&self, _: Request<GetStatusRequest>) -> Result<Response<HttpBody>, Status> {
        let told = Told {
            hsm: CONNECTED,
            ..Told::default()
        };
        Ok(told.answer())
    }

    async fn get_storage_status(&self, _: Request<GetStatusRequest>) -> Result<Response<HttpBody>, Status> {
        let told = Told {
            storage: Some(self.storage().await),
            ..Told::default()
        };
        Ok(told.answer())
    }
}

#[cfg(test)]
mod tests {
    use service_status_service_server::ServiceStatusService as _;

    use super::*;

    fn shown(response: Response<HttpBody>) -> (Option<String>, String) {
        let status = response.metadata().get(rpc::HTTP_STATUS);
        let status = status.map(|status| status.to_str().unwrap().to_owned());
        let body = response.into_inner();
        assert_eq!(body.content_type, "text/plain; charset=utf-8");
        (status, String::from_utf8(body.data).unwrap())
    }

    fn ask() -> Request<GetStatusRequest> {
        Request::new(GetStatusRequest {})
    }

    /// Keys, their order and the line's end are BSS's.
    #[tokio::test]
    async fn each_route_says_its_part_and_all_says_everything() {
        let service = ServiceStatusService::new(Store::in_memory());
        let version = env!("CARGO_PKG_VERSION");
        let cases = [
            (
                service.get_status(ask()).await,
                "{\"bss-status\":\"running\"}\n".to_owned(),
            ),
            (
                service.get_version(ask()).await,
                format!("{{\"bss-version\":\"{version}\"}}\n"),
            ),
            (
                service.get_hsm_status(ask()).await,
                "{\"bss-status-hsm\":\"connected\"}\n".to_owned(),
            ),
            (
                service.get_storage_status(ask()).await,
                "{\"bss-storage-backend\":{\"name\":\"raft\",\"status\":\"connected\"}}\n".to_owned(),
            ),
            (
                service.get_status_of_all(ask()).await,
                format!(
                    "{{\"bss-version\":\"{version}\",\"bss-status\":\"running\",\"bss-status-hsm\":\"connected\",\
                     \"bss-storage-backend\":{{\"name\":\"raft\",\"status\":\"connected\"}}}}\n"
                ),
            ),
        ];
        for (answer, expected) in cases {
            assert_eq!(shown(answer.unwrap()), (None, expected));
        }
    }

    /// "connected" without a majority would be a lie that a monitor believes.
    #[tokio::test]
    async fn without_a_majority_storage_is_an_error_and_the_service_runs() {
        let state = Store::in_memory().state().as_ref().clone();
        let service = ServiceStatusService::new(Store::in_memory_without_majority(state));
        let (status, text) = shown(service.get_storage_status(ask()).await.unwrap());
        assert_eq!(status.as_deref(), Some("500"));
        assert!(text.contains("\"status\":\"error\""), "{text}");
        let (status, text) = shown(service.get_status_of_all(ask()).await.unwrap());
        assert_eq!(status.as_deref(), Some("500"));
        assert!(text.contains("\"bss-status\":\"running\""), "{text}");
        assert_eq!(shown(service.get_status(ask()).await.unwrap()).0, None);
    }
}

//! HSM's service/ready, service/liveness and service/values.

use std::time::Duration;

use model::{HmsType, NodeState};
use proto::smd::v1::{
    GetLivenessRequest, GetLivenessResponse, GetReadyRequest, GetReadyResponse, GetValuesRequest,
    GetValuesResponse, service_status_service_server,
};
use raft::Store;
use rpc::Error;
use tonic::{Request, Response, Status};

/// When a caller may ask again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Whether this member answers, and whether its answers are up to date.
#[derive(Clone, Debug)]
pub struct ServiceStatusService {
    store: Store,
}

impl ServiceStatusService {
    /// A service that reports on `store`.
    #[must_use]
    pub fn new(store: Store) -> ServiceStatusService {
        ServiceStatusService { store }
    }
}

#[tonic::async_trait]
impl service_status_service_server::ServiceStatusService for ServiceStatusService {
    /// The read barrier before this method has already failed without a majority.
    async fn get_ready(&self, _: Request<GetReadyRequest>) -> Result<Response<GetReadyResponse>, Status> {
        if !self.store.is_verified() {
            let reason = "it has not caught up with a leader since it started".to_owned();
            return Err(Error::NotReady {
                retry_after: RETRY_AFTER,
                reason,
            }
            .into());
        }
        Ok(Response::new(GetReadyResponse {
            code: 0,
            message: "HSM is healthy".to_owned(),
        }))
    }

    async fn get_liveness(
        &self,
        _: Request<GetLivenessRequest>,
    ) -> Result<Response<GetLivenessResponse>, Status> {
        Ok(Response::new(GetLivenessResponse {}))
    }

    async fn get_values(
        &self,
        request: Request<GetValuesRequest>,
    ) -> Result<Response<GetValuesResponse>, Status> {
        let kind = &request.get_ref().kind;
        values(kind).map(Response::new).ok_or_else(|| {
            let (kind, id) = ("kind of values".to_owned(), kind.escape_debug().to_string());
            Error::NotFound { kind, id }.into()
        })
    }
}

/// The values of one kind, or of all when `kind` is empty; `None` for a kind that there is not.
fn values(kind: &str) -> Option<GetValuesResponse> {
    let all = GetValuesResponse {
        arch: names(["X86", "ARM", "UNKNOWN", "Other"]),
        class: names(["River", "Mountain", "Hill"]),
        flag: names(["Unknown", "OK", "Warning", "Alert", "Locked"]),
        net_type: names(["Sling", "Infiniband", "Ethernet", "OEM", "None"]),
        role: names(model::ROLES),
        sub_role: names(model::SUB_ROLES),
        state: names(NodeState::ALL.map(NodeState::as_str)),
        r#type: names(HmsType::ALL.iter().map(|hms_type| hms_type.as_str())),
    };
    let none = GetValuesResponse::default();
    Some(match kind {
        "" => all,
        "arch" => GetValuesResponse {
            arch: all.arch,
            ..none
        },
        "class" => GetValuesResponse {
            class: all.class,
            ..none
        },
        "flag" => GetValuesResponse {
            flag: all.flag,
            ..none
        },
        "nettype" => GetValuesResponse {
            net_type: all.net_type,
            ..none
        },
        "role" => GetValuesResponse {
            role: all.role,
            ..none
        },
        "subrole" => GetValuesResponse {
            sub_role: all.sub_role,
            ..none
        },
        "state" => GetValuesResponse {
            state: all.state,
            ..none
        },
        "type" => GetValuesResponse {
            r#type: all.r#type,
            ..none
        },
        _ => return None,
    })
}

fn names<'n>(names: impl IntoIterator<Item = &'n str>) -> Vec<String> {
    names.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use service_status_service_server::ServiceStatusService as _;

    use super::*;

    #[tokio::test]
    async fn a_verified_member_is_ready_and_alive() {
        let service = ServiceStatusService::new(Store::in_memory());
        let ready = service
            .get_ready(Request::new(GetReadyRequest {}))
            .await
            .unwrap()
            .into_inner();
        assert_eq!((ready.code, ready.message.as_str()), (0, "HSM is healthy"));
        service
            .get_liveness(Request::new(GetLivenessRequest {}))
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn every_kind_of_values_is_told_alone_and_with_the_others() {
        type List = fn(&mut GetValuesResponse) -> &mut Vec<String>;
        let kinds: [(&str, List); 8] = [
            ("arch", |values| &mut values.arch),
            ("class", |values| &mut values.class),
            ("flag", |values| &mut values.flag),
            ("nettype", |values| &mut values.net_type),
            ("role", |values| &mut values.role),
            ("subrole", |values| &mut values.sub_role),
            ("state", |values| &mut values.state),
            ("type", |values| &mut values.r#type),
        ];
        let mut all = values("").unwrap();
        assert_eq!((all.r#type.len(), all.flag.len()), (HmsType::ALL.len(), 5));
        for (kind, list) in kinds {
            let mut one = values(kind).unwrap();
            let told = std::mem::take(list(&mut one));
            assert!(!told.is_empty(), "{kind}");
            assert_eq!(told, std::mem::take(list(&mut all)), "{kind}");
            assert_eq!(one, GetValuesResponse::default(), "{kind}: alone");
        }
        assert_eq!(all, GetValuesResponse::default(), "every kind has a name");
        let service = ServiceStatusService::new(Store::in_memory());
        let unknown = GetValuesRequest {
            kind: "colour".into(),
        };
        let status = service.get_values(Request::new(unknown)).await.unwrap_err();
        assert_eq!(status.code(), tonic::Code::NotFound);
    }
}

//! A client of one or several members: writes and reads one register, by name.
//!
//! A register is the boot parameters of a host: its value is the `params` text, its writes replace.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)] // for tests only

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use proto::bss::v1::boot_parameters_service_client::BootParametersServiceClient;
use proto::bss::v1::{BootParameters, ListBootParametersRequest};
use proto::cluster::v1::cluster_service_client::ClusterServiceClient;
use proto::cluster::v1::member_service_client::MemberServiceClient;
use proto::cluster::v1::{ClusterStatus, GetStatusRequest, SetMemberAddressRequest, TransferLeaderRequest};
use rpc::client::{Channel, Credentials, Options, connect};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use tonic::{Code, Request, Status};

/// A list of all registers may have this many bytes.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// A caller waits this much longer than it told the member to take, for an answer on its way.
const GRACE: Duration = Duration::from_millis(200);

/// What a write was answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// Acknowledged.
    Yes,
    /// Refused with the promise that nothing was changed.
    No,
    /// It may have happened, or may still happen.
    Unknown,
}

/// What a read was answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// The register's value; `None` if it was never written.
    Value(Option<String>),
    /// No answer that says anything.
    Failed,
}

/// The client; cheap to clone.
#[derive(Clone)]
pub struct Caller(Channel);

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Caller")
    }
}

impl Caller {
    /// A client of `endpoints`, as the administrator whose identities are in `identities`.
    pub fn new(endpoints: Vec<String>, identities: &Path) -> Caller {
        let token = std::fs::read_to_string(identities.join("admin.token")).unwrap();
        let ca = CertificateDer::pem_file_iter(identities.join("ca.pem")).unwrap();
        let options = Options {
            endpoints,
            ca: ca.map(Result::unwrap).collect(),
            credentials: Credentials::Token(token.trim().to_owned()),
        };
        Caller(connect(options).unwrap())
    }

    /// For calls of other services.
    pub fn channel(&self) -> Channel {
        self.0.clone()
    }

    fn registers(&self) -> BootParametersServiceClient<Channel> {
        BootParametersServiceClient::new(self.0.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    /// Writes a register. A refusal that no fault explains panics: it is a bug of the product or of the test.
    pub async fn write(&self, register: &str, value: &str, at_most: Duration) -> Written {
        let body = BootParameters {
            hosts: vec![register.to_owned()],
            params: value.to_owned(),
            kernel: "http://files/vmlinuz".to_owned(),
            ..Default::default()
        };
        let mut client = self.registers();
        let answer = client.replace_boot_parameters(limited(body, at_most));
        match tokio::time::timeout(at_most + GRACE, answer).await {
            Ok(Ok(_)) => Written::Yes,
            Ok(Err(status)) => meaning(&status),
            Err(_) => Written::Unknown,
        }
    }

    /// Reads a register, linearizably.
    pub async fn read(&self, register: &str, at_most: Duration) -> Read {
        self.ask(limited(of(register), at_most), at_most).await
    }

    /// Reads what the member has applied, however old that is.
    pub async fn read_local(&self, register: &str, at_most: Duration) -> Read {
        let mut request = limited(of(register), at_most);
        let local = rpc::CONSISTENCY_LOCAL.parse().unwrap();
        request.metadata_mut().insert(rpc::CONSISTENCY, local);
        self.ask(request, at_most).await
    }

    async fn ask(&self, request: Request<ListBootParametersRequest>, at_most: Duration) -> Read {
        let mut client = self.registers();
        let answer = client.list_boot_parameters(request);
        match tokio::time::timeout(at_most + GRACE, answer).await {
            Ok(Ok(answer)) => Read::Value(
                answer
                    .into_inner()
                    .items
                    .into_iter()
                    .next()
                    .map(|item| item.params),
            ),
            Ok(Err(status)) if status.code() == Code::NotFound => Read::Value(None),
            Ok(Err(_)) | Err(_) => Read::Failed,
        }
    }

    /// All registers, linearizably.
    ///
    /// # Errors
    /// What the member, or the way to it, said instead.
    pub async fn read_all(&self, at_most: Duration) -> Result<BTreeMap<String, String>, Status> {
        let request = limited(ListBootParametersRequest::default(), at_most);
        let items = self
            .registers()
            .list_boot_parameters(request)
            .await?
            .into_inner()
            .items;
        let named = items
            .into_iter()
            .filter_map(|item| Some((item.hosts.into_iter().next()?, item.params)));
        Ok(named.collect())
    }

    /// A change of the membership: member `id` has another API address from now on. Whether it was acknowledged.
    pub async fn set_api_address(&self, id: u64, api_address: &str, at_most: Duration) -> bool {
        let change = SetMemberAddressRequest {
            id,
            api_address: api_address.to_owned(),
            ..Default::default()
        };
        let mut client = MemberServiceClient::new(self.0.clone());
        let answer = client.set_member_address(limited(change, at_most));
        matches!(tokio::time::timeout(at_most + GRACE, answer).await, Ok(Ok(_)))
    }

    /// Member `to` leads from now on. Whether it does.
    pub async fn transfer_leader(&self, to: u64, at_most: Duration) -> bool {
        let mut client = MemberServiceClient::new(self.0.clone());
        let answer = client.transfer_leader(limited(TransferLeaderRequest { to }, at_most));
        matches!(tokio::time::timeout(at_most + GRACE, answer).await, Ok(Ok(_)))
    }

    /// What a member says of itself.
    pub async fn status(&self, at_most: Duration) -> Option<ClusterStatus> {
        let mut client = ClusterServiceClient::new(self.0.clone());
        let answer = client.get_status(limited(GetStatusRequest {}, at_most));
        let answer = tokio::time::timeout(at_most + GRACE, answer).await;
        Some(answer.ok()?.ok()?.into_inner())
    }
}

fn of(register: &str) -> ListBootParametersRequest {
    ListBootParametersRequest {
        name: vec![register.to_owned()],
        ..Default::default()
    }
}

fn limited<T>(message: T, at_most: Duration) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(at_most);
    request
}

/// An error without the word "unknown" is a promise that nothing was changed, and is held to it.
fn meaning(status: &Status) -> Written {
    let unknown = status.metadata().contains_key(rpc::OUTCOME);
    match status.code() {
        Code::Unavailable | Code::ResourceExhausted if !unknown => Written::No,
        Code::Unavailable
        | Code::ResourceExhausted
        | Code::DeadlineExceeded
        | Code::Cancelled
        | Code::Unknown
        | Code::Internal => Written::Unknown,
        _ => panic!("a write was refused: {status:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Too weak a reading hides broken promises, too strong a one finds what is none.
    #[test]
    fn only_a_promise_is_taken_for_one() {
        assert_eq!(meaning(&Status::unavailable("no majority")), Written::No);
        assert_eq!(meaning(&Status::deadline_exceeded("late")), Written::Unknown);
        assert_eq!(meaning(&Status::internal("broken")), Written::Unknown);
        let open = Status::from(rpc::Error::OutcomeUnknown);
        assert_eq!(
            (open.code(), meaning(&open)),
            (Code::Unavailable, Written::Unknown)
        );
    }

    #[test]
    #[should_panic(expected = "was refused")]
    fn a_refusal_that_no_fault_explains_ends_the_test() {
        meaning(&Status::invalid_argument("no such host"));
    }
}

//! A user's certificate of the cluster under load, as an SDK shows it.

use proto::auth::v1::IssueCertificateRequest;
use proto::auth::v1::certificate_service_client::CertificateServiceClient;
use rpc::client::{Channel, Credentials, Options};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::demo::{Cluster, GRPC_PORT};
use crate::error::{CliError, Kind};

/// Whom it is for.
const USER: &str = "user/bench";
/// How long it is good: longer than any benchmark lasts.
const VALID_FOR_S: u32 = 24 * 3600;

/// A certificate chain and its key.
pub(super) struct Certified {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Certified {
    /// Has the cluster's CA sign one.
    ///
    /// # Errors
    /// If the cluster refuses, or what it signs cannot be read.
    pub(super) async fn by(cluster: &Cluster) -> Result<Self, CliError> {
        let target = cluster.target();
        let mut client = CertificateServiceClient::new(target.connect_one(&target.endpoints[0])?);
        let (key_pem, public_key) =
            auth::pki::new_member_key().map_err(|error| CliError::other("cannot make a key", error))?;
        let request = IssueCertificateRequest {
            principal: USER.to_owned(),
            public_key,
            valid_for_s: VALID_FOR_S,
            names: Vec::new(),
        };
        let answer = client.issue_certificate(request).await?.into_inner();
        let chain: Result<Vec<_>, _> =
            CertificateDer::pem_slice_iter(answer.certificate_pem.as_bytes()).collect();
        let unreadable = |error| CliError::other("cannot read the certificate", error);
        Ok(Self {
            chain: chain.map_err(unreadable)?,
            key: PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).map_err(unreadable)?,
        })
    }

    /// One connection to a member, by this certificate alone.
    pub(super) fn channel_to(&self, cluster: &Cluster, member: u64) -> Result<Channel, CliError> {
        let options = Options {
            endpoints: vec![cluster.layout().on_member(member, GRPC_PORT).to_string()],
            ca: cluster.target().ca().to_vec(),
            credentials: Credentials::Certificate(self.chain.clone(), self.key.clone_key()),
        };
        rpc::client::connect(options).map_err(|error| CliError::new(Kind::Other, error.to_string()))
    }
}

//! A user's certificate of the cluster under load, as an SDK shows it.

use std::path::Path;
use std::time::SystemTime;

use auth::pki::CertificateAuthority;
use rpc::client::{Channel, Credentials, Options};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::demo::{CLUSTER, Cluster, GRPC_PORT};
use crate::error::{CliError, Kind};

/// Whom it is for.
const USER: &str = "bench";

/// A certificate chain and its key.
pub(super) struct Certified {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Certified {
    /// Has the cluster's CA sign one: its key is kept beside the members, as an administrator keeps it offline.
    ///
    /// # Errors
    /// If the CA cannot be read or what it signs cannot.
    pub(super) fn by(cluster: &Cluster) -> Result<Self, CliError> {
        let identities = cluster.layout().identities();
        let (certificate, key) = (
            read(&identities.join("ca.pem"))?,
            read(&identities.join("ca.key"))?,
        );
        let failed = |error| CliError::other("cannot sign a certificate", error);
        let ca = CertificateAuthority::from_pem(CLUSTER, &certificate, &key).map_err(failed)?;
        let issued = ca.issue_user(USER, SystemTime::now()).map_err(failed)?;
        let chain: Result<Vec<_>, _> =
            CertificateDer::pem_slice_iter(issued.certificate_pem.as_bytes()).collect();
        let unreadable = |error| CliError::other("cannot read the certificate", error);
        Ok(Self {
            chain: chain.map_err(unreadable)?,
            key: PrivateKeyDer::from_pem_slice(issued.key_pem.as_bytes()).map_err(unreadable)?,
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

fn read(file: &Path) -> Result<String, CliError> {
    let step = format!("cannot read {}", file.display());
    std::fs::read_to_string(file).map_err(|error| CliError::other(&step, error))
}

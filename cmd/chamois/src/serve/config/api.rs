//! `[api]`: the ports for administrators and services.

use std::net::SocketAddr;
use std::path::PathBuf;

use model::Ipv4Net;
use serde::Deserialize;

use super::value;

/// `[api]` of the configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ApiConfig {
    /// Address and port of the gRPC API (default port 7441): client certificate or bearer token.
    #[serde(deserialize_with = "value::listen_address")]
    pub grpc_listen: SocketAddr,
    /// Address and port of the HTTPS API with OpenCHAMI's routes (default port 8443): bearer token or
    /// client certificate.
    #[serde(deserialize_with = "value::listen_address")]
    pub https_listen: SocketAddr,
    /// A site's own certificate for the HTTPS port, PEM: own certificate first, then those between it and its root. Read again when
    /// it changes. Default: the member's own, of the cluster's CA, which the gRPC port presents always.
    pub https_certificate: Option<PathBuf>,
    /// The private key of `https-certificate`, PEM; not readable for every user.
    pub https_key: Option<PathBuf>,
    /// A site's own CA, PEM, one or more: its client certificates are accepted beside those of the cluster's CA if their one URI is
    /// `spiffe://<cluster>/user/<name>`, `…/svc/<name>` or `…/node/<xname>`. Read again when it changes. Default: none.
    pub client_ca: Option<PathBuf>,
    /// Networks (CIDR) whose hosts may do the GETs that today's `ochami` sends without a token. Off
    /// (`[]`) unless you need it; each such read is logged.
    #[serde(default, deserialize_with = "value::networks")]
    pub anonymous_legacy_reads: Vec<Ipv4Net>,
    /// Whether changes that come to this member respect locks and reservations: what an administrator decides of a
    /// component that is locked or reserved is then changed only with the key of its reservation, in the header
    /// `chamois-reservation-key`. Default: no, as in SMD. Write the same on all members.
    #[serde(default)]
    pub enforce_locks: bool,
}

//! `[api]`: the ports for administrators and services.

use std::net::SocketAddr;
use std::path::PathBuf;

use model::Ipv4Net;
use rpc::server::Rate;
use serde::Deserialize;

use super::{AcmeConfig, value};

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
    /// Address and port of SMD alone, below `/hsm/v2`, in plain HTTP, for what asks the service past haproxy (today 27779). Whoever
    /// listens on that network can repeat the tokens that are sent there: name a loopback address if that will do. Default: none.
    #[serde(default, deserialize_with = "value::optional_listen_address")]
    pub legacy_smd_listen: Option<SocketAddr>,
    /// The same of BSS, below `/boot/v1` (today 27778).
    #[serde(default, deserialize_with = "value::optional_listen_address")]
    pub legacy_bss_listen: Option<SocketAddr>,
    /// The same of the cloud-init server, at the root and below `/cloud-init` (today 27777).
    #[serde(default, deserialize_with = "value::optional_listen_address")]
    pub legacy_cloud_init_listen: Option<SocketAddr>,
    /// More names (DNS) by which clients dial this member, such as the one that haproxy had: they are in the member's own certificate,
    /// beside its addresses and the service addresses. Default: none.
    #[serde(default, deserialize_with = "value::host_names")]
    pub names: Vec<String>,
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
    /// Connections that may be open at once on each of the two ports; 64 to 65536. What is more is closed and counted
    /// (`chamois_grpc_events_total`, `chamois_gateway_events_total`, `connections_refused`).
    #[serde(default = "connections_max")]
    pub connections_max: u32,
    /// As many from one address; 16 to `connections-max`. A host may be a whole site's.
    #[serde(default = "connections_per_address_max")]
    pub connections_per_address_max: u32,
    /// Connections a second that one address may go on making for ever, and ten times as many at once; what is more is
    /// closed and counted (`connections_too_often`). 0: no limit.
    #[serde(default = "connections_per_s_max")]
    pub connections_per_s_max: u32,
    /// Whether each request of the HTTPS port, and of the ports of single services, has a line in the log (target `access`): peer,
    /// principal, verb, path, status, bytes, milliseconds. 1,000 lines a second of each port at most. Default: no; changes and refusals are in the audit journal anyway.
    #[serde(default)]
    pub access_log: bool,
    /// Whether TLS 1.2 is spoken, too, for clients that are too old for TLS 1.3. Default: no. Members speak TLS 1.3 among
    /// themselves whatever this says.
    #[serde(default)]
    pub allow_tls12: bool,
    /// Whether notifications (`Subscriptions/SCN`) may be sent to this host itself, where services listen that trust whoever
    /// reaches them. Default: no. To link-local addresses, a cloud's metadata among them, nothing is sent ever.
    #[serde(default)]
    pub allow_loopback_webhooks: bool,
    /// A certificate for the HTTPS port that a CA gives by itself. Default: none is ordered.
    pub acme: Option<AcmeConfig>,
}

fn connections_max() -> u32 {
    4096
}

fn connections_per_address_max() -> u32 {
    1024
}

fn connections_per_s_max() -> u32 {
    500
}

impl ApiConfig {
    /// How often one address may connect, if that is limited.
    pub fn connection_rate(&self) -> Option<Rate> {
        (self.connections_per_s_max > 0).then(|| Rate {
            per_second_max: self.connections_per_s_max,
            burst_max: self.connections_per_s_max.saturating_mul(10),
        })
    }
}

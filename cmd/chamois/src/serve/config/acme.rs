//! `[api.acme]`: a certificate for the HTTPS port that a CA gives by itself (RFC 8555).

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use super::value;

/// `[api.acme]` of the configuration. Write the same on all members that serve the names; each orders a certificate of its own.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AcmeConfig {
    /// The CA's directory, `https://…`.
    pub directory: String,
    /// DNS names of the certificate. Clients that ask for one of them get it; all others get the member's own certificate.
    #[serde(deserialize_with = "value::host_names")]
    pub names: Vec<String>,
    /// Address and port at which the CA's questions arrive (HTTP-01: it asks port 80 of the names). On the service addresses of
    /// management networks, too; which member is asked does not matter.
    #[serde(deserialize_with = "value::listen_address")]
    pub http_listen: SocketAddr,
    /// Whether you agree to the CA's terms of service; it gives nothing without.
    pub agree_to_terms: bool,
    /// Mail address for the CA's warnings. Default: none.
    pub contact: Option<String>,
    /// CAs that have signed the directory's own certificate, PEM, for a CA of the site (step-ca). Default: those that the system trusts.
    pub ca: Option<PathBuf>,
    /// The key id that the CA has given for external account binding. Default: none.
    pub eab_key_id: Option<String>,
    /// File with the key of `eab-key-id` in base64url and nothing else; only its owner may read it.
    pub eab_key_file: Option<PathBuf>,
}

//! The configuration that `chamois init` and `chamois join` write for a host: what must be said, and where the rest is.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::error::CliError;

/// Default ports.
pub(crate) const PEER_PORT: u16 = 7440;
pub(crate) const GRPC_PORT: u16 = 7441;
const HTTPS_PORT: u16 = 8443;

/// Where this host is, and where its files go.
#[derive(Clone, Debug, Args)]
pub struct HostArgs {
    /// This host's own address, as the other members and administrators dial it
    #[arg(long, value_name = "ADDRESS")]
    pub address: Option<std::net::IpAddr>,
    /// More host names and addresses that clients dial it by, service addresses included; once for each
    #[arg(long = "name", value_name = "NAME")]
    pub names: Vec<String>,
    /// Directory for configuration and identity: `init` and `restore` make it, `join` may find it, without an identity
    #[arg(long, value_name = "DIR", default_value = "/etc/chamois")]
    pub dir: PathBuf,
    /// Directory of the member's log, snapshots and checkpoint
    #[arg(long, value_name = "DIR", default_value = "/var/lib/chamois/data")]
    pub data_dir: PathBuf,
}

/// `ADDRESS:PORT`, an IPv6 address in brackets.
pub(crate) fn endpoint(address: std::net::IpAddr, port: u16) -> String {
    std::net::SocketAddr::new(address, port).to_string()
}

/// Where boot files go: beside the data.
fn files_dir(data_dir: &Path) -> PathBuf {
    data_dir.with_file_name("files")
}

/// Makes the folder of the boot files, which `chamois serve` wants to find.
///
/// # Errors
/// What the file system says.
pub fn make_files_dir(data_dir: &Path) -> Result<(), CliError> {
    let dir = files_dir(data_dir);
    std::fs::create_dir_all(&dir)
        .map_err(|error| CliError::other(&format!("cannot make {}", dir.display()), error))
}

/// The text of `chamois.toml`.
pub(crate) fn render(
    cluster: &str,
    id: u64,
    address: std::net::IpAddr,
    dir: &Path,
    data_dir: &Path,
) -> String {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    format!(
        "# Member {id} of `{cluster}`. Every key that may stand here: deploy/examples/member-1.toml.\n\
         cluster = \"{cluster}\"\n\
         data-dir = {data:?}\n\
         identity-dir = {identity:?}\n\
         \n\
         [member]\n\
         id = {id}\n\
         \n\
         [raft]\n\
         peer-listen = \"{peer}\"\n\
         \n\
         [api]\n\
         grpc-listen = \"{grpc}\"\n\
         https-listen = \"{https}\"\n\
         \n\
         [boot]\n\
         files-dir = {files:?}\n\
         \n\
         # Compute nodes are answered on the networks named here, and on no other: see [[network]] in the example.\n",
        data = absolute(data_dir),
        identity = absolute(&dir.join("identity")),
        files = absolute(&files_dir(data_dir)),
        peer = endpoint(address, PEER_PORT),
        grpc = endpoint(address, GRPC_PORT),
        https = endpoint(address, HTTPS_PORT),
    )
}

/// What a host with this configuration answers on.
pub(crate) fn answers_on(address: std::net::IpAddr) -> String {
    format!(
        "  {peer}  the other members (mTLS, pinned keys)\n  {grpc}  gRPC API (TLS, bearer token)\n  {https}  HTTPS API \
         (TLS, bearer token)\n  nothing for compute nodes until a [[network]] is in chamois.toml\n",
        peer = endpoint(address, PEER_PORT),
        grpc = endpoint(address, GRPC_PORT),
        https = endpoint(address, HTTPS_PORT),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `cmd/chamois` tests that `serve` accepts it.
    #[test]
    fn it_names_member_ports_and_folders() {
        let text = render(
            "prod",
            4,
            "10.97.1.4".parse().unwrap(),
            Path::new("/etc/chamois"),
            Path::new("/data"),
        );
        for needed in [
            "id = 4",
            "cluster = \"prod\"",
            "10.97.1.4:7440",
            "\"/etc/chamois/identity\"",
            "data-dir = \"/data\"",
        ] {
            assert!(text.contains(needed), "{needed}\n{text}");
        }
        assert_eq!(endpoint("fd00::1".parse().unwrap(), 7441), "[fd00::1]:7441");
    }
}

//! `chamois join`: this host becomes a member of a cluster that there is.

use std::fs::Permissions;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use auth::pki::{new_member_key, public_key_of};
use auth::{JoinToken, JoinedMember, NotAJoinToken, write_joined};
use clap::Args;
use proto::cluster::v1::join_service_client::JoinServiceClient;
use proto::cluster::v1::{JoinRequest, JoinResponse};
use rpc::client::{connect_to_join, endpoint_host};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use crate::error::{CliError, Kind};
use crate::host_config::{self, GRPC_PORT, HostArgs, PEER_PORT};
use crate::{init, output};

/// How long the cluster may take: an election may come in between.
const ANSWER_AT_MOST: std::time::Duration = std::time::Duration::from_secs(30);

/// The service runs as a user of its own and reads the configuration in the folder that root makes, whatever root's
/// umask: secrets have modes of their own.
const FOLDER_MODE: u32 = 0o755;
/// See [`FOLDER_MODE`].
const CONFIG_MODE: u32 = 0o644;

/// `chamois join`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois join 10.97.1.1:7441 --token chamois-join-1.… --address 10.97.1.2
  chamois join 10.97.1.1 --token chamois-join-1.… --address 10.97.1.2 --name admin2.hpc --dir /etc/chamois

`chamois init` and `chamois member add` print the token. It says which cluster is trusted, so nothing else is copied; the
member's private key is made here and never leaves. If the answer is lost, the same command is safe to repeat.")]
pub struct JoinArgs {
    /// gRPC API of any member (host or host:port)
    #[arg(value_name = "MEMBER")]
    pub member: String,
    /// What `chamois init` or `chamois member add` printed
    #[arg(long, value_name = "TOKEN", value_parser = |text: &str| text.parse::<JoinToken>().map_err(|e: NotAJoinToken| e.to_string()))]
    pub token: JoinToken,
    /// Where this host is.
    #[command(flatten)]
    pub host: HostArgs,
}

pub(crate) async fn run(args: &JoinArgs) -> Result<(), CliError> {
    let Some(address) = args.host.address else {
        return Err(CliError::new(
            Kind::Usage,
            "no address: name this host's own with --address",
        ));
    };
    let identity = args.host.dir.join("identity");
    if identity.exists() {
        let text = format!("{} exists already; nothing is overwritten", identity.display());
        return Err(CliError::new(Kind::Conflict, text).with_remedy("Choose another --dir, or move it away."));
    }
    host_config::make_files_dir(&args.host.data_dir)?;
    let key_pem = own_key(&args.host.dir)?;
    let answer = ask(args, address, &key_pem).await?;
    check_ca(&args.token, &answer)?;
    let (id, cluster) = (answer.member_id, answer.cluster_name.clone());
    let has_kek = !answer.kek.is_empty();
    write_joined(&joined(answer, key_pem), &identity).map_err(|error| init::explain(&error))?;
    forget_own_key(&args.host.dir)?;
    let config = args.host.dir.join("chamois.toml");
    let text = host_config::render(&cluster, id, address, &args.host.dir, &args.host.data_dir);
    write_config(&config, &text)?;
    if !has_kek {
        eprintln!("{}", no_kek(&config));
    }
    output::print(format_args!(
        "member {id} of `{cluster}`: it will answer on\n{}\nStart it:\n  chamois serve --config {}",
        host_config::answers_on(address),
        config.display()
    ))
}

/// Where an attempt keeps its key until the identity has it.
fn own_key_file(dir: &Path) -> PathBuf {
    dir.join("joining.key")
}

/// The key that was made by an attempt before, or a new one: the cluster gives the same id for it.
fn own_key(dir: &Path) -> Result<String, CliError> {
    let path = own_key_file(dir);
    if let Ok(key) = std::fs::read_to_string(&path) {
        return Ok(key);
    }
    let (key, _) = new_member_key().map_err(|error| CliError::other("cannot make a key", error))?;
    let failed = |error: io::Error| CliError::other(&format!("cannot write {}", path.display()), error);
    make_folder(dir).map_err(failed)?;
    auth::write_token(&path, &key).map_err(failed)?;
    Ok(key)
}

/// Makes `dir`, if it is not there: one that is keeps its mode.
fn make_folder(dir: &Path) -> io::Result<()> {
    if dir.exists() {
        return Ok(());
    }
    std::fs::create_dir_all(dir)?;
    std::fs::set_permissions(dir, Permissions::from_mode(FOLDER_MODE))
}

/// The identity has the key now. Were it left, the next join from this folder, after this member's removal, would show
/// the key of a member that is gone.
fn forget_own_key(dir: &Path) -> Result<(), CliError> {
    // The identity's name must be on disk before the only other copy of its key goes.
    let synced = || std::fs::File::open(dir).and_then(|dir| dir.sync_all());
    let path = own_key_file(dir);
    let removed = synced()
        .and_then(|()| std::fs::remove_file(&path))
        .and_then(|()| synced());
    removed.map_err(|error| CliError::other(&format!("cannot remove {}", path.display()), error))
}

async fn ask(args: &JoinArgs, address: IpAddr, key_pem: &str) -> Result<JoinResponse, CliError> {
    let endpoint = match endpoint_host(&args.member) {
        Ok(_) => args.member.clone(),
        Err(_) => format!("{}:{GRPC_PORT}", args.member),
    };
    let token = args.token.clone();
    let channel = connect_to_join(&endpoint, std::sync::Arc::new(move |ca| token.is_of(ca)))
        .map_err(|error| CliError::new(Kind::Usage, error.to_string()))?;
    let request = JoinRequest {
        token_id: args.token.id(),
        token_secret: args.token.secret().to_vec(),
        public_key: public_key_of(key_pem)
            .map_err(|error| CliError::other("joining.key cannot be used", error))?,
        peer_address: host_config::endpoint(address, PEER_PORT),
        api_address: host_config::endpoint(address, GRPC_PORT),
        names: args.host.names.clone(),
    };
    let mut request = tonic::Request::new(request);
    request.set_timeout(ANSWER_AT_MOST);
    Ok(JoinServiceClient::new(channel).join(request).await?.into_inner())
}

/// The channel was proved already; this is the certificate that will be trusted from now on.
fn check_ca(token: &JoinToken, answer: &JoinResponse) -> Result<(), CliError> {
    match CertificateDer::from_pem_slice(answer.ca_certificate.as_bytes()) {
        Ok(ca) if token.is_of(&ca) => Ok(()),
        Ok(_) | Err(_) => Err(CliError::new(
            Kind::Denied,
            "the cluster's CA is not the one that the token names",
        )),
    }
}

fn joined(answer: JoinResponse, key_pem: String) -> JoinedMember {
    let members = answer.members.into_iter().map(|member| auth::ClusterMember {
        id: member.id,
        address: member.peer_address,
        api_address: member.api_address,
        public_key: member.public_key,
    });
    JoinedMember {
        cluster: answer.cluster_name,
        ca_pem: answer.ca_certificate,
        certificate_pem: answer.certificate,
        key_pem,
        kek_pem: answer.kek,
        token_pem: answer.token_key,
        members: members.collect(),
    }
}

/// The cluster's members have their keys from elsewhere, and none was written here.
fn no_kek(config: &Path) -> String {
    format!(
        "No key of secrets was sent: the members have theirs from a credential or a command. Before the start, give this host the same \
         and name it in `[secrets]` of {} (kek-credential or kek-command).",
        config.display()
    )
}

/// A configuration that is there already was written by somebody who meant it.
fn write_config(path: &Path, text: &str) -> Result<(), CliError> {
    if path.exists() {
        eprintln!("{} is left as it is; it must have:\n{text}", path.display());
        return Ok(());
    }
    std::fs::write(path, text)
        .and_then(|()| std::fs::set_permissions(path, Permissions::from_mode(CONFIG_MODE)))
        .map_err(|error| CliError::other(&format!("cannot write {}", path.display()), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer to the first attempt may be lost after the cluster has used the token up.
    #[test]
    fn a_repeated_attempt_shows_the_same_key() {
        rpc::tls::install_crypto_provider();
        let dir = tempfile::tempdir().unwrap();
        let first = own_key(&dir.path().join("chamois")).unwrap();
        assert_eq!(own_key(&dir.path().join("chamois")).unwrap(), first);
    }

    /// The next join from this folder is another member's: the cluster gives an id for a key only once.
    #[test]
    fn a_key_that_the_identity_has_is_not_shown_again() {
        rpc::tls::install_crypto_provider();
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("chamois");
        let first = own_key(&folder).unwrap();
        forget_own_key(&folder).unwrap();
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "no key is left");
        assert_ne!(own_key(&folder).unwrap(), first);
    }

    /// The member runs as another user than the one who joined.
    #[test]
    fn another_user_reads_the_configuration_and_not_the_key() {
        rpc::tls::install_crypto_provider();
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("chamois");
        own_key(&folder).unwrap();
        write_config(&folder.join("chamois.toml"), "a = 1\n").unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(
            (mode(&folder), mode(&folder.join("chamois.toml"))),
            (0o755, 0o644)
        );
        assert_eq!(mode(&own_key_file(&folder)), 0o600);
    }

    #[test]
    fn a_configuration_that_is_there_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("chamois.toml");
        write_config(&path, "a = 1\n").unwrap();
        write_config(&path, "b = 2\n").unwrap();
        assert_eq!(std::fs::read_to_string(path).unwrap(), "a = 1\n");
    }
}

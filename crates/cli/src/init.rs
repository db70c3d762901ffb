//! `chamois init`: the first member of a new cluster, which others join; or with `--static` the identities of all
//! members of one whose keys are kept offline.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use auth::{FirstMember, FirstReport, InitError, Report};
use clap::Args;

use crate::error::{CliError, Kind};
use crate::host_config::{self, GRPC_PORT, HostArgs, PEER_PORT};
use crate::output;
use crate::token::issue::exports;

/// `chamois init`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois init --cluster prod --address 10.97.1.1           the first member; prints how others join
  chamois init --static cluster.toml --out identities       all members at once, the CA's key stays in DIR

With --static, FILE lists the members of the new cluster:
  cluster = \"prod\"
  [[member]]
  id = 1
  address = \"10.97.1.1:7440\"            # peer port, as the other members dial it
  api-address = \"10.97.1.1:7441\"        # gRPC API
  names = [\"10.97.0.1\", \"admin1.hpc\"]  # more that clients dial: service addresses, host names

Copy DIR/member-<id> to that member as its `identity-dir`, and keep DIR offline: it holds the CA's key and the key
that `chamois token issue` signs with.")]
pub struct InitArgs {
    /// Name of the new cluster: a-z, 0-9 and inner dashes; it cannot be changed later
    #[arg(
        long,
        value_name = "NAME",
        required_unless_present = "file",
        conflicts_with = "file",
        requires = "address"
    )]
    pub cluster: Option<String>,
    /// Where the first member is.
    #[command(flatten)]
    pub host: HostArgs,
    /// Members of a new cluster whose keys are kept offline
    #[arg(long = "static", value_name = "FILE", requires = "out")]
    pub file: Option<PathBuf>,
    /// With --static: directory to make; it must not exist
    #[arg(long, value_name = "DIR", requires = "file")]
    pub out: Option<PathBuf>,
}

pub(crate) fn run(args: &InitArgs) -> Result<(), CliError> {
    match (args, &args.file, &args.out) {
        (_, Some(file), Some(out)) => {
            let report = make(file, out)?;
            for warning in &report.warnings {
                eprintln!("warning: {warning}");
            }
            output::print(describe(&report, out))
        }
        (
            InitArgs {
                cluster: Some(cluster),
                host:
                    HostArgs {
                        address: Some(address),
                        ..
                    },
                ..
            },
            ..,
        ) => {
            let host = &args.host;
            let member = first_member(cluster, 1, *address, host);
            host_config::make_files_dir(&host.data_dir)?;
            let report = auth::init_first(&member, None, &host.dir, SystemTime::now())
                .map_err(|error| explain(&error))?;
            output::print(describe_first(&member, &report, *address, host))
        }
        _ => Err(CliError::new(
            Kind::Usage,
            "give --cluster and --address, or --static and --out",
        )),
    }
}

/// The member that a cluster begins with, on this host.
pub fn first_member(cluster: &str, id: u64, address: std::net::IpAddr, host: &HostArgs) -> FirstMember {
    let config = host_config::render(cluster, id, address, &host.dir, &host.data_dir);
    FirstMember {
        cluster: cluster.to_owned(),
        id,
        address: host_config::endpoint(address, PEER_PORT),
        api_address: host_config::endpoint(address, GRPC_PORT),
        names: [vec![address.to_string()], host.names.clone()].concat(),
        files: vec![("chamois.toml".to_owned(), config)],
    }
}

fn describe_first(
    member: &FirstMember,
    report: &FirstReport,
    address: std::net::IpAddr,
    host: &HostArgs,
) -> String {
    let dir = host.dir.display();
    let kit = match &report.recovery_kit {
        Some(kit) => format!(
            "\nMove {kit} away from here: it holds the cluster's keys, and without it no snapshot can be restored.\n",
            kit = kit.display()
        ),
        None => String::new(),
    };
    let ca = host.dir.join("ca.pem");
    let exports = exports(
        report.token_expires,
        &ca,
        &report.token,
        std::slice::from_ref(&member.api_address),
    );
    format!(
        "cluster `{cluster}`: {dir} is the first member's. It will answer on\n{ports}\n\
         Start it:\n  chamois serve --config {dir}/chamois.toml\n\n\
         Join two more, each on its own host, within an hour of that:\n  chamois join {api} --token {token} --address <its address>\n\
         {kit}\n\
         administrator, {exports}",
        cluster = member.cluster,
        ports = host_config::answers_on(address),
        api = member.api_address,
        token = report.join_token,
    )
}

/// Makes the identities; also the first step of the demo.
pub(crate) fn make(file: &Path, out: &Path) -> Result<Report, CliError> {
    auth::init_static(file, out, SystemTime::now()).map_err(|error| explain(&error))
}

pub(crate) fn explain(error: &InitError) -> CliError {
    let kind = match error {
        InitError::Read { .. } | InitError::File { .. } => Kind::Usage,
        InitError::Exists(_) => Kind::Conflict,
        InitError::Write { .. }
        | InitError::Pki(_)
        | InitError::Token(_)
        | InitError::Kek(_)
        | InitError::Kit
        | InitError::ClusterFile(_) => Kind::Other,
    };
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    CliError::new(kind, text)
}

fn describe(report: &Report, out: &Path) -> String {
    let mut text = format!(
        "cluster `{}`: copy each directory to its member as `identity-dir`\n",
        report.cluster
    );
    for (id, identity) in report.members.iter().zip(&report.identities) {
        text += &format!("  member {id}: {}\n", identity.display());
    }
    let ca = out.join("ca.pem");
    let exports = exports(report.token_expires, &ca, &report.token, &report.endpoints);
    text + &format!("administrator, {exports}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATIC: &str = "cluster = \"prod\"\n[[member]]\nid = 1\naddress = \"127.9.1.1:7440\"\napi-address = \"127.9.1.1:7441\"\n";

    #[test]
    fn the_report_names_what_to_copy_and_what_to_export() {
        rpc::tls::install_crypto_provider();
        let dir = tempfile::tempdir().unwrap();
        let (file, out) = (dir.path().join("static.toml"), dir.path().join("out"));
        std::fs::write(&file, STATIC).unwrap();
        let text = describe(&make(&file, &out).unwrap(), &out);
        for needed in [
            "member-1",
            "CHAMOIS_CA=",
            "ca.pem",
            "CHAMOIS_TOKEN_FILE=",
            "admin.token",
            "CHAMOIS_ENDPOINTS=127.9.1.1:7441",
        ] {
            assert!(text.contains(needed), "{needed}\n{text}");
        }
    }

    /// Identities are the only copy of a CA: a second run must never replace them.
    #[test]
    fn what_is_wrong_has_its_class() {
        rpc::tls::install_crypto_provider();
        let dir = tempfile::tempdir().unwrap();
        let (file, out) = (dir.path().join("static.toml"), dir.path().join("out"));
        assert_eq!(make(&file, &out).unwrap_err().kind(), Kind::Usage, "no such file");
        std::fs::write(&file, "cluster = \"prod\"\nmembers = 3\n").unwrap();
        let error = make(&file, &out).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
        assert!(error.to_string().contains("members"), "{error}");
        std::fs::write(&file, STATIC).unwrap();
        std::fs::create_dir(&out).unwrap();
        assert_eq!(make(&file, &out).unwrap_err().kind(), Kind::Conflict);
    }
}

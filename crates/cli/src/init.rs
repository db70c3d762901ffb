//! `chamois init --static FILE --out DIR`: identities for the members of a new cluster.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use auth::{InitError, Report};
use clap::Args;

use crate::error::{CliError, Kind};
use crate::output;
use crate::token::issue::exports;

/// `chamois init`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  chamois init --static cluster.toml --out identities

FILE lists the members of the new cluster:
  cluster = \"prod\"
  [[member]]
  id = 1
  address = \"10.97.1.1:7440\"            # peer port, as the other members dial it
  api-address = \"10.97.1.1:7441\"        # gRPC API
  names = [\"10.97.0.1\", \"admin1.hpc\"]  # more that clients dial: service addresses, host names

Copy DIR/member-<id> to that member as its `identity-dir`, and keep DIR offline: it holds the CA's key and the key
that `chamois token issue` signs with.")]
pub struct InitArgs {
    /// Members of the new cluster
    #[arg(long = "static", value_name = "FILE")]
    pub file: PathBuf,
    /// Directory to make; it must not exist
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

pub(crate) fn run(args: &InitArgs) -> Result<(), CliError> {
    let report = make(&args.file, &args.out)?;
    for warning in &report.warnings {
        eprintln!("warning: {warning}");
    }
    output::print(describe(&report, &args.out))
}

/// Makes the identities; also the first step of the demo.
pub(crate) fn make(file: &Path, out: &Path) -> Result<Report, CliError> {
    auth::init_static(file, out, SystemTime::now()).map_err(|error| explain(&error))
}

fn explain(error: &InitError) -> CliError {
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

//! `chamois discover crawl`.

use std::path::PathBuf;

use clap::Args;
use discovery::magellan::write_collection;
use redfish::Address;

use super::form::{self, Form};
use super::login::{LoginArgs, Logins};
use super::naming::{self, MapArgs};
use super::reading::{Reading, TlsArgs};
use super::{Common, cache, failures};
use crate::error::{CliError, Kind};

/// `chamois discover crawl`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois discover crawl https://10.1.0.7 -u root
  chamois discover crawl https://10.1.0.7 -u root --password-file password -F yaml
  MASTER_KEY=… chamois discover crawl https://10.1.0.7 -f secrets.json")]
pub(super) struct CrawlArgs {
    /// URL or address of the BMC
    uri: String,
    /// As whom.
    #[command(flatten)]
    login: LoginArgs,
    /// Magellan's secrets.json; MASTER_KEY in the environment opens it
    #[arg(short = 'f', long, value_name = "FILE")]
    secrets_file: Option<PathBuf>,
    /// What it is called.
    #[command(flatten)]
    map: MapArgs,
    /// Whose certificate is believed.
    #[command(flatten)]
    tls: TlsArgs,
    /// Form of what is printed
    #[arg(short = 'F', long, value_enum, default_value_t = Form::Json)]
    format: Form,
    /// Accepted, and always so: what was read is printed
    #[arg(long)]
    show: bool,
}

pub(super) async fn run(common: &Common, args: CrawlArgs) -> Result<(), CliError> {
    let address: Address = args
        .uri
        .parse()
        .map_err(|problem: redfish::AddressError| CliError::new(Kind::Usage, problem.to_string()))?;
    tracing::debug!(%address, show = args.show, "a crawl begins");
    let map = args.map.read()?;
    let key = cache::keys(common.cache.as_deref())?.remove(&address);
    let (named, mut failed) = naming::name(vec![(address, key.unwrap_or_default())], map.as_ref());
    let logins = Logins::read(&args.login, args.secrets_file.as_ref())?;
    let reading = Reading::new(common, &args.tls, logins)?;
    let (read, more) = reading.read_all(&named).await;
    failed.extend(more);
    if !read.is_empty() {
        form::write(None, &write_collection(&read, args.format.format()))?;
    }
    failures::judge(&failed, 1).map_or(Ok(()), Err)
}

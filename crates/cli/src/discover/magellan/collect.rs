//! `chamois discover collect`.

use std::path::{Path, PathBuf};

use clap::Args;
use discovery::magellan::{RemoteAsset, read_assets, write_collection};
use redfish::Address;

use super::Common;
use super::cache::{self, Row};
use super::failures::{self, Failure};
use super::form::{self, Form};
use super::login::{LoginArgs, Logins};
use super::naming::{self, MapArgs};
use super::reading::{Read, Reading, TlsArgs};
use crate::error::{CliError, Kind};

/// What a PDU is in the cache; its outlets are not read by Redfish.
const JAWS: &str = "JAWS";

/// `chamois discover collect`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois discover collect -u root --password-file password -o inventory.json
  chamois discover collect -u root -O inventory/ -m @xnames.json
  MASTER_KEY=… chamois discover collect --secrets-file secrets.json -d @found.json > inventory.json

One BMC that fails holds up no other; exit code 7 if any could not be read whole. PDUs that speak JAWS are left out.")]
pub(super) struct CollectArgs {
    /// As whom.
    #[command(flatten)]
    login: LoginArgs,
    /// Magellan's secrets.json; MASTER_KEY in the environment opens it
    #[arg(long, value_name = "FILE")]
    secrets_file: Option<PathBuf>,
    /// What they are called.
    #[command(flatten)]
    map: MapArgs,
    /// Whose certificates are believed.
    #[command(flatten)]
    tls: TlsArgs,
    /// What `scan -F` printed, or @FILE with it, or @- for standard input; default: the cache
    #[arg(short, long, value_name = "DATA|@FILE")]
    data: Option<String>,
    /// Form of --data; both are recognised by themselves
    #[arg(short = 'f', long, value_enum, value_name = "FORM")]
    input_format: Option<Form>,
    /// Form of what is written
    #[arg(short = 'F', long, value_enum, default_value_t = Form::Json)]
    format: Form,
    /// File for all
    #[arg(short, long, conflicts_with = "output_dir", value_name = "FILE")]
    output_file: Option<PathBuf>,
    /// Folder with a file for each BMC, called by its xname
    #[arg(short = 'O', long, value_name = "FOLDER")]
    output_dir: Option<PathBuf>,
    /// Print it, too, when it is written to files
    #[arg(long, visible_alias = "show-output")]
    show: bool,
    /// How BMCs are dialled
    #[arg(long, default_value = "tcp", value_parser = ["tcp"])]
    protocol: String,
}

pub(super) async fn run(common: &Common, args: CollectArgs) -> Result<(), CliError> {
    tracing::debug!(args.protocol, form = ?args.input_format, "a collect begins");
    let rows = rows(common, args.data.as_deref())?;
    let map = args.map.read()?;
    let (bmcs, mut failed) = addresses(rows);
    let all = bmcs.len() + failed.len();
    if all == 0 {
        let text = "there is nothing to read";
        return Err(CliError::new(Kind::NotFound, text)
            .with_remedy("`chamois discover scan` finds BMCs, `chamois discover list` shows them."));
    }
    let (named, nameless) = naming::name(bmcs, map.as_ref());
    failed.extend(nameless);
    let logins = Logins::read(&args.login, args.secrets_file.as_ref())?;
    let reading = Reading::new(common, &args.tls, logins)?;
    let (read, unread) = reading.read_all(&named).await;
    failed.extend(unread);
    write(&args, &read)?;
    failures::judge(&failed, all).map_or(Ok(()), Err)
}

fn rows(common: &Common, data: Option<&str>) -> Result<Vec<Row>, CliError> {
    let Some(data) = data else {
        return cache::read(&cache::path(common.cache.as_deref())?);
    };
    let assets = read_assets(&form::data(data)?);
    let assets = assets.map_err(|invalid| CliError::new(Kind::Usage, format!("--data: {invalid}")))?;
    let keys = cache::keys(common.cache.as_deref())?;
    let row = |asset: RemoteAsset| {
        let address = asset.address().ok();
        let key_sha256 = address
            .and_then(|address| keys.get(&address).cloned())
            .unwrap_or_default();
        Row { asset, key_sha256 }
    };
    Ok(assets.into_iter().map(row).collect())
}

/// Where the BMCs among `rows` are.
fn addresses(rows: Vec<Row>) -> (Vec<(Address, String)>, Vec<Failure>) {
    let (mut bmcs, mut failed) = (Vec::new(), Vec::new());
    for row in rows.into_iter().filter(|row| row.asset.service_type != JAWS) {
        match row.asset.address() {
            Ok(address) => bmcs.push((address, row.key_sha256)),
            Err(invalid) => failed.push(Failure {
                place: row.asset.host,
                word: "no-address",
                reason: invalid.to_string(),
                remedy: "correct the host in --data".to_owned(),
            }),
        }
    }
    (bmcs, failed)
}

/// Even if some failed: what was read is not lost.
fn write(args: &CollectArgs, read: &[Read]) -> Result<(), CliError> {
    let format = args.format.format();
    if let Some(folder) = &args.output_dir {
        write_each(folder, read, args.format)?;
    }
    if let Some(file) = &args.output_file {
        form::write(Some(file), &write_collection(read, format))?;
    }
    let is_written = args.output_dir.is_some() || args.output_file.is_some();
    match !is_written || args.show {
        true => form::write(None, &write_collection(read, format)),
        false => Ok(()),
    }
}

/// Magellan writes all of them into each file; here each has its own.
fn write_each(folder: &Path, read: &[Read], form: Form) -> Result<(), CliError> {
    let made = std::fs::create_dir_all(folder);
    made.map_err(|error| CliError::other(&format!("cannot make the folder {}", folder.display()), error))?;
    for one in read {
        let path = folder.join(format!("{}.{}", one.0.id, form.ending()));
        form::write(
            Some(&path),
            &write_collection(std::slice::from_ref(one), form.format()),
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use discovery::magellan::read_collection;
    use proto::smd::v1::RedfishEndpointPayload;

    use super::super::cache::tests::row;
    use super::*;

    fn one(xname: &str) -> Read {
        let payload = RedfishEndpointPayload {
            id: xname.into(),
            ..RedfishEndpointPayload::default()
        };
        (payload, "10.0.0.1".parse().unwrap())
    }

    #[test]
    fn each_bmc_has_a_file_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("out");
        write_each(&folder, &[one("x0c0s0b0"), one("x0c0s1b0")], Form::Yaml).unwrap();
        for xname in ["x0c0s0b0", "x0c0s1b0"] {
            let text = std::fs::read_to_string(folder.join(format!("{xname}.yaml"))).unwrap();
            let entries = read_collection(&text).unwrap();
            assert_eq!((entries.len(), &entries[0]["ID"]), (1, &xname.into()));
        }
    }

    #[test]
    fn pdus_are_left_out_and_what_is_no_address_is_told() {
        let mut pdu = row("https://10.0.0.3", 443, "");
        pdu.asset.service_type = JAWS.into();
        let rows = vec![
            row("https://10.0.0.1", 443, "k"),
            pdu,
            row("https://a b", 443, ""),
        ];
        let (bmcs, failed) = addresses(rows);
        let address: Address = "10.0.0.1".parse().unwrap();
        assert_eq!(bmcs, [(address, "k".to_owned())]);
        assert_eq!((failed.len(), failed[0].word), (1, "no-address"));
    }

    #[test]
    fn data_stands_for_the_cache() {
        let common = Common {
            cache: Some("/none/cache".into()),
            concurrency: 1,
            timeout: 1,
            access_token: None,
        };
        let found = rows(&common, Some(r#"[{"host":"https://10.0.0.1","port":443}]"#)).unwrap();
        assert_eq!(found[0].asset.host, "https://10.0.0.1");
        let error = rows(&common, Some("[1]")).unwrap_err();
        assert!(error.to_string().contains("--data"), "{error}");
        assert!(rows(&common, None).unwrap().is_empty());
    }
}

//! `chamois discover import-secrets`: Magellan's users and passwords become sealed credentials of the cluster.

use std::path::PathBuf;

use clap::Args;
use proto::discovery::v1::PutBmcCredentialRequest;
use proto::discovery::v1::bmc_credential_service_client::BmcCredentialServiceClient;
use redfish::{Address, Login};

use super::magellan;
use crate::args::GlobalArgs;
use crate::connect;
use crate::error::{CliError, Kind};
use crate::output;

/// `chamois discover import-secrets`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples, with the key of the file in MASTER_KEY:
  chamois discover import-secrets secrets.json --dry-run
  chamois discover import-secrets secrets.json

`default` stays the default, https://ADDRESS:PORT becomes address:ADDRESS. Passwords are sealed before they are stored, and no
answer has them. The file can go then.")]
pub struct ImportSecretsArgs {
    /// Magellan's secrets.json; MASTER_KEY in the environment opens it
    pub file: PathBuf,
    /// Only show for which BMCs there are logins
    #[arg(long)]
    pub dry_run: bool,
}

pub(super) async fn run(global: &GlobalArgs, args: ImportSecretsArgs) -> Result<(), CliError> {
    let secrets = magellan::secrets(&args.file)?;
    let requests: Result<Vec<PutBmcCredentialRequest>, CliError> = secrets.into_iter().map(request).collect();
    let requests = requests?;
    if !args.dry_run {
        let mut client = BmcCredentialServiceClient::new(connect::to_any(global)?);
        for (done, request) in requests.iter().enumerate() {
            let put = client.put_bmc_credential(request.clone()).await;
            put.map_err(|status| stopped(&status.into(), done, requests.len(), &request.scope))?;
        }
    }
    let value = serde_json::json!({ "imported": !args.dry_run, "credentials": rows(&requests) });
    output::done_value(global, &value, || render(&requests, args.dry_run))
}

/// What is done stays done, and all of it may be done again.
fn stopped(error: &CliError, done: usize, all: usize, scope: &str) -> CliError {
    let text = format!("{scope}: {error}\n{done} of {all} credentials are stored");
    CliError::new(error.kind(), text).with_remedy("Repeat the import: those are set again to the same.")
}

/// # Errors
/// `Usage` naming an id that is neither `default` nor a URL.
fn request((id, login): (String, Login)) -> Result<PutBmcCredentialRequest, CliError> {
    Ok(PutBmcCredentialRequest {
        scope: scope(&id)?,
        user: login.user,
        password: login.password.expose().to_owned(),
    })
}

fn scope(id: &str) -> Result<String, CliError> {
    if id == "default" {
        return Ok(id.to_owned());
    }
    let address: Result<Address, _> = id.parse();
    match address {
        Ok(address) => Ok(format!("address:{}", address.host())),
        Err(problem) => {
            let text = format!("the id `{id}` is neither `default` nor the URL of a BMC: {problem}");
            Err(CliError::new(Kind::Usage, text)
                .with_remedy("`chamois bmc credential put` sets it for an xname or a group instead."))
        }
    }
}

fn rows(requests: &[PutBmcCredentialRequest]) -> Vec<serde_json::Value> {
    let row = |request: &PutBmcCredentialRequest| serde_json::json!({ "scope": request.scope, "user": request.user });
    requests.iter().map(row).collect()
}

fn render(requests: &[PutBmcCredentialRequest], dry_run: bool) -> comfy_table::Table {
    let mut table = output::table(["FOR", "USER", "PASSWORD"]);
    let password = if dry_run { "would be sealed" } else { "sealed" };
    for request in requests {
        table.add_row([request.scope.as_str(), &request.user, password]);
    }
    table
}

#[cfg(test)]
mod tests {
    use redfish::Password;

    use super::*;

    #[test]
    fn an_id_of_magellan_is_a_scope() {
        for (id, expected) in [
            ("default", "default"),
            ("https://10.1.0.7:443", "address:10.1.0.7"),
            ("https://[fd00::7]", "address:fd00::7"),
        ] {
            assert_eq!(scope(id).unwrap(), expected);
        }
        let error = scope("").unwrap_err();
        assert!(
            error.to_string().contains("chamois bmc credential put"),
            "{error}"
        );
    }

    #[test]
    fn an_import_that_stops_says_where() {
        let error = stopped(&CliError::new(Kind::Denied, "no right"), 2, 5, "address:10.1.0.7");
        assert_eq!(error.kind(), Kind::Denied);
        let text = error.to_string();
        assert!(
            text.contains("address:10.1.0.7: no right") && text.contains("2 of 5"),
            "{text}"
        );
    }

    #[test]
    fn nothing_that_is_shown_has_a_password() {
        let login = Login {
            user: "root".into(),
            password: Password::new("c4n4ry"),
        };
        let requests = [request(("default".to_owned(), login)).unwrap()];
        assert_eq!(requests[0].password, "c4n4ry");
        let shown = format!("{} {:?}", render(&requests, false), rows(&requests));
        assert!(shown.contains("root") && !shown.contains("c4n4ry"), "{shown}");
    }
}

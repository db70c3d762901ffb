//! `chamois certificate rotate-ca`.

use std::path::{Path, PathBuf};

use clap::Args;
use proto::auth::v1::certificate_service_client::CertificateServiceClient;
use proto::auth::v1::{ActivateAuthorityRequest, AddAuthorityRequest, AuthorityInfo, RemoveAuthorityRequest};

use super::list::stage;
use crate::args::GlobalArgs;
use crate::connect;
use crate::error::{CliError, Kind};
use crate::output;

/// `chamois certificate rotate-ca`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois certificate rotate-ca                                 1. a new CA, trusted by every member from now on
  chamois certificate rotate-ca --activate 9f2c…                2. an hour or more later: it signs, the old one is trusted on
  chamois certificate rotate-ca --remove 1b44…                  3. at once, if the old one was stolen; by itself after 25 hours
  chamois certificate rotate-ca --trust site-ca.pem             a site's own CA, whose key stays where it is

Between 1 and 2 give every client the new `ca.pem`: `chamois certificate renew` does, and `chamois certificate list -o json` has
it. After 2 members present certificates of the new CA, and join tokens that were made before are void.")]
pub struct RotateCaArgs {
    /// Let this CA sign from now on
    #[arg(long, value_name = "ID", conflicts_with_all = ["remove", "trust"])]
    pub activate: Option<String>,
    /// Though it has been trusted for less than an hour: clients that do not know it refuse members
    #[arg(long, requires = "activate")]
    pub urgent: bool,
    /// Trust this CA no more
    #[arg(long, value_name = "ID", conflicts_with = "trust")]
    pub remove: Option<String>,
    /// Trust a CA whose key is elsewhere (PEM)
    #[arg(long, value_name = "FILE")]
    pub trust: Option<PathBuf>,
}

pub(super) async fn run(global: &GlobalArgs, args: RotateCaArgs) -> Result<(), CliError> {
    let certificate_pem = match &args.trust {
        Some(file) => read(file)?,
        None => String::new(),
    };
    let mut client = CertificateServiceClient::new(connect::to_any(global)?);
    if let Some(id) = args.remove {
        let request = RemoveAuthorityRequest { id };
        let answer = client.remove_authority(request).await?.into_inner();
        return output::done(
            global,
            ("chamois.auth.v1.RemoveAuthorityResponse", &answer),
            || format!("removed (revision {})", answer.revision),
        );
    }
    let answer = match args.activate {
        Some(id) => {
            let urgent = args.urgent;
            client
                .activate_authority(ActivateAuthorityRequest { id, urgent })
                .await?
        }
        None => {
            client
                .add_authority(AddAuthorityRequest { certificate_pem })
                .await?
        }
    };
    let answer = answer.into_inner();
    output::done(global, ("chamois.auth.v1.AuthorityInfo", &answer), || {
        told(&answer)
    })
}

fn read(file: &Path) -> Result<String, CliError> {
    std::fs::read_to_string(file).map_err(|error| {
        let text = format!("cannot read {}: {error}", file.display());
        CliError::new(Kind::Usage, text)
    })
}

fn told(authority: &AuthorityInfo) -> String {
    let AuthorityInfo { id, signs, .. } = authority;
    let next = match (stage(authority.stage()), signs) {
        ("next", true) => format!(
            "\nGive clients the new `ca.pem`; an hour from now or later:\n  chamois certificate rotate-ca --activate {id}"
        ),
        ("active", _) => "\nThe one that signed before is trusted for another 25 hours.".to_owned(),
        _ => String::new(),
    };
    format!("CA {id} is {}{next}", stage(authority.stage()))
}

#[cfg(test)]
mod tests {
    use proto::auth::v1::certificate_authority::Stage;

    use super::*;

    #[test]
    fn each_step_says_the_next_one() {
        let authority = |stage: Stage, signs| AuthorityInfo {
            id: "9f2c".into(),
            stage: stage.into(),
            signs,
            ..AuthorityInfo::default()
        };
        let text = told(&authority(Stage::Next, true));
        assert!(text.contains("--activate 9f2c"), "{text}");
        let text = told(&authority(Stage::Active, true));
        assert!(text.contains("25 hours"), "{text}");
        assert_eq!(told(&authority(Stage::Next, false)), "CA 9f2c is next");
        assert_eq!(read(Path::new("/none/ca.pem")).unwrap_err().kind(), Kind::Usage);
    }
}

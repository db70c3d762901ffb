//! Who logs in to which BMC: -u and -p, or Magellan's `secrets.json`.

use std::convert::Infallible;
use std::path::{Path, PathBuf};

use clap::Args;
use discovery::magellan::{MasterKey, open_secrets};
use redfish::{Address, Login, Password};

use super::form;
use crate::bmc::credential::PasswordSource;
use crate::error::{CliError, Kind};

/// The variable that has the key of `secrets.json`.
const MASTER_KEY: &str = "MASTER_KEY";
/// The id of the login that counts for all others.
const DEFAULT: &str = "default";

/// Options of `crawl` and `collect`.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct LoginArgs {
    /// User at all BMCs; the password is asked for, or read from standard input, unless it is named
    #[arg(short, long, value_name = "NAME")]
    pub(super) username: Option<String>,
    /// Its password. Everybody on this host can read it: better is --password-file
    #[arg(
        short,
        long,
        requires = "username",
        conflicts_with = "password_file", value_parser = hidden,
        value_name = "PASSWORD"
    )]
    pub(super) password: Option<Password>,
    /// Where the password is.
    #[command(flatten)]
    pub(super) source: PasswordSource,
}

/// What no `Debug` shows from then on.
pub(super) fn hidden(text: &str) -> Result<Password, Infallible> {
    Ok(Password::new(text))
}

/// Logins by BMC.
#[derive(Clone, Debug, Default)]
pub(super) struct Logins {
    /// For all, whatever the secrets say.
    all: Option<Login>,
    secrets: Vec<(String, Login)>,
}

impl Logins {
    /// # Errors
    /// `Usage` for a file that cannot be opened, or a password that cannot be read.
    pub(super) fn read(args: &LoginArgs, secrets_file: Option<&PathBuf>) -> Result<Logins, CliError> {
        let secrets = match secrets_file {
            Some(path) => secrets(path)?,
            None => Vec::new(),
        };
        let all = match (&args.username, &args.password) {
            (Some(user), password) => Some(Login {
                user: user.clone(),
                password: match password {
                    Some(password) => password.clone(),
                    None => args.source.read(user)?,
                },
            }),
            (None, _) => None,
        };
        Ok(Logins { all, secrets })
    }

    /// The login at a BMC; `None`: nobody's.
    pub(super) fn at(&self, address: &Address) -> Option<Login> {
        if let Some(login) = &self.all {
            return Some(login.clone());
        }
        let of_id = |id: &str| self.secrets.iter().find(|(known, _)| known == id);
        let of_address = self.secrets.iter().find(|(known, _)| {
            let known: Result<Address, _> = known.parse();
            known.is_ok_and(|known| known == *address)
        });
        of_address
            .or_else(|| of_id(DEFAULT))
            .map(|(_, login)| login.clone())
    }
}

/// The logins of a `secrets.json`, by `https://address:port` or `default`.
///
/// # Errors
/// `Usage` for a file that is none, or a key that does not open it.
pub(in crate::discover) fn secrets(path: &Path) -> Result<Vec<(String, Login)>, CliError> {
    let refused = |problem: String| {
        CliError::new(Kind::Usage, problem).with_remedy(
            "Export the key that `magellan secrets generatekey` printed and the secrets were stored with.",
        )
    };
    let key = std::env::var(MASTER_KEY).map_err(|_| refused(format!("{MASTER_KEY} is not set")))?;
    let key: MasterKey = key
        .parse()
        .map_err(|problem: discovery::Invalid| refused(problem.to_string()))?;
    let text = form::file(path)?;
    open_secrets(&text, &key).map_err(|problem| refused(format!("{}: {problem}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(user: &str) -> Login {
        Login {
            user: user.into(),
            password: Password::new("c4n4ry"),
        }
    }

    #[test]
    fn a_bmc_has_its_own_login_before_the_default() {
        let secrets = vec![
            ("default".to_owned(), login("all")),
            ("https://10.0.0.1:443".to_owned(), login("one")),
            ("https://10.0.0.2".to_owned(), login("two")),
        ];
        let logins = Logins { all: None, secrets };
        let user = |logins: &Logins, place: &str| logins.at(&place.parse().unwrap()).map(|login| login.user);
        for (place, expected) in [
            ("https://10.0.0.1", "one"),
            ("10.0.0.2:443", "two"),
            ("10.0.0.2:8443", "all"),
        ] {
            assert_eq!(user(&logins, place).as_deref(), Some(expected), "{place}");
        }
        let named = Logins {
            all: Some(login("named")),
            ..logins
        };
        assert_eq!(user(&named, "10.0.0.1").as_deref(), Some("named"));
        assert!(Logins::default().at(&"10.0.0.1".parse().unwrap()).is_none());
        assert!(!format!("{named:?}").contains("c4n4ry"), "no password is shown");
    }

    #[test]
    fn a_password_comes_from_its_option_or_its_file() {
        let args = LoginArgs {
            username: Some("root".into()),
            password: Some(Password::new("c4n4ry")),
            ..LoginArgs::default()
        };
        assert!(
            !format!("{args:?}").contains("c4n4ry"),
            "options are shown without it"
        );
        let logins = Logins::read(&args, None).unwrap();
        assert_eq!(logins.at(&"10.0.0.1".parse().unwrap()), Some(login("root")));
        let none = Logins::read(&LoginArgs::default(), None).unwrap();
        assert_eq!(none.at(&"10.0.0.1".parse().unwrap()), None);
    }
}

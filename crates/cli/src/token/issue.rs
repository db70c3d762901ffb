//! `chamois token issue`: the next administrator's token, when the first has ended or for another person.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use auth::{TOKEN_VALID_FOR, TokenIssuer, write_token};
use clap::Args;

use crate::error::{CliError, Kind};
use crate::{output, utc};

/// Longest subject, characters: it stands in every log line and record of a change.
const SUBJECT_LENGTH_MAX: usize = 64;
/// Name of the CA's certificate, beside what belongs to it.
const CA: &str = "ca.pem";
/// The variable that names members.
const ENDPOINTS: &str = "CHAMOIS_ENDPOINTS";

/// `chamois token issue`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois token issue --key /etc/chamois/identity/token.key        on the first member
  chamois token issue --key identities/token.key --subject alice   writes identities/alice.token
  chamois token issue --recovery-kit recovery-kit.toml             anywhere, whichever members are left

No member is asked: whoever has the key is the administrator. A token cannot be taken back; it ends after 24 hours.")]
pub struct IssueArgs {
    /// The key that `chamois init` wrote, in the folder that it wrote
    #[arg(long, value_name = "FILE", required_unless_present = "recovery_kit")]
    pub key: Option<PathBuf>,
    /// The recovery kit that `chamois init` wrote: the key is in it, and the CA's certificate, which is written to `ca.pem`
    /// beside the token
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    pub recovery_kit: Option<PathBuf>,
    /// Whom the token speaks for; recorded with every change
    #[arg(long, default_value = "admin", value_parser = subject, value_name = "NAME")]
    pub subject: String,
    /// Where to put it; replaced if it exists. Default: NAME.token beside the key or the kit
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

pub(crate) fn run(args: &IssueArgs) -> Result<(), CliError> {
    output::print(issue(args, SystemTime::now())?)
}

/// Writes the token; the answer says what to export.
fn issue(args: &IssueArgs, now: SystemTime) -> Result<String, CliError> {
    let (issuer, from) = load(args)?;
    let out = args
        .out
        .clone()
        .unwrap_or_else(|| from.with_file_name(format!("{}.token", args.subject)));
    let ca = match issuer.ca_pem() {
        Some(pem) => write_ca(&out.with_file_name(CA), pem)?,
        None => from.with_file_name(CA),
    };
    let token = issuer
        .issue(&args.subject, now)
        .map_err(|error| CliError::other("cannot issue a token", error))?;
    write_token(&out, &token).map_err(|error| cannot_write(&out, error))?;
    let exports = exports(now + TOKEN_VALID_FOR, &ca, &out, issuer.endpoints());
    Ok(format!(
        "cluster `{}`, administrator `{}`, {exports}",
        issuer.cluster(),
        args.subject
    ))
}

/// The key, and the file that it is from.
fn load(args: &IssueArgs) -> Result<(TokenIssuer, &Path), CliError> {
    let (loaded, from) = match (&args.key, &args.recovery_kit) {
        (_, Some(kit)) => (TokenIssuer::from_recovery_kit(kit), kit),
        (Some(key), None) => (TokenIssuer::load(key), key),
        (None, None) => return Err(CliError::new(Kind::Usage, "name --key or --recovery-kit")),
    };
    let issuer = loaded.map_err(|error| {
        let cause = error
            .source
            .as_ref()
            .map_or_else(String::new, |cause| format!(" ({cause})"));
        CliError::new(Kind::Usage, format!("{error}{cause}"))
    })?;
    Ok((issuer, from))
}

/// A kit may lie where no CA's certificate is. One that is there stays, and must be the same.
fn write_ca(path: &Path, pem: &str) -> Result<PathBuf, CliError> {
    match std::fs::read_to_string(path) {
        Ok(there) if there.trim() == pem.trim() => {}
        Ok(_) => {
            let text = format!("{} is another CA's; nothing is overwritten", path.display());
            return Err(
                CliError::new(Kind::Conflict, text).with_remedy("Name a file in another folder with --out.")
            );
        }
        Err(_) => std::fs::write(path, pem).map_err(|error| cannot_write(path, error))?,
    }
    Ok(path.to_owned())
}

fn cannot_write(path: &Path, error: std::io::Error) -> CliError {
    CliError::other(&format!("cannot write {}", path.display()), error)
}

/// When a token ends, and the shell lines that make `chamois` use it wherever it is called.
pub(crate) fn exports(expires: SystemTime, ca: &Path, token: &Path, endpoints: &[String]) -> String {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let endpoints = match endpoints {
        [] => format!("# {ENDPOINTS}: host:7441 of any member, as before"),
        endpoints => format!("export {ENDPOINTS}={}", endpoints.join(",")),
    };
    format!(
        "until {until}:\n\
         export CHAMOIS_CA={ca}\n\
         export CHAMOIS_TOKEN_FILE={token}\n\
         {endpoints}",
        until = utc::timestamp(utc::unix_ms(expires)),
        ca = absolute(ca).display(),
        token = absolute(token).display(),
    )
}

/// A subject is a word that can stand in a file name and in a log line.
fn subject(text: &str) -> Result<String, String> {
    let accepted = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
    if (1..=SUBJECT_LENGTH_MAX).contains(&text.len()) && text.chars().all(accepted) {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "accepted are 1 to {SUBJECT_LENGTH_MAX} letters, digits and - _ . @"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::init;

    const STATIC: &str = "cluster = \"prod\"\n[[member]]\nid = 1\naddress = \"127.9.1.1:7440\"\napi-address = \"127.9.1.1:7441\"\n";

    fn prepared() -> (tempfile::TempDir, PathBuf) {
        rpc::tls::install_crypto_provider();
        let dir = tempfile::tempdir().unwrap();
        let (file, out) = (dir.path().join("static.toml"), dir.path().join("identities"));
        std::fs::write(&file, STATIC).unwrap();
        init::make(&file, &out).unwrap();
        (dir, out)
    }

    fn args(key: PathBuf, subject: &str) -> IssueArgs {
        IssueArgs {
            key: Some(key),
            recovery_kit: None,
            subject: subject.to_owned(),
            out: None,
        }
    }

    /// The exports of `init` name `admin.token`: they stay good with a new token in it.
    #[test]
    fn the_first_token_is_replaced_and_others_get_files_of_their_own() {
        let (_dir, out) = prepared();
        let first = std::fs::read_to_string(out.join("admin.token")).unwrap();
        let text = issue(&args(out.join("token.key"), "admin"), SystemTime::now()).unwrap();
        assert_ne!(std::fs::read_to_string(out.join("admin.token")).unwrap(), first);
        for needed in [
            "cluster `prod`",
            "administrator `admin`",
            &format!("CHAMOIS_CA={}", out.join("ca.pem").display()),
            &format!("CHAMOIS_TOKEN_FILE={}", out.join("admin.token").display()),
            "CHAMOIS_ENDPOINTS=127.9.1.1:7441",
        ] {
            assert!(text.contains(needed), "{needed}\n{text}");
        }
        issue(&args(out.join("token.key"), "alice"), SystemTime::now()).unwrap();
        assert!(out.join("alice.token").is_file());
    }

    #[test]
    fn a_key_that_is_not_there_is_usage_and_a_folder_that_is_not_is_a_failure() {
        let (dir, out) = prepared();
        let error = issue(&args(out.join("none.key"), "admin"), SystemTime::now()).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
        assert!(error.to_string().contains("No such file"), "{error}");
        let to = IssueArgs {
            out: Some(dir.path().join("none/token")),
            ..args(out.join("token.key"), "admin")
        };
        let error = issue(&to, SystemTime::now()).unwrap_err();
        assert!(
            error.kind() == Kind::Other && error.to_string().contains("none/token"),
            "{error}"
        );
    }

    /// The key on the first member's disk may be gone with it.
    #[test]
    fn a_kit_alone_is_enough_and_brings_its_ca() {
        rpc::tls::install_crypto_provider();
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("chamois");
        let member = auth::FirstMember {
            cluster: "prod".into(),
            id: 1,
            address: "127.9.1.1:7440".into(),
            api_address: "127.9.1.1:7441".into(),
            names: vec!["127.9.1.1".into()],
            files: Vec::new(),
        };
        let made = auth::init_first(&member, None, &out, SystemTime::now()).unwrap();
        let kit = dir.path().join("kit.toml");
        std::fs::rename(made.recovery_kit.unwrap(), &kit).unwrap();
        let args = IssueArgs {
            recovery_kit: Some(kit),
            key: None,
            ..args(PathBuf::new(), "alice")
        };
        let text = issue(&args, SystemTime::now()).unwrap();
        assert!(text.contains("cluster `prod`, administrator `alice`"), "{text}");
        let token = std::fs::read_to_string(dir.path().join("alice.token")).unwrap();
        let identity = auth::MemberIdentity::load(&made.identity).unwrap();
        identity.tokens.verify(&token).unwrap();
        let ca = std::fs::read_to_string(dir.path().join("ca.pem")).unwrap();
        assert_eq!(ca, std::fs::read_to_string(out.join("ca.pem")).unwrap());

        issue(&args, SystemTime::now()).unwrap();
        std::fs::write(dir.path().join("ca.pem"), "another").unwrap();
        let refused = issue(&args, SystemTime::now()).unwrap_err();
        assert_eq!(refused.kind(), Kind::Conflict, "{refused}");
    }

    /// A subject becomes part of a file's name.
    #[test]
    fn a_subject_is_one_plain_word() {
        for accepted in ["admin", "alice@hpc.example", "ci-1"] {
            assert_eq!(subject(accepted).as_deref(), Ok(accepted));
        }
        for refused in ["", "../x", "a b", "ä", &"x".repeat(65)] {
            assert!(subject(refused).unwrap_err().contains("letters"), "{refused}");
        }
    }
}

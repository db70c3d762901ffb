//! `chamois token issue`: the next administrator's token, when the first has ended or for another person.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use auth::{TOKEN_VALID_FOR, TokenIssuer, write_token};
use clap::Args;

use crate::error::{CliError, Kind};
use crate::{output, utc};

/// Longest subject, characters: it stands in every log line and record of a change.
const SUBJECT_LENGTH_MAX: usize = 64;

/// `chamois token issue`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois token issue --key identities/token.key                   replaces identities/admin.token
  chamois token issue --key identities/token.key --subject alice   writes identities/alice.token

No member is asked: whoever has the key is the administrator. A token cannot be taken back; it ends after 24 hours.")]
pub struct IssueArgs {
    /// The key that `chamois init` wrote, in the folder that it wrote
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// Whom the token speaks for; recorded with every change
    #[arg(long, default_value = "admin", value_parser = subject, value_name = "NAME")]
    pub subject: String,
    /// Where to put it; replaced if it exists. Default: NAME.token beside the key
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

pub(crate) fn run(args: &IssueArgs) -> Result<(), CliError> {
    output::print(issue(args, SystemTime::now())?)
}

/// Writes the token; the answer says what to export.
fn issue(args: &IssueArgs, now: SystemTime) -> Result<String, CliError> {
    let issuer = TokenIssuer::load(&args.key).map_err(|error| {
        let cause = error
            .source
            .as_ref()
            .map_or_else(String::new, |cause| format!(" ({cause})"));
        CliError::new(Kind::Usage, format!("{error}{cause}"))
    })?;
    let out = args
        .out
        .clone()
        .unwrap_or_else(|| args.key.with_file_name(format!("{}.token", args.subject)));
    let token = issuer
        .issue(&args.subject, now)
        .map_err(|error| CliError::other("cannot issue a token", error))?;
    write_token(&out, &token)
        .map_err(|error| CliError::other(&format!("cannot write {}", out.display()), error))?;
    let ca = args.key.with_file_name("ca.pem");
    let exports = exports(now + TOKEN_VALID_FOR, &ca, &out, &issuer.endpoints());
    Ok(format!(
        "cluster `{}`, administrator `{}`, {exports}",
        issuer.cluster(),
        args.subject
    ))
}

/// When a token ends, and the shell lines that make `chamois` use it wherever it is called.
pub(crate) fn exports(expires: SystemTime, ca: &Path, token: &Path, endpoints: &[String]) -> String {
    let since_epoch = expires.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    format!(
        "until {until}:\n\
         export CHAMOIS_CA={ca}\n\
         export CHAMOIS_TOKEN_FILE={token}\n\
         export CHAMOIS_ENDPOINTS={endpoints}",
        until = utc::timestamp(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)),
        ca = absolute(ca).display(),
        token = absolute(token).display(),
        endpoints = endpoints.join(","),
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
            key,
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

//! `chamois token issue`: further administrators' tokens, with the key that `chamois init` left with the first member or in
//! the folder of `--static`, or with the recovery kit's.

use std::io;
use std::path::Path;
use std::time::SystemTime;

use rpc::token::{Verifier, audience, issuer};

use crate::cluster_file::ClusterFile;
use crate::init_static::{PRIVATE, write_new};
use crate::member_identity::{Files, LoadError};
use crate::recovery_kit::RecoveryKit;
use crate::token_issue::{TokenError, TokenKey};

/// What to do when the key or what belongs to it is not there.
const WHERE: &str = "name `token.key` in the folder that `chamois init` wrote, and leave that folder together, or name \
                     the recovery kit with --recovery-kit";

/// The same for a recovery kit.
const KIT: &str = "name `recovery-kit.toml` that `chamois init` wrote, whole";

/// A cluster's token key together with the cluster that it is for.
#[derive(Debug)]
pub struct TokenIssuer {
    key: TokenKey,
    cluster: String,
    endpoints: Vec<String>,
    ca_pem: Option<String>,
}

impl TokenIssuer {
    /// Loads the key at `key`, and from beside it `cluster.toml` and `token.pem`.
    ///
    /// # Errors
    /// If a file is missing or malformed, the key is readable by everyone, or it is not one that members
    /// check tokens with.
    pub fn load(key: &Path) -> Result<Self, LoadError> {
        let name = key.file_name().unwrap_or_default().to_string_lossy();
        let files = Files {
            dir: key.parent().unwrap_or(Path::new("")),
        };
        let wrong = |problem: &str| files.wrong(&name, problem, WHERE);
        let pem = files.read_private(&name).map_err(look_there)?;
        let key = String::from_utf8(pem)
            .ok()
            .and_then(|pem| TokenKey::from_pem(&pem).ok())
            .ok_or_else(|| wrong("not a token key (ECDSA P-256, PKCS#8 PEM)"))?;
        let ClusterFile { cluster, members, .. } = files.cluster().map_err(look_there)?;
        let public = files.read("token.pem").map_err(look_there)?;
        let (from, to) = (issuer(&cluster), audience(&cluster));
        let verifier =
            Verifier::new(&public, &from, &to).map_err(|error| files.wrong("token.pem", &error, WHERE))?;
        let endpoints = members.into_iter().map(|member| member.api_address);
        let issuer = Self {
            key,
            cluster,
            endpoints: endpoints.collect(),
            ca_pem: None,
        };
        let accepted = issuer
            .issue("check", SystemTime::now())
            .is_ok_and(|token| verifier.verify(&token).is_ok());
        if accepted {
            Ok(issuer)
        } else {
            Err(wrong(
                "not the key of `token.pem`, so no member would accept its tokens",
            ))
        }
    }

    /// With the key in the recovery kit at `kit`, wherever that is kept.
    ///
    /// # Errors
    /// If the file is missing, readable by everyone, or no recovery kit.
    pub fn from_recovery_kit(kit: &Path) -> Result<Self, LoadError> {
        let name = kit.file_name().unwrap_or_default().to_string_lossy();
        let files = Files {
            dir: kit.parent().unwrap_or(Path::new("")),
        };
        let wrong = |problem: &dyn std::fmt::Display| files.wrong(&name, &problem.to_string(), KIT);
        let text = files.read_private(&name).map_err(|error| look(error, KIT))?;
        let text = String::from_utf8(text).map_err(|_| wrong(&"not UTF-8 text"))?;
        let kit = RecoveryKit::parse(&text).map_err(|error| wrong(&error))?;
        let keys = kit.keys().map_err(|error| wrong(&error))?;
        Ok(Self {
            key: keys.token_key,
            cluster: kit.cluster,
            endpoints: Vec::new(),
            ca_pem: Some(kit.ca_certificate),
        })
    }

    /// The cluster's name.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// `host:port` of each founding member's gRPC API; none from a recovery kit, which knows no members.
    pub fn endpoints(&self) -> &[String] {
        &self.endpoints
    }

    /// The CA's certificate, PEM, from a recovery kit; beside a key that lies where `chamois init` wrote it there is
    /// `ca.pem`.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// A token that makes its bearer the administrator `subject` from `now` on for
    /// [`TOKEN_VALID_FOR`](crate::TOKEN_VALID_FOR).
    ///
    /// # Errors
    /// If there are no random bytes, or signing fails.
    pub fn issue(&self, subject: &str, now: SystemTime) -> Result<String, TokenError> {
        self.key.issue(self.cluster(), subject, now)
    }
}

/// Puts a token into `out`, for its owner only. A token that is there is replaced in one step, so that who
/// reads the file meanwhile has one of the two.
///
/// # Errors
/// If `out` cannot be written.
pub fn write_token(out: &Path, token: &str) -> io::Result<()> {
    let mut name = out.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.partial", std::process::id()));
    let partial = out.with_file_name(name);
    let written =
        write_new(&partial, PRIVATE, token.as_bytes()).and_then(|()| std::fs::rename(&partial, out));
    if written.is_err() {
        // best effort: the error that matters is at hand, and the name says what it is
        let _ = std::fs::remove_file(&partial);
    }
    written
}

fn look_there(error: LoadError) -> LoadError {
    look(error, WHERE)
}

fn look(error: LoadError, remedy: &str) -> LoadError {
    LoadError {
        remedy: match &error.source {
            Some(source) if source.kind() != io::ErrorKind::NotFound => "let your user read it".to_owned(),
            Some(_) => remedy.to_owned(),
            // a key that everyone may read has a remedy of its own
            None => error.remedy,
        },
        ..error
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::PathBuf;
    use std::time::Duration;

    use crate::{MemberIdentity, TOKEN_VALID_FOR, init_static};

    use super::*;

    /// The folder that `init` wrote.
    fn folder() -> (tempfile::TempDir, PathBuf) {
        rpc::tls::install_crypto_provider();
        let dir = tempfile::tempdir().unwrap();
        let (file, out) = (dir.path().join("static.toml"), dir.path().join("out"));
        let text = "cluster = \"demo\"\n[[member]]\nid = 1\naddress = \"127.0.0.1:7440\"\napi-address = \"127.0.0.1:7441\"\n";
        std::fs::write(&file, text).unwrap();
        init_static(&file, &out, SystemTime::now()).unwrap();
        (dir, out)
    }

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    /// What counts: a member lets its bearer in, under the name that was given.
    #[test]
    fn a_member_accepts_a_further_token() {
        let (_dir, out) = folder();
        let issuer = TokenIssuer::load(&out.join("token.key")).unwrap();
        assert_eq!(
            (issuer.cluster(), issuer.endpoints()),
            ("demo", &["127.0.0.1:7441".to_owned()][..])
        );
        let now = SystemTime::now();
        let token = issuer.issue("alice", now).unwrap();
        let member = MemberIdentity::load(&out.join("member-1")).unwrap();
        let claims = member.tokens.verify(&token).unwrap();
        assert_eq!(claims.sub, "alice");
        let expires = SystemTime::UNIX_EPOCH + Duration::from_secs(claims.exp);
        assert!(expires <= now + TOKEN_VALID_FOR);
    }

    /// `ca.key` lies beside it and is a key of the same kind.
    #[test]
    fn a_key_whose_tokens_no_member_accepts_is_refused() {
        let (_dir, out) = folder();
        let text = TokenIssuer::load(&out.join("ca.key")).unwrap_err().to_string();
        assert!(
            text.contains("ca.key: not the key of `token.pem`") && text.contains("name `token.key`"),
            "{text}"
        );
    }

    /// Each error names the file and the way out.
    #[test]
    fn what_cannot_be_used_is_named_with_its_remedy() {
        let (_dir, out) = folder();
        let refused = |name: &str| TokenIssuer::load(&out.join(name)).unwrap_err().to_string();
        let text = refused("admin.token");
        assert!(text.contains("admin.token: not a token key"), "{text}");
        let text = refused("none.key");
        assert!(
            text.contains("none.key: could not be read") && text.contains("chamois init"),
            "{text}"
        );
        let key = out.join("token.key");
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
        let text = refused("token.key");
        assert!(text.contains("chmod 600"), "{text}");
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::remove_file(out.join("cluster.toml")).unwrap();
        let text = refused("token.key");
        assert!(
            text.contains("cluster.toml") && text.contains("leave that folder together"),
            "{text}"
        );
    }

    #[test]
    fn a_token_file_is_the_owners_and_is_replaced_whole() {
        let (_dir, out) = folder();
        let file = out.join("admin.token");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        write_token(&file, "new").unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(mode(&file), 0o600, "whatever the old file's mode was");
        write_token(&out.join("none/token"), "x").unwrap_err();
        let left = std::fs::read_dir(&out).unwrap();
        let partial = left.filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            name.to_string_lossy().contains("partial")
        });
        assert_eq!(partial.count(), 0);
    }
}

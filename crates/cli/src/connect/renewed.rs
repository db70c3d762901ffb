//! Credentials of a command that runs for months: whatever renews a token or a certificate meanwhile, the next call has the new one.

use std::path::Path;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use rpc::client::{Credentials, TokenError, TokenSource};
use rustls_pki_types::CertificateDer;

use super::Target;
use crate::args::GlobalArgs;
use crate::login;

/// What `target` shows, from where it is from, with the same precedence.
pub(super) fn credentials(global: &GlobalArgs, target: &Target) -> Credentials {
    if let Some(chain) = &target.certificate {
        return Credentials::CertificateFiles {
            chain: chain.clone(),
            key: super::key_of(chain),
        };
    }
    let token_file = global.token_file.as_deref().map(Path::to_owned);
    match (token_file, global.token_of_environment(), &target.token) {
        (Some(path), _, _) => Credentials::TokenFile(path),
        (None, Some(token), _) => Credentials::Token(token),
        (None, None, Some(_)) => Credentials::TokenSource(Arc::new(KeptLogin {
            global: global.clone(),
            ca: target.ca.clone(),
        })),
        (None, None, None) => Credentials::None,
    }
}

/// The login of `chamois login`, renewed when its access token is about to end, as before each command.
struct KeptLogin {
    global: GlobalArgs,
    ca: Vec<CertificateDer<'static>>,
}

impl TokenSource for KeptLogin {
    fn token(&self) -> BoxFuture<'_, Result<String, TokenError>> {
        async {
            login::renew(&self.global).await;
            let token = login::access_token(&self.ca);
            token.ok_or_else(|| TokenError::Other("the login has ended: `chamois login`".to_owned()))
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A CA, a token file and a client certificate with its key.
    struct Files(tempfile::TempDir);

    impl Files {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let now = std::time::SystemTime::now();
            let ca = auth::pki::CertificateAuthority::generate("demo", now).unwrap();
            let issued = ca.issue_user("ada", now).unwrap();
            for (name, text) in [
                ("ca.pem", ca.certificate_pem()),
                ("ada.pem", issued.certificate_pem.as_str()),
                ("ada.key", issued.key_pem.as_str()),
                ("token", "abc.def.ghi\n"),
            ] {
                std::fs::write(dir.path().join(name), text).unwrap();
            }
            Self(dir)
        }

        fn shown(&self, token: Option<&str>, certificate: Option<&str>) -> Credentials {
            let path = |name: &str| self.0.path().join(name);
            let global = GlobalArgs {
                endpoints: vec!["a:1".to_owned()],
                ca: Some(path("ca.pem")),
                token_file: token.map(path),
                client_certificate: certificate.map(path),
                ..GlobalArgs::default()
            };
            credentials(&global, &Target::from_global(&global).unwrap())
        }
    }

    /// A copy of what the file says now would end with it.
    #[test]
    fn what_is_in_a_file_is_read_there_again() {
        let files = Files::new();
        let path = |name: &str| files.0.path().join(name);
        let token = files.shown(Some("token"), None);
        assert!(matches!(token, Credentials::TokenFile(file) if file == path("token")));
        let certificate = files.shown(Some("token"), Some("ada.pem"));
        assert!(matches!(
            certificate,
            Credentials::CertificateFiles { chain, key } if chain == path("ada.pem") && key == path("ada.key")
        ));
    }
}

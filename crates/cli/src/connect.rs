//! From the global options to a channel that generated clients take.

mod renewed;

use std::path::{Path, PathBuf};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use http::{HeaderValue, Request, Response};
use rpc::client::{Channel, Credentials, ExactlyOnce, Options};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tonic::Status;
use tonic::body::Body;
use tower::Service;

use crate::args::{Consistency, GlobalArgs};
use crate::error::{CliError, Kind};
use crate::login;

/// Lists of a large cluster exceed tonic's 4 MiB; this is also what a member sends at most.
pub(crate) const ANSWER_BYTES_MAX: usize = 64 << 20;
/// What a member allows a call at most; a boot file of 30 GB takes as long over 1 Gb/s.
const UPLOAD_AT_MOST: Duration = Duration::from_secs(300);
/// What follows the beginning of a short answer comes within that.
const REST_AT_MOST: Duration = Duration::from_secs(2);
/// A token file has at most this many bytes; a larger one is another file.
const TOKEN_FILE_BYTES_MAX: u64 = 16 << 10;
/// Where `chamois demo` and `chamois init` print what to set.
const WHERE_FROM: &str = "`chamois init` and `chamois demo --keep` print the exports for all three; `chamois config set NAME` keeps them.";

/// What to do about a CA that cannot be read.
const NAME_THE_CA: &str = "Name the file `ca.pem` of the cluster with --ca or CHAMOIS_CA.";

/// Whom to ask and how to be believed; cheap to clone.
#[derive(Clone)]
pub(crate) struct Target {
    /// host:port of each member's gRPC API.
    pub(crate) endpoints: Vec<String>,
    ca: Vec<CertificateDer<'static>>,
    token: Option<String>,
    /// Shown instead of the token: the file, whose key is beside it.
    certificate: Option<PathBuf>,
    at_most: Duration,
    reads_locally: bool,
}

/// A channel to any of the target's members, for the whole cluster. What a member cannot answer is asked of the next one,
/// and nothing is done twice.
pub(crate) fn to_any(global: &GlobalArgs) -> Result<ExactlyOnce, CliError> {
    let Connection { channel, at_most } = without_repeats(global)?;
    let once = ExactlyOnce::new(channel, at_most);
    Ok(match &global.only_trying {
        Some(trials) => once.only_trying(trials.clone()),
        None => once,
    })
}

/// A channel to any of the target's members for streams, and for calls whose repeats the cluster does not recognise (those
/// that change the membership): each is tried once.
pub(crate) fn without_repeats(global: &GlobalArgs) -> Result<Connection, CliError> {
    let target = Target::from_global(global)?;
    target.connect(&target.endpoints)
}

/// The same for a stream that goes on for months: a token and a certificate are read again when they were renewed.
pub(crate) fn with_renewed_credentials(global: &GlobalArgs) -> Result<Connection, CliError> {
    let target = Target::from_global(global)?;
    target.connect_as(&target.endpoints, renewed::credentials(global, &target))
}

/// A channel to any of the target's members on which one call may take as long as a member allows at most.
pub(crate) fn for_upload(global: &GlobalArgs) -> Result<Connection, CliError> {
    Ok(without_repeats(global)?.for_upload())
}

impl Target {
    /// From options and environment.
    ///
    /// # Errors
    /// `Usage` naming the option that is missing and its environment variable.
    pub(crate) fn from_global(global: &GlobalArgs) -> Result<Self, CliError> {
        let endpoints: Vec<String> = global
            .endpoints
            .iter()
            .filter(|e| !e.is_empty())
            .cloned()
            .collect();
        if endpoints.is_empty() {
            let text =
                "no endpoint: name a member with --endpoints host:7441, CHAMOIS_ENDPOINTS or a context";
            return Err(CliError::new(Kind::Usage, text).with_remedy(WHERE_FROM));
        }
        let Some(ca) = &global.ca else {
            let text = "no CA: name the cluster's CA certificate with --ca FILE or CHAMOIS_CA";
            return Err(CliError::new(Kind::Usage, text).with_remedy(WHERE_FROM));
        };
        let ca = read_ca(ca).map_err(|error| error.with_remedy(NAME_THE_CA))?;
        let token = match &global.token_file {
            Some(path) => Some(read_token(path)?),
            None => global.token_of_environment().or_else(|| login::access_token(&ca)),
        };
        let at_most = global.timeout();
        Ok(Self {
            endpoints,
            ca,
            token,
            certificate: global.client_certificate.clone(),
            at_most,
            reads_locally: global.consistency == Some(Consistency::Local),
        })
    }

    /// From values, for the demo; each call takes at most five seconds.
    pub(crate) fn new(endpoints: Vec<String>, ca: &Path, token: String) -> Result<Self, CliError> {
        Ok(Self {
            endpoints,
            ca: read_ca(ca)?,
            token: Some(token),
            certificate: None,
            at_most: Duration::from_secs(5),
            reads_locally: false,
        })
    }

    /// The time that a member has for its whole answer: that of a call, and a little for the rest of what it sends.
    pub(crate) fn answer_at_most(&self) -> Duration {
        self.at_most.saturating_add(REST_AT_MOST)
    }

    /// A channel to one member. Nothing is dialled yet.
    pub(crate) fn connect_one(&self, endpoint: &str) -> Result<Connection, CliError> {
        self.connect(&[endpoint.to_owned()])
    }

    /// A channel to all members that begins with the `first`-th, so that clients spread over them.
    pub(crate) fn connect_from(&self, first: usize) -> Result<Connection, CliError> {
        let mut endpoints = self.endpoints.clone();
        let first = first % endpoints.len().max(1);
        endpoints.rotate_left(first);
        self.connect(&endpoints)
    }

    /// A channel to all members: what one cannot answer is asked of the next, nothing is done twice, and a call takes at most
    /// `at_most`, with all attempts.
    pub(crate) fn connect_exactly_once(&self, at_most: Duration) -> Result<ExactlyOnce, CliError> {
        let Connection { channel, .. } = self.connect(&self.endpoints)?;
        Ok(ExactlyOnce::new(channel, at_most))
    }

    /// The CA that signs the members' certificates.
    pub(crate) fn ca(&self) -> &[CertificateDer<'static>] {
        &self.ca
    }

    /// The bearer token, if there is one.
    pub(crate) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    fn connect(&self, endpoints: &[String]) -> Result<Connection, CliError> {
        let credentials = match &self.certificate {
            Some(file) => certificate(file)?,
            None => self.token.clone().map_or(Credentials::None, Credentials::Token),
        };
        self.connect_as(endpoints, credentials)
    }

    fn connect_as(&self, endpoints: &[String], credentials: Credentials) -> Result<Connection, CliError> {
        let endpoints = endpoints
            .iter()
            .map(|e| e.trim_start_matches("https://").to_owned())
            .collect();
        let options = Options {
            endpoints,
            ca: self.ca.clone(),
            credentials,
        };
        let channel = rpc::client::connect(options)
            .map_err(|error| CliError::new(Kind::Usage, error.to_string()).with_remedy(WHERE_FROM))?;
        Ok(Connection {
            channel: match self.reads_locally {
                true => channel.with_local_reads(),
                false => channel,
            },
            at_most: self.at_most,
        })
    }
}

/// A channel whose calls all end in time, whatever the far end does.
#[derive(Clone)]
pub(crate) struct Connection {
    channel: Channel,
    at_most: Duration,
}

impl Connection {
    /// The same, on which one call may take as long as a member allows at most.
    pub(crate) fn for_upload(self) -> Self {
        Self {
            at_most: UPLOAD_AT_MOST,
            ..self
        }
    }
}

impl Service<Request<Body>> for Connection {
    type Response = Response<Body>;
    type Error = Status;
    type Future = BoxFuture<'static, Result<Response<Body>, Status>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.channel.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let at_most = self.at_most;
        // the member gives up too, so that it does not work for nobody (gRPC over HTTP/2, "Timeout")
        request
            .headers_mut()
            .insert("grpc-timeout", timeout_header(at_most));
        let answer = self.channel.call(request);
        Box::pin(async move {
            tokio::time::timeout(at_most, answer).await.unwrap_or_else(|_| {
                let text = format!("no answer within {at_most:?}");
                Err(Status::deadline_exceeded(text))
            })
        })
    }
}

fn timeout_header(at_most: Duration) -> HeaderValue {
    HeaderValue::try_from(format!("{}m", at_most.as_millis())).expect("digits and a letter are a header")
}

/// What `CHAMOIS_TOKEN` holds, if anything.
pub(crate) fn token_of_environment() -> Option<String> {
    let token = std::env::var("CHAMOIS_TOKEN").ok();
    token.filter(|token| !token.is_empty())
}

/// The certificates of a PEM file.
///
/// # Errors
/// `Usage` naming the file.
pub(crate) fn read_ca(path: &Path) -> Result<Vec<CertificateDer<'static>>, CliError> {
    let refused = |cause: String| {
        CliError::new(
            Kind::Usage,
            format!("cannot read the CA certificate {}: {cause}", path.display()),
        )
    };
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path)
        .map_err(|e| refused(e.to_string()))?
        .collect();
    let certificates = certificates.map_err(|e| refused(e.to_string()))?;
    if certificates.is_empty() {
        return Err(refused("it holds no CERTIFICATE block".to_owned()));
    }
    Ok(certificates)
}

/// Where the key of the certificate in this file is.
fn key_of(certificate: &Path) -> PathBuf {
    certificate.with_extension("key")
}

/// A certificate, and the key in the file beside it.
///
/// # Errors
/// `Usage` naming the file.
fn certificate(file: &Path) -> Result<Credentials, CliError> {
    let key_file = key_of(file);
    let refused = |file: &Path, cause: String| {
        let text = format!("cannot read the client certificate: {}: {cause}", file.display());
        CliError::new(Kind::Usage, text)
    };
    let found = CertificateDer::pem_file_iter(file).map_err(|error| refused(file, error.to_string()))?;
    let chain: Result<Vec<_>, _> = found.collect();
    let chain = chain.map_err(|error| refused(file, error.to_string()))?;
    if chain.is_empty() {
        return Err(refused(file, "it holds no CERTIFICATE block".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_file(&key_file);
    let key = key.map_err(|error| refused(&key_file, error.to_string()))?;
    Ok(Credentials::Certificate(chain, key))
}

/// The token in a file, which may end with a newline.
///
/// # Errors
/// `Usage` naming the file.
pub(crate) fn read_token(path: &Path) -> Result<String, CliError> {
    let refused = |cause: String| {
        CliError::new(
            Kind::Usage,
            format!("cannot read the token file {}: {cause}", path.display()),
        )
    };
    let length = std::fs::metadata(path).map_err(|e| refused(e.to_string()))?.len();
    if length > TOKEN_FILE_BYTES_MAX {
        return Err(refused(format!("{length} bytes are too many for a token")));
    }
    let text = std::fs::read_to_string(path).map_err(|e| refused(e.to_string()))?;
    match text.trim() {
        "" => Err(refused("it is empty".to_owned())),
        token => Ok(token.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn global(endpoints: &[&str], ca: Option<&Path>, token_file: Option<&Path>) -> GlobalArgs {
        GlobalArgs {
            endpoints: endpoints.iter().map(|e| (*e).to_owned()).collect(),
            ca: ca.map(Path::to_owned),
            token_file: token_file.map(Path::to_owned),
            ..GlobalArgs::default()
        }
    }

    fn refused(global: &GlobalArgs) -> String {
        let error = Target::from_global(global).err().expect("is refused");
        assert_eq!(error.kind(), Kind::Usage);
        error.to_string()
    }

    /// Somebody who types the first command learns which three things it needs.
    #[test]
    fn what_is_missing_is_named_with_option_and_variable() {
        let text = refused(&global(&[], None, None));
        assert!(
            text.contains("--endpoints") && text.contains("CHAMOIS_ENDPOINTS"),
            "{text}"
        );
        let text = refused(&global(&["a:1"], None, None));
        assert!(text.contains("--ca") && text.contains("CHAMOIS_CA"), "{text}");
        let text = refused(&global(&["a:1"], Some(Path::new("/nonexistent/ca.pem")), None));
        assert!(text.contains("/nonexistent/ca.pem"), "{text}");
    }

    #[test]
    fn a_file_that_is_no_certificate_or_token_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let empty = dir.path().join("empty");
        std::fs::write(&empty, "\n").unwrap();
        let text = refused(&global(&["a:1"], Some(&empty), None));
        assert!(text.contains("CERTIFICATE"), "{text}");
        assert!(read_token(&empty).unwrap_err().to_string().contains("empty"));
        let large = dir.path().join("large");
        std::fs::write(&large, vec![b'a'; 20 << 10]).unwrap();
        assert!(read_token(&large).unwrap_err().to_string().contains("too many"));
    }

    /// The key is looked for beside the certificate, and the file that is wrong is named.
    #[test]
    fn a_certificate_needs_its_key_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ada.pem");
        let refused = || certificate(&file).err().unwrap().to_string();
        assert!(refused().contains("ada.pem"), "{}", refused());
        std::fs::write(&file, "no certificate").unwrap();
        assert!(refused().contains("CERTIFICATE"), "{}", refused());
        let ca = auth::pki::CertificateAuthority::generate("demo", std::time::SystemTime::now()).unwrap();
        let issued = ca.issue_user("ada", std::time::SystemTime::now()).unwrap();
        std::fs::write(&file, &issued.certificate_pem).unwrap();
        assert!(refused().contains("ada.key"), "{}", refused());
        std::fs::write(dir.path().join("ada.key"), &issued.key_pem).unwrap();
        assert!(matches!(
            certificate(&file),
            Ok(Credentials::Certificate(chain, _)) if chain.len() == 1
        ));
    }

    #[test]
    fn a_token_file_may_end_with_a_newline() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        std::fs::write(&path, "abc.def.ghi\n").unwrap();
        assert_eq!(read_token(&path).unwrap(), "abc.def.ghi");
    }
}

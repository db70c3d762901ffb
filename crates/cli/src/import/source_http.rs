//! A live service of OpenCHAMI: its JSON over HTTP or HTTPS, one request after the other on one connection.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::source::{DOCUMENT_BYTES_MAX, Named, too_large};
use crate::connect::{read_ca, read_token};
use crate::error::{CliError, Kind};
use crate::hsm::{Collection, Items, find_in, not_accepted, parse};

/// A connection, TLS included.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// One collection: SMD takes a second for 10,000 components, and more under load.
const ANSWER_MAX: Duration = Duration::from_secs(120);
/// Which service is asked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Api {
    /// In texts, with its article.
    name: &'static str,
    /// Where its API is, unless the URL says otherwise.
    path: &'static str,
    /// A URL of one.
    example: &'static str,
    /// What a document must have; `None`: what `hsm::not_accepted` says.
    accepted: Option<&'static str>,
}

/// State Management Daemon.
pub(crate) const SMD: Api = Api {
    name: "an SMD",
    path: "/hsm/v2",
    example: "https://smd.example:27779/hsm/v2",
    accepted: None,
};
/// Boot Script Service.
pub(crate) const BSS: Api = Api {
    name: "a BSS",
    path: "/boot/v1",
    example: "https://bss.example:27778/boot/v1",
    accepted: Some(
        "Accepted is JSON as `GET /boot/v1/bootparameters` or `GET /boot/v1/dumpstate` gives it: a list of boot parameters, \
         or an object with the key Params.",
    ),
};
/// cloud-init server; a gateway has it below `/cloud-init`.
pub(crate) const CLOUD_INIT: Api = Api {
    name: "a cloud-init server",
    path: "",
    example: "https://gateway.example:8443/cloud-init",
    accepted: Some(
        "Accepted is a JSON object with what the routes below /admin/ give: the keys cluster-defaults, groups, \
         instance-info.",
    ),
};
/// What was exported from a cluster of ours; it is read from files only.
pub(crate) const DHCP: Api = Api {
    name: "a Chamois",
    path: "",
    example: "dhcp.json",
    accepted: Some(
        "Accepted is JSON as `chamois export --of dhcp` writes it: an object with the keys subnets, policies, each with a list.",
    ),
};

impl Api {
    /// A document that cannot be read.
    pub(crate) fn not_accepted(&self, origin: &str, problem: impl std::fmt::Display) -> CliError {
        match self.accepted {
            None => not_accepted(origin, problem),
            Some(accepted) => {
                CliError::new(Kind::Usage, format!("{origin}: {problem}")).with_remedy(accepted)
            }
        }
    }
}

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A connection to a service.
pub(crate) struct Live {
    api: &'static Api,
    base: Base,
    authorization: Option<HeaderValue>,
    sender: SendRequest<Empty<Bytes>>,
}

/// A connection to an SMD.
pub(super) struct LiveSmd(Live);

/// Where the API is.
#[derive(Debug, PartialEq, Eq)]
struct Base {
    secure: bool,
    host: String,
    port: u16,
    /// Without a slash at the end.
    path: String,
}

impl LiveSmd {
    /// Connects.
    ///
    /// # Errors
    /// As [`Live::connect`].
    pub(super) async fn connect(named: &Named<'_>) -> Result<Self, CliError> {
        Ok(Self(Live::connect(named, &SMD).await?))
    }

    /// One collection; `None` if this SMD does not have it.
    ///
    /// # Errors
    /// For an answer that is not the collection.
    pub(super) async fn get(&mut self, collection: Collection) -> Result<Option<Items>, CliError> {
        let is_needed = collection == Collection::Components;
        let origin = self.0.origin(collection.path());
        let Some(document) = self.0.get(collection.path(), is_needed).await? else {
            return Ok(None);
        };
        let found = find_in(&origin, collection.name(), document)?;
        let found = found.into_iter().find(|items| items.collection == collection);
        match found {
            Some(items) => Ok(Some(items)),
            None => Err(not_accepted(&origin, "it has other collections")),
        }
    }
}

impl Live {
    /// Connects.
    ///
    /// # Errors
    /// For a URL that is none, credentials that cannot be used, and a server that cannot be reached.
    pub(crate) async fn connect(named: &Named<'_>, api: &'static Api) -> Result<Self, CliError> {
        let base = Base::parse(named.source, api)?;
        if named.token_file.is_some() && !base.keeps_secrets() {
            let text = format!("a token would go to {base} in clear, for everybody on the way to read");
            return Err(CliError::new(Kind::Usage, text).with_remedy(
                "Write https://, or save the collections there and import them from files. (http:// with a token is for \
                 this machine's own address.)",
            ));
        }
        let token = named.token_file.map(read_token).transpose()?;
        let authorization = token.map(|token| {
            let bad = |_| {
                CliError::new(
                    Kind::Usage,
                    "the source's token holds characters that no token has",
                )
            };
            let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(bad)?;
            value.set_sensitive(true);
            Ok::<_, CliError>(value)
        });
        let authorization = authorization.transpose()?;
        let ca = match (base.secure, named.ca) {
            (true, Some(ca)) => read_ca(ca)?,
            (true, None) => {
                let text = format!(
                    "no CA for {}: name the certificate that signs the source's with --source-ca",
                    base
                );
                return Err(CliError::new(Kind::Usage, text));
            }
            (false, Some(_)) => {
                let text = format!("--source-ca is for https://, and {base} is not");
                return Err(CliError::new(Kind::Usage, text));
            }
            (false, None) => Vec::new(),
        };
        let unreachable = |cause: Cause| {
            CliError::new(Kind::Unavailable, format!("cannot reach {base}: {cause}")).with_remedy(
                "Is the URL right? The collections can also be saved there and imported from files.",
            )
        };
        let connecting = tokio::time::timeout(CONNECT_MAX, base.dial(&ca)).await;
        let sender = match connecting {
            Ok(Ok(sender)) => sender,
            Ok(Err(cause)) => return Err(unreachable(cause)),
            Err(_elapsed) => return Err(unreachable("no connection in time".into())),
        };
        Ok(Self {
            api,
            base,
            authorization,
            sender,
        })
    }

    /// The URL of a path below the API's.
    pub(crate) fn origin(&self, path: &str) -> String {
        format!("{}/{path}", self.base)
    }

    /// A document; `None` if this service does not have it and need not.
    ///
    /// # Errors
    /// For an answer that is no JSON, and any status but 200.
    pub(crate) async fn get(&mut self, path: &str, is_needed: bool) -> Result<Option<Value>, CliError> {
        let origin = self.origin(path);
        let failed = |cause: Cause| CliError::new(Kind::Unavailable, format!("GET {origin}: {cause}"));
        let answer = tokio::time::timeout(ANSWER_MAX, self.exchange(path)).await;
        let (status, location, body) = match answer {
            Ok(Ok(answer)) => answer,
            Ok(Err(cause)) => return Err(failed(cause)),
            Err(_elapsed) => return Err(failed("no answer in time".into())),
        };
        let refused = |kind, remedy: &str| {
            Err(CliError::new(kind, format!("GET {origin}: {status}")).with_remedy(remedy))
        };
        match status {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return refused(
                    Kind::Denied,
                    "Name a file with a token of that system with --source-token-file.",
                );
            }
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED if !is_needed => return Ok(None),
            StatusCode::NOT_FOUND => {
                return refused(
                    Kind::NotFound,
                    &format!("Name the URL of the API, e.g. {}.", self.api.example),
                );
            }
            _ if status.is_redirection() => {
                let location = super::diff::quoted(&location);
                return refused(
                    Kind::Usage,
                    &format!("It points to {location}; redirections are not followed."),
                );
            }
            _ => return refused(Kind::Unavailable, "Look into the source's own log."),
        }
        let document = parse(&body).map_err(|error| self.api.not_accepted(&origin, error))?;
        Ok(Some(document))
    }

    async fn exchange(&mut self, path: &str) -> Result<(StatusCode, String, Bytes), Cause> {
        self.sender.ready().await?;
        let mut request = Request::get(format!("{}/{path}", self.base.path))
            .header(header::HOST, self.base.authority())
            .header(header::ACCEPT, "application/json")
            .body(Empty::new())?;
        if let Some(authorization) = &self.authorization {
            request
                .headers_mut()
                .insert(header::AUTHORIZATION, authorization.clone());
        }
        let answer = self.sender.send_request(request).await?;
        let status = answer.status();
        let location = answer.headers().get(header::LOCATION);
        let location = location.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let bytes_max = usize::try_from(DOCUMENT_BYTES_MAX).unwrap_or(usize::MAX);
        let body = Limited::new(answer.into_body(), bytes_max).collect().await;
        let body = body.map_err(|error| match error.is::<http_body_util::LengthLimitError>() {
            true => Cause::from(too_large()),
            false => error,
        })?;
        Ok((status, location.unwrap_or_default(), body.to_bytes()))
    }
}

impl Base {
    fn parse(url: &str, api: &Api) -> Result<Self, CliError> {
        let refused = |problem: &str| {
            let shown = super::diff::quoted(url);
            let text = format!("{shown} is not the URL of {}: {problem}", api.name);
            CliError::new(Kind::Usage, text).with_remedy(format!("Write e.g. {}.", api.example))
        };
        // Before anything is shown: a password may stand in it.
        let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
        if authority
            .split(['/', '?'])
            .next()
            .is_some_and(|authority| authority.contains('@'))
        {
            let text = "the source's URL holds credentials";
            return Err(CliError::new(Kind::Usage, text)
                .with_remedy("Leave them out; --source-token-file names a token."));
        }
        let uri: Uri = url
            .parse()
            .map_err(|error: http::uri::InvalidUri| refused(&error.to_string()))?;
        let secure = uri.scheme_str() == Some("https");
        let host = uri
            .host()
            .filter(|host| !host.is_empty())
            .ok_or_else(|| refused("it names no host"))?;
        if uri.query().is_some() {
            return Err(refused("it has a query"));
        }
        let path = match uri.path().trim_end_matches('/') {
            "" => api.path,
            path => path,
        };
        Ok(Self {
            secure,
            host: host.to_owned(),
            port: uri.port_u16().unwrap_or(if secure { 443 } else { 80 }),
            path: path.to_owned(),
        })
    }

    /// Whether what is sent there is read by nobody else.
    fn keeps_secrets(&self) -> bool {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        let address: Result<IpAddr, _> = host.parse();
        self.secure || address.is_ok_and(|ip| ip.to_canonical().is_loopback())
    }

    fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    async fn dial(
        &self,
        ca: &[rustls_pki_types::CertificateDer<'static>],
    ) -> Result<SendRequest<Empty<Bytes>>, Cause> {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((host, self.port)).await?;
        stream.set_nodelay(true)?;
        if !self.secure {
            return open(stream).await;
        }
        let mut tls = rpc::tls::api_client_config(ca, None)?;
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let name = ServerName::try_from(host.to_owned())?;
        open(TlsConnector::from(Arc::new(tls)).connect(name, stream).await?).await
    }
}

impl std::fmt::Display for Base {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

async fn open(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<SendRequest<Empty<Bytes>>, Cause> {
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection to the source ended");
        }
    });
    Ok(sender)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// Answers each request of one connection in turn, and gives what was asked.
    async fn serve(answers: &'static [&'static str]) -> (String, tokio::task::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            for answer in answers {
                let mut request = vec![0; 4096];
                let read = stream.read(&mut request).await.unwrap();
                asked.push(String::from_utf8_lossy(&request[..read]).into_owned());
                let (head, body) = answer.split_once('|').unwrap();
                let text = format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                stream.write_all(text.as_bytes()).await.unwrap();
            }
            asked
        });
        (format!("http://{address}"), serving)
    }

    fn named(url: &str) -> Named<'_> {
        Named {
            source: url,
            token_file: None,
            ca: None,
        }
    }

    #[tokio::test]
    async fn collections_are_asked_for_below_the_base_with_the_token() {
        let (url, serving) = serve(&[
            "200 OK|{\"Components\":[{\"ID\":\"x0\"}]}",
            "200 OK|[]",
            "404 Not Found|no",
        ])
        .await;
        let dir = tempfile::tempdir().unwrap();
        let token = dir.path().join("token");
        std::fs::write(&token, "a.b.c\n").unwrap();
        let named = Named {
            token_file: Some(&token),
            ..named(&url)
        };
        let mut smd = LiveSmd::connect(&named).await.unwrap();
        let components = smd.get(Collection::Components).await.unwrap().unwrap();
        assert_eq!(components.objects.len(), 1);
        assert_eq!(components.origin, format!("{url}/hsm/v2/State/Components"));
        assert!(
            smd.get(Collection::EthernetInterfaces)
                .await
                .unwrap()
                .unwrap()
                .objects
                .is_empty()
        );
        assert_eq!(smd.get(Collection::Groups).await.unwrap(), None);
        let asked = serving.await.unwrap();
        assert!(
            asked[0].starts_with("GET /hsm/v2/State/Components HTTP/1.1\r\n"),
            "{asked:?}"
        );
        assert!(asked[0].contains("authorization: Bearer a.b.c\r\n"), "{asked:?}");
        assert!(
            asked[1].starts_with("GET /hsm/v2/Inventory/EthernetInterfaces "),
            "{asked:?}"
        );
    }

    /// The class decides the exit code, the text says what to do.
    #[tokio::test]
    async fn an_answer_that_is_no_collection_is_told_with_a_remedy() {
        for (answer, kind, text) in [
            (
                "401 Unauthorized|no token found",
                Kind::Denied,
                "--source-token-file",
            ),
            (
                "404 Not Found|404 page not found",
                Kind::NotFound,
                "URL of the API",
            ),
            ("500 Internal Server Error|", Kind::Unavailable, "500"),
            ("302 Found\r\nlocation: https://x/|", Kind::Usage, "https://x/"),
            ("200 OK|<html>", Kind::Usage, "line 1 column 1"),
            ("200 OK|{\"groups\":[]}", Kind::Usage, "other collections"),
        ] {
            let answers: &'static [&'static str] = Box::leak(Box::new([answer]));
            let (url, _serving) = serve(answers).await;
            let mut smd = LiveSmd::connect(&named(&url)).await.unwrap();
            let error = smd.get(Collection::Components).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            let error = error.to_string();
            assert!(
                error.contains(text) && error.contains("/hsm/v2/State/Components"),
                "{error}"
            );
        }
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_unavailable() {
        let error = LiveSmd::connect(&named("http://127.0.0.1:1"))
            .await
            .err()
            .unwrap();
        assert_eq!(error.kind(), Kind::Unavailable);
        let no_ca = LiveSmd::connect(&named("https://127.0.0.1:1"))
            .await
            .err()
            .unwrap();
        assert!(no_ca.to_string().contains("--source-ca"), "{no_ca}");
    }

    #[test]
    fn the_base_is_smds_unless_the_url_says_otherwise() {
        let shown = |url: &str| Base::parse(url, &SMD).unwrap().to_string();
        assert_eq!(shown("http://smd"), "http://smd:80/hsm/v2");
        assert_eq!(shown("https://smd:27779/"), "https://smd:27779/hsm/v2");
        assert_eq!(
            shown("https://[fd00::1]/apis/smd/hsm/v2/"),
            "https://[fd00::1]:443/apis/smd/hsm/v2"
        );
        assert!(Base::parse("http://", &SMD).is_err() && Base::parse("http://smd/?x=1", &SMD).is_err());
        let bss = Base::parse("http://bss:27778", &BSS).unwrap();
        assert_eq!(bss.to_string(), "http://bss:27778/boot/v1");
        let cloud_init = Base::parse("http://ci:27777/", &CLOUD_INIT).unwrap();
        assert_eq!(cloud_init.to_string(), "http://ci:27777");
    }

    /// Before anything is dialled.
    #[tokio::test]
    async fn a_token_goes_over_no_network_in_clear() {
        let dir = tempfile::tempdir().unwrap();
        let token = dir.path().join("token");
        std::fs::write(&token, "a.b.c").unwrap();
        for (url, kind) in [
            ("http://192.0.2.1/hsm/v2", Kind::Usage),
            ("http://localhost.example:1", Kind::Usage),
            ("http://127.0.0.1:1", Kind::Unavailable),
            ("http://[::1]:1", Kind::Unavailable),
        ] {
            let named = Named {
                token_file: Some(&token),
                ..named(url)
            };
            let error = LiveSmd::connect(&named).await.err().unwrap();
            assert_eq!(error.kind(), kind, "{url}: {error}");
            let text = error.to_string();
            assert!(!text.contains("a.b.c"), "{text}");
            assert_eq!(text.contains("in clear"), kind == Kind::Usage, "{text}");
        }
    }

    /// What is typed ends in logs and histories; an error must not add to that.
    #[test]
    fn a_password_in_the_url_is_refused_and_not_shown() {
        let error = Base::parse("https://root:hunter2@smd/hsm/v2", &SMD)
            .unwrap_err()
            .to_string();
        assert!(
            !error.contains("hunter2") && error.contains("--source-token-file"),
            "{error}"
        );
    }
}

//! A connection to the HTTPS API, as an OpenCHAMI client has it: JSON over HTTP/1.1 with a bearer token.

use std::net::SocketAddrV4;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::connect::Target;
use crate::error::CliError;

/// One request and its answer, connection included.
const REQUEST_MAX: Duration = Duration::from_secs(30);
/// Lists of a large inventory have megabytes; a larger answer is not what was asked for.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// One connection; requests follow each other.
pub(crate) struct LegacyClient {
    address: SocketAddrV4,
    token: String,
    sender: SendRequest<Full<Bytes>>,
}

impl LegacyClient {
    /// Connects to a member.
    pub(crate) async fn connect(target: &Target, address: SocketAddrV4) -> Result<Self, CliError> {
        let step = format!("cannot reach https://{address}");
        let connecting = tokio::time::timeout(REQUEST_MAX, open(target, address));
        let sender = connecting
            .await
            .map_err(|_| CliError::other(&step, "no connection in time"))?
            .map_err(|error| CliError::other(&step, error))?;
        Ok(Self {
            address,
            token: target.token().unwrap_or_default().to_owned(),
            sender,
        })
    }

    /// Sends a JSON body and expects a status of success.
    ///
    /// # Errors
    /// With the request, the status and the answer's text: a seed that is refused is a bug.
    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: &serde_json::Value,
    ) -> Result<(), CliError> {
        let step = format!("{method} https://{}{path}", self.address);
        let answer = self
            .ask(method, path, Bytes::from(body.to_string()), None)
            .await?;
        if answer.status().is_success() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(answer.body());
        Err(CliError::other(
            &step,
            format_args!("{}: {text}", answer.status()),
        ))
    }

    /// Sends a body, which may be empty, with one header more, and gives the answer whatever its status.
    ///
    /// # Errors
    /// Of the connection, and if there is no answer in time.
    pub(crate) async fn ask(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
        more: Option<(HeaderName, HeaderValue)>,
    ) -> Result<Response<Bytes>, CliError> {
        let step = format!("{method} https://{}{path}", self.address);
        let answer = tokio::time::timeout(REQUEST_MAX, self.exchange(method, path, body, more)).await;
        answer
            .map_err(|_| CliError::other(&step, "no answer in time"))?
            .map_err(|error| CliError::other(&step, error))
    }

    async fn exchange(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
        more: Option<(HeaderName, HeaderValue)>,
    ) -> Result<Response<Bytes>, Box<dyn std::error::Error + Send + Sync>> {
        self.sender.ready().await?;
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.address.to_string())
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::from(body))?;
        request
            .headers_mut()
            .extend(more.map(|(name, value)| (Some(name), value)));
        let (parts, body) = self.sender.send_request(request).await?.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await?;
        Ok(Response::from_parts(parts, body.to_bytes()))
    }
}

async fn open(
    target: &Target,
    address: SocketAddrV4,
) -> Result<SendRequest<Full<Bytes>>, Box<dyn std::error::Error + Send + Sync>> {
    let mut tls = rpc::tls::api_client_config(target.ca(), None)?;
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::IpAddress(std::net::IpAddr::from(*address.ip()).into());
    let stream = TlsConnector::from(Arc::new(tls)).connect(name, stream).await?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection to the HTTPS API ended");
        }
    });
    Ok(sender)
}

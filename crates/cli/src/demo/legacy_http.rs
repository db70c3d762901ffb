//! A connection to the HTTPS API, as an OpenCHAMI client has it: JSON over HTTP/1.1 with a bearer token.

use std::net::SocketAddrV4;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
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
/// Answers are small; a larger one is not what was asked for.
const ANSWER_BYTES_MAX: usize = 1 << 20;

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
        let answer = tokio::time::timeout(REQUEST_MAX, self.exchange(method, path, body));
        let (status, text) = answer
            .await
            .map_err(|_| CliError::other(&step, "no answer in time"))?
            .map_err(|error| CliError::other(&step, error))?;
        if status.is_success() {
            Ok(())
        } else {
            Err(CliError::other(&step, format_args!("{status}: {text}")))
        }
    }

    async fn exchange(
        &mut self,
        method: Method,
        path: &str,
        body: &serde_json::Value,
    ) -> Result<(StatusCode, String), Box<dyn std::error::Error + Send + Sync>> {
        self.sender.ready().await?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.address.to_string())
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::from(body.to_string()))?;
        let answer = self.sender.send_request(request).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX)
            .collect()
            .await?
            .to_bytes();
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
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

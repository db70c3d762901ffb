//! A small HTTPS client that believes every certificate, and says which key it saw.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// An answer that is whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> String {
        self.headers[name].to_str().unwrap().to_owned()
    }
}

/// One connection.
pub(crate) struct Client {
    sender: SendRequest<Full<Bytes>>,
    headers: Vec<(String, String)>,
    /// The certificate that was shown, DER.
    pub(crate) certificate: Vec<u8>,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Result<Client, Failure> {
        let seen = Arc::new(AnyCertificate::default());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&seen) as Arc<dyn ServerCertVerifier>)
            .with_no_client_auth();
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::IpAddress(address.ip().into());
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let certificate = seen.0.lock().unwrap().clone();
        Ok(Client {
            sender,
            headers: Vec::new(),
            certificate,
        })
    }

    /// Every request from now on logs in with these.
    pub(crate) async fn basic(address: SocketAddr, user: &str, password: &str) -> Client {
        let mut client = Client::connect(address).await.unwrap();
        let encoded = BASE64_STANDARD.encode(format!("{user}:{password}"));
        client.set_header("authorization", &format!("Basic {encoded}"));
        client
    }

    pub(crate) fn set_header(&mut self, name: &str, value: &str) {
        self.headers.retain(|(set, _)| set != name);
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    /// The head of the answer; its body comes later.
    pub(crate) async fn begin(
        &mut self,
        method: Method,
        uri: &str,
        body: &Value,
    ) -> Result<http::Response<Incoming>, Failure> {
        self.sender.ready().await?;
        let mut request = Request::builder().method(method).uri(uri).header("host", "bmc");
        for (name, value) in &self.headers {
            request = request.header(name.as_str(), value.as_str());
        }
        let text = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let request = request.body(Full::new(Bytes::from(text)))?;
        Ok(self.sender.send_request(request).await?)
    }

    pub(crate) async fn try_ask(
        &mut self,
        method: Method,
        uri: &str,
        body: &Value,
    ) -> Result<Answer, Failure> {
        let (parts, body) = self.begin(method, uri, body).await?.into_parts();
        Ok(Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: body.collect().await?.to_bytes(),
        })
    }

    pub(crate) async fn get(&mut self, uri: &str) -> Answer {
        self.try_ask(Method::GET, uri, &Value::Null).await.unwrap()
    }

    pub(crate) async fn post(&mut self, uri: &str, body: Value) -> Answer {
        self.try_ask(Method::POST, uri, &body).await.unwrap()
    }

    pub(crate) async fn patch(&mut self, uri: &str, body: Value) -> Answer {
        self.try_ask(Method::PATCH, uri, &body).await.unwrap()
    }

    pub(crate) async fn delete(&mut self, uri: &str) -> Answer {
        self.try_ask(Method::DELETE, uri, &Value::Null).await.unwrap()
    }
}

/// Believes everything and remembers it.
#[derive(Debug, Default)]
struct AnyCertificate(Mutex<Vec<u8>>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.0.lock().unwrap() = end_entity.to_vec();
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

//! The port at which the CA asks (HTTP-01, RFC 8555, 8.3). Whose order it is does not matter: what is answered depends on the token that
//! is asked for and on the account's key, which all members have. It opens nothing: who gets a certificate must sign with that key.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use rpc::server::ConnectionLimits;
use tokio::net::{TcpListener, TcpStream};

use super::account_key::AccountKeys;
use crate::serve::drain::Stop;

const PREFIX: &str = "/.well-known/acme-challenge/";
/// CAs' tokens have some 43 characters.
const TOKEN_BYTES_MAX: usize = 128;
/// At once; what is more is closed. A CA asks from a handful of places.
const CONNECTIONS_MAX: usize = 256;
/// The same of one address: strangers reach this port, too, and none may take the CA's places.
const CONNECTIONS_PER_ADDRESS_MAX: usize = 16;
/// From the connection to the end of the answer.
const CONNECTION_AT_MOST: Duration = Duration::from_secs(10);
/// All headers of a request, bytes.
const HEADER_BYTES_MAX: usize = 16 * 1024;

/// Answers the CA until the stop.
pub(super) async fn serve(listener: TcpListener, keys: AccountKeys, stop: Stop) {
    let places = ConnectionLimits::new(CONNECTIONS_MAX, CONNECTIONS_PER_ADDRESS_MAX).by_network();
    let begin = move |stream: TcpStream, peer: SocketAddr, _| {
        let place = places.admit(peer.ip()).ok()?;
        let keys = keys.clone();
        Some(async move {
            let answering = tokio::time::timeout(CONNECTION_AT_MOST, answer_over(stream, &keys));
            if let Ok(Err(error)) = answering.await {
                tracing::debug!(%peer, %error, "a question of the CA was not answered");
            }
            drop(place);
        })
    };
    rpc::server::accept(listener, stop.reached(), CONNECTION_AT_MOST, begin).await;
}

async fn answer_over(stream: TcpStream, keys: &AccountKeys) -> Result<(), hyper::Error> {
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let answer = answer(request.method(), request.uri().path(), keys);
        async move { Ok::<_, Infallible>(answer) }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(CONNECTION_AT_MOST)
        .max_buf_size(HEADER_BYTES_MAX)
        .keep_alive(false);
    builder.serve_connection(TokioIo::new(stream), service).await
}

fn answer(method: &Method, path: &str, keys: &AccountKeys) -> Response<Full<Bytes>> {
    let (status, text) = match (*method == Method::GET, token(path)) {
        (true, Some(token)) => match keys.get() {
            Ok(key) => (StatusCode::OK, format!("{token}.{}", key.thumbprint())),
            Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "not ready yet\n".to_owned()),
        },
        _ => (
            StatusCode::NOT_FOUND,
            "only the questions of a CA are answered here\n".to_owned(),
        ),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("application/octet-stream");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}

/// The token that is asked for: base64url, nothing that could be markup or a path.
fn token(path: &str) -> Option<&str> {
    let token = path.strip_prefix(PREFIX)?;
    let is_one = !token.is_empty() && token.len() <= TOKEN_BYTES_MAX;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (is_one && token.bytes().all(is_plain)).then_some(token)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpSocket;

    use super::*;
    use crate::serve::acme::account_key::tests::keys;
    use crate::serve::drain::Drain;

    #[test]
    fn only_tokens_of_challenges_are_answered() {
        let long = "a".repeat(TOKEN_BYTES_MAX + 1);
        let keys = keys();
        for (path, status) in [
            (
                format!("{PREFIX}LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0"),
                200,
            ),
            (PREFIX.to_owned(), 404),
            (format!("{PREFIX}{long}"), 404),
            (format!("{PREFIX}a/b"), 404),
            (format!("{PREFIX}<script>"), 404),
            (format!("{PREFIX}..%2f"), 404),
            ("/".to_owned(), 404),
        ] {
            let answer = answer(&Method::GET, &path, &keys);
            assert_eq!(answer.status().as_u16(), status, "{path}");
        }
        let posted = answer(&Method::POST, &format!("{PREFIX}a"), &keys);
        assert_eq!(posted.status(), StatusCode::NOT_FOUND);
    }

    /// RFC 8555, 8.1: the token, a dot, and the digest of the account's key.
    #[tokio::test]
    async fn the_answer_is_the_token_with_the_accounts_thumbprint() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (served_with, asked) = (keys(), keys());
        let served = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            answer_over(stream, &served_with).await.unwrap();
        });
        let mut client = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {PREFIX}t-1 HTTP/1.1\r\nHost: a.example\r\n\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        let expected = format!("t-1.{}", asked.get().unwrap().thumbprint());
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.ends_with(&expected),
            "{answer}"
        );
        served.await.unwrap();
    }

    /// A stranger who opens connections and says nothing must not keep the CA out.
    #[tokio::test]
    async fn one_address_cannot_take_every_place() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let drain = Drain::default();
        let served = tokio::spawn(serve(listener, keys(), drain.finishing()));
        let mut held = Vec::new();
        for _ in 0..CONNECTIONS_PER_ADDRESS_MAX {
            held.push(TcpStream::connect(address).await.unwrap());
        }
        let mut more = TcpStream::connect(address).await.unwrap();
        let mut byte = [0; 1];
        let closed = tokio::time::timeout(CONNECTION_AT_MOST / 2, more.read(&mut byte)).await;
        let read = closed.expect("long before a silent connection is").unwrap_or(0);
        assert_eq!(read, 0, "it is closed without an answer");
        let elsewhere = TcpSocket::new_v4().unwrap();
        elsewhere.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        let mut ca = elsewhere.connect(address).await.unwrap();
        let request = format!("GET {PREFIX}t-1 HTTP/1.1\r\nHost: a.example\r\n\r\n");
        ca.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        ca.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        drop(held);
        drain.finish();
        served.await.unwrap();
    }
}

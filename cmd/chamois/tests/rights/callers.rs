//! A member with policies, and its callers: each with a certificate of his own, or with nothing.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use auth::pki::CertificateAuthority;
use bytes::{Buf as _, BufMut as _};
use futures::stream;
use http::uri::PathAndQuery;
use rpc::client::{Channel, Credentials, Options, connect};
use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Code, Request, Status};

use crate::common::http::{Administrator, Answer, send_over};
use crate::common::{Member, Single, text};

/// The node that the callers have, and the one that they have not.
pub(crate) const OWN: &str = "x1c0s0b0n0";
pub(crate) const OTHER: &str = "x9c7s7b1n1";
/// Stands in whatever is stored of the other one, and in no request.
pub(crate) const SECRET: &str = "canary-4711";
/// How long the first message of a stream is waited for.
const FIRST_MESSAGE: Duration = Duration::from_secs(2);

/// A running member.
pub(crate) struct Site {
    /// First, so that it ends before its folder goes.
    _member: Member,
    pub(crate) single: Single,
    administrator: Administrator,
    ca: CertificateAuthority,
    ca_certificate: CertificateDer<'static>,
}

/// Somebody who calls.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) channel: Channel,
    tls: Arc<ClientConfig>,
    ip: std::net::Ipv4Addr,
}

impl Site {
    /// With two nodes in a group each, and these policies (YAML).
    pub(crate) fn start(policies: &str) -> Site {
        let single = Single::prepare();
        let member = single.start();
        let identities = single.dir.path().join("identities");
        let read = |name: &str| std::fs::read_to_string(identities.join(name)).unwrap();
        let site = Site {
            administrator: Administrator::new(&identities),
            ca: CertificateAuthority::from_pem("test", &read("ca.pem"), &read("ca.key")).unwrap(),
            ca_certificate: CertificateDer::from_pem_file(identities.join("ca.pem")).unwrap(),
            single,
            _member: member,
        };
        site.seed();
        site.put_policies(policies);
        site
    }

    fn seed(&self) {
        let component = |id: &str, nid: u32, software: &str| {
            format!(
                r#"{{"ID":"{id}","State":"On","NID":{nid},"Role":"Compute","SoftwareStatus":"{software}"}}"#
            )
        };
        let (own, other) = (component(OWN, 1, "own"), component(OTHER, 4711, SECRET));
        self.post(
            "/hsm/v2/State/Components",
            &format!(r#"{{"Components":[{own},{other}]}}"#),
        );
        for (label, member) in [("own", OWN), ("other", OTHER)] {
            let group = format!(r#"{{"label":"{label}","members":{{"ids":["{member}"]}}}}"#);
            self.post("/hsm/v2/groups", &group);
        }
        let parameters =
            format!(r#"{{"hosts":["{OTHER}"],"params":"{SECRET}","kernel":"http://k/{SECRET}"}}"#);
        self.post("/boot/v1/bootparameters", &parameters);
    }

    fn post(&self, path: &str, body: &str) {
        let answer = self.administrator.send(self.single.own(), "POST", path, body);
        assert!(answer.status < 300, "{path}: {answer:?}");
    }

    /// What an administrator reads.
    pub(crate) fn read(&self, path: &str) -> String {
        let answer = self.administrator.send(self.single.own(), "GET", path, "");
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.body
    }

    /// Everything that the seed has stored of the other node.
    pub(crate) fn others(&self) -> Vec<String> {
        let paths = [
            format!("/hsm/v2/State/Components/{OTHER}"),
            "/hsm/v2/groups".to_owned(),
            format!("/boot/v1/bootparameters?name={OTHER}"),
            "/chamois/v1/policies".to_owned(),
            "/chamois/v1/roles".to_owned(),
        ];
        paths.iter().map(|path| self.read(path)).collect()
    }

    /// Stores policies as an administrator does.
    pub(crate) fn put_policies(&self, policies: &str) {
        let file = self.single.dir.path().join("policies.yaml");
        std::fs::write(&file, policies).unwrap();
        let (code, out, err) = self.single.ask(&["policy", "put", text(&file)]);
        assert_eq!(code, 0, "{out}{err}");
    }

    /// The user of this name.
    pub(crate) fn user(&self, name: &str) -> Caller {
        let issued = self.ca.issue_user(name, SystemTime::now()).unwrap();
        let certificate = || CertificateDer::from_pem_slice(issued.certificate_pem.as_bytes()).unwrap();
        let key = || PrivateKeyDer::from_pem_slice(issued.key_pem.as_bytes()).unwrap();
        self.caller(
            Credentials::Certificate(vec![certificate()], key()),
            Some((vec![certificate()], key())),
        )
    }

    /// Nobody in particular.
    pub(crate) fn stranger(&self) -> Caller {
        self.caller(Credentials::None, None)
    }

    fn caller(
        &self,
        credentials: Credentials,
        certificate: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    ) -> Caller {
        let ca = vec![self.ca_certificate.clone()];
        let mut tls = rpc::tls::api_client_config(&ca, certificate).unwrap();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let options = Options {
            endpoints: vec![format!("{}:7441", self.single.own())],
            ca,
            credentials,
        };
        Caller {
            channel: connect(options).unwrap(),
            tls: Arc::new(tls),
            ip: self.single.own(),
        }
    }
}

impl Caller {
    /// One request over HTTPS.
    pub(crate) fn http(&self, verb: &str, path: &str, body: &str) -> Answer {
        self.http_with(verb, path, "", body)
    }

    /// [`Caller::http`] with more headers, each with its line's end.
    pub(crate) fn http_with(&self, verb: &str, path: &str, headers: &str, body: &str) -> Answer {
        send_over(&self.tls, self.ip.into(), verb, path, headers, body)
    }

    /// Calls any method with an encoded message, of whatever kind its stream is; the first message of the answer, empty if the
    /// stream says nothing for a while.
    pub(crate) async fn call(
        &self,
        path: &str,
        message: Vec<u8>,
        validate_only: bool,
    ) -> Result<Vec<u8>, Status> {
        let mut client = Grpc::new(self.channel.clone());
        client.ready().await?;
        let mut request = Request::new(stream::iter([message]));
        if validate_only {
            request
                .metadata_mut()
                .insert(rpc::VALIDATE_ONLY, "true".parse().unwrap());
        }
        let path = PathAndQuery::try_from(path).unwrap();
        let mut answers = client.streaming(request, path, Bytes).await?.into_inner();
        match tokio::time::timeout(FIRST_MESSAGE, answers.message()).await {
            Ok(first) => Ok(first?.unwrap_or_default()),
            Err(_) => Ok(Vec::new()),
        }
    }

    /// The code of a call.
    pub(crate) async fn code(&self, path: &str, message: Vec<u8>, validate_only: bool) -> (Code, String) {
        match self.call(path, message, validate_only).await {
            Ok(answer) => (Code::Ok, String::from_utf8_lossy(&answer).into_owned()),
            Err(status) => (status.code(), status.message().to_owned()),
        }
    }
}

/// Messages as the bytes that they are.
struct Bytes;

impl Codec for Bytes {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Bytes;
    type Decoder = Bytes;

    fn encoder(&mut self) -> Bytes {
        Bytes
    }

    fn decoder(&mut self) -> Bytes {
        Bytes
    }
}

impl Encoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut item = vec![0; buffer.remaining()];
        buffer.copy_to_slice(&mut item);
        Ok(Some(item))
    }
}

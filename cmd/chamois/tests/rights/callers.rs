//! A member with policies, and its callers: each with a certificate of his own, or with nothing.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use auth::pki::{CertificateAuthority, new_member_key};
use bytes::{Buf as _, BufMut as _};
use futures::stream;
use http::uri::PathAndQuery;
use rpc::client::{Channel, Credentials, Options, connect};
use rpc::tls::SpiffeId;
use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Code, Request, Status};

use crate::common::http::{Administrator, Answer, send_over, tls};
use crate::common::{Member, Single, text};

/// The node that the callers have, and the one that they have not.
pub(crate) const OWN: &str = "x1c0s0b0n0";
pub(crate) const OTHER: &str = "x9c7s7b1n1";
/// A third one, whom those have who have a part elsewhere.
pub(crate) const ELSEWHERE: &str = "x5c0s0b0n0";
/// Stands in whatever is stored of the other one, and in no request.
pub(crate) const SECRET: &str = "canary-4711";
/// How long the first message of a stream is waited for.
const FIRST_MESSAGE: Duration = Duration::from_secs(2);
/// How long certificates of services and nodes are good.
const VALID_FOR: Duration = Duration::from_secs(3600);

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
    /// Bearer token; empty without one.
    token: String,
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
        let elsewhere = component(ELSEWHERE, 5, "elsewhere");
        self.post(
            "/hsm/v2/State/Components",
            &format!(r#"{{"Components":[{own},{other},{elsewhere}]}}"#),
        );
        for (label, member) in [("own", OWN), ("other", OTHER), ("elsewhere", ELSEWHERE)] {
            let group = format!(r#"{{"label":"{label}","members":{{"ids":["{member}"]}}}}"#);
            self.post("/hsm/v2/groups", &group);
        }
        let parameters =
            format!(r#"{{"hosts":["{OTHER}"],"params":"{SECRET}","kernel":"http://k/{SECRET}"}}"#);
        self.post("/boot/v1/bootparameters", &parameters);
        self.seed_other_areas();
    }

    /// One object of each area that has any, of the other node or its group.
    fn seed_other_areas(&self) {
        let host = format!("{SECRET}.example");
        for (path, body) in [
            (
                "/hsm/v2/Inventory/EthernetInterfaces",
                json!({
                    "MACAddress": "02:00:00:00:47:11", "ComponentID": OTHER, "Description": SECRET, "IPAddresses": [],
                }),
            ),
            (
                "/hsm/v2/Inventory/RedfishEndpoints",
                json!({"ID": "x9c7s7b1", "FQDN": host, "Enabled": true, "User": SECRET}),
            ),
            (
                "/hsm/v2/Inventory/Hardware",
                json!({"Hardware": [{
                    "ID": OTHER, "Type": "Node", "Ordinal": 1, "Status": "Empty",
                    "HWInventoryByLocationType": "HWInvByLocNode",
                    "NodeLocationInfo": {"Id": "Self", "Name": SECRET, "Description": SECRET, "HostName": host},
                }]}),
            ),
            (
                "/cloud-init/admin/groups",
                json!({
                    "name": "other", "description": SECRET,
                    "file": {"content": format!("#cloud-config\n# {SECRET}\n"), "encoding": "plain"},
                }),
            ),
            (
                "/chamois/v1/dhcp/policies",
                json!({"name": "other", "description": SECRET, "hosts": [OTHER], "domain": host}),
            ),
        ] {
            self.post(path, &body.to_string());
        }
        let info = json!({"local-hostname": SECRET, "public-keys": [format!("ssh-ed25519 AAAA {SECRET}")]});
        let path = format!("/cloud-init/admin/instance-info/{OTHER}");
        self.send("PUT", &path, &info.to_string());
    }

    fn post(&self, path: &str, body: &str) {
        self.send("POST", path, body);
    }

    /// What an administrator does; it must be done.
    fn send(&self, method: &str, path: &str, body: &str) -> Answer {
        let answer = self.administrator.send(self.single.own(), method, path, body);
        assert!(answer.status < 300, "{path}: {answer:?}");
        answer
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
            format!("/hsm/v2/Inventory/EthernetInterfaces?ComponentID={OTHER}"),
            "/hsm/v2/Inventory/RedfishEndpoints".to_owned(),
            format!("/hsm/v2/Inventory/Hardware/{OTHER}"),
            "/cloud-init/admin/groups".to_owned(),
            "/cloud-init/admin/instance-info".to_owned(),
            "/chamois/v1/dhcp/policies".to_owned(),
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
        self.showing(&issued.certificate_pem, &issued.key_pem)
    }

    /// The service of this name.
    pub(crate) fn service(&self, name: &str) -> Caller {
        self.certified(&SpiffeId::service("test", name))
    }

    /// The node [`OWN`], by a certificate.
    pub(crate) fn node(&self) -> Caller {
        self.certified(&SpiffeId::node("test", &OWN.parse().unwrap()))
    }

    fn certified(&self, name: &SpiffeId) -> Caller {
        let (key_pem, public_key) = new_member_key().unwrap();
        let now = SystemTime::now();
        let certificate = self.ca.certify(name, Vec::new(), &public_key, VALID_FOR, now);
        self.showing(&certificate.unwrap(), &key_pem)
    }

    fn showing(&self, certificate_pem: &str, key_pem: &str) -> Caller {
        let certificate = || CertificateDer::from_pem_slice(certificate_pem.as_bytes()).unwrap();
        let key = || PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).unwrap();
        self.caller(
            Credentials::Certificate(vec![certificate()], key()),
            Some((vec![certificate()], key())),
        )
    }

    /// Whoever bears an API token of a principal, for everything; and an access token that was given for it.
    pub(crate) fn bearers(&self, principal: &str) -> [Caller; 2] {
        let asked = json!({"principal": principal, "permissions": ["*.*"]});
        let made = self.send("POST", "/chamois/v1/api-tokens", &asked.to_string());
        let api = word(&made, "token");
        let asked = json!({"grant_type": "client_credentials", "client_secret": api}).to_string();
        let stranger = self.stranger();
        let mut answer = stranger.http("POST", "/oauth2/token", &asked);
        // the leader makes the first key within seconds
        for _ in 0..100 {
            if answer.status != 503 {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
            answer = stranger.http("POST", "/oauth2/token", &asked);
        }
        let access = word(&answer, "access_token");
        [api, access].map(|token| Caller {
            token: token.clone(),
            ..self.caller(Credentials::Token(token), None)
        })
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
        let tls = tls(&ca, certificate);
        let options = Options {
            endpoints: vec![format!("{}:7441", self.single.own())],
            ca,
            credentials,
        };
        Caller {
            channel: connect(options).unwrap(),
            tls,
            ip: self.single.own(),
            token: String::new(),
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
        let headers = match self.token.as_str() {
            "" => headers.to_owned(),
            token => format!("Authorization: Bearer {token}\r\n{headers}"),
        };
        send_over(&self.tls, self.ip.into(), verb, path, &headers, body)
    }

    /// Calls any method with an encoded message and metadata, of whatever kind its stream is; the first message of the answer, empty
    /// if the stream says nothing for a while.
    pub(crate) async fn call(
        &self,
        path: &str,
        message: Vec<u8>,
        metadata: &[(&'static str, &str)],
    ) -> Result<Vec<u8>, Status> {
        let mut client = Grpc::new(self.channel.clone());
        client.ready().await?;
        let mut request = Request::new(stream::iter([message]));
        for (name, value) in metadata {
            request.metadata_mut().insert(*name, value.parse().unwrap());
        }
        let path = PathAndQuery::try_from(path).unwrap();
        let mut answers = client.streaming(request, path, Bytes).await?.into_inner();
        match tokio::time::timeout(FIRST_MESSAGE, answers.message()).await {
            Ok(first) => Ok(first?.unwrap_or_default()),
            Err(_) => Ok(Vec::new()),
        }
    }

    /// The code of a call.
    pub(crate) async fn code(
        &self,
        path: &str,
        message: Vec<u8>,
        metadata: &[(&'static str, &str)],
    ) -> (Code, String) {
        match self.call(path, message, metadata).await {
            Ok(answer) => (Code::Ok, String::from_utf8_lossy(&answer).into_owned()),
            Err(status) => (status.code(), status.message().to_owned()),
        }
    }
}

/// A text of a JSON answer.
fn word(answer: &Answer, name: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    let text = value[name].as_str().map(str::to_owned);
    text.unwrap_or_else(|| panic!("no {name}: {answer:?}"))
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

//! A small BMC over HTTPS: one manager, one chassis and one system, sessions, an account, and a mind of its own.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

pub const USER: &str = "root";
const SESSIONS: &str = "/redfish/v1/SessionService/Sessions";
const ACCOUNT: &str = "/redfish/v1/AccountService/Accounts/1";
const EVENTS: &str = "/redfish/v1/EventService/SSE";

/// What a test may look at and change.
#[derive(Debug)]
pub struct Mind {
    pub password: String,
    pub uuid: String,
    pub serial: String,
    pub power: String,
    pub health: String,
    /// It answers a new password with 400 and keeps the old one.
    pub refuses_passwords: bool,
    /// It says that it has a new password, and has not.
    pub forgets_passwords: bool,
    /// It has no sessions and believes everybody, and shows no accounts any more once one was changed.
    pub lacks_sessions: bool,
    hides_accounts: bool,
    /// It tells of changes by itself.
    pub has_events: bool,
    /// Each ring is an event.
    pub bell: Arc<Notify>,
    /// Requests, as `GET /redfish/v1/`.
    pub seen: Vec<String>,
    tokens: BTreeSet<String>,
}

/// One that listens until it is dropped.
pub struct FakeBmc {
    host: IpAddr,
    pub port: u16,
    pub mind: Arc<Mutex<Mind>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for FakeBmc {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl FakeBmc {
    /// With this UUID, on a free port.
    pub async fn start(uuid: &str) -> FakeBmc {
        FakeBmc::start_at("127.0.0.1", uuid).await
    }

    /// On a free port of this address.
    pub async fn start_at(host: &str, uuid: &str) -> FakeBmc {
        let listener = TcpListener::bind((host, 0)).await.unwrap();
        FakeBmc::on(listener, uuid)
    }

    /// On the port of one that is gone: its key is another one.
    pub async fn restart(port: u16, uuid: &str) -> FakeBmc {
        for _ in 0..200 {
            if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)).await {
                return FakeBmc::on(listener, uuid);
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("port {port} does not become free");
    }

    fn on(listener: TcpListener, uuid: &str) -> FakeBmc {
        let mind = Arc::new(Mutex::new(Mind {
            password: "first-password".to_owned(),
            uuid: uuid.to_owned(),
            serial: format!("serial-{uuid}"),
            power: "On".to_owned(),
            health: "OK".to_owned(),
            refuses_passwords: false,
            forgets_passwords: false,
            lacks_sessions: false,
            hides_accounts: false,
            has_events: false,
            bell: Arc::default(),
            seen: Vec::new(),
            tokens: BTreeSet::new(),
        }));
        let at = listener.local_addr().unwrap();
        let task = tokio::spawn(serve(listener, acceptor(), Arc::clone(&mind)));
        FakeBmc {
            host: at.ip(),
            port: at.port(),
            mind,
            task,
        }
    }

    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    pub fn password(&self) -> String {
        self.mind.lock().unwrap().password.clone()
    }

    pub fn set(&self, change: impl FnOnce(&mut Mind)) {
        change(&mut self.mind.lock().unwrap());
    }

    pub fn count(&self, request: &str) -> usize {
        let mind = self.mind.lock().unwrap();
        mind.seen.iter().filter(|seen| seen.as_str() == request).count()
    }
}

fn acceptor() -> TlsAcceptor {
    let made = rcgen::generate_simple_self_signed(vec!["bmc".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, mind: Arc<Mutex<Mind>>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, mind) = (acceptor.clone(), Arc::clone(&mind));
        connections.spawn(async move {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                while answer_one(&mut stream, &mind).await.is_some() {}
            }
        });
    }
}

/// One request; `None` when there are no more.
async fn answer_one(stream: &mut TlsStream<TcpStream>, mind: &Mutex<Mind>) -> Option<()> {
    let mut read = Vec::new();
    let head_end = loop {
        if let Some(at) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
        read.extend_from_slice(&buffer[..count]);
    };
    let head = String::from_utf8_lossy(&read[..head_end]).into_owned();
    let header = |name: &str| {
        let lines = head.lines().filter_map(|line| line.split_once(':'));
        let mut found = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.trim().to_owned())
    };
    let length: usize = header("content-length").map_or(0, |text| text.parse().unwrap());
    let mut body = read.split_off(head_end);
    while body.len() < length {
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
        body.extend_from_slice(&buffer[..count]);
    }
    let mut words = head.split_whitespace();
    let (method, uri) = (words.next()?.to_owned(), words.next()?.to_owned());
    if uri == EVENTS {
        let bell = {
            let mut mind = mind.lock().unwrap();
            mind.seen.push(format!("{method} {uri}"));
            Arc::clone(&mind.bell)
        };
        return tell_events(stream, &bell).await;
    }
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let (status, extra, answer) =
        mind.lock()
            .unwrap()
            .answer(&method, &uri, header("x-auth-token").as_deref(), &body);
    let text = if answer.is_null() {
        String::new()
    } else {
        answer.to_string()
    };
    let head = format!(
        "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{extra}\r\n",
        text.len()
    );
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(text.as_bytes()).await.ok()?;
    stream.flush().await.ok()
}

/// Until nobody listens.
async fn tell_events(stream: &mut TlsStream<TcpStream>, bell: &Notify) -> Option<()> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.flush().await.ok()?;
    loop {
        bell.notified().await;
        let event =
            json!({ "Events": [{ "MessageId": "ResourceEvent.1.0.ResourceChanged", "Message": "changed" }] });
        stream
            .write_all(format!("data: {event}\n\n").as_bytes())
            .await
            .ok()?;
        stream.flush().await.ok()?;
    }
}

impl Mind {
    fn answer(&mut self, method: &str, uri: &str, token: Option<&str>, body: &Value) -> (u16, String, Value) {
        let path = uri
            .split('?')
            .next()
            .unwrap_or(uri)
            .trim_end_matches('/')
            .to_owned();
        self.seen.push(format!("{method} {path}"));
        if path == "/redfish/v1" {
            return (200, String::new(), self.root());
        }
        if method == "POST" && path == SESSIONS && !self.lacks_sessions {
            return self.log_in(body);
        }
        if !self.lacks_sessions && token.is_none_or(|token| !self.tokens.contains(token)) {
            return (401, String::new(), json!({}));
        }
        match method {
            "GET" => match self.resource(&path) {
                Some(resource) => (200, String::new(), resource),
                None => (404, String::new(), json!({})),
            },
            "PATCH" if path == ACCOUNT => self.patch_account(body),
            "DELETE" => {
                self.tokens.remove(path.rsplit('/').next().unwrap_or_default());
                (204, String::new(), Value::Null)
            }
            _ => (405, String::new(), json!({})),
        }
    }

    fn log_in(&mut self, body: &Value) -> (u16, String, Value) {
        let is_right = body["UserName"] == USER && body["Password"] == self.password.as_str();
        if !is_right {
            return (401, String::new(), json!({}));
        }
        let token = format!("t{}", self.seen.len());
        self.tokens.insert(token.clone());
        let extra = format!("x-auth-token: {token}\r\nlocation: {SESSIONS}/{token}\r\n");
        (201, extra, json!({ "@odata.id": format!("{SESSIONS}/{token}") }))
    }

    fn patch_account(&mut self, body: &Value) -> (u16, String, Value) {
        if self.refuses_passwords {
            return (
                400,
                String::new(),
                json!({ "error": { "message": "too simple" } }),
            );
        }
        self.hides_accounts = self.lacks_sessions;
        if let Some(password) = body["Password"].as_str().filter(|_| !self.forgets_passwords) {
            self.password = password.to_owned();
            self.tokens.clear();
        }
        (200, String::new(), json!({ "@odata.id": ACCOUNT }))
    }

    fn root(&self) -> Value {
        json!({
            "@odata.id": "/redfish/v1/",
            "@odata.type": "#ServiceRoot.v1_9_0.ServiceRoot",
            "Id": "RootService",
            "Name": "Root Service",
            "RedfishVersion": "1.9.0",
            "UUID": self.uuid,
            "Vendor": "Chamois",
            "Product": "Fake",
            "Systems": { "@odata.id": "/redfish/v1/Systems" },
            "Managers": { "@odata.id": "/redfish/v1/Managers" },
            "Chassis": { "@odata.id": "/redfish/v1/Chassis" },
            "SessionService": { "@odata.id": "/redfish/v1/SessionService" },
            "AccountService": { "@odata.id": "/redfish/v1/AccountService" },
            "EventService": { "@odata.id": "/redfish/v1/EventService" },
            "Links": { "Sessions": { "@odata.id": SESSIONS } }
        })
    }

    fn resource(&self, path: &str) -> Option<Value> {
        let collection = |member: &str| {
            json!({
                "@odata.id": path,
                "Name": "Collection",
                "Members@odata.count": 1,
                "Members": [{ "@odata.id": format!("{path}/{member}") }]
            })
        };
        Some(match path {
            "/redfish/v1/Systems" | "/redfish/v1/Managers" | "/redfish/v1/Chassis" => collection("1"),
            "/redfish/v1/SessionService" => json!({
                "@odata.id": path, "Id": "SessionService", "Name": "Sessions", "ServiceEnabled": true,
                "Sessions": { "@odata.id": SESSIONS }
            }),
            "/redfish/v1/EventService" => json!({
                "@odata.id": path, "Id": "EventService", "Name": "Events", "ServiceEnabled": self.has_events,
                "ServerSentEventUri": EVENTS
            }),
            "/redfish/v1/AccountService" => json!({
                "@odata.id": path, "Id": "AccountService", "Name": "Accounts",
                "Accounts": { "@odata.id": "/redfish/v1/AccountService/Accounts" }
            }),
            "/redfish/v1/AccountService/Accounts" if self.hides_accounts => return None,
            "/redfish/v1/AccountService/Accounts" => collection("1"),
            ACCOUNT => json!({ "@odata.id": ACCOUNT, "Id": "1", "Name": "User", "UserName": USER }),
            "/redfish/v1/Systems/1" => self.system(),
            "/redfish/v1/Managers/1" => json!({
                "@odata.id": path, "Id": "1", "Name": "Manager", "ManagerType": "BMC", "UUID": self.uuid,
                "FirmwareVersion": "1.0", "SerialNumber": self.serial
            }),
            "/redfish/v1/Chassis/1" => json!({
                "@odata.id": path, "Id": "1", "Name": "Chassis", "ChassisType": "RackMount",
                "SerialNumber": self.serial
            }),
            _ => return None,
        })
    }

    fn system(&self) -> Value {
        json!({
            "@odata.id": "/redfish/v1/Systems/1",
            "Id": "1",
            "Name": "System",
            "SystemType": "Physical",
            "UUID": format!("{}-s", self.uuid),
            "Manufacturer": "Chamois",
            "Model": "Fake",
            "SerialNumber": self.serial,
            "BiosVersion": "2.1",
            "PowerState": self.power,
            "Status": { "Health": self.health, "State": "Enabled" },
            "Actions": { "#ComputerSystem.Reset": {
                "target": "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset",
                "ResetType@Redfish.AllowableValues": ["On", "ForceOff"]
            } }
        })
    }
}

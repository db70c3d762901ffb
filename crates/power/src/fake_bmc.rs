//! For tests: a BMC that speaks Redfish in the clear, with nodes whose behaviour is chosen, and a store that knows it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bmcs::{Bmcs, Reach};
use model::Xname;
use proto::smd::v1::redfish_endpoint_service_server::RedfishEndpointService as _;
use proto::smd::v1::{InventoryDetail, PayloadManager, RedfishEndpointPayload};
use raft::Store;
use redfish::{Address, Connector, Limits, Trust};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::link::{Link, Open};

/// How long its clients wait for an answer.
pub(crate) const ANSWER: Duration = Duration::from_millis(150);
pub(crate) const BMC: &str = "x0c0s0b0";
pub(crate) const ALL: [&str; 6] = [
    "On",
    "ForceOff",
    "GracefulShutdown",
    "GracefulRestart",
    "ForceRestart",
    "PowerCycle",
];

/// What a node does when it is told something.
#[derive(Clone, Debug)]
pub(crate) enum Manner {
    /// It does it and says so.
    Obeys,
    /// It does it, and says so later than anybody waits.
    AnswersLate,
    /// It does it, and the connection breaks.
    DoesWithoutAnswer,
    /// The connection breaks, and nothing was done.
    BreaksOff,
    /// It says that it does it, and does not; force works.
    IgnoresGrace,
    /// It says no to this one.
    Refuses(&'static str),
}

#[derive(Clone, Debug)]
struct System {
    power: &'static str,
    manner: Manner,
    offered: Vec<&'static str>,
    resets: u32,
    tells_reset_time: bool,
}

/// A BMC on a port of this host.
#[derive(Clone)]
pub(crate) struct FakeBmc {
    pub(crate) address: SocketAddr,
    systems: Arc<Mutex<BTreeMap<String, System>>>,
    told: Arc<Mutex<Vec<String>>>,
    connections: Arc<Mutex<u32>>,
}

impl FakeBmc {
    /// With systems 1 to `systems`, all of them on.
    pub(crate) async fn start(systems: u32) -> FakeBmc {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let system = System {
            power: "On",
            manner: Manner::Obeys,
            offered: ALL.into(),
            resets: 0,
            tells_reset_time: false,
        };
        let fake = FakeBmc {
            address: listener.local_addr().unwrap(),
            systems: Arc::new(Mutex::new(
                (1..=systems)
                    .map(|number| (number.to_string(), system.clone()))
                    .collect(),
            )),
            told: Arc::default(),
            connections: Arc::default(),
        };
        let serving = fake.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *serving.connections.lock().unwrap() += 1;
                tokio::spawn(serve(serving.clone(), stream));
            }
        });
        fake
    }

    fn system(&self, number: u32, change: impl FnOnce(&mut System)) {
        change(self.lock().get_mut(&number.to_string()).unwrap());
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, System>> {
        self.systems.lock().unwrap()
    }

    pub(crate) fn is(&self, number: u32, power: &'static str) {
        self.system(number, |system| system.power = power);
    }

    pub(crate) fn behaves(&self, number: u32, manner: Manner) {
        self.system(number, |system| system.manner = manner);
    }

    pub(crate) fn offers(&self, number: u32, offered: &[&'static str]) {
        self.system(number, |system| system.offered = offered.into());
    }

    pub(crate) fn tells_reset_time(&self, number: u32) {
        self.system(number, |system| system.tells_reset_time = true);
    }

    pub(crate) fn power(&self, number: u32) -> &'static str {
        self.lock()[&number.to_string()].power
    }

    /// What it was told, e.g. `1 ForceOff`.
    pub(crate) fn told(&self) -> Vec<String> {
        self.told.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> u32 {
        *self.connections.lock().unwrap()
    }

    /// Opens connections to it, whatever the BMC is called.
    pub(crate) fn open(&self) -> Open {
        let address = format!("http://{}", self.address);
        let limits = Limits {
            answer: ANSWER,
            ..Limits::default()
        };
        Arc::new(move |_: Xname| {
            let (address, limits) = (address.parse::<Address>().unwrap(), limits.clone());
            Box::pin(async move {
                let connector = Connector::system(64);
                connector.open(&address, None, Trust::InsecureAny, &limits).await
            })
        })
    }

    pub(crate) fn link(&self) -> Link {
        Link::new(&self.open(), &BMC.parse().unwrap())
    }

    fn resource(&self, path: &str) -> Option<Value> {
        let path = path.trim_end_matches('/');
        if path == "/redfish/v1" {
            return Some(json!({
                "@odata.id": "/redfish/v1/",
                "RedfishVersion": "1.6.0",
                "Systems": {"@odata.id": "/redfish/v1/Systems"},
            }));
        }
        let number = path.strip_prefix("/redfish/v1/Systems/")?;
        let systems = self.lock();
        let system = systems.get(number)?;
        let mut resource = json!({
            "@odata.id": path,
            "Id": number,
            "PowerState": system.power,
            "Status": {"Health": "OK"},
            "Actions": {"#ComputerSystem.Reset": {
                "target": format!("{path}/Actions/ComputerSystem.Reset"),
                "ResetType@Redfish.AllowableValues": system.offered,
            }},
        });
        if system.tells_reset_time {
            resource["LastResetTime"] = json!(format!("2026-11-30T12:00:{:02}Z", system.resets));
        }
        Some(resource)
    }

    /// The status, and how it is said.
    fn reset(&self, path: &str, body: &Value) -> (u16, Manner) {
        let number = path
            .strip_prefix("/redfish/v1/Systems/")
            .and_then(|rest| rest.strip_suffix("/Actions/ComputerSystem.Reset"))
            .unwrap();
        let reset = body["ResetType"].as_str().unwrap();
        self.told.lock().unwrap().push(format!("{number} {reset}"));
        let mut systems = self.lock();
        let system = systems.get_mut(number).unwrap();
        let manner = system.manner.clone();
        let is_graceful = reset.starts_with("Graceful");
        match &manner {
            Manner::Refuses(refused) if *refused == reset => return (400, Manner::Obeys),
            Manner::BreaksOff => {}
            Manner::IgnoresGrace if is_graceful => {}
            _ => {
                system.resets += 1;
                system.power = if reset.ends_with("Off") || reset == "GracefulShutdown" {
                    "Off"
                } else {
                    "On"
                };
            }
        }
        (204, manner)
    }
}

/// One connection, request after request.
async fn serve(fake: FakeBmc, stream: TcpStream) {
    let mut stream = BufReader::new(stream);
    while let Some((method, path, body)) = request(&mut stream).await {
        let (status, body) = match method.as_str() {
            "GET" => match fake.resource(&path) {
                Some(resource) => (200, resource.to_string()),
                None => (404, "{}".to_owned()),
            },
            "POST" => match fake.reset(&path, &serde_json::from_str(&body).unwrap()) {
                (_, Manner::DoesWithoutAnswer | Manner::BreaksOff) => return,
                (status, Manner::AnswersLate) => {
                    tokio::time::sleep(ANSWER * 3).await;
                    (status, String::new())
                }
                (status, _) => (status, String::new()),
            },
            _ => (405, String::new()),
        };
        let length = match status {
            204 => String::new(),
            _ => format!("Content-Length: {}\r\n", body.len()),
        };
        let answer = format!("HTTP/1.1 {status} x\r\nContent-Type: application/json\r\n{length}\r\n{body}");
        if stream.get_mut().write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Method, path and body of the next request.
async fn request(stream: &mut BufReader<TcpStream>) -> Option<(String, String, String)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let mut words = head.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().unwrap())
    });
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await.ok()?;
    Some((method, path, String::from_utf8(body).unwrap()))
}

/// Of a member that reaches this host and nothing else.
pub(crate) fn bmcs(store: Store) -> Bmcs {
    let reach = Reach(vec!["127.0.0.0/8".parse().unwrap()]);
    let sealer = auth::Sealer::generate().unwrap();
    Bmcs::new(store, sealer, Connector::system(64), reach)
}

/// The store knows the BMC `bmc` at `address` with nodes n0, n1, …, whose systems are 1, 2, ….
pub(crate) async fn discover(store: &Store, bmc: &str, address: &str, systems: u32) {
    let system = |number: u32| InventoryDetail {
        uri: format!("https://{address}/redfish/v1/Systems/{number}"),
        system_type: "Physical".to_owned(),
        actions: ALL.map(str::to_owned).into(),
        ..InventoryDetail::default()
    };
    let payload = RedfishEndpointPayload {
        id: bmc.to_owned(),
        fqdn: address.to_owned(),
        user: "root".to_owned(),
        schema_version: 1,
        systems: (1..=systems).map(system).collect(),
        managers: vec![PayloadManager {
            uri: format!("https://{address}/redfish/v1/Managers/1"),
            r#type: "BMC".to_owned(),
            ..PayloadManager::default()
        }],
        ..RedfishEndpointPayload::default()
    };
    let sealer = auth::Sealer::generate().unwrap();
    let service = smd::RedfishEndpointService::new(store.clone(), &sealer);
    let created = service
        .create_redfish_endpoints(tonic::Request::new(payload))
        .await;
    created.unwrap();
}

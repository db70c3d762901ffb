//! For tests: a BMC that speaks Redfish in the clear, takes updates and has tasks, and a store that knows it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bmcs::{Bmcs, Reach};
use model::Xname;
use proto::discovery::v1::discovery_command::{Change, PutFirmware};
use proto::discovery::v1::{DiscoveryCommand, Firmware, FirmwareInventory};
use proto::raft::v1::entry::Command;
use proto::smd::v1::redfish_endpoint_service_server::RedfishEndpointService as _;
use proto::smd::v1::{InventoryDetail, PayloadManager, RedfishEndpointPayload};
use raft::Store;
use redfish::{Address, Connector, Limits, Trust};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::link::{Link, Open};
use crate::times::Times;

pub(crate) const BMC: &str = "x0c0s0b0";
const ACTION: &str = "/redfish/v1/UpdateService/Actions/UpdateService.SimpleUpdate";

/// For BMCs that are done at once.
pub(crate) fn fast() -> Times {
    let ms = Duration::from_millis;
    Times {
        poll_first: ms(5),
        poll_most: ms(20),
        settle: ms(500),
        log_again: ms(5),
    }
}

/// What a look at the task shows; the last one stays.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TaskStep {
    Running(u8),
    Done,
    Failed,
    /// The connection breaks.
    Away,
    /// 404.
    Forgotten,
}

/// How the BMC answers an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// By a task.
    Task,
    /// It does it, and has no tasks.
    NoTask,
    /// It does it, and the connection breaks.
    DoesWithoutAnswer,
    /// The connection breaks, and nothing is done.
    BreaksOff,
    /// It says no.
    Refuses,
    /// It has no SimpleUpdate.
    HasNone,
}

struct Machine {
    manner: Manner,
    steps: Vec<TaskStep>,
    /// Looks at the task so far; `None`: there is none yet.
    looks: Option<usize>,
    version: &'static str,
    /// Its versions after an update.
    next: &'static str,
    told: Vec<Value>,
}

/// A BMC on a port of this host, with the firmware `BIOS`.
#[derive(Clone)]
pub(crate) struct FakeBmc {
    pub(crate) address: SocketAddr,
    machine: Arc<Mutex<Machine>>,
}

impl FakeBmc {
    pub(crate) async fn start() -> FakeBmc {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let fake = FakeBmc {
            address: listener.local_addr().unwrap(),
            machine: Arc::new(Mutex::new(Machine {
                manner: Manner::Task,
                steps: vec![TaskStep::Running(50), TaskStep::Done],
                looks: None,
                version: "1.0",
                next: "1.1",
                told: Vec::new(),
            })),
        };
        let serving = fake.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(serving.clone(), stream));
            }
        });
        fake
    }

    fn lock(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap()
    }

    pub(crate) fn behaves(&self, manner: Manner) {
        self.lock().manner = manner;
    }

    pub(crate) fn task_goes(&self, steps: &[TaskStep]) {
        self.lock().steps = steps.to_vec();
    }

    /// As if somebody had told it.
    pub(crate) fn task_begins(&self) {
        self.lock().looks = Some(0);
    }

    pub(crate) fn is_at(&self, version: &'static str) {
        self.lock().version = version;
    }

    pub(crate) fn becomes(&self, version: &'static str) {
        self.lock().next = version;
    }

    /// What it was told.
    pub(crate) fn told(&self) -> Vec<Value> {
        self.lock().told.clone()
    }

    pub(crate) fn open(&self) -> Open {
        open_by(|_| self.address)
    }

    pub(crate) fn link(&self) -> Link {
        Link::new(&self.open(), &BMC.parse().unwrap())
    }

    /// The body of an answer; `None`: 404.
    fn resource(&self, path: &str) -> Option<Value> {
        let mut machine = self.lock();
        Some(match path.trim_end_matches('/') {
            "/redfish/v1" => json!({
                "@odata.id": "/redfish/v1/",
                "RedfishVersion": "1.6.0",
                "UpdateService": {"@odata.id": "/redfish/v1/UpdateService"},
            }),
            "/redfish/v1/UpdateService" if machine.manner == Manner::HasNone => json!({"Actions": {}}),
            "/redfish/v1/UpdateService" => json!({
                "@odata.id": path,
                "Actions": {"#UpdateService.SimpleUpdate": {"target": ACTION}},
            }),
            "/redfish/v1/UpdateService/FirmwareInventory/BIOS" => {
                json!({"@odata.id": path, "Id": "BIOS", "Version": machine.version})
            }
            "/redfish/v1/TaskService/Tasks/1" => {
                let looks = machine.looks?;
                machine.looks = Some(looks + 1);
                task(&mut machine, looks)?
            }
            _ => return None,
        })
    }

    fn is_away(&self, path: &str) -> bool {
        let mut machine = self.lock();
        let Some(looks) = machine.looks.filter(|_| path.contains("/Tasks/")) else {
            return false;
        };
        let is_away = matches!(step(&machine, looks), TaskStep::Away);
        if is_away {
            machine.looks = Some(looks + 1);
        }
        is_away
    }

    /// The status and a header; `None`: the connection breaks.
    fn update(&self, body: Value) -> Option<(u16, &'static str)> {
        let mut machine = self.lock();
        machine.told.push(body);
        match machine.manner {
            Manner::Task => {
                machine.looks = Some(0);
                Some((202, "Location: /redfish/v1/TaskService/Tasks/1\r\n"))
            }
            Manner::NoTask => {
                machine.version = machine.next;
                Some((204, ""))
            }
            Manner::DoesWithoutAnswer => {
                machine.version = machine.next;
                None
            }
            Manner::BreaksOff => None,
            Manner::Refuses | Manner::HasNone => Some((400, "")),
        }
    }
}

fn step(machine: &Machine, looks: usize) -> TaskStep {
    machine.steps[looks.min(machine.steps.len() - 1)]
}

fn task(machine: &mut Machine, looks: usize) -> Option<Value> {
    let message = |text: &str| json!([{"Message": text}]);
    match step(machine, looks) {
        TaskStep::Running(percent) => {
            Some(json!({"TaskState": "Running", "PercentComplete": percent, "Messages": message("busy")}))
        }
        TaskStep::Done => {
            machine.version = machine.next;
            Some(json!({"TaskState": "Completed", "TaskStatus": "OK", "Messages": message("done")}))
        }
        TaskStep::Failed => Some(json!({"TaskState": "Exception", "Messages": message("bad image")})),
        TaskStep::Away | TaskStep::Forgotten => None,
    }
}

/// One connection, request after request.
async fn serve(fake: FakeBmc, stream: TcpStream) {
    let mut stream = BufReader::new(stream);
    while let Some((method, path, body)) = request(&mut stream).await {
        if fake.is_away(&path) {
            return;
        }
        let (status, header, body) = match method.as_str() {
            "GET" => match fake.resource(&path) {
                Some(resource) => (200, "", resource.to_string()),
                None => (404, "", "{}".to_owned()),
            },
            _ => match fake.update(serde_json::from_str(&body).unwrap()) {
                Some((status, header)) => (status, header, String::new()),
                None => return,
            },
        };
        let length = match status {
            204 => String::new(),
            _ => format!("Content-Length: {}\r\n", body.len()),
        };
        let answer =
            format!("HTTP/1.1 {status} x\r\nContent-Type: application/json\r\n{header}{length}\r\n{body}");
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

/// Opens connections to whatever is where `address_of` says.
pub(crate) fn open_by(address_of: impl Fn(&Xname) -> SocketAddr) -> Open {
    let known: Vec<(Xname, SocketAddr)> = (0..10)
        .map(|slot| format!("x0c0s{slot}b0").parse::<Xname>().unwrap())
        .map(|bmc| {
            let address = address_of(&bmc);
            (bmc, address)
        })
        .collect();
    Arc::new(move |bmc: Xname| {
        let address = known.iter().find(|(known, _)| *known == bmc).unwrap().1;
        Box::pin(async move {
            let address = format!("http://{address}").parse::<Address>().unwrap();
            let connector = Connector::system(64);
            connector
                .open(&address, None, Trust::InsecureAny, &Limits::default())
                .await
        })
    })
}

/// Of a member that reaches this host and nothing else.
pub(crate) fn bmcs(store: Store) -> Bmcs {
    let reach = Reach(vec!["127.0.0.0/8".parse().unwrap()]);
    let sealer = auth::Sealer::generate().unwrap();
    Bmcs::new(store, sealer, Connector::system(64), reach)
}

/// The store knows the BMC `bmc` at `address`, and its firmware `BIOS` 1.0.
pub(crate) async fn inventory(store: &Store, bmc: &str, address: &str) {
    let payload = RedfishEndpointPayload {
        id: bmc.to_owned(),
        fqdn: address.to_owned(),
        user: "root".to_owned(),
        schema_version: 1,
        systems: vec![InventoryDetail {
            uri: format!("https://{address}/redfish/v1/Systems/1"),
            system_type: "Physical".to_owned(),
            ..InventoryDetail::default()
        }],
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
    let put = PutFirmware {
        inventories: vec![FirmwareInventory {
            id: bmc.to_owned(),
            firmware: vec![bios("1.0")],
            ..FirmwareInventory::default()
        }],
    };
    let command = Command::Discovery(DiscoveryCommand {
        change: Some(Change::PutFirmware(put)),
    });
    store.propose("user/ada", command, None).await.unwrap();
}

pub(crate) fn bios(version: &str) -> Firmware {
    Firmware {
        id: "BIOS".to_owned(),
        version: version.to_owned(),
        updateable: true,
        uri: "/redfish/v1/UpdateService/FirmwareInventory/BIOS".to_owned(),
        ..Firmware::default()
    }
}

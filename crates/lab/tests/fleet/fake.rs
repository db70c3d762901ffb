//! A cluster in some 250 lines: DHCP and HTTP for a claimed loopback network, with one trick up its sleeve.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use lab::{LoopbackNet, NodeSpec, claim_loopback_net};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinHandle;

/// Files of more than a megabyte, as real ones have many.
pub(crate) static KERNEL: LazyLock<Bytes> = LazyLock::new(|| pattern(1_100_000, 7));
pub(crate) static INITRD: LazyLock<Bytes> = LazyLock::new(|| pattern(1_300_000, 11));

fn pattern(length: usize, step: usize) -> Bytes {
    (0..length).map(|i| (i * step % 251) as u8).collect()
}

/// What this cluster does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trick {
    None,
    KernelBreaksOnce,
    InitrdBreaksOnce,
    InitrdStallsOnce,
    ScriptBreaksOnce,
    HttpComesLate,
    EveryOtherDhcpPacketIsLost,
    EverythingIsBusyOnce,
    DocumentsFailTwice,
    PhoneHomeFailsTwice,
    PhoneHomeIsRefused,
    NoVendorData,
    MetaDataStalls,
    AddressOfAnother,
    ScriptOfAnother,
    MetaDataOfAnother,
    NetworkConfigOfAnother,
    KernelHasAFlippedBit,
    InitrdIsShort,
    ScriptHasAnInjectedLine,
    ScriptIsHtml,
    ScriptDoesNotBoot,
    BootfileOnAMember,
    DataSourceOnAMember,
}

/// How an HTTP request ends.
enum End {
    Body(Bytes),
    Status(u16),
    Busy,
    /// Half of it, then the connection closes.
    Breaks(Bytes),
    Stalls,
}

struct Shared {
    trick: Trick,
    nodes: Vec<NodeSpec>,
    service: Ipv4Addr,
    member: Ipv4Addr,
    http_port: u16,
    /// How often each path was asked for by each node.
    asked: Mutex<BTreeMap<(Ipv4Addr, String), u32>>,
    paths: Mutex<Vec<String>>,
    phoned_home: Mutex<BTreeSet<String>>,
    scripts: AtomicUsize,
    discovers: AtomicUsize,
    connections: AtomicUsize,
    connections_max: AtomicUsize,
}

pub(crate) struct Cluster {
    pub(crate) net: LoopbackNet,
    shared: Arc<Shared>,
    dhcp_port: u16,
    tasks: Vec<JoinHandle<()>>,
}

impl Cluster {
    pub(crate) async fn start(nodes: usize, trick: Trick) -> Cluster {
        let net = claim_loopback_net().unwrap();
        let service = net.service_address();
        let dhcp = UdpSocket::bind((service, 0)).await.unwrap();
        let http = TcpListener::bind((service, 0)).await.unwrap();
        let shared = Arc::new(Shared {
            trick,
            nodes: specs(&net, nodes + 1),
            service,
            member: net.member_address(1),
            http_port: http.local_addr().unwrap().port(),
            asked: Mutex::default(),
            paths: Mutex::default(),
            phoned_home: Mutex::default(),
            scripts: AtomicUsize::new(0),
            discovers: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            connections_max: AtomicUsize::new(0),
        });
        let dhcp_port = dhcp.local_addr().unwrap().port();
        let tasks = vec![
            tokio::spawn(serve_dhcp(dhcp, Arc::clone(&shared))),
            tokio::spawn(serve_http(http, Arc::clone(&shared))),
        ];
        Cluster {
            net,
            shared,
            dhcp_port,
            tasks,
        }
    }

    /// The nodes to boot; the cluster knows one more, whose data the tricks hand out.
    pub(crate) fn nodes(&self) -> Vec<NodeSpec> {
        let nodes = &self.shared.nodes;
        nodes[..nodes.len() - 1].to_vec()
    }

    pub(crate) fn dhcp_server(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.shared.service, self.dhcp_port)
    }

    pub(crate) fn phoned_home(&self) -> BTreeSet<String> {
        self.shared.phoned_home.lock().unwrap().clone()
    }

    pub(crate) fn paths(&self) -> Vec<String> {
        self.shared.paths.lock().unwrap().clone()
    }

    pub(crate) fn scripts_served(&self) -> usize {
        self.shared.scripts.load(Ordering::SeqCst)
    }

    pub(crate) fn discovers(&self) -> usize {
        self.shared.discovers.load(Ordering::SeqCst)
    }

    pub(crate) fn connections_max(&self) -> usize {
        self.shared.connections_max.load(Ordering::SeqCst)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

fn specs(net: &LoopbackNet, count: usize) -> Vec<NodeSpec> {
    (0..count)
        .map(|i| NodeSpec {
            xname: format!("x0c0s{i}b0n0").parse().unwrap(),
            mac: model::MacAddr([2, 0, 0, 0, (i >> 8) as u8, i as u8]),
            nid: i as u64 + 1,
            address: net.node_address(i).unwrap(),
            hostname: format!("de{:04}", i + 1),
        })
        .collect()
}

async fn serve_dhcp(socket: UdpSocket, shared: Arc<Shared>) {
    let mut packet = [0; 2048];
    for number in 0.. {
        let (length, from) = socket.recv_from(&mut packet).await.unwrap();
        let request = &packet[..length];
        let discover = request[242] == 1;
        if discover {
            shared.discovers.fetch_add(1, Ordering::SeqCst);
        }
        if shared.trick == Trick::EveryOtherDhcpPacketIsLost && number % 2 == 0 {
            continue;
        }
        socket
            .send_to(&shared.dhcp_reply(request, discover), from)
            .await
            .unwrap();
    }
}

async fn serve_http(listener: TcpListener, shared: Arc<Shared>) {
    let mut listener = listener;
    if shared.trick == Trick::HttpComesLate {
        let address = listener.local_addr().unwrap();
        drop(listener);
        tokio::time::sleep(Duration::from_millis(25)).await; // 2.5 of the nodes' seconds
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(address).unwrap();
        listener = socket.listen(64).unwrap();
    }
    loop {
        let (stream, peer) = listener.accept().await.unwrap();
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let now = shared.connections.fetch_add(1, Ordering::SeqCst) + 1;
            shared.connections_max.fetch_max(now, Ordering::SeqCst);
            let service = service_fn(|request| answer(Arc::clone(&shared), peer, request));
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
            shared.connections.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

type Body = BoxBody<Bytes, std::io::Error>;

async fn answer(
    shared: Arc<Shared>,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let SocketAddr::V4(peer) = peer else {
        unreachable!()
    };
    let full = |bytes: Bytes| Full::new(bytes).map_err(|never| match never {}).boxed();
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let response = Response::builder();
    let response = match shared.end(*peer.ip(), &path, &body) {
        End::Body(bytes) => response.body(full(bytes)),
        End::Status(status) => response.status(status).body(full(Bytes::new())),
        End::Busy => response
            .status(503)
            .header("retry-after", "2")
            .body(full(Bytes::new())),
        End::Breaks(bytes) => {
            let half = Ok(Frame::data(bytes.slice(..bytes.len() / 2)));
            let body = StreamBody::new(stream::iter([
                half,
                Err(std::io::Error::other("the member dies")),
            ]));
            response.header("content-length", bytes.len()).body(body.boxed())
        }
        End::Stalls => std::future::pending().await,
    };
    Ok(response.unwrap())
}

impl Shared {
    fn other(&self) -> &NodeSpec {
        self.nodes.last().unwrap()
    }

    /// `node` unless the trick is this one: then another.
    fn unless<'a>(&'a self, trick: Trick, node: &'a NodeSpec) -> &'a NodeSpec {
        if self.trick == trick { self.other() } else { node }
    }

    fn url_host(&self, own: Trick) -> Ipv4Addr {
        if self.trick == own {
            self.member
        } else {
            self.service
        }
    }

    fn dhcp_reply(&self, request: &[u8], discover: bool) -> Vec<u8> {
        let node = self
            .nodes
            .iter()
            .find(|node| node.mac.0 == request[28..34])
            .unwrap();
        let mut reply = request[..240].to_vec();
        reply[0] = 2;
        let address = self.unless(Trick::AddressOfAnother, node).address;
        reply[16..20].copy_from_slice(&address.octets());
        reply.extend([53, 1, if discover { 2 } else { 5 }, 51, 4, 0, 0, 14, 16, 54, 4]);
        reply.extend(self.service.octets());
        let host = self.url_host(Trick::BootfileOnAMember);
        let url = format!(
            "http://{host}:{}/boot/v1/bootscript?mac=${{net0/mac}}",
            self.http_port
        );
        reply.extend([67, url.len() as u8]);
        reply.extend(url.bytes());
        reply.extend([82, 2, 19, 0, 255]);
        reply
    }

    fn end(&self, peer: Ipv4Addr, path: &str, body: &[u8]) -> End {
        let node = self
            .nodes
            .iter()
            .find(|node| node.address == peer)
            .expect("nodes ask from their own address");
        let time = {
            let mut asked = self.asked.lock().unwrap();
            let times = asked.entry((peer, path.to_owned())).or_default();
            *times += 1;
            *times
        };
        self.paths.lock().unwrap().push(path.to_owned());
        match (self.trick, path, time) {
            (Trick::EverythingIsBusyOnce, _, 1) if !path.contains("phone-home") => End::Busy,
            (Trick::KernelBreaksOnce, "/files/kernel", 1) => End::Breaks(KERNEL.clone()),
            (Trick::InitrdBreaksOnce, "/files/initrd", 1) => End::Breaks(INITRD.clone()),
            (Trick::InitrdStallsOnce, "/files/initrd", 1) => End::Stalls,
            (Trick::ScriptBreaksOnce, "/boot/v1/bootscript", 1) => End::Breaks(self.script(node)),
            (Trick::KernelHasAFlippedBit, "/files/kernel", _) => {
                let mut bytes = KERNEL.to_vec();
                bytes[500_000] ^= 1;
                End::Body(bytes.into())
            }
            (Trick::InitrdIsShort, "/files/initrd", _) => End::Body(INITRD.slice(1..)),
            (Trick::MetaDataStalls, "/cloud-init/meta-data", _) => End::Stalls,
            (Trick::NoVendorData, "/cloud-init/vendor-data", _) => End::Status(404),
            (Trick::DocumentsFailTwice, _, 1 | 2) if path.starts_with("/cloud-init/") => End::Status(500),
            (Trick::PhoneHomeFailsTwice, "/phone-home", 1 | 2) => End::Status(500),
            (Trick::PhoneHomeIsRefused, "/phone-home", _) => End::Status(403),
            _ => self.honest_end(node, path, body),
        }
    }

    fn honest_end(&self, node: &NodeSpec, path: &str, body: &[u8]) -> End {
        let text = match path {
            "/files/kernel" => return End::Body(KERNEL.clone()),
            "/files/initrd" => return End::Body(INITRD.clone()),
            "/boot/v1/bootscript" => {
                self.scripts.fetch_add(1, Ordering::SeqCst);
                return End::Body(self.script(node));
            }
            "/cloud-init/network-config" => {
                let mac = self.unless(Trick::NetworkConfigOfAnother, node).mac;
                format!(
                    "version: 2\nethernets:\n  boot:\n    match: {{macaddress: \"{mac}\"}}\n    dhcp4: true\n"
                )
            }
            "/cloud-init/meta-data" => {
                let node = self.unless(Trick::MetaDataOfAnother, node);
                format!("instance-id: i-{}\nlocal-hostname: {}\n", node.nid, node.hostname)
            }
            "/cloud-init/user-data" => "#cloud-config\n".to_owned(),
            "/cloud-init/vendor-data" => {
                format!(
                    "#cloud-config\nphone_home: {{url: \"http://{}:{}/phone-home\"}}\n",
                    self.service, self.http_port
                )
            }
            "/phone-home" => {
                let form = String::from_utf8(body.to_vec()).unwrap();
                let expected = format!("hostname={}", node.hostname);
                assert!(form.split('&').any(|pair| pair == expected), "{form}");
                self.phoned_home.lock().unwrap().insert(node.xname.to_string());
                String::new()
            }
            _ => return End::Status(404),
        };
        End::Body(text.into())
    }

    fn script(&self, node: &NodeSpec) -> Bytes {
        let base = format!("http://{}:{}", self.service, self.http_port);
        let data = format!(
            "http://{}:{}",
            self.url_host(Trick::DataSourceOnAMember),
            self.http_port
        );
        let named = self.unless(Trick::ScriptOfAnother, node);
        let params = match self.trick {
            Trick::ScriptIsHtml => return Bytes::from("<html>504 Gateway Time-out</html>"),
            Trick::ScriptDoesNotBoot => return Bytes::from("#!ipxe\nsleep 0\n"),
            Trick::ScriptHasAnInjectedLine => "quiet\nreboot\n",
            _ => "quiet",
        };
        format!(
            "#!ipxe\nkernel --name kernel {base}/files/kernel initrd=initrd {params} xname={} nid={} BOOTIF=01-{} \
             ds=nocloud-net;s={data}/cloud-init/ || goto boot_retry\n\
             initrd --name initrd {base}/files/initrd || goto boot_retry\nboot || goto boot_retry\n:boot_retry\n\
             sleep 1\nchain {base}/boot/v1/bootscript?mac={}&retry=1 || goto boot_retry\n\n",
            named.xname,
            named.nid,
            named.mac.dashes(),
            node.mac,
        )
        .into()
    }
}

//! Members with a node that has something of its own, and strangers beside it.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use prost_reflect::DescriptorPool;
use proto::google::api::HttpRule;
use proto::google::api::http_rule::Pattern;
use proto::http::v1::{MethodRule, Permission};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConnection, StreamOwned};
use socket2::{Domain, Socket, Type};

use crate::common::http::{Administrator, Answer};
use crate::common::{Member, Single, text};

/// The node, and one that is not in its group.
pub(crate) const NODE: &str = "x1000c0s0b0n0";
pub(crate) const OTHER: &str = "x1000c0s0b0n1";
/// MAC of the node.
pub(crate) const MAC: &str = "02:00:00:00:00:01";
/// In the node's own file, and in what lies beside the folder of boot files.
pub(crate) const CANARY: &str = "c4n4ry-of-the-node";
/// Longer than an election and a take-over of the service address.
const AT_MOST: Duration = Duration::from_secs(60);
/// An answer that does not come is none.
const ANSWER_MAX: Duration = Duration::from_secs(20);

pub(crate) struct Site {
    pub(crate) single: Single,
    /// By id, from 1 on.
    pub(crate) members: Vec<Option<Member>>,
    pub(crate) administrator: Administrator,
}

impl Site {
    /// The node's group has a file, which is secret or not.
    pub(crate) fn start(members: u64, is_secret: bool) -> Site {
        Self::start_with(members, is_secret, "")
    }

    /// With more lines in `[api]`.
    pub(crate) fn start_with(members: u64, is_secret: bool, api: &str) -> Site {
        rpc::tls::install_crypto_provider();
        let single = Single::prepare_one_of(members);
        (1..=members).for_each(|id| single.configure_api(id, api));
        let running = (1..=members).map(|id| Some(single.spawn_member(id))).collect();
        let site = Site {
            administrator: Administrator::new(&single.dir.path().join("identities")),
            single,
            members: running,
        };
        site.until("nodes are answered", || site.single.answers_nodes());
        site.until("there is a leader", || {
            let listens = TcpStream::connect((site.single.own(), 8443)).is_ok();
            listens && site.admin("GET", "/hsm/v2/State/Components", "").status == 200
        });
        site.seed(is_secret);
        site
    }

    fn seed(&self, is_secret: bool) {
        let interface = |mac: usize, xname: &str| {
            let address = self.node(mac);
            format!(
                r#"{{"MACAddress":"02:00:00:00:00:0{mac}","ComponentID":"{xname}","IPAddresses":[{{"IPAddress":"{address}"}}]}}"#
            )
        };
        for (path, body) in [
            (
                "/hsm/v2/State/Components",
                format!(
                    r#"{{"Components":[{{"ID":"{NODE}","State":"On"}},{{"ID":"{OTHER}","State":"On"}}]}}"#
                ),
            ),
            ("/hsm/v2/Inventory/EthernetInterfaces", interface(1, NODE)),
            ("/hsm/v2/Inventory/EthernetInterfaces", interface(2, OTHER)),
            (
                "/hsm/v2/groups",
                format!(r#"{{"label":"own","members":{{"ids":["{NODE}"]}}}}"#),
            ),
            (
                "/boot/v1/bootparameters",
                format!(r#"{{"hosts":["{NODE}","{OTHER}"],"kernel":"http://x/k","params":"quiet"}}"#),
            ),
        ] {
            let answer = self.admin("POST", path, &body);
            assert!((200..300).contains(&answer.status), "{path}: {answer:?}");
        }
        let file = self.single.dir.path().join("own.yaml");
        std::fs::write(&file, format!("#cloud-config\nbootcmd: [echo {CANARY}]\n")).unwrap();
        let mut put = vec!["cloud-init", "group", "put", "own", "--file", text(&file)];
        put.extend(is_secret.then_some("--secret"));
        let (code, out, err) = self.single.ask(&put);
        assert_eq!(code, 0, "{out}{err}");
    }

    /// The address of the node with this number, or of a stranger, who has one that no node has.
    pub(crate) fn node(&self, number: usize) -> Ipv4Addr {
        self.single.net.node_address(number).unwrap()
    }

    pub(crate) fn admin(&self, verb: &str, path: &str, body: &str) -> Answer {
        self.administrator.send(self.single.own(), verb, path, body)
    }

    pub(crate) fn token(&self) -> String {
        let file = self.single.dir.path().join("identities/admin.token");
        std::fs::read_to_string(file).unwrap().trim().to_owned()
    }

    /// A connection to the node port from this address.
    fn tcp(&self, from: Ipv4Addr) -> std::io::Result<TcpStream> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddrV4::new(from, 0).into())?;
        socket.connect_timeout(&SocketAddr::V4(self.single.http()).into(), ANSWER_MAX)?;
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(ANSWER_MAX))?;
        Ok(stream)
    }

    /// Says these bytes to the node port; what came back until it closed.
    pub(crate) fn say(&self, from: Ipv4Addr, bytes: &[u8]) -> String {
        let talk = || {
            let mut stream = self.tcp(from)?;
            stream.write_all(bytes)?;
            let mut answer = Vec::new();
            // one that has heard enough resets what it has not read; what it said before that counts
            let _ = stream.read_to_end(&mut answer);
            Ok::<_, std::io::Error>(answer)
        };
        String::from_utf8_lossy(&talk().unwrap_or_default()).into_owned()
    }

    /// A GET of the node port with more headers, each with its line's end; status and the whole answer.
    pub(crate) fn get(&self, from: Ipv4Addr, path: &str, headers: &str) -> (u16, String) {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n{headers}Connection: close\r\n\r\n");
        let answer = self.say(from, request.as_bytes());
        (status_of(&answer), answer)
    }

    /// Says these bytes to the HTTPS port; what came back until it closed.
    pub(crate) fn say_over_tls(&self, bytes: &[u8]) -> String {
        let ca = self.single.dir.path().join("identities/ca.pem");
        let ca = CertificateDer::from_pem_file(ca).unwrap();
        let mut tls = rpc::tls::api_client_config(&[ca], None).unwrap();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let name = ServerName::IpAddress(IpAddr::V4(self.single.own()).into());
        let client = ClientConnection::new(Arc::new(tls), name).unwrap();
        let stream = TcpStream::connect((self.single.own(), 8443)).unwrap();
        stream.set_read_timeout(Some(ANSWER_MAX)).unwrap();
        let mut stream = StreamOwned::new(client, stream);
        let mut answer = Vec::new();
        if stream.write_all(bytes).is_ok() {
            let _ = stream.read_to_end(&mut answer);
        }
        String::from_utf8_lossy(&answer).into_owned()
    }

    pub(crate) fn until(&self, what: &str, mut condition: impl FnMut() -> bool) {
        let deadline = Instant::now() + AT_MOST;
        while !condition() {
            assert!(Instant::now() < deadline, "{what}: it never was so");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// 0 where there was no answer.
pub(crate) fn status_of(answer: &str) -> u16 {
    let status = answer
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3)?.parse().ok());
    status.unwrap_or_default()
}

/// Paths of every GET that the node port has, variables filled in.
pub(crate) fn node_routes() -> Vec<String> {
    let pool = DescriptorPool::decode(proto::DESCRIPTOR).unwrap();
    let http = pool.get_extension_by_name("google.api.http").unwrap();
    let own = pool.get_extension_by_name("chamois.http.v1.method").unwrap();
    let mut paths = Vec::new();
    for method in pool
        .services()
        .flat_map(|service| service.methods().collect::<Vec<_>>())
    {
        let options = method.options();
        if !options.has_extension(&http) {
            continue;
        }
        let value = options.get_extension(&own).into_owned();
        let rule: MethodRule = value.as_message().unwrap().transcode_to().unwrap();
        if !matches!(rule.permission(), Permission::Node | Permission::Public) || rule.tls_only {
            continue;
        }
        let value = options.get_extension(&http).into_owned();
        let route: HttpRule = value.as_message().unwrap().transcode_to().unwrap();
        for bound in std::iter::once(&route).chain(&route.additional_bindings) {
            if let Some(Pattern::Get(template)) = &bound.pattern {
                paths.push(filled_in(template));
            }
        }
    }
    paths
}

fn filled_in(template: &str) -> String {
    let mut path = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        path += before;
        path += NODE;
        rest = after.split_once('}').unwrap().1;
    }
    path + rest
}

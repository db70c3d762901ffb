//! A boot's token opens what is secret for the node that has the address, on every member, and for nobody else: not from another
//! address, not by a header, not while members are cut off.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::common::http::Administrator;
use crate::common::{Member, Single, text};

const NODE: &str = "x1000c0s0b0n0";
const OTHER: &str = "x1000c0s0b0n1";
const SCRIPT: &str = "/boot/v1/bootscript?mac=02:00:00:00:00:01";
const SCRIPT_OF_NOBODY: &str = "/boot/v1/bootscript?mac=02:00:00:00:00:99&arch=x86_64";
const CANARY: &str = "c4n4ry-of-munge";
const FILE: &str = "#cloud-config\nwrite_files: [{path: /etc/munge/munge.key, content: c4n4ry-of-munge}]\n";
/// Of nodes' documents that anybody may ask for by address.
const DOCUMENTS: [&str; 5] = [
    "/cloud-init/meta-data",
    "/cloud-init/user-data",
    "/cloud-init/vendor-data",
    "/cloud-init/munge.yaml",
    "/cloud-init/network-config",
];

/// Three members, two nodes, and a secret of the first one.
struct Site {
    single: Single,
    members: Vec<Member>,
}

impl Site {
    fn start() -> Site {
        let single = Single::prepare_one_of(3);
        let mut members: Vec<Member> = (1..=3).map(|id| single.spawn_member(id)).collect();
        members[0].until("the service address answers", || single.answers_nodes());
        let site = Site { single, members };
        site.seed();
        for id in 1..=3 {
            site.until("the node's script", || site.as_first(id, SCRIPT).0 == 200);
        }
        site
    }

    fn seed(&self) {
        let administrator = Administrator::new(&self.single.dir.path().join("identities"));
        let interface = |mac: u8, xname: &str| {
            let address = self.address(usize::from(mac));
            format!(
                r#"{{"MACAddress":"02:00:00:00:00:0{mac}","ComponentID":"{xname}","IPAddresses":[{{"IPAddress":"{address}"}}]}}"#
            )
        };
        let components =
            format!(r#"{{"Components":[{{"ID":"{NODE}","State":"On"}},{{"ID":"{OTHER}","State":"On"}}]}}"#);
        let group = format!(r#"{{"label":"munge","members":{{"ids":["{NODE}"]}}}}"#);
        let boot = format!(r#"{{"hosts":["{NODE}","{OTHER}"],"kernel":"http://x/k"}}"#);
        for (path, body) in [
            ("/hsm/v2/State/Components", components),
            ("/hsm/v2/Inventory/EthernetInterfaces", interface(1, NODE)),
            ("/hsm/v2/Inventory/EthernetInterfaces", interface(2, OTHER)),
            ("/hsm/v2/groups", group),
            ("/boot/v1/bootparameters", boot),
        ] {
            self.until(path, || {
                let answer = administrator.send(self.single.own(), "POST", path, &body);
                // a repeat of what was done finds it there
                (200..300).contains(&answer.status) || answer.status == 409
            });
        }
        let file = self.single.dir.path().join("munge.yaml");
        std::fs::write(&file, FILE).unwrap();
        let put = [
            "cloud-init",
            "group",
            "put",
            "munge",
            "--secret",
            "--file",
            text(&file),
        ];
        let (code, out, err) = self.single.ask(&put);
        assert_eq!(code, 0, "{out}{err}");
    }

    /// Of the nodes; 9 is nobody's.
    fn address(&self, node: usize) -> Ipv4Addr {
        self.single.net.node_address(node).unwrap()
    }

    /// Status and body of a member's own address, as whoever is at `from` gets them.
    fn get(&self, from: Ipv4Addr, member: u64, path: &str, headers: &str) -> (u16, String) {
        let to = SocketAddr::from((self.single.net.member_address(member), 8081));
        exchange(from, to, path, headers)
    }

    fn as_first(&self, member: u64, path: &str) -> (u16, String) {
        self.get(self.address(1), member, path, "")
    }

    /// Path of the node's documents with its token, as member `id` has put it into the script.
    fn base(&self, id: u64) -> String {
        let (status, script) = self.as_first(id, SCRIPT);
        assert_eq!(status, 200, "{script}");
        let url = script.split(";s=").nth(1).unwrap();
        let url = url.split([' ', '\n']).next().unwrap();
        assert!(url.contains("/t/"), "{url}");
        let path = url.splitn(4, '/').nth(3).unwrap();
        format!("/{path}")
    }

    /// Path of the secret file, as the vendor-data below `base` names it.
    fn file(&self, base: &str) -> String {
        let (_, vendor_data) = self.as_first(1, &format!("{base}vendor-data"));
        let named = vendor_data.lines().find(|line| line.ends_with("/munge.yaml"));
        let named = named.unwrap_or_else(|| panic!("{vendor_data}"));
        format!("/{}", named.trim().splitn(4, '/').nth(3).unwrap())
    }

    /// A member that held the service address while it was frozen was ended by its watchdog; systemd would start it again.
    fn start_again(&mut self, frozen: &[u64]) {
        for id in frozen {
            let address = self.single.net.member_address(*id);
            if std::net::TcpStream::connect((address, 7440)).is_err() {
                self.members[usize::try_from(*id).unwrap() - 1] = self.single.spawn_member(*id);
            }
        }
    }

    fn until(&self, what: &str, mut condition: impl FnMut() -> bool) {
        let deadline = std::time::Instant::now() + Duration::from_secs(60);
        while !condition() {
            assert!(
                std::time::Instant::now() < deadline,
                "{what}: it never was so\n{}",
                self.members[0].log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// One request from an address of this host; a connection that ends early is an answer of its own.
fn exchange(from: Ipv4Addr, to: SocketAddr, path: &str, headers: &str) -> (u16, String) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let connected = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((from, 0))).unwrap();
        socket.connect(to).await.and_then(tokio::net::TcpStream::into_std)
    });
    let Ok(mut stream) = connected else {
        return (0, String::new());
    };
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {to}\r\n{headers}Connection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or(0), answer)
}

/// Every header that a proxy or an attacker might name the node with.
fn spoofed(address: Ipv4Addr) -> Vec<String> {
    let names = [
        "X-Forwarded-For",
        "X-Real-IP",
        "X-Client-IP",
        "X-Cluster-Client-IP",
        "True-Client-IP",
        "CF-Connecting-IP",
        "X-Originating-IP",
        "X-Forwarded-Host",
    ];
    let mut headers: Vec<String> = names.map(|name| format!("{name}: {address}\r\n")).into();
    headers.push(format!("Forwarded: for={address};proto=https\r\n"));
    headers.push(format!("Forwarded: for=\"{address}:80\", for=10.0.0.1\r\n"));
    headers.push(format!("X-Forwarded-For: {address}, 10.0.0.1\r\n"));
    headers.push(format!("X-Forwarded-For: 10.0.0.1, {address}\r\n"));
    let all = headers.concat();
    headers.push(all);
    headers
}

/// The token is the same everywhere; so is whom it is for.
#[test]
fn a_token_is_good_on_every_member_for_its_node_alone() {
    let site = Site::start();
    let base = site.base(1);
    let file = site.file(&base);
    for id in 1..=3 {
        site.until("the secret file", || {
            let (status, answer) = site.as_first(id, &file);
            status == 200 && answer.contains(CANARY)
        });
        for thief in [site.address(2), site.address(9)] {
            for path in [&file, &format!("{base}meta-data"), &format!("{base}vendor-data")] {
                let (status, answer) = site.get(thief, id, path, "");
                assert!(!answer.contains(CANARY), "{thief} at member {id}: {answer}");
                assert!(*path != file || status != 200, "{thief} at member {id}");
            }
        }
        let (status, answer) = site.as_first(id, "/cloud-init/munge.yaml");
        assert_eq!(status, 403, "the node without its token: {answer}");
    }
}

/// No route believes a header: neither by its address, nor with a stolen token, nor for a script with a token of its own.
#[test]
fn no_header_makes_anybody_another_node() {
    let site = Site::start();
    let base = site.base(1);
    let stolen = [
        site.file(&base),
        format!("{base}meta-data"),
        format!("{base}user-data"),
    ];
    let routes = DOCUMENTS.iter().map(ToString::to_string).chain(stolen);
    let routes: Vec<String> = routes.chain([SCRIPT.to_owned()]).collect();
    for thief in [site.address(2), site.address(9)] {
        for path in &routes {
            let plain = site.get(thief, 1, path, "");
            for headers in spoofed(site.address(1)) {
                let (status, answer) = site.get(thief, 1, path, &headers);
                assert_eq!(status, plain.0, "{thief}: {path} with {headers}{answer}");
                assert!(!answer.contains(CANARY), "{thief}: {path} with {headers}{answer}");
                assert!(
                    path.as_str() != SCRIPT || !answer.contains("/t/"),
                    "{thief}: a token by {headers}{answer}"
                );
            }
        }
    }
}

/// A MAC that SMD does not know, at an address that no node has, boots into discovery at most.
#[test]
fn an_unknown_mac_is_given_no_token_and_nothing_secret() {
    let site = Site::start();
    let stranger = site.address(9);
    for headers in spoofed(site.address(1)).into_iter().chain([String::new()]) {
        let (_, script) = site.get(stranger, 1, SCRIPT_OF_NOBODY, &headers);
        assert!(!script.contains("/t/"), "{headers}{script}");
        for path in DOCUMENTS {
            let (_, answer) = site.get(stranger, 1, path, &headers);
            assert!(
                !answer.contains(CANARY) && !answer.contains(NODE),
                "{path}: {answer}"
            );
        }
    }
    // who claims the MAC of the node, from elsewhere
    let (_, script) = site.get(stranger, 1, SCRIPT, "");
    assert!(!script.contains("/t/"), "{script}");
}

/// A member that is cut off begins nothing: a token that was not used yet opens nothing there. What a majority knows of goes on for its
/// node, which boots now, and for nobody else.
#[test]
fn during_a_partition_nothing_secret_is_given_and_the_rest_is() {
    let mut site = Site::start();
    let base = site.base(1);
    let file = site.file(&base);
    for cut_off in 1..=3_u64 {
        let others: Vec<u64> = (1..=3).filter(|id| *id != cut_off).collect();
        if cut_off != 1 {
            site.until("it knows of the boot", || site.as_first(cut_off, &file).0 == 200);
        }
        let signal = |signal| {
            for id in &others {
                site.members[usize::try_from(*id).unwrap() - 1].signal(signal);
            }
        };
        signal(Signal::SIGSTOP);
        let expected = if cut_off == 1 { 503 } else { 200 };
        site.until("503 for a boot that is not known, 200 for one that is", || {
            site.as_first(cut_off, &file).0 == expected
        });
        let (status, script) = site.as_first(cut_off, SCRIPT);
        assert_eq!(status, 200, "the rest is served: {script}");
        for thief in [site.address(2), site.address(9)] {
            let headers = spoofed(site.address(1)).concat();
            let (status, answer) = site.get(thief, cut_off, &file, &headers);
            assert!(status != 200 && !answer.contains(CANARY), "{thief}: {answer}");
        }
        signal(Signal::SIGCONT);
        site.until("the secret with a majority", || {
            let (status, answer) = site.as_first(cut_off, &file);
            status == 200 && answer.contains(CANARY)
        });
        site.start_again(&others);
    }
}

//! Pebble, Let's Encrypt's own ACME server for tests, with a name server that leads every name to one member.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::SystemTime;

use auth::pki::CertificateAuthority;
use rustls::pki_types::CertificateDer;

use crate::common::http::{over_tls, tls};

const MODULE: &str = "github.com/letsencrypt/pebble/v2/cmd/pebble@v2.10.3";
/// Where it asks the names, instead of port 80.
pub(crate) const HTTP_PORT: u16 = 5002;
const PORT: u16 = 14000;
const MANAGEMENT_PORT: u16 = 15000;
/// Key id and key of external account binding.
pub(crate) const KEY_ID: &str = "kid-1";
pub(crate) const KEY: &str = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";

/// What is asked of it.
pub(crate) struct Wanted {
    /// How long its certificates are good, seconds.
    pub(crate) life_s: u32,
    pub(crate) needs_binding: bool,
}

/// A server that runs; it ends when dropped.
pub(crate) struct Pebble {
    child: Child,
    ip: Ipv4Addr,
    /// Of its own certificate.
    ca: CertificateDer<'static>,
    pub(crate) ca_file: PathBuf,
    log: PathBuf,
}

impl Pebble {
    /// Starts it on an address of this host, with its files in `dir`; all names lead to `member`.
    pub(crate) fn start(ip: Ipv4Addr, dir: &Path, member: Ipv4Addr, wanted: &Wanted) -> Self {
        let ca = CertificateAuthority::generate("pebble", SystemTime::now()).unwrap();
        let issued = ca
            .issue_member(1, vec![ip.to_string()], SystemTime::now())
            .unwrap();
        let at = |name: &str| dir.join(format!("pebble-{name}"));
        std::fs::write(at("ca.pem"), ca.certificate_pem()).unwrap();
        std::fs::write(at("cert.pem"), &issued.certificate_pem).unwrap();
        std::fs::write(at("key.pem"), &issued.key_pem).unwrap();
        let config = serde_json::json!({ "pebble": {
            "listenAddress": format!("{ip}:{PORT}"),
            "managementListenAddress": format!("{ip}:{MANAGEMENT_PORT}"),
            "certificate": at("cert.pem"),
            "privateKey": at("key.pem"),
            "httpPort": HTTP_PORT,
            "tlsPort": 5001,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": wanted.needs_binding,
            "externalAccountMACKeys": { KEY_ID: KEY },
            "retryAfter": { "authz": 1, "order": 1 },
            "keyAlgorithm": "ecdsa",
            "profiles": { "default": { "description": "test", "validityPeriod": wanted.life_s } },
        }});
        std::fs::write(at("config.json"), config.to_string()).unwrap();
        let names = serve_names(ip, member);
        let log = at("log");
        let written = std::fs::File::create(&log).unwrap();
        let mut command = Command::new(binary());
        command
            .args(["-config", at("config.json").to_str().unwrap()])
            .args(["-dnsserver", &names.to_string()])
            .env("PEBBLE_VA_NOSLEEP", "1")
            .stdin(Stdio::null())
            .stderr(written.try_clone().unwrap())
            .stdout(written);
        let pebble = Self {
            child: command.spawn().unwrap(),
            ip,
            ca: auth::certificates(ca.certificate_pem()).unwrap().remove(0),
            ca_file: at("ca.pem"),
            log,
        };
        crate::common::until("pebble answers", [], || {
            TcpStream::connect((ip, MANAGEMENT_PORT)).is_ok() && TcpStream::connect((ip, PORT)).is_ok()
        });
        pebble
    }

    pub(crate) fn directory(&self) -> String {
        format!("https://{}:{PORT}/dir", self.ip)
    }

    /// The CA that signs what it gives; another one at every start.
    pub(crate) fn root(&self) -> Vec<CertificateDer<'static>> {
        let tcp = TcpStream::connect(SocketAddr::new(IpAddr::V4(self.ip), MANAGEMENT_PORT)).unwrap();
        let mut stream = over_tls(&tls(std::slice::from_ref(&self.ca), None), tcp);
        let request = format!(
            "GET /roots/0 HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.ip
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        let _farewell = stream.read_to_end(&mut answer);
        let text = String::from_utf8_lossy(&answer).into_owned();
        auth::certificates(&text).unwrap_or_else(|| panic!("no root: {text}"))
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("{}", std::fs::read_to_string(&self.log).unwrap_or_default());
        }
    }
}

/// The program, made once by Go's own tool.
fn binary() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pebble-2.10.3");
    let program = folder.join("pebble");
    if !program.exists() {
        let made = Command::new("go")
            .args(["install", MODULE])
            .env("GOBIN", &folder)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "go install {MODULE}: {said}");
    }
    program
}

/// Answers every question for an IPv4 address with one address, and every other one with nothing, until the process ends. Pebble asks over
/// TCP only.
fn serve_names(ip: Ipv4Addr, leads_to: Ipv4Addr) -> SocketAddr {
    let listener = TcpListener::bind((ip, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // the end of the connection is an error of the last read
            std::thread::spawn(move || while answer_one(&mut stream, leads_to).is_ok() {});
        }
    });
    address
}

/// RFC 1035, 4.2.2: each message has its length before it.
fn answer_one(stream: &mut TcpStream, leads_to: Ipv4Addr) -> std::io::Result<()> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut question)?;
    let answer = answer(&question, leads_to).ok_or(ErrorKind::InvalidData)?;
    let length = u16::try_from(answer.len()).unwrap();
    stream.write_all(&[&length.to_be_bytes()[..], &answer[..]].concat())
}

/// RFC 1035, 4.1: the question again, and one record that names it by a pointer.
fn answer(question: &[u8], leads_to: Ipv4Addr) -> Option<Vec<u8>> {
    const HEADER: usize = 12;
    const A: [u8; 2] = [0, 1];
    let name = question.get(HEADER..)?.iter().position(|byte| *byte == 0)?;
    let end = HEADER + name + 1 + 4;
    let asked = question.get(HEADER..end)?;
    let is_a = asked[name + 1..name + 3] == A;
    let mut answer = question.get(..2)?.to_vec();
    answer.extend([0x81, 0x80, 0, 1, 0, u8::from(is_a), 0, 0, 0, 0]);
    answer.extend(asked);
    if is_a {
        answer.extend([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]);
        answer.extend(leads_to.octets());
    }
    Some(answer)
}

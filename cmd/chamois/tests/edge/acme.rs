//! Certificates by ACME from a real server. Needs Go (pebble is made by `go install`); runs with CHAMOIS_E2E=1.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConnection, StreamOwned};

use crate::common::{Member, Single, until};
use crate::pebble::{HTTP_PORT, KEY, KEY_ID, Pebble, Wanted};
use crate::presented_for;

const NAME: &str = "smd.edge.test";
const LONG_S: u32 = 90 * 24 * 3600;

fn is_wanted(test: &str) -> bool {
    let wanted = std::env::var_os("CHAMOIS_E2E").is_some();
    if !wanted {
        println!("NOT RUN: {test}: set CHAMOIS_E2E=1 (Go)");
    }
    wanted
}

/// `[api.acme]` of a member, at the end of its configuration.
fn configure(single: &Single, id: u64, pebble: &Pebble, more: &str) {
    let section = format!(
        "[api.acme]\ndirectory = {:?}\nnames = [{NAME:?}]\nhttp-listen = \"{}:{HTTP_PORT}\"\nagree-to-terms = true\nca = {:?}\n{more}",
        pebble.directory(),
        single.net.member_address(id),
        pebble.ca_file,
    );
    let file = single.dir.path().join(format!("member-{id}.toml"));
    let config = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, config + &section).unwrap();
}

fn pebble(single: &Single, member: Ipv4Addr, life_s: u32, needs_binding: bool) -> Pebble {
    let wanted = Wanted {
        life_s,
        needs_binding,
    };
    Pebble::start(single.net.member_address(200), single.dir.path(), member, &wanted)
}

fn presents(single: &Single, id: u64, root: &[CertificateDer<'static>]) -> bool {
    let ip = single.net.member_address(id);
    presented_for(ip.into(), root, NAME) == [NAME]
}

/// Each member orders its own certificate, and the CA asks one of them only: whichever it asks answers.
#[test]
fn every_member_gets_a_certificate_whichever_the_ca_asks() {
    if !is_wanted("every_member_gets_a_certificate_whichever_the_ca_asks") {
        return;
    }
    let single = Single::prepare_one_of(3);
    let asked = single.net.member_address(2);
    let pebble = pebble(&single, asked, LONG_S, false);
    (1..=3).for_each(|id| configure(&single, id, &pebble, ""));
    let members: Vec<Member> = (1..=3).map(|id| single.spawn_member(id)).collect();
    let root = pebble.root();
    for id in 1..=3 {
        until_long("a certificate of the CA is presented", &members, || {
            presents(&single, id, &root)
        });
    }
    // who asks for no such name gets what the cluster's own CA has signed
    let own = presented_for(single.own().into(), &[single.ca()], "another.edge.test");
    assert!(own.is_empty(), "it is not for that name: {own:?}");
    assert!(!presented_by_address(&single).is_empty());
    for id in 1..=3 {
        let file = single.dir.path().join(format!("data-{id}/acme/https.pem"));
        assert_eq!(mode(&file), 0o600);
    }
}

/// A member that is asked before it has the cluster's secrets refuses, and who has ordered tries again after a minute.
fn until_long(what: &str, members: &[Member], mut condition: impl FnMut() -> bool) {
    let half = Instant::now() + Duration::from_secs(58);
    let mut holds = false;
    while !holds && Instant::now() < half {
        std::thread::sleep(Duration::from_millis(100));
        holds = condition();
    }
    until(what, members, condition);
}

/// What the HTTPS port presents to clients that dial its address and trust the cluster's CA.
fn presented_by_address(single: &Single) -> Vec<String> {
    let ip: IpAddr = single.own().into();
    presented_for(ip, &[single.ca()], single.own().to_string().leak())
}

fn mode(file: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(file).unwrap().permissions().mode() & 0o777
}

/// A certificate of a minute is renewed again and again; a connection from before goes on, and a start orders none.
#[test]
fn it_is_renewed_without_a_dropped_connection_and_kept_over_a_start() {
    if !is_wanted("it_is_renewed_without_a_dropped_connection_and_kept_over_a_start") {
        return;
    }
    let single = Single::prepare();
    let pebble = pebble(&single, single.own(), 60, true);
    let key_file = single.dir.path().join("eab.key");
    std::fs::write(&key_file, KEY).unwrap();
    set_private(&key_file);
    let binding = format!("eab-key-id = {KEY_ID:?}\neab-key-file = {key_file:?}\n");
    configure(&single, 1, &pebble, &binding);
    let mut member = single.start();
    let root = pebble.root();
    member.until("the first certificate is presented", || {
        presents(&single, 1, &root)
    });
    let mut connection = open(&single, &root);
    let first = ask(&mut connection);
    let stored = single.dir.path().join("data-1/acme/https.pem");
    let before = std::fs::read(&stored).unwrap();
    // asked again and again, as one that is idle is closed after 30 s
    until("it is renewed", [&member], || {
        assert_eq!(ask(&mut connection), first);
        std::fs::read(&stored).unwrap() != before
    });
    assert!(presents(&single, 1, &root));
    assert_eq!(ask(&mut connection), first, "the connection from before goes on");

    let renewed = std::fs::read(&stored).unwrap();
    drop(member);
    let mut member = single.start();
    member.until("the stored certificate is presented", || {
        presents(&single, 1, &root)
    });
    assert_eq!(std::fs::read(&stored).unwrap(), renewed, "a start orders none");
    let log = member.log();
    assert!(
        !log.contains(KEY) && !log.contains("PRIVATE KEY"),
        "no key is in the log"
    );
}

fn set_private(file: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn open(single: &Single, root: &[CertificateDer<'static>]) -> StreamOwned<ClientConnection, TcpStream> {
    let tcp = TcpStream::connect(SocketAddr::new(single.own().into(), 8443)).unwrap();
    let name = ServerName::try_from(NAME).unwrap();
    let connection = ClientConnection::new(crate::common::http::tls(root, None), name).unwrap();
    StreamOwned::new(connection, tcp)
}

/// The status line of one more request on a connection that stays open.
fn ask(connection: &mut StreamOwned<ClientConnection, TcpStream>) -> String {
    let request = format!("GET /livez HTTP/1.1\r\nHost: {NAME}\r\n\r\n");
    connection.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\nok\n") {
        let mut piece = [0; 1024];
        let length = connection.read(&mut piece).unwrap();
        assert_ne!(length, 0, "the connection was dropped");
        answer.extend_from_slice(&piece[..length]);
    }
    let text = String::from_utf8(answer).unwrap();
    text.lines().next().unwrap().to_owned()
}

/// A CA that is not there takes nothing away: the member starts, presents its own, and says what is wrong.
#[test]
fn without_the_ca_everything_else_goes_on() {
    let single = Single::prepare();
    let own = single.own();
    let ca = single.identities().join("ca.pem");
    let section = format!(
        "[api.acme]\ndirectory = \"https://{own}:9/dir\"\nnames = [{NAME:?}]\nhttp-listen = \"{own}:{HTTP_PORT}\"\n\
         agree-to-terms = true\nca = {ca:?}\n"
    );
    let config = std::fs::read_to_string(single.config()).unwrap();
    std::fs::write(single.config(), config + &section).unwrap();
    let mut member = single.start();
    let log = single.dir.path().join("log-1");
    member.until("it is said", || {
        std::fs::read_to_string(&log)
            .unwrap()
            .contains("no certificate by ACME")
    });
    assert!(!presented_by_address(&single).is_empty());
    let asked = "/.well-known/acme-challenge/t-1";
    let answer = crate::common::http::get(SocketAddr::new(own.into(), HTTP_PORT), asked);
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.body.starts_with("t-1."), "{}", answer.body);
    let other = crate::common::http::get(SocketAddr::new(own.into(), HTTP_PORT), "/hsm/v2/State/Components");
    assert_eq!(other.status, 404);
}

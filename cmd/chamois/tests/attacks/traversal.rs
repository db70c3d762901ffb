//! Names that lead out of the folder of boot files, over HTTP and TFTP: coresmd's TFTP server serves them.

use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::time::Duration;

use crate::common::http::status_of;
use crate::site::{CANARY, Site};

/// What every member has beside and above the folder.
const TARGETS: [&str; 4] = [
    "secret.txt",
    "identities/admin.token",
    "member-1.toml",
    "etc/hostname",
];
/// Ways to say "up".
const UPS: [&str; 16] = [
    "../",
    "..\\",
    "%2e%2e/",
    "%2E%2E%2F",
    "..%2f",
    "%2e%2e%5c",
    "..%5C",
    "%252e%252e/",
    "%252e%252e%252f",
    "..%c0%af",
    "%c0%ae%c0%ae/",
    "....//",
    "..;/",
    "./../",
    "a/../../",
    "..%00/",
];

fn names() -> Vec<String> {
    let mut names = Vec::new();
    for target in TARGETS {
        for up in UPS {
            for times in [1, 2, 8] {
                names.push(format!("{}{target}", up.repeat(times)));
            }
        }
        names.push(format!("/{target}"));
        names.push(format!("//{target}"));
        names.push(format!("%2f{target}"));
        names.push(format!("{target}%00.efi"));
        names.push(format!("file:///{target}"));
        names.push(format!("C:\\{target}"));
    }
    names.push("/proc/self/environ".to_owned());
    names.push("%2fproc%2fself%2fenviron".to_owned());
    names.push("a".repeat(600));
    names
}

/// A site with something beside its boot files that nobody may have.
fn site() -> (Site, Vec<String>) {
    let site = Site::start(1, false);
    std::fs::write(site.single.dir.path().join("secret.txt"), CANARY).unwrap();
    std::fs::write(site.single.files_dir(1).join("kernel"), "boots").unwrap();
    let token = site.single.token();
    (site, vec![CANARY.to_owned(), token, "[raft]".to_owned()])
}

fn assert_shows_nothing(secrets: &[String], what: &str, answer: &str) {
    for secret in secrets {
        assert!(!answer.contains(secret.as_str()), "{what}: {answer}");
    }
}

/// As raw bytes: a client's library would tidy them up.
#[test]
fn no_path_leads_out_over_http() {
    let (site, secrets) = site();
    let stranger = site.node(3);
    let (status, answer) = site.get(stranger, "/files/kernel", "");
    assert!(status == 200 && answer.ends_with("boots"), "{answer}");
    let mut asked = 0;
    for name in names() {
        for prefix in ["/files/", gateway::LOADERS_PREFIX, "/cloud-init/", "/"] {
            let path = format!("{prefix}{name}");
            // one address alone may not ask so often
            let from = site.node(10 + asked % 100);
            let (status, answer) = site.get(from, &path, "");
            assert!((400..500).contains(&status), "{path}: {answer}");
            assert_shows_nothing(&secrets, &path, &answer);
            asked += 1;
        }
    }
    assert!(asked > 500, "{asked}");
}

/// The administrator's port has no files, and a name in a path is a name.
#[test]
fn no_path_leads_out_over_https() {
    let (site, secrets) = site();
    let token = site.single.token();
    let connection = format!("Host: x\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n");
    for name in names() {
        for prefix in ["/files/", "/hsm/v2/State/Components/", "/ui/"] {
            let path = format!("{prefix}{name}");
            let answer = site.say_over_tls(format!("GET {path} HTTP/1.1\r\n{connection}").as_bytes());
            let status = status_of(&answer).unwrap_or_default();
            assert!((400..500).contains(&status), "{path}: {answer}");
            assert_shows_nothing(&secrets, &path, &answer);
        }
    }
}

/// Names there are bytes: what is encoded stays so, and a zero ends them.
#[test]
fn no_name_leads_out_over_tftp() {
    const DATA: [u8; 2] = [0, 3];
    const ERROR: [u8; 2] = [0, 5];
    let (site, _) = site();
    let server = SocketAddrV4::new(site.single.net.service_address(), 6969);
    let with_zeros = [
        "kernel\0../secret.txt",
        "\0../secret.txt",
        "../secret.txt\0kernel",
    ];
    let mut refused = 0;
    for name in names().into_iter().chain(with_zeros.map(str::to_owned)) {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        let request = [&b"\0\x01"[..], name.as_bytes(), b"\0octet\0"].concat();
        socket.send_to(&request, server).unwrap();
        let mut answer = [0; 600];
        // what is no request at all may be left without an answer
        if let Ok((length, _)) = socket.recv_from(&mut answer) {
            assert!(length >= 4, "{name:?}");
            assert_ne!(answer[..2], DATA, "{name:?}");
            assert_eq!(answer[..2], ERROR, "{name:?}");
            refused += 1;
        }
    }
    assert!(
        refused > 200,
        "only {refused} answers: does anybody listen there?"
    );
}

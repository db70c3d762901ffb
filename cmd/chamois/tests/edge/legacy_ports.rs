//! Ports of single services, as today's SMD, BSS and cloud-init server have them.

use std::net::{SocketAddr, SocketAddrV4};

use crate::common::http::{get, get_from};
use crate::common::{Single, chamois, outcome};

const PORTS: [(&str, u16); 3] = [("smd", 27779), ("bss", 27778), ("cloud-init", 27777)];

fn prepare() -> Single {
    let single = Single::prepare();
    let own = single.own();
    let keys = PORTS.map(|(name, port)| format!("legacy-{name}-listen = \"{own}:{port}\"\n"));
    single.configure_api(1, &keys.concat());
    single
}

fn at(single: &Single, port: u16) -> SocketAddr {
    SocketAddrV4::new(single.own(), port).into()
}

#[test]
fn each_service_answers_on_its_port_to_whoever_has_a_token() {
    let single = prepare();
    let mut member = single.start();
    let token = format!("Authorization: Bearer {}\r\n", single.token());
    for (port, path) in [
        (27779, "/hsm/v2/State/Components"),
        (27778, "/boot/v1/bootparameters"),
        (27777, "/admin/groups"),
        (27777, "/cloud-init/admin/groups"),
    ] {
        member.until("the port answers", || {
            std::net::TcpStream::connect(at(&single, port)).is_ok()
        });
        let (status, answer) = get_from(single.own(), at(&single, port), path, &token);
        assert_eq!(status, 200, "{port} {path}: {answer}");
        let anonymous = get(at(&single, port), path);
        assert_eq!(anonymous.status, 401, "{port} {path}: {}", anonymous.body);
    }
    // what is another service's, and what only TLS may carry
    for (port, path) in [
        (27779, "/boot/v1/bootparameters"),
        (27778, "/hsm/v2/State/Components"),
        (27777, "/hsm/v2/State/Components"),
        (27779, "/token"),
        (27778, "/metrics"),
    ] {
        let (status, answer) = get_from(single.own(), at(&single, port), path, &token);
        assert_eq!(status, 404, "{port} {path}: {answer}");
    }
    let log = member.log();
    assert!(
        log.contains("without TLS") && log.contains("api.legacy-smd-listen"),
        "{log}"
    );
}

/// Nodes that fetch from BSS itself go on to: they need no token there, as they need none today.
#[test]
fn a_node_gets_its_script_from_the_services_own_port() {
    let single = prepare();
    let mut member = single.start();
    let path = "/boot/v1/bootscript?mac=02:00:00:00:00:05";
    let mut status = 0;
    member.until("the script, or that there is none", || {
        status = get(at(&single, 27778), path).status;
        status != 503
    });
    assert!(status == 200 || status == 404, "{status}");
}

/// Plain HTTP with tokens is not opened to networks that nobody has named.
#[test]
fn all_interfaces_are_refused() {
    let single = Single::prepare();
    single.configure_api(1, "legacy-smd-listen = \"0.0.0.0:27779\"\n");
    let config = single.config();
    let (code, _, err) = outcome(&chamois(&[
        "serve",
        "--check",
        "--config",
        config.to_str().unwrap(),
    ]));
    assert_ne!(code, 0);
    assert!(
        err.contains("api.legacy-smd-listen: plain HTTP is not served on all"),
        "{err}"
    );
}

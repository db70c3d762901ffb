//! Ports of one service: which routes they have, and who calls.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use rpc::{Caller, Identity};

use super::{Fake, gateway};
use crate::{DirectPort, Gateway, Options};

const NODE: &str = "10.97.0.5";
const READER: &str = "10.98.0.5";

fn ports(fake: &Fake) -> Gateway {
    let port = |name, prefix, is_at_root| DirectPort {
        name,
        prefix,
        is_at_root,
    };
    let options = Options {
        direct: vec![
            port("smd", "/hsm/v2", false),
            port("bss", "/boot/v1", false),
            port("cloud-init", "/cloud-init", true),
        ],
        is_legacy_reader: Arc::new(|address| address.to_string() == READER),
        ..Options::default()
    };
    gateway(fake, options)
}

/// The status of a GET over the port `name`, from an address, with a bearer token or none.
async fn get(gateway: &Gateway, name: &str, from: &str, uri: &str, token: &str) -> u16 {
    let servers = gateway.direct_ports();
    let server = servers.iter().find(|server| server.name() == name).unwrap();
    let address: IpAddr = from.parse().unwrap();
    let caller = Caller {
        identity: Identity::Anonymous,
        peer: Some(SocketAddr::new(address, 40000)),
        local: None,
    };
    let mut request = Request::builder().uri(uri);
    if !token.is_empty() {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let request = request.body(Full::new(Bytes::new())).unwrap();
    server.port.answer(caller, request).await.status().as_u16()
}

#[tokio::test]
async fn each_port_has_the_routes_of_its_service_and_no_others() {
    let fake = Fake::new();
    let gateway = ports(&fake);
    for (name, uri, status) in [
        ("smd", "/hsm/v2/State/Components", 200),
        ("smd", "/boot/v1/bootparameters", 404),
        ("smd", "/State/Components", 404),
        ("smd", "/apis/smd/hsm/v2/State/Components", 404),
        ("smd", "/readyz", 404),
        ("bss", "/boot/v1/bootparameters", 200),
        ("bss", "/hsm/v2/State/Components", 404),
        ("cloud-init", "/cloud-init/admin/instance-info", 200),
        ("cloud-init", "/admin/instance-info", 200),
        ("cloud-init", "/hsm/v2/State/Components", 404),
    ] {
        assert_eq!(get(&gateway, name, NODE, uri, "t").await, status, "{name} {uri}");
    }
}

/// However it is written.
#[tokio::test]
async fn no_path_leads_to_another_service() {
    let fake = Fake::new();
    let gateway = ports(&fake);
    for uri in [
        "/hsm/v2/../../boot/v1/bootparameters",
        "/hsm/v2/%2e%2e/%2e%2e/boot/v1/bootparameters",
        "/hsm%2Fv2/..%2f..%2fboot/v1/bootparameters",
        "/hsm/v2//boot/v1/bootparameters",
        "//boot/v1/bootparameters",
    ] {
        let status = get(&gateway, "smd", NODE, uri, "t").await;
        assert!((400..500).contains(&status), "{uri}: {status}");
        assert!(fake.take_asked().is_empty(), "{uri}");
    }
}

/// What the nodes' port gives a node, this one gives it; everything else needs a token, or a list that the site has written.
#[tokio::test]
async fn a_token_says_who_asks_and_without_one_only_nodes_are_known() {
    let fake = Fake::new();
    let gateway = ports(&fake);
    let node = Identity::Node {
        address: NODE.parse().unwrap(),
    };
    let reader = Identity::LegacyReader {
        address: READER.parse().unwrap(),
    };
    for (from, uri, token, expected) in [
        (NODE, "/boot/v1/bootscript?mac=1", "", &node),
        (NODE, "/boot/v1/bootscript?mac=1", "t", &Identity::Anonymous),
        (NODE, "/boot/v1/bootparameters", "", &Identity::Anonymous),
        (NODE, "/boot/v1/bootparameters", "t", &Identity::Anonymous),
        (READER, "/boot/v1/bootparameters", "", &reader),
    ] {
        assert_eq!(get(&gateway, "bss", from, uri, token).await, 200, "{uri}");
        let asked = fake.one_asked();
        assert_eq!(asked.caller.identity, *expected, "{from} {uri} {token}");
        let passed = asked.metadata.contains_key("authorization");
        assert_eq!(passed, !token.is_empty(), "the guard looks at it");
    }
}

/// Routes of nodes are answered there without a credential, so they have the nodes' limit there, too.
#[tokio::test]
async fn who_shows_no_token_may_ask_as_often_as_a_node() {
    let fake = Fake::new();
    let gateway = ports(&fake);
    let uri = "/boot/v1/bootscript?mac=02:00:00:00:00:01";
    let mut refused = 0;
    for _ in 0..1500 {
        refused += usize::from(get(&gateway, "bss", NODE, uri, "").await == 503);
    }
    assert!(refused > 0, "a thousand at once, and a hundred a second");
    assert_eq!(
        get(&gateway, "bss", NODE, "/boot/v1/bootparameters", "t").await,
        200
    );
    assert_ne!(
        get(&gateway, "bss", "10.97.0.6", uri, "").await,
        503,
        "another address"
    );
}

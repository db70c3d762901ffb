//! The token of a boot, shown by somebody else: at another member, after its leader has died, and while members cannot agree.

use std::net::Ipv4Addr;

use crate::common::two_nodes::{SCRIPT, documents_url, file_url};
use crate::site::{CANARY, GROUP, Site};

/// Path of a URL, which must name the service address.
fn path_of(site: &Site, url: &str) -> String {
    let origin = format!("http://{}", site.single.http());
    url.strip_prefix(&origin).unwrap().to_owned()
}

/// Path of the node's documents, from its boot script.
fn documents(site: &Site, from: Ipv4Addr) -> String {
    let (status, script) = site.get(from, SCRIPT, "");
    assert_eq!(status, 200, "{script}");
    path_of(site, documents_url(&script))
}

/// Path of the node's secret, as its vendor-data tells it.
fn secret(site: &Site, node: Ipv4Addr) -> String {
    let base = documents(site, node);
    assert!(base.contains("/t/"), "no token: {base}");
    let (status, vendor_data) = site.get(node, &format!("{base}vendor-data"), "");
    assert_eq!(status, 200, "{vendor_data}");
    path_of(site, file_url(&vendor_data, GROUP))
}

fn others_have_nothing(site: &Site, path: &str, when: &str) {
    let node = site.node(1);
    for from in [site.node(2), site.node(7), site.single.own()] {
        for headers in [String::new(), format!("X-Forwarded-For: {node}\r\n")] {
            let (status, answer) = site.get(from, path, &headers);
            assert_ne!(status, 200, "{when}, {from}: {answer}");
            assert!(!answer.contains(CANARY), "{when}, {from}: {answer}");
        }
    }
}

#[test]
fn a_boot_token_is_worth_nothing_from_another_address_at_any_member() {
    let mut site = Site::start(3, true);
    let node = site.node(1);
    assert!(
        !documents(&site, site.node(2)).contains("/t/"),
        "who is not the node is given no token"
    );
    let path = secret(&site, node);
    others_have_nothing(&site, &path, "before its first use");
    let served = |site: &Site| {
        let (status, answer) = site.get(node, &path, "");
        status == 200 && answer.contains(CANARY)
    };
    site.until("the node has its secret", || served(&site));
    others_have_nothing(&site, &path, "after its first use");
    // whoever answers nodes and whoever leads is among them
    for id in 1..=3 {
        let place = usize::try_from(id).unwrap() - 1;
        site.members[place] = None;
        site.until("another member serves the node", || served(&site));
        others_have_nothing(&site, &path, &format!("without member {id}"));
        site.members[place] = Some(site.single.spawn_member(id));
        site.until("the member is back", || {
            // its node port opens last, when it has what the others have
            let address = site.single.net.member_address(id);
            std::net::TcpStream::connect((address, 8081)).is_ok()
        });
        site.until("the node is served", || served(&site));
    }
    // one member alone
    site.members[0] = None;
    site.members[1] = None;
    site.until("it answers nodes", || site.get(node, "/readyz", "").0 != 0);
    others_have_nothing(&site, &path, "without a majority");
}

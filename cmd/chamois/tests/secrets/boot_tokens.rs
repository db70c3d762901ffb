//! A boot's token opens what is secret for the node that has the address, on every member, and for nobody else: not from another
//! address, not by a header, not while members are cut off.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use nix::sys::signal::Signal;

use crate::common::http::get_from;
use crate::common::two_nodes::{NODE, SCRIPT, documents_url, file_url, path_of};
use crate::nodes::{CANARY, GROUP, Site};

const SCRIPT_OF_NOBODY: &str = "/boot/v1/bootscript?mac=02:00:00:00:00:99&arch=x86_64";
/// Of nodes' documents that anybody may ask for by address.
const DOCUMENTS: [&str; 5] = [
    "/cloud-init/meta-data",
    "/cloud-init/user-data",
    "/cloud-init/vendor-data",
    "/cloud-init/own.yaml",
    "/cloud-init/network-config",
];

/// Three members, two nodes, and a secret of the first one; 9 is the number of nobody.
fn start() -> Site {
    let site = Site::start(3, true);
    for id in 1..=3 {
        site.until("the node's script", || as_first(&site, id, SCRIPT).0 == 200);
    }
    site
}

/// Status and answer of a member's own address, as whoever is at `from` gets them.
fn get(site: &Site, from: Ipv4Addr, member: u64, path: &str, headers: &str) -> (u16, String) {
    let to = SocketAddr::from((site.single.net.member_address(member), 8081));
    get_from(from, to, path, headers)
}

fn as_first(site: &Site, member: u64, path: &str) -> (u16, String) {
    get(site, site.node(1), member, path, "")
}

/// Path of the node's documents with its token, as member `id` has put it into the script.
fn base(site: &Site, id: u64) -> String {
    let (status, script) = as_first(site, id, SCRIPT);
    assert_eq!(status, 200, "{script}");
    let url = documents_url(&script);
    assert!(url.contains("/t/"), "{url}");
    path_of(url)
}

/// Path of the secret file, as the vendor-data below `base` names it.
fn file(site: &Site, base: &str) -> String {
    let (_, vendor_data) = as_first(site, 1, &format!("{base}vendor-data"));
    path_of(file_url(&vendor_data, GROUP))
}

/// A member that held the service address while it was frozen was ended by its watchdog; systemd would start it again.
fn start_again(site: &mut Site, frozen: &[u64]) {
    for id in frozen {
        let address = site.single.net.member_address(*id);
        if TcpStream::connect((address, 7440)).is_err() {
            site.members[usize::try_from(*id).unwrap() - 1] = Some(site.single.spawn_member(*id));
        }
    }
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
    let site = start();
    let base = base(&site, 1);
    let file = file(&site, &base);
    for id in 1..=3 {
        site.until("the secret file", || {
            let (status, answer) = as_first(&site, id, &file);
            status == 200 && answer.contains(CANARY)
        });
        for thief in [site.node(2), site.node(9)] {
            for path in [&file, &format!("{base}meta-data"), &format!("{base}vendor-data")] {
                let (status, answer) = get(&site, thief, id, path, "");
                assert!(!answer.contains(CANARY), "{thief} at member {id}: {answer}");
                assert!(*path != file || status != 200, "{thief} at member {id}");
            }
        }
        let (status, answer) = as_first(&site, id, "/cloud-init/own.yaml");
        assert_eq!(status, 403, "the node without its token: {answer}");
    }
}

/// No route believes a header: neither by its address, nor with a stolen token, nor for a script with a token of its own.
#[test]
fn no_header_makes_anybody_another_node() {
    let site = start();
    let base = base(&site, 1);
    let stolen = [
        file(&site, &base),
        format!("{base}meta-data"),
        format!("{base}user-data"),
    ];
    let routes = DOCUMENTS.iter().map(ToString::to_string).chain(stolen);
    let routes: Vec<String> = routes.chain([SCRIPT.to_owned()]).collect();
    for thief in [site.node(2), site.node(9)] {
        for path in &routes {
            let plain = get(&site, thief, 1, path, "");
            for headers in spoofed(site.node(1)) {
                let (status, answer) = get(&site, thief, 1, path, &headers);
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
    let site = start();
    let stranger = site.node(9);
    for headers in spoofed(site.node(1)).into_iter().chain([String::new()]) {
        let (_, script) = get(&site, stranger, 1, SCRIPT_OF_NOBODY, &headers);
        assert!(!script.contains("/t/"), "{headers}{script}");
        for path in DOCUMENTS {
            let (_, answer) = get(&site, stranger, 1, path, &headers);
            assert!(
                !answer.contains(CANARY) && !answer.contains(NODE),
                "{path}: {answer}"
            );
        }
    }
    // who claims the MAC of the node, from elsewhere
    let (_, script) = get(&site, stranger, 1, SCRIPT, "");
    assert!(!script.contains("/t/"), "{script}");
}

/// A member that is cut off begins nothing: a token that was not used yet opens nothing there. What a majority knows of goes on for its
/// node, which boots now, and for nobody else.
#[test]
fn during_a_partition_nothing_secret_is_given_and_the_rest_is() {
    let mut site = start();
    let base = base(&site, 1);
    let file = file(&site, &base);
    for cut_off in 1..=3_u64 {
        let others: Vec<u64> = (1..=3).filter(|id| *id != cut_off).collect();
        if cut_off != 1 {
            site.until("it knows of the boot", || {
                as_first(&site, cut_off, &file).0 == 200
            });
        }
        let signal = |signal| {
            for id in &others {
                let member = site.members[usize::try_from(*id).unwrap() - 1].as_ref();
                member.unwrap().signal(signal);
            }
        };
        signal(Signal::SIGSTOP);
        let expected = if cut_off == 1 { 503 } else { 200 };
        site.until("503 for a boot that is not known, 200 for one that is", || {
            as_first(&site, cut_off, &file).0 == expected
        });
        let (status, script) = as_first(&site, cut_off, SCRIPT);
        assert_eq!(status, 200, "the rest is served: {script}");
        for thief in [site.node(2), site.node(9)] {
            let headers = spoofed(site.node(1)).concat();
            let (status, answer) = get(&site, thief, cut_off, &file, &headers);
            assert!(status != 200 && !answer.contains(CANARY), "{thief}: {answer}");
        }
        signal(Signal::SIGCONT);
        site.until("the secret with a majority", || {
            let (status, answer) = as_first(&site, cut_off, &file);
            status == 200 && answer.contains(CANARY)
        });
        start_again(&mut site, &others);
    }
}

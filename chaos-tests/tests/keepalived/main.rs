//! Address mode `external`: a real keepalived moves the service address by `/readyz?role=boot`, with the example that is
//! shipped. Needs root and Debian's keepalived; with CHAMOIS_E2E=1.
#![allow(clippy::unwrap_used)] // a test ends at the first thing that is not as expected

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use chaos_tests::members::{Members, MembersConfig, Node, SERVICE_ADDRESS, wait};
use chaos_tests::privileged::is_wanted;
use chaos_tests::probe::dhcp::{Asks, discover};
use chaos_tests::probe::dhcp_replies::DhcpReplies;
use chaos_tests::probe::inside;
use lab::machine::{Namespace, Network, Process, member_address, member_mac, require_tool, run};

const EXAMPLE: &str = include_str!("../../../deploy/examples/keepalived/keepalived.conf");
const SCRIPT: &str = include_str!("../../../deploy/examples/keepalived/chamois-ready.sh");

/// The node that asks.
const MAC: [u8; 6] = [2, 0x97, 0, 0, 5, 1];
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 97, 5, 1);

/// The member that nodes reach dies, freezes, drains: each time keepalived brings the address to one that answers them by
/// HTTP and by DHCP, and nobody else does.
#[test]
fn keepalived_brings_the_address_to_a_member_that_answers_nodes() {
    if !is_wanted("keepalived_brings_the_address_to_a_member_that_answers_nodes") {
        return;
    }
    require_tool("keepalived").unwrap();
    let mut network = Network::create("k", 3).unwrap();
    let node = plug_node_in(&mut network);
    let folder = tempfile::tempdir().unwrap();
    let files = folder.path().join("files");
    fs::create_dir(&files).unwrap();
    let config = MembersConfig {
        external: true,
        ..MembersConfig::default()
    };
    let mut members = Members::start(&network, folder.path(), &files, &config);
    wait("three members that may be sent nodes", || {
        members
            .ids()
            .iter()
            .all(|id| is_ready(&network, *id))
            .then_some(())
    });
    let _keepalived: Vec<Process> = members
        .ids()
        .iter()
        .map(|id| start(&network, *id, folder.path()))
        .collect();
    let first = members.holder();
    members.add_subnet(first);
    members.add_node(first, &known_node());
    let only_the_holder_answers = |holder| {
        until_nodes_are_answered(&network);
        the_holder_alone_offers(&network, &node, holder, folder.path());
    };
    only_the_holder_answers(first);

    members.kill(first);
    let second = wait("another holder", || {
        Some(members.holder()).filter(|id| *id != first)
    });
    only_the_holder_answers(second);

    members.launch(first);
    wait("the first member again", || {
        is_ready(&network, first).then_some(())
    });
    members.freeze(second);
    wait("the frozen member to lose it", || {
        (!members.has_address(second)).then_some(())
    });
    let third = members.holder();
    only_the_holder_answers(third);
    members.thaw(second);
    wait("the thawed member", || is_ready(&network, second).then_some(()));
    assert_eq!(members.holder(), third, "nobody preempts");

    drained_it_serves_until_the_address_is_gone(&network, &mut members, third);
    only_the_holder_answers(members.holder());
}

/// Nodes that still reach it at the service address must find it there.
fn drained_it_serves_until_the_address_is_gone(network: &Network, members: &mut Members, id: u64) {
    let asked = Instant::now();
    members.drain(id);
    let status = wait("the drained member to end", || {
        let was_there = members.has_address(id);
        let answered = says_anything(network);
        let ended = members.ended(id);
        // before and after, so that an address that goes in between is no failure
        if was_there && members.has_address(id) {
            assert!(answered, "nodes were sent to a member that answers no more");
            assert!(ended.is_none(), "it ended before the address was gone");
        }
        ended
    });
    assert!(status.success(), "{status}");
    println!(
        "{:.1} s from SIGTERM to the end of a drained member",
        asked.elapsed().as_secs_f64()
    );
}

/// A node on the bridge, without the address that it will be offered.
fn plug_node_in(network: &mut Network) -> Namespace {
    let node = network.add_namespace("n").unwrap();
    network
        .plug(
            &node,
            "eth0",
            "node",
            "br0",
            &known_node().mac,
            Some("10.97.9.7/16"),
        )
        .unwrap();
    node.ip(&["route", "add", "255.255.255.255/32", "dev", "eth0"])
        .unwrap();
    node
}

fn known_node() -> Node {
    Node {
        xname: "x1000c0s0b0n0".to_owned(),
        nid: 1,
        mac: MAC.map(|byte| format!("{byte:02x}")).join(":"),
        address: ADDRESS.to_string(),
    }
}

/// One DISCOVER gets one OFFER, and that from the member that has the address.
fn the_holder_alone_offers(network: &Network, node: &Namespace, holder: u64, folder: &Path) {
    let mut replies = DhcpReplies::watch(&network.bridge(), &folder.join("tcpdump.log"));
    let offers = inside(node, || discover(MAC, Asks::Ipxe, Ipv4Addr::BROADCAST));
    let offered: Vec<Ipv4Addr> = offers.iter().map(|offer| offer.address).collect();
    assert_eq!(offered, [ADDRESS], "member {holder} has the service address");
    assert_eq!(replies.next_source(), member_mac(holder));
}

/// The example as it is shipped passes keepalived's own check, in a place that has its interface.
#[test]
fn the_example_passes_keepaliveds_check() {
    if !is_wanted("the_example_passes_keepaliveds_check") {
        return;
    }
    require_tool("keepalived").unwrap();
    let network = Network::create("j", 1).unwrap();
    let inside = network.member(1);
    inside.ip(&["link", "set", "eth0", "down"]).unwrap();
    inside.ip(&["link", "set", "eth0", "name", "eth1"]).unwrap();
    // `-t` of 2.2.7 kills itself where it looks at a script as another user; as root it wants folders of root's
    let folder = tempfile::Builder::new()
        .prefix("chamois-keepalived-")
        .tempdir_in("/run")
        .unwrap();
    let (conf, script) = (
        folder.path().join("keepalived.conf"),
        folder.path().join("ready.sh"),
    );
    install_script(&script);
    let text = EXAMPLE
        .replace("/etc/keepalived/chamois-ready.sh", script.to_str().unwrap())
        .replace("script_user nobody", "script_user root");
    fs::write(&conf, text).unwrap();
    run(inside.command("keepalived").args(["-t", "-f"]).arg(&conf)).unwrap();
}

/// keepalived beside member `id`, with the example's file changed only in what its comments say.
fn start(network: &Network, id: u64, folder: &Path) -> Process {
    let own = member_address(id);
    let script = folder.join("chamois-ready.sh");
    install_script(&script);
    let peers: Vec<String> = (1..=network.members())
        .filter(|peer| *peer != id)
        .map(member_address)
        .collect();
    let text = EXAMPLE
        .replace("/etc/keepalived/chamois-ready.sh", script.to_str().unwrap())
        .replace("10.97.1.2\n        10.97.1.3", "PEERS")
        .replace("10.97.1.1", &own)
        .replace("PEERS", &peers.join("\n"))
        .replace("chamois-1", &format!("chamois-{id}"))
        .replace("eth1", "eth0");
    let conf = folder.join(format!("keepalived-{id}.conf"));
    fs::write(&conf, text).unwrap();
    let pid = |name: &str| folder.join(format!("keepalived-{id}.{name}.pid"));
    let child = network
        .member(id)
        .command("keepalived")
        .args(["--dont-fork", "--log-console", "--vrrp", "--use-file"])
        .arg(&conf)
        .arg("--pid")
        .arg(pid("main"))
        .arg("--vrrp_pid")
        .arg(pid("vrrp"))
        .stdin(Stdio::null())
        .stdout(fs::File::create(folder.join(format!("keepalived-{id}.log"))).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    Process::new(child)
}

/// `enable_script_security` wants a script, and folders above it, that only root may write.
fn install_script(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::write(path, SCRIPT).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(path.parent().unwrap(), fs::Permissions::from_mode(0o755)).unwrap();
}

/// What keepalived's script would be told from outside the host.
fn is_ready(network: &Network, id: u64) -> bool {
    let url = format!("https://{}:8443/readyz?role=boot", member_address(id));
    let mut curl = network.bridge().command("curl");
    curl.args(["-sSfk", "--max-time", "2", "-o", "/dev/null", &url]);
    succeeds(&mut curl)
}

/// Waits until the node port answers on the service address. A neighbour learns the address's new place from keepalived's
/// announcement, which comes a moment after the address is there.
fn until_nodes_are_answered(network: &Network) {
    let url = format!("http://{SERVICE_ADDRESS}:8081/readyz");
    wait("answer on the address that keepalived moved", || {
        let mut curl = network.bridge().command("curl");
        curl.args(["-sSf", "--max-time", "2", "-o", "/dev/null", &url]);
        succeeds(&mut curl).then_some(())
    });
}

/// Whether the node port at the service address says anything, be it "stopping".
fn says_anything(network: &Network) -> bool {
    let url = format!("http://{SERVICE_ADDRESS}:8081/readyz");
    let mut curl = network.bridge().command("curl");
    curl.args(["-s", "--max-time", "2", "-o", "/dev/null", &url]);
    succeeds(&mut curl)
}

fn succeeds(command: &mut Command) -> bool {
    command.output().unwrap().status.success()
}

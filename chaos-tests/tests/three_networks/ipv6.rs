//! IPv6 beside IPv4: DHCPv6, Router Advertisements, TFTP and HTTP of the same members, on two networks at once.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;

use chaos_tests::members::wait;
use lab::machine::{Namespace, Process, run};

use crate::world::{NODE, Net, World, text};

/// Writes down what dhclient learned; the name of the event is the file's.
const SCRIPT: &str = "#!/bin/sh\nenv >\"OUT/$reason.new\" && mv \"OUT/$reason.new\" \"OUT/$reason\"\n";

/// dhclient on each network gets its own address, from whichever member holds the service address there; what it is sent
/// to is there over IPv6, on the boot network and not on the other.
pub(crate) fn is_served_beside_ipv4_on_both_networks(world: &World, folder: &Path) {
    for (net, client) in &world.of_ipv6 {
        let learned = dhclient(client, &folder.join(net.name()));
        let own = net.ipv6("6:1");
        assert!(
            learned.contains(&format!("new_ip6_address={own}\n")),
            "{net:?}: {learned}"
        );
        let name_server = learned.contains("new_dhcp6_name_servers=fd00:97::53\n");
        assert_eq!(name_server, *net == Net::Boot, "{learned}");
        let add = ["addr", "add", &format!("{own}/128"), "dev", "eth0", "nodad"];
        client.ip(&add).unwrap();
    }
    let [(_, node), (_, bmc)] = &world.of_ipv6;
    the_advertised_prefix_is_on_the_link(node);
    let add = ["route", "add", "fd00:98::/64", "dev", "eth0"];
    bmc.ip(&[&["-6"], &add[..]].concat()).unwrap();
    for id in 1..=3 {
        let at = |net: Net| net.ipv6(&format!("1:{id}"));
        let own = at(Net::Boot);
        let loader = fetch(node, &format!("tftp://[{own}]/undionly.kpxe")).unwrap();
        assert!(loader.len() > 10_000, "{} bytes", loader.len());
        let script = format!("http://[{own}]:8081/boot/v1/bootscript?mac={}", text(NODE));
        let script = String::from_utf8(fetch(node, &script).unwrap()).unwrap();
        assert!(script.starts_with("#!ipxe"), "{script}");
        for url in [
            "tftp://[HOST]/undionly.kpxe",
            "http://[HOST]:8081/boot/v1/bootscript",
        ] {
            assert!(
                fetch(bmc, &url.replace("HOST", &at(Net::Bmc))).is_none(),
                "{url} on the BMCs' network"
            );
        }
    }
}

/// By which the kernel of a node knows its neighbours; nothing makes a member its router.
fn the_advertised_prefix_is_on_the_link(node: &Namespace) {
    let routes = || {
        let shown = run(node.command("ip").args(["-6", "route", "show"])).unwrap();
        String::from_utf8(shown.stdout).unwrap()
    };
    let routes = wait("the advertised prefix", || {
        let routes = routes();
        routes
            .contains("fd00:97::/64 dev eth0 proto kernel")
            .then_some(routes)
    });
    assert!(!routes.contains("default"), "{routes}");
    let own = run(node.command("ip").args(["-6", "addr", "show", "dev", "eth0"])).unwrap();
    let own = String::from_utf8(own.stdout).unwrap();
    assert_eq!(
        own.matches("fd00:97:").count(),
        1,
        "it makes no address for itself: {own}"
    );
}

fn dhclient(client: &Namespace, folder: &Path) -> String {
    std::fs::create_dir_all(folder).unwrap();
    let file = |name: &str| folder.join(name);
    std::fs::write(file("script"), SCRIPT.replace("OUT", folder.to_str().unwrap())).unwrap();
    std::fs::set_permissions(file("script"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut dhclient = client.command("dhclient");
    dhclient.args(["-6", "-d", "-sf"]).arg(file("script"));
    dhclient
        .arg("-lf")
        .arg(file("leases"))
        .arg("-pf")
        .arg(file("pid"))
        .arg("eth0");
    dhclient.stdin(Stdio::null()).stdout(Stdio::null());
    dhclient.stderr(std::fs::File::create(file("log")).unwrap());
    let _running = Process::new(dhclient.spawn().unwrap());
    wait("an address over IPv6", || {
        std::fs::read_to_string(file("BOUND6")).ok()
    })
}

/// What is there; none where nobody listens.
fn fetch(from: &Namespace, url: &str) -> Option<Vec<u8>> {
    let mut curl = from.command("curl");
    curl.args(["-g", "-sSf", "--max-time", "5", url]);
    run(&mut curl).ok().map(|output| output.stdout)
}

//! The careful move from another DHCP server: members with `dhcp-mode = "observe"` beside Kea. Kea answers, the members say
//! nothing, and `chamois dhcp observed` shows where they would have answered otherwise.

use chaos_tests::bridge_filter::BridgeFilter;
use chaos_tests::dhcp_clients::{Client, History, Kind};
use chaos_tests::members::{Members, MembersConfig, Node, wait};
use lab::machine::Network;

use super::kea;
use super::site::{MEMBERS, add_client, mac};

/// Clients by the number that their MACs follow from: their address in SMD, and the one that Kea has for them.
const CLIENTS: [(u8, &str, &str); 2] = [(1, "10.97.5.1", "10.97.5.1"), (2, "10.97.5.2", "10.97.7.2")];

#[test]
fn privileged_an_observer_answers_nobody_and_compares() {
    if !chaos_tests::privileged::is_wanted("members that observe another DHCP server") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut network = Network::create("o", 3).unwrap();
    let reservations = CLIENTS.map(|(number, _, of_kea)| (mac(number), of_kea));
    let _kea = kea::start(&mut network, folder.path(), &reservations);
    let files = folder.path().join("files");
    std::fs::create_dir_all(&files).unwrap();
    let config = MembersConfig {
        network_lines: format!(
            "dhcp-mode = \"observe\"\ndhcp-other-servers = [\"{}\"]",
            kea::ADDRESS
        ),
        ..MembersConfig::default()
    };
    let members = Members::start(&network, folder.path(), &files, &config);
    let filter = BridgeFilter::new(&network, &MEMBERS);
    for port in MEMBERS.into_iter().chain([kea::PORT]) {
        filter.count_answers(port);
    }
    seed(&members);
    let observer = members.wait_healthy();

    let history = History::new(folder.path().join("history"));
    let mut clients: Vec<Client> = CLIENTS
        .iter()
        .map(|(number, ..)| {
            let namespace = add_client(&mut network, *number, "br0");
            Client::new(
                &format!("c{number}"),
                Kind::Udhcpc,
                namespace,
                folder.path(),
                &history,
            )
        })
        .collect();
    clients.iter_mut().for_each(Client::start);
    for (client, (_, _, of_kea)) in clients.iter().zip(CLIENTS) {
        wait(&format!("{of_kea} for {}", client.name()), || {
            let events = history.events();
            let mut leases = events
                .iter()
                .filter(|event| event.client == client.name())
                .filter_map(|event| event.lease.as_ref());
            leases
                .any(|lease| lease.address.to_string() == of_kea && lease.server.to_string() == kea::ADDRESS)
                .then_some(())
        });
    }
    let said = wait("both clients compared", || compared(&members, observer));
    let row = said.lines().find(|line| line.contains(&mac(2)));
    let row = row.unwrap_or_else(|| panic!("the client with another address is not listed:\n{said}"));
    for part in [kea::ADDRESS, "address", "10.97.5.2", "10.97.7.2"] {
        assert!(row.contains(part), "{part}: {row}");
    }

    assert!(filter.counted("answers-kea") >= 4, "OFFER and ACK of two clients");
    for member in MEMBERS {
        let answers = filter.counted(&format!("answers-{member}"));
        assert_eq!(answers, 0, "{member} observes, and has answered");
    }
}

/// The addresses that the members would give.
fn seed(members: &Members) {
    let leader = members.leader();
    // what both sides say alike
    let (router, lease_s) = (kea::ROUTER, kea::LEASE_S);
    let subnet = format!(r#"{{"network":"10.97.0.0/16","routers":["{router}"],"leaseTimeS":{lease_s}}}"#);
    members.post(leader, "/chamois/v1/subnets", &subnet);
    for (number, address, _) in CLIENTS {
        members.add_node(
            leader,
            &Node {
                xname: format!("x1000c0s{number}b0n0"),
                nid: number.into(),
                mac: mac(number),
                address: address.to_owned(),
            },
        );
    }
}

/// What an administrator is shown, as soon as one client was answered the same and one differently.
fn compared(members: &Members, observer: u64) -> Option<String> {
    let output = members.chamois(observer).args(["dhcp", "observed"]).output();
    let said = String::from_utf8_lossy(&output.unwrap().stdout).into_owned();
    let (_, counts) = said.split_once("network boot: ")?;
    let (same, rest) = counts.split_once(" answers the same, ")?;
    let (different, _) = rest.split_once(" different")?;
    let is_some = |count: &str| count.parse::<u64>().is_ok_and(|count| count > 0);
    (is_some(same) && is_some(different)).then_some(said)
}

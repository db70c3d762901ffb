//! Real clients (udhcpc, dhclient, dhcpcd), some behind isc-dhcp-relay, get the leases of known nodes from whichever
//! member is there: three real members in namespaces, packets lost and cut on the bridge between them.
//! Beside Kea, as on a site that moves: members that observe, and members that are proxies and boot a guest.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod kea;
mod newcomers;
mod observer;
mod perfdhcp;
mod proxy;
mod site;
mod steady_load;

use std::path::Path;
use std::time::Instant;

use chaos_tests::dhcp_clients::Kind;
use chaos_tests::members::{SERVICE_ADDRESS, wait};
use lab::machine::run;

use site::{MEMBERS, Site};

/// All of these begin a lease: DISCOVER answered, or the old address confirmed (INIT-REBOOT).
const BOUND: [&str; 2] = ["bound", "reboot"];
/// Transfers that are begun at most until one gets beyond its first answer.
const TRANSFERS_MAX: u32 = 8;
/// Bound of a transfer with losses, seconds: each of 50 blocks is sent again with a probability of a third, after 1 s.
const TRANSFER_AT_MOST_S: &str = "120";
/// The seat behind the relay that knows only the service address.
const BEHIND_SERVICE_RELAY: usize = 6;

/// One site for all of it, because a start of the members costs more than any part. After every part the whole history
/// is judged: each lease is its client's own in every option, and no two clients ever had one address.
#[test]
fn privileged_real_clients_get_their_leases_whatever_fails() {
    if !chaos_tests::privileged::is_wanted("real DHCP clients") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut site = Site::start(folder.path());
    let mut started = Instant::now();
    let mut said = |part: &str| {
        println!("{:5.1} s  {part}", started.elapsed().as_secs_f32());
        started = Instant::now();
    };

    start_residents(&mut site);
    everyone_binds(&mut site);
    said("everyone binds");
    renewals_go_to_another_member(&mut site);
    said("renewals, rebinds and reboots, answered by another member than the one that gave the lease");
    for only in 0..MEMBERS.len() {
        a_member_alone_answers(&mut site, only);
    }
    said("each member as the only one to answer");
    both_sides_of_a_partition_answer(&mut site);
    said("both sides of a partition");
    a_fifth_of_all_packets_is_lost(&mut site, folder.path());
    said("20 % of all packets lost");
    the_holder_dies_between_offer_and_request(&mut site);
    said("the holder killed between OFFER and REQUEST");
    newcomers::have_an_address_of_a_pool_until_they_are_adopted(&mut site);
    said("clients that SMD does not know, one behind a relay: an address of a pool, adopted, then their own");
    steady_load::nobody_notices_that_the_leader_dies(&mut site);
    said("the leader killed under a steady load, no question lost");
    steady_load::an_acknowledged_lease_outlives_the_leader_and_a_restart(&mut site);
    said(
        "the leader killed under a steady load of clients without a reservation, then all members restarted",
    );
    residents_kept_their_leases(&site);
    said("two clients renewed a lease of 60 s through all of it");
}

fn all(site: &Site) -> Vec<usize> {
    (0..site.seats.len()).collect()
}

fn of_kind(site: &Site, kind: Kind) -> Vec<usize> {
    let seats = all(site).into_iter();
    seats
        .filter(|seat| site.seats[*seat].client.kind() == kind)
        .collect()
}

fn start_residents(site: &mut Site) {
    for resident in &mut site.residents {
        resident.client.start();
    }
}

fn everyone_binds(site: &mut Site) {
    site.members.wait_healthy();
    let seats = all(site);
    let since = site.power_on(&seats);
    site.wait_for(&seats, &BOUND, since);
}

/// The clients are still bound; the member that answered them is dead.
fn renewals_go_to_another_member(site: &mut Site) {
    let gave = site.members.holder();
    site.members.kill(gave);
    assert_ne!(site.members.holder(), gave);
    let since = site.now();
    let (udhcpc, dhclient, dhcpcd) = (
        of_kind(site, Kind::Udhcpc),
        of_kind(site, Kind::Dhclient),
        of_kind(site, Kind::Dhcpcd),
    );
    for seat in udhcpc.iter().chain(&dhcpcd) {
        site.seats[*seat].client.renew();
    }
    for seat in &dhclient {
        site.seats[*seat].client.kill();
        site.seats[*seat].client.start_again();
    }
    site.wait_for(&udhcpc, &["renew"], since);
    site.wait_for(&dhcpcd, &["renew"], since);
    site.wait_for(&dhclient, &["reboot"], since);
    let since = site.now();
    for seat in &dhcpcd {
        site.seats[*seat].client.rebind();
    }
    site.wait_for(&dhcpcd, &["renew"], since); // it calls its script with RENEW for both
    for seat in dhcpcd {
        let said = site.seats[seat].client.said();
        assert!(said.contains("rebinding lease of"), "{said}");
    }
    site.members.launch(gave);
    site.members.wait_healthy();
    site.power_off();
}

/// The others live and one of them may hold the service address, but no packet of a client reaches them. Who asks the
/// service address alone, as the relay of rack 1 does, then asks its holder alone.
fn a_member_alone_answers(site: &mut Site, only: usize) {
    let holder = site.members.holder();
    let others: Vec<&str> = (0..MEMBERS.len())
        .filter(|m| *m != only)
        .map(|m| MEMBERS[m])
        .collect();
    let ports: Vec<String> = site
        .seats
        .iter()
        .chain(&site.residents)
        .map(|s| s.port.clone())
        .collect();
    let ports: Vec<&str> = ports.iter().map(String::as_str).collect();
    site.filter.cut(&others, &ports);
    let mut seats = all(site);
    if MEMBERS[only] != format!("m{holder}") {
        seats.retain(|seat| *seat != BEHIND_SERVICE_RELAY);
    }
    let since = site.power_on(&seats);
    site.wait_for(&seats, &BOUND, since);
    site.filter.clear();
    site.power_off();
}

/// The leader is cut off with one client of each kind and rack 1; the other two members keep the rest. Known nodes are
/// answered on both sides. Who remembers a wrong address is refused only where there is a majority to say that it is
/// wrong; strangers hear nothing on either side.
fn both_sides_of_a_partition_answer(site: &mut Site) {
    let leader = site.members.leader();
    let cut_off = format!("m{leader}");
    let majority: Vec<&str> = MEMBERS.into_iter().filter(|m| *m != cut_off).collect();
    let few = [cut_off.as_str(), "r1", "c101", "c1", "c2", "c3", "c9"];
    let many = [&majority[..], &["r2", "c102", "c4", "c5", "c6", "c10"]].concat();
    site.filter.cut(&few, &many);
    wait("a holder of the service address on each side", || {
        let held = |port: &&str| site.members.has_address(port[1..].parse().unwrap());
        (site.members.has_address(leader) && majority.iter().any(held)).then_some(())
    });
    let since = site.now();
    for stranger in &mut site.strangers {
        stranger.start();
    }
    let seats = all(site);
    let (refused_nowhere, refused) = (1, 4);
    for seat in seats
        .iter()
        .filter(|seat| ![refused_nowhere, refused].contains(*seat))
    {
        site.seats[*seat].client.start();
    }
    for seat in [refused_nowhere, refused] {
        site.seats[seat].client.remember("10.97.77.77".parse().unwrap());
        site.seats[seat].client.start_again();
    }
    site.wait_for(&seats, &BOUND, since);
    wait("the strangers' surrender", || {
        let events = site.events(since);
        let gave_up = |name: &str| events.iter().any(|e| e.client == name && e.what == "leasefail");
        site.strangers.iter().all(|s| gave_up(s.name())).then_some(())
    });
    let naks = |ports: &[&str]| {
        ports
            .iter()
            .map(|port| site.filter.counted(&format!("nak-{port}")))
            .sum::<u64>()
    };
    assert_eq!(
        naks(&[&cut_off]),
        0,
        "a member without a majority said what is not so"
    );
    assert!(
        naks(&majority) > 0,
        "the majority lets a client keep a wrong address"
    );
    for stranger in &mut site.strangers {
        stranger.kill();
    }
    site.filter.clear();
    site.members.wait_healthy();
    site.power_off();
}

fn a_fifth_of_all_packets_is_lost(site: &mut Site, folder: &Path) {
    site.filter.lose(20);
    let seats = all(site);
    let since = site.power_on(&seats);
    site.wait_for(&seats, &BOUND, since);
    a_loader_arrives_whole(site, folder);
    site.filter.clear();
    let lost = site.filter.counted("lost");
    assert!(lost > 20, "only {lost} packets were lost");
    site.members.wait_healthy();
    site.power_off();
}

/// Fetched by atftp from the host of a bound client: both ends send again what the other has not heard.
fn a_loader_arrives_whole(site: &Site, folder: &Path) {
    let target = folder.join("loader");
    let fetch = || {
        let mut atftp = site.seats[0].client.namespace().command("timeout");
        atftp.args([TRANSFER_AT_MOST_S, "atftp", "--option", "blksize 1468", "--get"]);
        atftp
            .args(["--remote-file", "undionly.kpxe", "--local-file"])
            .arg(&target);
        run(atftp.arg(SERVICE_ADDRESS))
    };
    // atftp gives up when its first answer is lost and the server rightly repeats the options (RFC 2347): it is asked again
    let mut fetched = fetch();
    for _ in 1..TRANSFERS_MAX {
        match &fetched {
            Err(error) if error.to_string().contains("unexpected OACK") => fetched = fetch(),
            _ => break,
        }
    }
    fetched.unwrap();
    let loader = std::fs::read("/usr/lib/ipxe/undionly.kpxe").unwrap();
    assert!(std::fs::read(target).unwrap() == loader, "it is another file");
}

/// The bridge holds every REQUEST back, so each client has its OFFER and waits for the ACK when the holder is killed.
fn the_holder_dies_between_offer_and_request(site: &mut Site) {
    let holder = site.members.holder();
    let ports: Vec<String> = site.seats.iter().map(|seat| seat.port.clone()).collect();
    let ports: Vec<&str> = ports.iter().map(String::as_str).collect();
    site.filter.hold_requests(&ports);
    let seats = all(site);
    let since = site.power_on(&seats);
    for port in &ports {
        wait(&format!("a REQUEST from {port}"), || {
            (site.filter.counted(&format!("held-{port}")) > 0).then_some(())
        });
    }
    assert_eq!(site.members.holder(), holder, "it is still the one");
    site.members.kill(holder);
    site.filter.clear();
    site.wait_for(&seats, &BOUND, since);
    assert_ne!(site.members.holder(), holder);
    site.members.launch(holder);
    site.members.wait_healthy();
    site.power_off();
}

/// Bound once, then nothing but renewals: no fault of this test took a minute's lease from a client that had one.
fn residents_kept_their_leases(site: &Site) {
    for resident in &site.residents {
        let own = || {
            let events = site.events(0).into_iter();
            events.filter(|event| event.client == resident.client.name())
        };
        wait("renewals of a resident", || {
            (own()
                .filter(|e| ["renew", "rebind"].contains(&e.what.as_str()))
                .count()
                >= 2)
                .then_some(())
        });
        let mut leases = own().skip_while(|event| event.lease.is_none());
        let first = leases.next().unwrap();
        assert_eq!(first.what, "bound");
        let lost: Vec<_> = leases.filter(|event| event.lease.is_none()).collect();
        assert_eq!(lost, [], "{}", resident.client.said());
    }
    site.judge();
}

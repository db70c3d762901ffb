//! Other hosts on the link: one that uses an address without asking, another DHCP server, one that boots by proxyDHCP.

use std::time::Duration;

use dhcp::{GuardCount, Mode, Rules, Servers, WatchService};
use proto::dhcp::v1::dhcp_lease::State as LeaseState;
use proto::dhcp::v1::dhcp_watch_service_server::DhcpWatchService as _;
use proto::dhcp::v1::{ListDhcpServersRequest, ListObservedAnswersRequest, Subnet};
use raft::Store;
use socket2::SockRef;

use super::*;

const STRANGER: &str = "02:00:00:00:99:99";
const OTHER_SERVER: Ipv4Addr = Ipv4Addr::new(10, 97, 9, 9);
/// What the client wishes for and somebody else uses.
const USED: &str = "10.97.200.1";

/// The server's interface is a switch.
fn switch() {
    for command in [
        "ip link set lo up",
        "ip link add srv type bridge",
        "ip link set srv address 02:00:00:00:5e:01",
        "ip addr add 10.97.1.1/16 dev srv",
        "ip addr add 10.97.0.1/16 dev srv",
        "ip link set srv up",
    ] {
        run(command);
    }
}

/// One more host at the switch, in a namespace of its own, where its interface is `cli`.
async fn host(port: &str, mac: &str) -> Link {
    let client = other_namespace().await;
    let pid = client.pid();
    run(&format!("ip link add {port} type veth peer name cli netns {pid}"));
    run(&format!("ip link set {port} master srv"));
    run(&format!("ip link set {port} up"));
    for command in [
        &format!("ip link set cli address {mac}"),
        "ip link set lo up",
        "ip link set cli up",
    ] {
        run_in(pid, command);
    }
    let link = Link {
        client,
        out: tempfile::tempdir().unwrap(),
    };
    link.write_script();
    link
}

fn guarded(store: &Store, service_address: Ipv4Addr, rules: Rules) -> Server {
    let network = Network {
        service_address,
        ..testing::network()
    };
    let loaders = Loaders::new([BIOS_LOADER, UEFI_LOADER]);
    let timeline = timeline::Timeline::default();
    Server::new(store.clone(), network, loaders, || Responder::Own, timeline).guarded(rules)
}

/// The world's server, which serves and listens to the wire.
fn serve_guarded(store: &Store, rules: Rules) -> Server {
    let server = guarded(store, Ipv4Addr::new(10, 97, 0, 1), rules);
    serve(&server);
    let listener = server.clone();
    tokio::spawn(async move { listener.watch_wire("srv", std::future::pending()).await });
    server
}

/// What administrators ask for what the server has seen.
fn watched(server: &Server) -> WatchService {
    let servers = Servers::default();
    servers.put("boot", server);
    WatchService::new(servers)
}

/// The world, with a pool of two addresses in each of the first two subnets.
async fn with_small_pools() -> Store {
    let store = testing::world(10, 97).await;
    for second in [97, 98] {
        let mut subnet = testing::with_pool(10, second);
        subnet.pools[0].last = format!("10.{second}.200.2");
        testing::put_subnet(&store, subnet).await;
    }
    store
}

fn lease_state(store: &Store, address: &str) -> Option<(LeaseState, String)> {
    let lease = store.state().dhcp.lease(address.parse().unwrap())?;
    Some((lease.state(), lease.mac.clone()))
}

const PROBING: Duration = Duration::from_millis(300);

fn probing() -> Rules {
    Rules {
        probe: PROBING,
        ..Rules::default()
    }
}

/// The address answers ARP, so the next one is offered, and nobody gets this one for a day.
#[test]
fn an_address_that_somebody_uses_is_not_offered() {
    in_own_network(|| async {
        switch();
        let squatter = host("p1", "02:00:00:00:99:01").await;
        run_in(squatter.client.pid(), "ip addr add 10.97.200.1/16 dev cli");
        let link = host("p2", STRANGER).await;
        let store = with_small_pools().await;
        let server = serve_guarded(&store, probing());
        let learned = link.lease(&["-r", USED]).await.expect("an address");
        assert_eq!(learned.get("ip").map(String::as_str), Some("10.97.200.2"));
        let squatted = (LeaseState::Declined, "02:00:00:00:99:01".to_owned());
        assert_eq!(lease_state(&store, USED), Some(squatted));
        let counters = server.guard_counters();
        assert_eq!(counters.get(GuardCount::ProbeAnswered), 1);
        let probed = counters.get(GuardCount::Probed);
        assert_eq!(probed, 2, "not again for the DHCPREQUEST");
        // it has the address by now, and answers for it itself
        link.lease(&["-r", "10.97.200.2"]).await.expect("its own address");
        assert_eq!(counters.get(GuardCount::Probed), probed);
        assert_eq!(server.counters().get(Count::Naks), 0);
    });
}

/// Beyond a relay no ARP is heard.
#[test]
fn an_address_beyond_a_relay_is_asked_for_by_ping() {
    in_own_network(|| async {
        switch();
        let relay = host("p1", "02:00:00:00:99:01").await;
        let pid = relay.client.pid();
        for command in [
            "ip addr add 10.97.5.5/16 dev cli",
            "ip addr add 10.98.0.1/32 dev lo",
            "ip addr add 10.98.200.1/32 dev lo",
        ] {
            run_in(pid, command);
        }
        run("ip route add 10.98.0.0/16 via 10.97.5.5");
        let store = with_small_pools().await;
        let _server = serve_guarded(&store, probing());
        let relay = std::thread::spawn(move || {
            enter(pid);
            let socket = UdpSocket::bind("10.98.0.1:67").unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            let discover = RawPacket {
                giaddr: Ipv4Addr::new(10, 98, 0, 1),
                mac: model::MacAddr([2, 0, 0, 0, 0x99, 0x99]),
                ..RawPacket::discover().options(&[(50, &[10, 98, 200, 1])])
            };
            socket.send_to(&discover.bytes(), "10.97.0.1:67").unwrap();
            let mut offer = [0; 2048];
            socket.recv(&mut offer).unwrap();
            Ipv4Addr::new(offer[16], offer[17], offer[18], offer[19])
        });
        wait_for("the offer", || relay.is_finished()).await;
        assert_eq!(relay.join().unwrap(), Ipv4Addr::new(10, 98, 200, 2));
        let (state, mac) = lease_state(&store, "10.98.200.1").unwrap();
        assert_eq!((state, mac.as_str()), (LeaseState::Declined, "00:00:00:00:00:00"));
    });
}

fn enter(pid: Pid) {
    let namespace = std::fs::File::open(format!("/proc/{pid}/ns/net")).unwrap();
    setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
}

/// Another DHCP server at the switch, on a thread of its own that ends with the test's process.
async fn other_server(subnet: Subnet) -> Link {
    let host = host("p9", "02:00:00:00:99:09").await;
    let pid = host.client.pid();
    run_in(pid, &format!("ip addr add {OTHER_SERVER}/16 dev cli"));
    let (ready, is_ready) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        enter(pid);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let store = testing::world(10, 97).await;
            testing::put_subnet(&store, subnet).await;
            let server = guarded(&store, OTHER_SERVER, Rules::default());
            let socket = DhcpSocket::on_interface("cli", 67).unwrap();
            ready.send(()).unwrap();
            server.run(socket, std::future::pending()).await;
        });
    });
    wait_for("the other server", || is_ready.try_recv().is_ok()).await;
    host
}

/// The other server's router is another one, and its lease is longer.
fn otherwise() -> Subnet {
    Subnet {
        network: "10.97.0.0/16".into(),
        routers: vec!["10.97.0.1".into()],
        dns_servers: vec!["10.97.0.53".into(), "10.97.0.54".into()],
        lease_time_s: 7200,
        ..Subnet::default()
    }
}

#[test]
fn an_observer_sends_nothing_and_says_what_it_would_do_otherwise() {
    in_own_network(|| async {
        switch();
        let other = other_server(otherwise()).await;
        let link = host("p1", "02:00:00:00:00:a1").await;
        let store = testing::world(10, 97).await;
        let rules = Rules {
            mode: Mode::Observe,
            ..Rules::default()
        };
        let before = store.state().applied_index();
        let server = serve_guarded(&store, rules);
        let learned = link.lease(&["-B"]).await.expect("the other server's address");
        assert_eq!(learned.get("serverid").map(String::as_str), Some("10.97.9.9"));
        let counters = server.guard_counters();
        wait_for("both answers", || {
            counters.get(GuardCount::ObservedDifferent) >= 2
        })
        .await;
        let request = tonic::Request::new(ListObservedAnswersRequest {});
        let observed = watched(&server).list_observed_answers(request).await;
        let observed = observed.unwrap().into_inner();
        assert_eq!((observed.networks.len(), observed.answers.len()), (1, 1));
        let answer = &observed.answers[0];
        assert_eq!(
            (answer.mac.as_str(), answer.server.as_str()),
            ("02:00:00:00:00:a1", "10.97.9.9")
        );
        let differences: Vec<_> = answer
            .differences
            .iter()
            .map(|one| (one.field.as_str(), one.ours.as_str(), one.theirs.as_str()))
            .collect();
        let expected = [
            ("router", "10.97.0.254", "10.97.0.1"),
            ("lease-s", "3600", "7200"),
        ];
        assert_eq!(differences, expected);
        for silent in [Count::Offers, Count::Acks, Count::Naks] {
            assert_eq!(server.counters().get(silent), 0, "{silent:?}");
        }
        assert!(server.counters().get(Count::Observed) >= 2);
        assert_eq!(store.state().applied_index(), before);
        drop(other);
    });
}

#[test]
fn a_rogue_server_is_seen_with_its_mac() {
    in_own_network(|| async {
        switch();
        let other = other_server(otherwise()).await;
        let link = host("p1", "02:00:00:00:00:a1").await;
        let store = testing::world(10, 97).await;
        let server = serve_guarded(&store, Rules::default());
        link.lease(&["-B"]).await.expect("an address, whoever's");
        let counters = server.guard_counters();
        wait_for("its offer", || counters.get(GuardCount::RogueAnswers) > 0).await;
        let request = tonic::Request::new(ListDhcpServersRequest {});
        let servers = watched(&server).list_dhcp_servers(request).await;
        let servers = servers.unwrap().into_inner().servers;
        assert_eq!(servers.len(), 1, "this server is not its own rogue: {servers:?}");
        assert_eq!(
            (servers[0].network.as_str(), servers[0].address.as_str()),
            ("boot", "10.97.9.9")
        );
        assert_eq!(servers[0].mac, "02:00:00:00:99:09");
        assert_eq!(servers[0].last_client, "02:00:00:00:00:a1");
        assert!(servers[0].offers > 0 && !servers[0].is_expected);
        drop(other);
    });
}

/// What a PXE client hears from a proxy: the offer by broadcast, and from port 4011 the file by unicast.
struct Heard {
    offer: Vec<u8>,
    ack: Vec<u8>,
    ack_from: SocketAddr,
}

fn boot_by_proxy(pid: Pid) -> Heard {
    enter(pid);
    let client = UdpSocket::bind("0.0.0.0:68").unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.set_broadcast(true).unwrap();
    SockRef::from(&client).bind_device(Some(b"cli")).unwrap();
    let class: [(u8, &[u8]); 2] = [(60, b"PXEClient:Arch:00000:UNDI:002001"), (93, &[0, 0])];
    let discover = RawPacket::discover().options(&class).options(&[(97, &[0; 17])]);
    client.send_to(&discover.bytes(), "255.255.255.255:67").unwrap();
    let mut buffer = [0; 2048];
    let (len, _) = client.recv_from(&mut buffer).unwrap();
    let offer = buffer[..len].to_vec();
    let request = RawPacket {
        ciaddr: Ipv4Addr::new(10, 97, 7, 7),
        ..RawPacket::new(3).options(&class)
    };
    client.send_to(&request.bytes(), "10.97.0.1:4011").unwrap();
    let (len, ack_from) = client.recv_from(&mut buffer).unwrap();
    Heard {
        offer,
        ack: buffer[..len].to_vec(),
        ack_from,
    }
}

fn contains(packet: &[u8], part: &[u8]) -> bool {
    packet.windows(part.len()).any(|window| window == part)
}

#[test]
fn a_pxe_client_gets_its_file_from_the_proxy_and_no_address() {
    in_own_network(|| async {
        switch();
        let link = host("p1", "02:00:00:00:00:a1").await;
        let pid = link.client.pid();
        // as another server has given it
        run_in(pid, "ip addr add 10.97.7.7/16 dev cli");
        let rules = Rules {
            mode: Mode::Proxy,
            ..Rules::default()
        };
        let store = testing::world(10, 97).await;
        let server = serve_guarded(&store, rules);
        let proxy = server.clone();
        let socket = DhcpSocket::on_interface("srv", dhcp::PROXY_PORT).unwrap();
        tokio::spawn(async move { proxy.run_proxy_port(socket, std::future::pending()).await });
        let client = std::thread::spawn(move || boot_by_proxy(pid));
        wait_for("both answers", || client.is_finished()).await;
        let Heard { offer, ack, ack_from } = client.join().unwrap();
        for (answer, kind) in [(&offer, 2), (&ack, 5)] {
            assert_eq!(answer[16..20], [0; 4], "no address");
            assert!(contains(answer, &[53, 1, kind]));
            assert!(contains(answer, b"PXEClient") && contains(answer, BIOS_LOADER.as_bytes()));
            assert!(contains(answer, &[43, 4, 6, 1, 8, 255]));
            assert_eq!(answer[20..24], [10, 97, 0, 1], "where the file is");
        }
        assert!(contains(&offer, &[97, 17]), "echoed");
        assert_eq!(ack_from, "10.97.0.1:4011".parse().unwrap());
        // an address it does not give, whoever asks
        assert_eq!(link.lease(&["-t", "2", "-T", "1"]).await, None);
        assert!(server.counters().get(Count::ProxyOnly) >= 2);
    });
}

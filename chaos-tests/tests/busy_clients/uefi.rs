//! OVMF's HTTP boot: what it does with a server that is busy, or not there. It has no loader and no shell to ask with, so
//! each answer is one guest's boot, told by DHCP where to ask.

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use chaos_tests::probe::inside;
use lab::machine::{Firmware, Guest, GuestConfig, Network};

use crate::server::{Busy, Server};
use crate::table::{Outcome, Row};
use crate::{FEW, NOBODY_PORT};

/// Where the guests' DHCP and HTTP servers are: `Network`'s bridge.
const HOST: Ipv4Addr = Ipv4Addr::new(10, 97, 9, 9);
/// What OVMF says when it goes on with its next boot option.
const GAVE_UP: &str = "failed to load Boot";
/// Where it stands that a server was asked.
const ASKED: &str = "Start HTTP Boot over IPv4";
/// Three boots at once; on a busy machine each takes four times as long.
const BOOT_AT_MOST: Duration = Duration::from_secs(180);

/// A booting machine and where it is sent.
struct Booting {
    guest: Guest,
    path: String,
}

/// The row, of three guests that boot at the same time.
pub(crate) fn row(folder: &Path) -> Row {
    let network = Network::create("b", 0).unwrap();
    let bridge = network.bridge();
    // the guests have no address yet, and no other interface is there to send to all
    bridge
        .ip(&["route", "add", "255.255.255.255", "dev", "br0"])
        .unwrap();
    let (listener, dhcp) = inside(&bridge, || {
        (
            TcpListener::bind((HOST, 0)).unwrap(),
            UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 67)).unwrap(),
        )
    });
    let server = Server::start(listener, |_| b"no loader".to_vec());
    let of_server = |path: &str| format!("http://{HOST}:{}{path}", server.port());
    let paths = Busy::BOTH.map(|busy| busy.path(FEW, "loader.efi"));
    let urls = vec![
        of_server(&paths[0]),
        of_server(&paths[1]),
        format!("http://{HOST}:{NOBODY_PORT}/loader.efi"),
    ];
    answer_dhcp(dhcp, urls.clone());
    let guests: Vec<Booting> = (0_u8..)
        .zip(&urls)
        .map(|(number, url)| Booting {
            guest: power_on(&network, folder, number),
            path: url.clone(),
        })
        .collect();
    for booting in &guests {
        wait_until_it_gives_up(booting);
    }
    for path in &paths {
        let of_path: Vec<String> = server
            .asked()
            .into_iter()
            .filter(|asked| asked.ends_with(path.as_str()))
            .collect();
        assert_eq!(of_path, [format!("HEAD {path}"), format!("GET {path}")]);
    }
    assert_eq!(server.asked().len(), 4, "{:?}", server.asked());
    let busy = Outcome::GivesUpAfterHeadAndGet;
    Row::new("UEFI HTTP boot (OVMF)", [busy, busy, Outcome::Fails])
}

fn power_on(network: &Network, folder: &Path, number: u8) -> Guest {
    let tap = format!("tap{number}");
    network.add_tap(&tap).unwrap();
    let config = GuestConfig {
        firmware: Firmware::UefiHttp,
        mac: format!("52:54:00:97:00:{number:02x}"),
        tap,
        console: folder.join(format!("uefi-{number}.log")),
    };
    Guest::power_on(&network.bridge(), &config).unwrap()
}

fn wait_until_it_gives_up(booting: &Booting) {
    let deadline = Instant::now() + BOOT_AT_MOST;
    loop {
        let console = booting.guest.console();
        if console.contains(GAVE_UP) {
            assert!(console.contains(ASKED), "{console}");
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{}: it goes on:\n{console}",
            booting.path
        );
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Leases guest n the address 10.97.5.n and sends it to the n-th URL, until the test ends.
fn answer_dhcp(socket: UdpSocket, urls: Vec<String>) {
    std::thread::spawn(move || {
        let mut packet = [0; 2048];
        while let Ok((length, _)) = socket.recv_from(&mut packet) {
            if let Some(answer) = dhcp_answer(&packet[..length], &urls) {
                let to = SocketAddrV4::new(Ipv4Addr::BROADCAST, 68);
                socket.set_broadcast(true).unwrap();
                socket.send_to(&answer, to).unwrap();
            }
        }
    });
}

/// The OFFER or ACK that UEFI's HTTP boot wants: with `HTTPClient` and a URL (UEFI 2.10, 24.7.2).
fn dhcp_answer(packet: &[u8], urls: &[String]) -> Option<Vec<u8>> {
    /// Of what both sides have in common: RFC 2131, 2.
    const FIXED_BYTES: usize = 240;
    let mac: [u8; 6] = packet.get(28..34)?.try_into().ok()?;
    let url = urls.get(usize::from(mac[5]))?.as_bytes();
    let kind = match option(packet.get(FIXED_BYTES..)?, 53)? {
        [1] => 2,
        [3] => 5,
        _ => return None,
    };
    let mut answer = vec![0; FIXED_BYTES];
    answer[..3].copy_from_slice(&[2, 1, 6]);
    answer[4..8].copy_from_slice(&packet[4..8]);
    answer[10..12].copy_from_slice(&packet[10..12]);
    answer[16..20].copy_from_slice(&[10, 97, 5, mac[5] + 1]);
    answer[20..24].copy_from_slice(&HOST.octets());
    answer[28..34].copy_from_slice(&mac);
    answer[236..].copy_from_slice(&[99, 130, 83, 99]);
    for (code, value) in [
        (53, &[kind][..]),
        (54, &HOST.octets()),
        (51, &3600_u32.to_be_bytes()),
        (1, &[255, 255, 0, 0]),
        (60, b"HTTPClient"),
        (67, url),
    ] {
        answer.extend([code, u8::try_from(value.len()).ok()?]);
        answer.extend(value);
    }
    answer.push(255);
    Some(answer)
}

/// The value of a DHCP option.
fn option(mut options: &[u8], wanted: u8) -> Option<&[u8]> {
    loop {
        match options {
            [0, rest @ ..] => options = rest,
            [255, ..] | [] => return None,
            [code, length, rest @ ..] => {
                let (value, rest) = rest.split_at_checked(usize::from(*length))?;
                if *code == wanted {
                    return Some(value);
                }
                options = rest;
            }
            _ => return None,
        }
    }
}

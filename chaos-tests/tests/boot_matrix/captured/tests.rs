//! Boots made by hand, as text.

use super::*;
use crate::dhcp_message::testing::{MAC, packet};

const CLASS: &[u8] = b"PXEClient:Arch:00007:UNDI:003001";
/// The last byte of the exchange id, which is 7 in every [`packet`].
const XID_AT: usize = 7;

fn discover() -> Vec<u8> {
    packet(
        DISCOVER,
        &[
            (57, &[5, 192]),
            (93, &[0, 7]),
            (94, &[1, 3, 1]),
            (60, CLASS),
            (77, b"iPXE"),
            (55, &[1, 3, 175]),
            (175, &[177, 5, 1, 0x1a, 0xf4, 0x10, 0]),
            (61, &[1, 0x52, 0x54, 0, 0x97, 0, 0x10]),
            (97, &[0; 17]),
        ],
    )
}

fn offer() -> Vec<u8> {
    packet(
        OFFER,
        &[
            (54, &[10, 97, 0, 1]),
            (51, &[0, 0, 14, 16]),
            (60, b"PXEClient"),
            (66, b"10.97.0.1"),
            (67, b"undionly.kpxe"),
            (43, &[6, 1, 8, 255]),
        ],
    )
}

fn in_exchange(xid: u8, mut packet: Vec<u8>) -> Vec<u8> {
    packet[XID_AT] = xid;
    packet
}

#[test]
fn what_was_asked_shows_every_code_and_the_values_of_the_firmware() {
    let request = packet(REQUEST, &[(60, CLASS), (50, &[10, 97, 5, 10])]);
    let captured = Captured::of(&[discover(), offer(), request], MAC);
    assert_eq!(
        captured.asked,
        "DISCOVER\n53\n57 05 c0\n93 00 07\n94 01 03 01\n60 PXEClient:Arch:00007:UNDI:003001\n77 iPXE\n\
         55 1 3 175\n175\n61\n97\n\
         \n\
         REQUEST\n53\n60 PXEClient:Arch:00007:UNDI:003001\n50\n"
    );
}

#[test]
fn what_was_answered_shows_where_to_boot_from() {
    let captured = Captured::of(&[discover(), offer()], MAC);
    assert_eq!(
        captured.answered,
        "OFFER\nsiaddr 10.97.0.1\nsname s\nfile f\n53\n54\n51\n60 PXEClient\n66 10.97.0.1\n67 undionly.kpxe\n\
         43 06 01 08 ff\n"
    );
}

/// How often a client asks, and whether a second member answers, differs from run to run.
#[test]
fn what_is_said_again_shows_once_in_whichever_exchange() {
    let once = Captured::of(&[discover(), offer()], MAC);
    let again = [
        discover(),
        discover(),
        offer(),
        offer(),
        in_exchange(8, discover()),
        in_exchange(8, offer()),
    ];
    assert_eq!(Captured::of(&again, MAC), once);
}

/// A boot has two clients of ours: the firmware, and the iPXE that it loads.
#[test]
fn the_next_loader_stands_behind_the_first() {
    let own = |xid: u8, class: &[u8]| in_exchange(xid, packet(DISCOVER, &[(60, class)]));
    let captured = Captured::of(&[own(1, b"HTTPClient:Arch:00016"), own(2, CLASS)], MAC);
    assert_eq!(
        captured.asked,
        "DISCOVER\n53\n60 HTTPClient:Arch:00016\n\nDISCOVER\n53\n60 PXEClient:Arch:00007:UNDI:003001\n"
    );
}

#[test]
fn other_clients_and_the_guests_own_do_not_show() {
    let once = Captured::of(&[discover(), offer()], MAC);
    let udhcpc = in_exchange(9, packet(DISCOVER, &[(60, b"udhcp 1.35.0")]));
    // even if a server called itself a firmware's
    let its_offer = in_exchange(9, offer());
    let mut of_another = in_exchange(10, discover());
    of_another[33] += 1;
    let all = [
        discover(),
        offer(),
        udhcpc,
        its_offer,
        of_another,
        b"noise".to_vec(),
    ];
    assert_eq!(Captured::of(&all, MAC), once);
}

/// The firmware may leave its class out of a later message of the same exchange.
#[test]
fn a_request_without_a_class_belongs_to_its_exchange() {
    let request = packet(REQUEST, &[]);
    assert_eq!(
        Captured::of(std::slice::from_ref(&request), MAC),
        Captured::default()
    );
    let captured = Captured::of(&[discover(), request], MAC);
    assert!(
        captured.asked.ends_with("\n\nREQUEST\n53\n"),
        "{}",
        captured.asked
    );
}

/// An acknowledgement says the same as the offer, so it does not show.
#[test]
fn nothing_else_shows() {
    assert_eq!(
        Captured::of(&[packet(5, &[(60, CLASS)])], MAC),
        Captured::default()
    );
}

#[test]
fn bytes_that_are_no_text_are_escaped_and_an_empty_value_has_no_space() {
    let bytes = packet(DISCOVER, &[(60, CLASS), (77, b"\x04iPXE\n"), (55, b"")]);
    let asked = Captured::of(&[bytes], MAC).asked;
    assert!(asked.ends_with("\n77 \\x04iPXE\\n\n55\n"), "{asked}");
}

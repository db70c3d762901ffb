//! A request and the client's packets after it -> everything that the server sends. The first two bytes are the
//! lengths of the first two packets, the rest are packets of four bytes, as ACKs are.

use std::sync::OnceLock;

use tftp::{Files, Limits, Server};

/// A file that ends in a short block, for all usual block sizes.
const LOADER_BYTES: usize = 74_213;
/// Block sizes with which a transfer can be carried on; the loader's last block has none of these lengths.
const BLKSIZES: [usize; 7] = [512, 1024, 1408, 1428, 1432, 1456, 1468];
/// DATA: 4 bytes and the largest block that fits an Ethernet frame.
const PACKET_BYTES_MAX: usize = 4 + 1468;

fn content(n: usize) -> u8 {
    (n % 251) as u8
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let mut files = Files::default();
        files.insert(
            "undionly.kpxe",
            (0..LOADER_BYTES).map(content).collect::<Vec<u8>>(),
        );
        files.insert("empty", Vec::new());
        Server::new(files, Limits::default())
    })
}

/// One input; panics where the answer is wrong.
pub(crate) fn run(input: &[u8]) {
    let [len, how, rest @ ..] = input else { return };
    let (request, rest) = rest.split_at(usize::from(*len).min(rest.len()));
    let replies: Vec<&[u8]> = rest.chunks(4).collect();
    let server = server();
    if *how & 1 == 0 {
        if let Ok(packets) = server.dry_run(request, &replies) {
            let name = request[2..]
                .split(|byte| *byte == 0)
                .next()
                .expect("a request that was taken has a name");
            let name = String::from_utf8_lossy(name);
            assert!(server.files().get(&name).is_some(), "{name:?} is not in the list");
            check(&packets, granted_blksize(&packets), 0);
        }
        return;
    }
    let ports = server.resume_ports();
    let port = ports[usize::from(*how) % ports.len()];
    if let Ok(packets) = server.dry_run_to_carry_on(port, request, &replies) {
        let acked = u16::from_be_bytes([request[2], request[3]]);
        let first = packets.first().expect("a transfer that is carried on goes on");
        assert_eq!(first[2..4], acked.wrapping_add(1).to_be_bytes());
        check(
            &packets,
            carried_on_blksize(&first[4..], usize::from(acked)),
            usize::from(acked),
        );
    }
}

/// `blksize` of the OACK, if there is one.
fn granted_blksize(packets: &[Vec<u8>]) -> usize {
    let Some(oack) = packets.first().filter(|packet| packet.starts_with(b"\0\x06")) else {
        return 512;
    };
    let fields: Vec<&[u8]> = oack[2..].split(|byte| *byte == 0).collect();
    let value = fields
        .windows(2)
        .find(|pair| pair[0] == b"blksize")
        .map(|pair| pair[1]);
    value.map_or(512, |digits| {
        String::from_utf8_lossy(digits)
            .parse()
            .expect("a number is granted")
    })
}

/// The block size of a transfer that goes on with `block` after `acked` blocks: its length, but for the file's last one.
fn carried_on_blksize(block: &[u8], acked: usize) -> usize {
    if BLKSIZES.contains(&block.len()) || block.is_empty() {
        return block.len();
    }
    let before = LOADER_BYTES - block.len();
    assert!(
        before.is_multiple_of(acked),
        "neither a block of a usual size nor the last one"
    );
    before / acked
}

/// Every packet is an OACK at the beginning or a DATA of the file's own bytes at the place that its number says.
fn check(packets: &[Vec<u8>], blksize: usize, acked: usize) {
    let mut highest = acked;
    for (place, packet) in packets.iter().enumerate() {
        assert!(packet.len() <= PACKET_BYTES_MAX, "{}", packet.len());
        match packet[..2] {
            [0, 6] => assert_eq!(place, 0, "one OACK, before all data"),
            [0, 3] => {
                let number = u16::from_be_bytes([packet[2], packet[3]]);
                // numbers roll over; blocks are sent in order, but for what is sent again
                let ahead = number.wrapping_sub(highest as u16) as i16;
                let block = highest
                    .checked_add_signed(isize::from(ahead))
                    .expect("no block before the first");
                assert!(
                    block >= 1 && block <= highest + 1,
                    "block {block} after {highest}"
                );
                highest = highest.max(block);
                let data = &packet[4..];
                assert!(data.len() <= blksize);
                let start = (block - 1) * blksize;
                assert!(
                    data.iter()
                        .enumerate()
                        .all(|(n, byte)| *byte == content(start + n))
                );
            }
            _ => panic!("neither OACK nor DATA: {packet:?}"),
        }
    }
}

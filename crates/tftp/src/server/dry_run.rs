//! One exchange without sockets and without time, for fuzzing and tests: the same decisions, block for block.

use std::net::{Ipv4Addr, SocketAddr};

use super::{Accepted, Server, Work};
use crate::counters::Count;
use crate::listen::Arrival;
use crate::packet::{self, Reply};
use crate::sender::{Progress, Sender};

/// Packets of one exchange that are written down; what comes beyond is not sent.
const PACKETS_MAX: usize = 64;

impl Server {
    /// What a client that sends `request`, and then each of `replies` as soon as it has what there is for it, is sent.
    ///
    /// # Errors
    /// Why there is no transfer.
    pub fn dry_run(&self, request: &[u8], replies: &[&[u8]]) -> Result<Vec<Vec<u8>>, Count> {
        let accepted = self.decide(request, arrival())?;
        Ok(exchange(accepted, replies))
    }

    /// The same for an ACK of a transfer that another member began from `port`.
    ///
    /// # Errors
    /// Why nothing is carried on.
    pub fn dry_run_to_carry_on(
        &self,
        port: u16,
        ack: &[u8],
        replies: &[&[u8]],
    ) -> Result<Vec<Vec<u8>>, Count> {
        let accepted = self.decide_to_carry_on(port, ack, arrival())?;
        Ok(exchange(accepted, replies))
    }
}

fn arrival() -> Arrival {
    Arrival {
        len: 0,
        peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 1069)),
        local: Ipv4Addr::LOCALHOST.into(),
    }
}

fn exchange(accepted: Accepted, replies: &[&[u8]]) -> Vec<Vec<u8>> {
    let granted = accepted.granted;
    let mut packets = Vec::new();
    let mut replies = replies.iter().map(|reply| packet::parse_reply(reply));
    let mut sender = match accepted.work {
        Work::CarryOn(sender) => sender,
        Work::Begin(data) => {
            if granted.each().next().is_some() {
                let mut oack = Vec::new();
                packet::write_oack(&mut oack, granted.each());
                packets.push(oack);
                // as the transfer does: only the ACK of block 0 lets the data go
                let answer = replies.find(|reply| matches!(reply, Reply::Ack(0) | Reply::Error(_)));
                if answer != Some(Reply::Ack(0)) {
                    return packets;
                }
            }
            Sender::new(data, granted.blksize(), granted.windowsize())
        }
    };
    send_window(&mut sender, &mut packets);
    for reply in replies {
        match reply {
            Reply::Ack(block) if sender.acknowledge(block) == Progress::Done => break,
            Reply::Ack(_) | Reply::Other => {}
            Reply::Error(_) => break,
        }
        send_window(&mut sender, &mut packets);
    }
    packets
}

fn send_window(sender: &mut Sender, packets: &mut Vec<Vec<u8>>) {
    while packets.len() < PACKETS_MAX {
        let Some((block, data)) = sender.next_block() else {
            return;
        };
        let mut packet = Vec::new();
        packet::write_data(&mut packet, block, data);
        packets.push(packet);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Files, Limits};

    fn server() -> Server {
        let mut files = Files::default();
        files.insert("a", vec![7; 600]);
        Server::new(files, Limits::default())
    }

    #[test]
    fn an_exchange_has_the_packets_that_the_sockets_would_carry() {
        let acks: [&[u8]; 3] = [b"\0\x04\0\0", b"\0\x04\0\x01", b"\0\x04\0\x02"];
        let sent = server().dry_run(b"\0\x01a\0octet\0tsize\x000\0", &acks).unwrap();
        assert_eq!(sent[0], b"\0\x06tsize\x00600\0");
        assert_eq!((sent[1].len(), sent[2].len(), sent.len()), (516, 92, 3));
        let plain = server().dry_run(b"\0\x01a\0octet\0", &acks[1..]).unwrap();
        assert_eq!(plain, sent[1..]);
    }

    #[test]
    fn who_does_not_take_the_options_gets_no_data() {
        let sent = server()
            .dry_run(b"\0\x01a\0octet\0tsize\x000\0", &[b"\0\x05\0\x08no\0"])
            .unwrap();
        assert_eq!(sent.len(), 1);
    }

    #[test]
    fn a_refusal_is_its_reason() {
        assert_eq!(server().dry_run(b"\0\x01b\0octet\0", &[]), Err(Count::NotFound));
        assert_eq!(
            server().dry_run(b"\0\x02a\0octet\0", &[]),
            Err(Count::WriteRefused)
        );
    }

    #[test]
    fn a_transfer_is_carried_on_from_its_port_only() {
        let server = server();
        let port = server.resume_ports()[0];
        assert_eq!(
            server.dry_run_to_carry_on(1, b"\0\x04\0\x01", &[]),
            Err(Count::Unexpected)
        );
        assert_eq!(
            server.dry_run_to_carry_on(port, b"\0\x04\xff\xff", &[]),
            Err(Count::Unexpected)
        );
    }
}

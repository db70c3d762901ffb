//! One transfer over its own connected socket: options, blocks, time-outs.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use crate::options::Granted;
use crate::packet::{self, OPTIONS_REFUSED, Reply};
use crate::sender::{Progress, Sender};

/// Times a packet is sent again before the client counts as gone.
const RETRANSMISSIONS_MAX: u32 = 5;
/// The same for a transfer that another member began: its client repeats its ACKs, and a forged ACK is worth little.
const RETRANSMISSIONS_CARRIED_ON_MAX: u32 = 1;
/// Longest transfer in all; a client that crawls must not hold a slot for ever.
const TRANSFER_TIME_MAX: Duration = Duration::from_secs(300);
/// Packets of a client within a transfer are ACK (4 bytes) and ERROR; the text of the latter is cut.
const REPLY_BYTES_MAX: usize = 64;

/// How a transfer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The client has the whole file.
    Completed,
    /// The client only wanted to know the size.
    SizeProbe,
    /// The client sent an error or closed its port.
    AbortedByClient,
    /// The client fell silent, or took longer than [`TRANSFER_TIME_MAX`].
    TimedOut,
}

/// One transfer in progress.
pub(crate) struct Transfer<'a> {
    socket: &'a UdpSocket,
    granted: Granted,
    deadline: Instant,
    /// The packet being sent; reused.
    packet: Vec<u8>,
    /// File bytes sent so far, retransmissions included.
    bytes_sent: u64,
}

impl<'a> Transfer<'a> {
    /// A transfer over `socket`, which is connected to the client.
    pub(crate) fn new(socket: &'a UdpSocket, granted: Granted) -> Transfer<'a> {
        let packet = Vec::with_capacity(granted.blksize() + 4);
        Transfer {
            socket,
            granted,
            deadline: Instant::now() + TRANSFER_TIME_MAX,
            packet,
            bytes_sent: 0,
        }
    }

    /// Sends `data`; returns how it ended and the file bytes sent.
    ///
    /// # Errors
    /// Of the socket, other than the client's port being closed.
    pub(crate) async fn run(mut self, data: Bytes) -> io::Result<(End, u64)> {
        let end = self.run_to_end(data).await;
        self.ended(end)
    }

    /// Sends what is behind the block that the client has from another member.
    ///
    /// # Errors
    /// As [`Transfer::run`].
    pub(crate) async fn carry_on(mut self, sender: Sender) -> io::Result<(End, u64)> {
        let sent = self.send_blocks(sender, RETRANSMISSIONS_CARRIED_ON_MAX).await;
        self.ended(sent)
    }

    async fn run_to_end(&mut self, data: Bytes) -> io::Result<End> {
        if self.granted.each().next().is_some()
            && let Some(end) = self.offer_options().await?
        {
            return Ok(end);
        }
        let sender = Sender::new(data, self.granted.blksize(), self.granted.windowsize());
        self.send_blocks(sender, RETRANSMISSIONS_MAX).await
    }

    fn ended(&self, end: io::Result<End>) -> io::Result<(End, u64)> {
        let end = match end {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => End::AbortedByClient,
            other => other?,
        };
        Ok((end, self.bytes_sent))
    }

    /// Sends the OACK until block 0 is acknowledged; `Some` if the transfer ends here.
    async fn offer_options(&mut self) -> io::Result<Option<End>> {
        packet::write_oack(&mut self.packet, self.granted.each());
        for _ in 0..=RETRANSMISSIONS_MAX {
            self.socket.send(&self.packet).await?;
            let until = self.wait_until();
            while let Some(reply) = self.receive(until).await? {
                match reply {
                    Reply::Ack(0) => return Ok(None),
                    Reply::Error(OPTIONS_REFUSED) => return Ok(Some(End::SizeProbe)),
                    Reply::Error(_) => return Ok(Some(End::AbortedByClient)),
                    Reply::Ack(_) | Reply::Other => {}
                }
            }
        }
        Ok(Some(End::TimedOut))
    }

    async fn send_blocks(&mut self, mut sender: Sender, retransmissions_max: u32) -> io::Result<End> {
        let mut retransmissions = 0;
        while retransmissions <= retransmissions_max && Instant::now() < self.deadline {
            while let Some((number, block)) = sender.next_block() {
                packet::write_data(&mut self.packet, number, block);
                self.bytes_sent += block.len() as u64;
                self.socket.send(&self.packet).await?;
            }
            match self.wait_for_progress(&mut sender).await? {
                Wait::Advanced => retransmissions = 0,
                Wait::TimedOut => {
                    retransmissions += 1;
                    sender.rewind();
                }
                Wait::End(end) => return Ok(end),
            }
        }
        Ok(End::TimedOut)
    }

    /// Reads replies until one moves the transfer on. What does not is dropped and does not prolong the wait.
    async fn wait_for_progress(&self, sender: &mut Sender) -> io::Result<Wait> {
        let until = self.wait_until();
        while let Some(reply) = self.receive(until).await? {
            match reply {
                Reply::Ack(number) => match sender.acknowledge(number) {
                    Progress::Nothing => {}
                    Progress::Advanced => return Ok(Wait::Advanced),
                    Progress::Done => return Ok(Wait::End(End::Completed)),
                },
                Reply::Error(_) => return Ok(Wait::End(End::AbortedByClient)),
                Reply::Other => {}
            }
        }
        Ok(Wait::TimedOut)
    }

    fn wait_until(&self) -> Instant {
        (Instant::now() + self.granted.timeout()).min(self.deadline)
    }

    /// The client's next packet; `None` when `until` has passed.
    async fn receive(&self, until: Instant) -> io::Result<Option<Reply>> {
        let mut buffer = [0; REPLY_BYTES_MAX];
        match timeout_at(until, self.socket.recv(&mut buffer)).await {
            Ok(received) => Ok(Some(packet::parse_reply(&buffer[..received?]))),
            Err(_) => Ok(None),
        }
    }
}

/// What waiting for the client brought.
enum Wait {
    Advanced,
    TimedOut,
    End(End),
}

//! What goes over the guest's cable, as facts: tcpdump hands the frames on as they pass.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use chaos_tests::members::wait;
use lab::machine::{Namespace, Process};

use crate::dhcp_message::{self, Message};
use crate::frame::{self, Body, Frame};

const DHCP_SERVER: u16 = 67;
const DHCP_CLIENT: u16 = 68;
const TFTP: u16 = 69;
const NODE_HTTP: u16 = 8081;
/// Bytes of pcap's file header and of the header before each frame.
const FILE_HEADER: usize = 24;
const FRAME_HEADER: usize = 16;

/// Something that was seen on the cable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fact {
    /// A DHCPOFFER for the guest, and the source of its frame.
    Offer { from: String },
    /// The guest asks for a file by TFTP.
    TftpRequest { file: String },
    /// A data block for the guest.
    TftpBlock { file: String, number: u16 },
    /// The guest asks by HTTP, over the connection from this port of its own.
    Asked { method: String, path: String, port: u16 },
    /// The guest was sent this much of the answer so far, headers included.
    Received { path: String, port: u16, bytes: usize },
    /// A router advertisement with this lifetime.
    RouterAdvert { lifetime_s: u16 },
}

/// A watched cable.
pub(crate) struct Wire {
    facts: Receiver<Fact>,
    texts: Receiver<Document>,
    dhcp: Receiver<Vec<u8>>,
    _tcpdump: Process,
}

/// A piece of an answer to the guest that is text: a script or a document of cloud-init.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Document {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Wire {
    /// Watches interface `tap` until it is dropped.
    pub(crate) fn watch(namespace: &Namespace, tap: &str, folder: &Path) -> Wire {
        let errors = folder.join("tcpdump.log");
        let mut child = namespace
            .command("tcpdump")
            .args(["-U", "--immediate-mode", "-B", "16384", "-i", tap, "-w", "-"])
            .stdout(Stdio::piped())
            .stderr(File::create(&errors).unwrap())
            .spawn()
            .expect("tcpdump must be installed");
        let frames = child.stdout.take().expect("piped");
        let ((to_facts, facts), (to_texts, texts), (to_dhcp, dhcp)) = (channel(), channel(), channel());
        // It ends with tcpdump, or when nobody listens any more.
        std::thread::spawn(move || {
            let mut reader = Reader::default();
            each_frame(frames, |bytes| {
                let Some(frame) = frame::parse(bytes) else {
                    return true;
                };
                let document = reader.document(&frame);
                let fact = reader.fact(&frame);
                dhcp_payload(&frame).is_none_or(|payload| to_dhcp.send(payload.to_vec()).is_ok())
                    && document.is_none_or(|document| to_texts.send(document).is_ok())
                    && fact.is_none_or(|fact| to_facts.send(fact).is_ok())
            });
        });
        wait("tcpdump to listen", || {
            fs::read_to_string(&errors)
                .ok()
                .filter(|text| text.contains("listening on"))
        });
        Wire {
            facts,
            texts,
            dhcp,
            _tcpdump: Process::new(child),
        }
    }

    /// The next fact, or `None` after `bound`.
    pub(crate) fn next(&self, bound: Duration) -> Option<Fact> {
        match self.facts.recv_timeout(bound) {
            Ok(fact) => Some(fact),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => panic!("tcpdump has ended"),
        }
    }

    /// The documents that the guest was sent since the last call, in order.
    pub(crate) fn documents(&self) -> Vec<Document> {
        self.texts.try_iter().collect()
    }

    /// What passed between clients and servers of DHCP since the last call, in order.
    pub(crate) fn dhcp_messages(&self) -> Vec<Vec<u8>> {
        self.dhcp.try_iter().collect()
    }
}

/// Calls `each` with every frame of a pcap stream until it says no or the stream ends.
fn each_frame(mut stream: impl Read, mut each: impl FnMut(&[u8]) -> bool) {
    let mut header = [0; FILE_HEADER];
    if stream.read_exact(&mut header).is_err() {
        return;
    }
    let mut frame = Vec::new();
    let mut header = [0; FRAME_HEADER];
    while stream.read_exact(&mut header).is_ok() {
        let length = u32::from_ne_bytes([header[8], header[9], header[10], header[11]]);
        frame.resize(length as usize, 0);
        if stream.read_exact(&mut frame).is_err() || !each(&frame) {
            return;
        }
    }
}

/// Remembers what each of the guest's ports is used for.
#[derive(Default)]
struct Reader {
    /// By the guest's port: the path asked for last, and the bytes sent since.
    answers: BTreeMap<u16, (String, usize)>,
    /// By the guest's port: the file asked for by TFTP.
    transfers: BTreeMap<u16, String>,
}

impl Reader {
    fn fact(&mut self, frame: &Frame<'_>) -> Option<Fact> {
        match frame.body {
            Body::Udp {
                from: DHCP_SERVER,
                payload,
                ..
            } if is_offer(payload) => Some(Fact::Offer {
                from: frame.source.map(|byte| format!("{byte:02x}")).join(":"),
            }),
            Body::Udp {
                from,
                to: TFTP,
                payload,
            } => {
                let file = tftp_request(payload)?;
                self.transfers.insert(from, file.clone());
                Some(Fact::TftpRequest { file })
            }
            Body::Udp { to, payload, .. } => {
                let file = self.transfers.get(&to)?.clone();
                tftp_block(payload).map(|number| Fact::TftpBlock { file, number })
            }
            Body::Tcp {
                from,
                to: NODE_HTTP,
                payload,
            } => self.asked(from, payload),
            Body::Tcp {
                from: NODE_HTTP,
                to,
                payload,
            } => self.received(to, payload),
            Body::RouterAdvert { lifetime_s } => Some(Fact::RouterAdvert { lifetime_s }),
            _ => None,
        }
    }

    fn asked(&mut self, port: u16, payload: &[u8]) -> Option<Fact> {
        let text = std::str::from_utf8(payload.split(|byte| *byte == b'\r').next()?).ok()?;
        let mut words = text.split(' ');
        let (method, path) = (words.next()?, words.next()?);
        if !["GET", "HEAD", "POST"].contains(&method) {
            return None;
        }
        self.answers.insert(port, (path.to_owned(), 0));
        Some(Fact::Asked {
            method: method.to_owned(),
            path: path.to_owned(),
            port,
        })
    }

    fn received(&mut self, port: u16, payload: &[u8]) -> Option<Fact> {
        let (path, bytes) = self.answers.get_mut(&port)?;
        *bytes += payload.len();
        (!payload.is_empty()).then(|| Fact::Received {
            path: path.clone(),
            port,
            bytes: *bytes,
        })
    }

    /// Scripts and documents are short: each fits one segment, or two of which both are looked at.
    fn document(&self, frame: &Frame<'_>) -> Option<Document> {
        let Body::Tcp {
            from: NODE_HTTP,
            to,
            payload,
        } = frame.body
        else {
            return None;
        };
        let (path, _) = self.answers.get(&to)?;
        (!path.starts_with("/files/") && !payload.is_empty()).then(|| Document {
            path: path.clone(),
            text: String::from_utf8_lossy(payload).into_owned(),
        })
    }
}

fn is_offer(packet: &[u8]) -> bool {
    Message::parse(packet).is_some_and(|message| message.kind == dhcp_message::OFFER)
}

/// Of a frame between a client and a server, in either direction.
fn dhcp_payload<'a>(frame: &Frame<'a>) -> Option<&'a [u8]> {
    match frame.body {
        Body::Udp {
            from: DHCP_SERVER | DHCP_CLIENT,
            to: DHCP_SERVER | DHCP_CLIENT,
            payload,
        } => Some(payload),
        _ => None,
    }
}

fn tftp_request(packet: &[u8]) -> Option<String> {
    let name = packet.strip_prefix(&[0, 1])?.split(|byte| *byte == 0).next()?;
    Some(String::from_utf8_lossy(name).into_owned())
}

fn tftp_block(packet: &[u8]) -> Option<u16> {
    let number = packet.strip_prefix(&[0, 3])?.get(..2)?;
    Some(u16::from_be_bytes([number[0], number[1]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(from: u16, to: u16, payload: &[u8]) -> Frame<'_> {
        Frame {
            source: [2, 0x97, 0, 0, 1, 3],
            body: Body::Tcp { from, to, payload },
        }
    }

    #[test]
    fn an_answer_is_counted_for_the_path_asked_for_last() {
        let mut reader = Reader::default();
        let asked = reader.fact(&tcp(
            49152,
            8081,
            b"GET /files/vmlinuz HTTP/1.1\r\nHost: x\r\n\r\n",
        ));
        let path = "/files/vmlinuz".to_owned();
        assert!(matches!(asked, Some(Fact::Asked { path: of, .. }) if of == path));
        assert_eq!(
            reader.fact(&tcp(8081, 49152, b"")),
            None,
            "an acknowledgement says nothing"
        );
        for bytes in [4, 8] {
            let received = Fact::Received {
                path: path.clone(),
                port: 49152,
                bytes,
            };
            assert_eq!(reader.fact(&tcp(8081, 49152, b"abcd")), Some(received));
        }
        reader.fact(&tcp(49152, 8081, b"GET /other HTTP/1.1\r\n\r\n"));
        let received = reader.fact(&tcp(8081, 49152, b"abcd"));
        assert!(
            matches!(received, Some(Fact::Received { bytes: 4, .. })),
            "{received:?}"
        );
    }

    #[test]
    fn files_are_no_documents_and_scripts_are() {
        let mut reader = Reader::default();
        reader.fact(&tcp(1, 8081, b"GET /files/initrd HTTP/1.1\r\n\r\n"));
        reader.fact(&tcp(2, 8081, b"GET /boot/v1/bootscript?mac=x HTTP/1.1\r\n\r\n"));
        assert_eq!(reader.document(&tcp(8081, 1, b"#!ipxe")), None);
        let script = reader.document(&tcp(8081, 2, b"#!ipxe")).unwrap();
        assert_eq!(
            (script.path.as_str(), script.text.as_str()),
            ("/boot/v1/bootscript?mac=x", "#!ipxe")
        );
    }

    fn udp(from: u16, to: u16, payload: &[u8]) -> Frame<'_> {
        Frame {
            source: [2, 0x97, 0, 0, 1, 3],
            body: Body::Udp { from, to, payload },
        }
    }

    #[test]
    fn an_offer_is_told_from_an_ack() {
        let of_kind = |kind| Reader::default().fact(&udp(67, 68, &dhcp_message::testing::packet(kind, &[])));
        let from = "02:97:00:00:01:03".to_owned();
        assert_eq!(of_kind(dhcp_message::OFFER), Some(Fact::Offer { from }));
        assert_eq!(of_kind(5), None);
    }

    /// A proxy's port is none of them: nobody here is asked there.
    #[test]
    fn dhcp_is_told_by_both_of_its_ports() {
        let payload: &[u8] = b"dhcp";
        for (from, to) in [(68, 67), (67, 68), (67, 67)] {
            assert_eq!(dhcp_payload(&udp(from, to, payload)), Some(payload));
        }
        for (from, to) in [(68, 4011), (2000, 69), (69, 68)] {
            assert_eq!(dhcp_payload(&udp(from, to, payload)), None);
        }
        assert_eq!(dhcp_payload(&tcp(68, 67, payload)), None);
    }

    #[test]
    fn blocks_count_only_for_ports_that_asked() {
        let mut reader = Reader::default();
        let block: &[u8] = &[0, 3, 0, 7, 1, 2];
        assert_eq!(reader.fact(&udp(40000, 2000, block)), None);
        let request = reader.fact(&udp(2000, 69, b"\x00\x01undionly.kpxe\0octet\0"));
        let file = "undionly.kpxe".to_owned();
        assert_eq!(request, Some(Fact::TftpRequest { file: file.clone() }));
        assert_eq!(
            reader.fact(&udp(40000, 2000, block)),
            Some(Fact::TftpBlock { file, number: 7 })
        );
    }

    #[test]
    fn frames_of_a_stream_are_taken_until_nobody_wants_them() {
        let mut stream = vec![0; FILE_HEADER];
        for frame in [b"one".as_slice(), b"three", b"x"] {
            let mut header = [0; FRAME_HEADER];
            header[8..12].copy_from_slice(&u32::try_from(frame.len()).unwrap().to_ne_bytes());
            stream.extend(header);
            stream.extend(frame);
        }
        let mut seen = Vec::new();
        each_frame(stream.as_slice(), |frame| {
            seen.push(frame.len());
            seen.len() < 2
        });
        assert_eq!(seen, [3, 5]);
    }
}

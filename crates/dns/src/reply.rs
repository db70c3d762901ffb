//! An answer as bytes.

use hickory_proto::op::{Edns, Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::Record;

use crate::counters::Count;
use crate::question::Question;

/// Longest answer over UDP, bytes: what passes every path in one piece (DNS flag day 2020).
pub const BYTES_OVER_UDP_MAX: u16 = 1232;
/// Longest answer over TCP, bytes: its length is written in two.
pub const BYTES_OVER_TCP_MAX: u16 = u16::MAX;
/// What every client takes over UDP (RFC 1035 section 4.2.1), bytes.
const BYTES_WITHOUT_EDNS: u16 = 512;

/// Of a message's third byte: cut off.
const TC: u8 = 0x02;

/// What is said to a question.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// How it went.
    pub code: ResponseCode,
    /// Whether it is said of a zone of ours.
    pub authoritative: bool,
    /// The records that were asked for.
    pub answers: Vec<Record>,
    /// Where the answer is negative, the zone's SOA: how long it may be remembered (RFC 2308).
    pub authorities: Vec<Record>,
    /// What it counts as.
    pub count: Count,
}

/// A message, and what it counts as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The message.
    pub bytes: Vec<u8>,
    /// Not that of the reply where it did not fit.
    pub count: Count,
}

impl Reply {
    /// Without records.
    pub(crate) fn failure(code: ResponseCode, count: Count) -> Reply {
        Reply {
            code,
            authoritative: false,
            answers: Vec::new(),
            authorities: Vec::new(),
            count,
        }
    }

    /// This member cannot know the answer now.
    pub(crate) fn server_failure(count: Count) -> Reply {
        Reply::failure(ResponseCode::ServFail, count)
    }

    /// The message to the client: the whole of it in at most `bytes_max` bytes and those that the client takes over UDP,
    /// else its head with the flag TC.
    pub fn write(&self, question: &Question, bytes_max: u16) -> Written {
        let mut message = head(question, self.code, self.authoritative);
        message.answers.clone_from(&self.answers);
        message.authorities.clone_from(&self.authorities);
        let bytes_max = usize::from(bytes_max.min(question.bytes_max(bytes_max)));
        match message.to_vec() {
            Ok(bytes) if bytes.len() <= bytes_max && bytes[2] & TC == 0 => Written {
                bytes,
                count: self.count,
            },
            // the encoder cuts off by itself what has no room in two bytes of length
            Ok(_) | Err(_) => truncated(question, self.code, self.authoritative, Count::Truncated),
        }
    }
}

impl Question {
    /// How long an answer this client takes over a transport that carries `transport_max` bytes.
    fn bytes_max(&self, transport_max: u16) -> u16 {
        match (transport_max, self.edns) {
            (BYTES_OVER_TCP_MAX, _) => BYTES_OVER_TCP_MAX,
            (_, Some(client)) => client.payload_max.max(BYTES_WITHOUT_EDNS),
            (_, None) => BYTES_WITHOUT_EDNS,
        }
    }

    /// Tells a client that asks too fast to come over TCP: whoever forged its address cannot.
    pub(crate) fn slip(&self) -> Written {
        truncated(self, ResponseCode::NoError, false, Count::Slipped)
    }
}

fn truncated(question: &Question, code: ResponseCode, authoritative: bool, count: Count) -> Written {
    let mut message = head(question, code, authoritative);
    message.metadata.truncation = true;
    // what fitted into the question fits into the answer
    let bytes = message.to_vec().unwrap_or_default();
    Written { bytes, count }
}

fn head(question: &Question, code: ResponseCode, authoritative: bool) -> Message {
    let mut message = Message::new(question.id, MessageType::Response, OpCode::Query);
    message.metadata.response_code = code;
    message.metadata.authoritative = authoritative;
    message.metadata.recursion_desired = question.recursion_desired;
    message.queries.push(question.query.clone());
    message.edns = question.edns.map(|client| {
        let mut edns = Edns::new();
        edns.set_max_payload(BYTES_OVER_UDP_MAX);
        edns.set_version(0);
        edns.set_dnssec_ok(client.dnssec_ok);
        edns
    });
    message
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use hickory_proto::rr::RData;
    use hickory_proto::rr::rdata::A;

    use super::*;
    use crate::testing::{OPT_1232, question, question_with};

    fn reply(records: usize, to: &Question) -> Reply {
        let address = RData::A(A(Ipv4Addr::LOCALHOST));
        let record = Record::from_rdata(to.query.name().clone(), 60, address);
        Reply {
            code: ResponseCode::NoError,
            authoritative: true,
            answers: vec![record; records],
            authorities: vec![],
            count: Count::Answers,
        }
    }

    /// A resolver that mixes the case of its question's letters (0x20) takes no answer in which they differ.
    #[test]
    fn the_question_comes_back_as_it_was() {
        let asked = question_with("Nid0001.dEMO.example", 1, OPT_1232);
        let question = Question::parse(&asked).unwrap();
        let written = reply(1, &question).write(&question, BYTES_OVER_UDP_MAX);
        let end = asked.len() - OPT_1232.len();
        assert_eq!(written.bytes[..2], asked[..2]);
        assert_eq!(written.bytes[12..end], asked[12..end]);
        assert_eq!(written.bytes[2], 0x85, "QR, AA, RD as asked");
        assert_eq!(written.bytes[3] & 0x80, 0, "no recursion");
        assert_eq!(
            written.bytes[end..end + 2],
            [0xc0, 12],
            "the owner is the question's name"
        );
        let read = Message::from_vec(&written.bytes).unwrap();
        let edns = read.edns.unwrap();
        assert_eq!((edns.max_payload(), edns.flags().dnssec_ok), (1232, true));
    }

    /// 512 bytes for who says nothing, what a client says up to 1232, and all of it over TCP.
    #[test]
    fn what_does_not_fit_is_said_to_be_cut_off() {
        let plain = Question::parse(&question("a.demo.example", 1)).unwrap();
        let small = Question::parse(&question_with("a.demo.example", 1, &opt(100))).unwrap();
        let large = Question::parse(&question_with("a.demo.example", 1, &opt(4096))).unwrap();
        for (question, records, fits) in [
            (&plain, 30, true),
            (&plain, 31, false),
            (&small, 29, true),
            (&small, 30, false),
            (&large, 74, true),
            (&large, 75, false),
        ] {
            let written = reply(records, question).write(question, BYTES_OVER_UDP_MAX);
            let read = Message::from_vec(&written.bytes).unwrap();
            assert_eq!(
                read.metadata.truncation, !fits,
                "{records} of {:?}",
                question.edns
            );
            assert_eq!(read.answers.len(), if fits { records } else { 0 });
            assert_eq!(written.count == Count::Truncated, !fits);
            let over_tcp = reply(records, question).write(question, BYTES_OVER_TCP_MAX);
            assert_eq!(Message::from_vec(&over_tcp.bytes).unwrap().answers.len(), records);
        }
        let endless = reply(5000, &plain).write(&plain, BYTES_OVER_TCP_MAX);
        assert_eq!(endless.count, Count::Truncated);
        let slip = Message::from_vec(&plain.slip().bytes).unwrap();
        assert!(slip.metadata.truncation && !slip.metadata.authoritative);
    }

    fn opt(payload: u16) -> Vec<u8> {
        let mut opt = OPT_1232.to_vec();
        opt[3..5].copy_from_slice(&payload.to_be_bytes());
        opt
    }

    /// Code 16 needs the upper bits, which are in the OPT record.
    #[test]
    fn a_long_code_is_written_in_two_parts() {
        let question = Question::parse(&question_with("a", 1, OPT_1232)).unwrap();
        let reply = Reply::failure(ResponseCode::BADVERS, Count::UnknownEdnsVersion);
        let written = reply.write(&question, BYTES_OVER_UDP_MAX);
        let read = Message::from_vec(&written.bytes).unwrap();
        assert_eq!(u16::from(read.metadata.response_code), 16);
        assert_eq!(written.bytes[3] & 0x0f, 0);
        assert_eq!(read.edns.unwrap().rcode_high(), 1);
    }
}

//! A stranger's bytes -> the question in them, or why it is not dealt with. The counts of the header are checked before
//! hickory's reader sees the rest, so that it reads one question and a few records at most.

use hickory_proto::op::{Message, Query};
use hickory_proto::rr::DNSClass;

use crate::counters::Count;

/// Length of a message's header, bytes (RFC 1035 section 4.1.1).
const HEADER_BYTES: usize = 12;
/// Records that a question may carry along: OPT, and a signature or a cookie that nobody here looks at.
const ADDITIONAL_MAX: u16 = 4;
/// Of the third byte: an answer; the code of the operation; recursion desired.
const QR: u8 = 0x80;
const OPCODE: u8 = 0x78;
const RD: u8 = 0x01;

/// Response codes (RFC 1035 section 4.1.1).
const FORMAT_ERROR: u8 = 1;
const NOT_IMPLEMENTED: u8 = 4;
const REFUSED: u8 = 5;

/// What a client asks.
#[derive(Clone, Debug)]
pub struct Question {
    /// Number of the message, to be returned.
    pub id: u16,
    /// Whether the client would like the server to ask others; it does not.
    pub recursion_desired: bool,
    /// Name, in the client's own spelling, and type.
    pub query: Query,
    /// What the client says of itself, if it knows EDNS.
    pub edns: Option<Client>,
}

/// What a client says of itself in its OPT record (RFC 6891).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// Longest answer over UDP that it takes, bytes.
    pub payload_max: u16,
    /// Version of EDNS; 0 is the only one.
    pub version: u8,
    /// Whether it would understand signatures; the flag is returned.
    pub dnssec_ok: bool,
}

/// Why a message is not answered as a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No answer at all.
    Silent(Count),
    /// The header of an answer, with a code and no question.
    Answer(Count, [u8; HEADER_BYTES]),
}

impl Question {
    /// Reads a message.
    ///
    /// # Errors
    /// Why there is no question in it that could be answered.
    pub fn parse(message: &[u8]) -> Result<Question, Refusal> {
        let Some(header) = message.first_chunk::<HEADER_BYTES>() else {
            return Err(Refusal::Silent(Count::TooShort));
        };
        // answers to answers would go round for ever
        if header[2] & QR != 0 {
            return Err(Refusal::Silent(Count::NotAQuestion));
        }
        if header[2] & OPCODE != 0 {
            return Err(refused(header, Count::NotAQuery, NOT_IMPLEMENTED));
        }
        let count = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        let (questions, answers, authorities, additional) = (count(4), count(6), count(8), count(10));
        if (questions, answers, authorities) != (1, 0, 0) || additional > ADDITIONAL_MAX {
            return Err(refused(header, Count::Malformed, FORMAT_ERROR));
        }
        let malformed = |_| refused(header, Count::Malformed, FORMAT_ERROR);
        let read = Message::from_vec(message).map_err(malformed)?;
        let Some(query) = read.queries.first() else {
            return Err(refused(header, Count::Malformed, FORMAT_ERROR));
        };
        if query.query_class() != DNSClass::IN {
            return Err(refused(header, Count::OtherClass, REFUSED));
        }
        Ok(Question {
            id: read.metadata.id,
            recursion_desired: read.metadata.recursion_desired,
            query: query.clone(),
            edns: read.edns.as_ref().map(|edns| Client {
                payload_max: edns.max_payload(),
                version: edns.version(),
                dnssec_ok: edns.flags().dnssec_ok,
            }),
        })
    }
}

fn refused(header: &[u8; HEADER_BYTES], count: Count, code: u8) -> Refusal {
    let mut answer = [0; HEADER_BYTES];
    answer[..2].copy_from_slice(&header[..2]);
    answer[2] = QR | (header[2] & (OPCODE | RD));
    answer[3] = code;
    Refusal::Answer(count, answer)
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::RecordType;

    use super::*;
    use crate::testing::{OPT_1232, question, question_with};

    fn refusal(message: &[u8]) -> (Count, Option<u8>) {
        match Question::parse(message).unwrap_err() {
            Refusal::Silent(count) => (count, None),
            Refusal::Answer(count, answer) => {
                assert_eq!(answer[..2], message[..2], "the number is returned");
                assert_eq!(answer[2] & QR, QR);
                assert_eq!(answer[4..], [0; 8], "nothing is in it");
                (count, Some(answer[3]))
            }
        }
    }

    #[test]
    fn a_question_is_read_with_its_spelling() {
        let read = Question::parse(&question("X0c0S0.Demo", 28)).unwrap();
        assert_eq!((read.id, read.recursion_desired), (0x1234, true));
        assert_eq!(read.query.name().to_ascii(), "X0c0S0.Demo.");
        assert_eq!(read.query.query_type(), RecordType::AAAA);
        assert_eq!(read.edns, None);
        let read = Question::parse(&question_with("a", 1, OPT_1232)).unwrap();
        let client = Client {
            payload_max: 1232,
            version: 0,
            dnssec_ok: true,
        };
        assert_eq!(read.edns, Some(client));
    }

    /// Whatever is behind the question of an unknown kind is nobody's concern; a second question is.
    #[test]
    fn what_is_no_question_is_refused_by_its_kind() {
        let good = question("a.demo.example", 1);
        let changed = |at: usize, byte: u8| {
            let mut message = good.clone();
            message[at] = byte;
            message
        };
        assert_eq!(refusal(&good[..11]), (Count::TooShort, None));
        assert_eq!(refusal(&[]), (Count::TooShort, None));
        assert_eq!(refusal(&changed(2, 0x81)), (Count::NotAQuestion, None));
        let update = changed(2, 5 << 3);
        assert_eq!(refusal(&update), (Count::NotAQuery, Some(NOT_IMPLEMENTED)));
        for (at, byte) in [(5, 0), (5, 2), (7, 1), (9, 1), (10, 1), (11, 1), (11, 5)] {
            let malformed = (Count::Malformed, Some(FORMAT_ERROR));
            assert_eq!(refusal(&changed(at, byte)), malformed, "byte {at} = {byte}");
        }
        let class = good.len() - 1;
        assert_eq!(refusal(&changed(class, 3)), (Count::OtherClass, Some(REFUSED)));
        for end in HEADER_BYTES..good.len() {
            assert_eq!(refusal(&good[..end]).0, Count::Malformed, "cut to {end}");
        }
    }

    /// A name that points at itself has sent other readers round for ever.
    #[test]
    fn a_name_that_points_at_itself_is_malformed() {
        let mut message = question("a", 1)[..HEADER_BYTES].to_vec();
        message.extend([0xc0, 12, 0, 1, 0, 1]);
        assert_eq!(refusal(&message).0, Count::Malformed);
        let mut twice = question_with("a", 1, &[OPT_1232, OPT_1232].concat());
        twice[11] = 2;
        assert_eq!(refusal(&twice).0, Count::Malformed, "two OPT records");
    }
}

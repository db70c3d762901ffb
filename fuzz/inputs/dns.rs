//! A message on port 53 -> decision -> the answer's bytes, with the state of the crate's own tests.

use std::sync::{Arc, OnceLock};

use dns::{BYTES_OVER_TCP_MAX, BYTES_OVER_UDP_MAX, Count, Decision, Question, Refusal, decide};
use state::State;

#[allow(dead_code, reason = "shared with the tests of crates/dns")]
#[path = "../../crates/dns/src/testing.rs"]
mod testing;

const HEADER_BYTES: usize = 12;
/// Longest that a client takes who says nothing, and that any is sent over UDP.
const PLAIN_BYTES_MAX: usize = 512;

/// The state; made once.
fn world() -> &'static Arc<State> {
    static WORLD: OnceLock<Arc<State>> = OnceLock::new();
    WORLD.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        runtime.block_on(testing::world()).store.state()
    })
}

/// One input; panics where the answer is wrong.
pub(crate) fn run(message: &[u8]) {
    let question = match Question::parse(message) {
        Ok(question) => question,
        Err(Refusal::Silent(_)) => return,
        Err(Refusal::Answer(_, answer)) => {
            assert_eq!(answer[..2], message[..2]);
            assert_eq!(answer[2] & 0x80, 0x80);
            assert_ne!(answer[3] & 0x0f, 0, "it says why");
            return;
        }
    };
    let (reply, is_negative) = match decide(world(), &question, &testing::NETWORK) {
        Decision::Reply(reply) => (reply, false),
        Decision::NoSuchName(reply) => (reply, true),
    };
    let over_udp = reply.write(&question, BYTES_OVER_UDP_MAX);
    let over_tcp = reply.write(&question, BYTES_OVER_TCP_MAX);
    let udp_max = if question.edns.is_some() {
        usize::from(BYTES_OVER_UDP_MAX)
    } else {
        PLAIN_BYTES_MAX
    };
    assert!(over_udp.bytes.len() <= udp_max, "{}", over_udp.bytes.len());
    assert_ne!(over_tcp.count, Count::Truncated, "this world is small");
    for written in [&over_udp.bytes, &over_tcp.bytes] {
        check(message, written, is_negative);
    }
}

/// The answer is to this question, in its own spelling, and claims no more than it may.
fn check(message: &[u8], answer: &[u8], is_negative: bool) {
    assert_eq!(answer[..2], message[..2], "the number");
    assert_eq!(answer[2] & 0x80, 0x80, "an answer");
    assert_eq!(answer[3] & 0x80, 0, "no recursion");
    assert_eq!(answer[4..6], [0, 1], "one question");
    let (code, has_authority, is_cut) = (answer[3] & 0x0f, answer[2] & 4 != 0, answer[2] & 2 != 0);
    assert_eq!(code == 3, is_negative, "no such name");
    assert!(matches!(code, 0 | 3 | 5), "{code}");
    let (answers, authorities) = (answer[7], answer[9]);
    if !has_authority {
        assert_eq!(
            (answers, authorities),
            (0, 0),
            "nothing is said of what is not ours"
        );
    } else if !is_cut {
        assert_ne!(
            answers == 0,
            authorities == 0,
            "records, or the SOA of a negative answer"
        );
    }
    let (asked, answered) = (name(message), name(answer));
    assert_eq!(asked, answered);
}

/// The name behind the header, which is whole in an answer, and may point back in a question that was read.
fn name(message: &[u8]) -> Vec<u8> {
    let (mut name, mut at) = (Vec::new(), HEADER_BYTES);
    loop {
        match message[at] {
            0 => return name,
            length if length >= 0xc0 => at = usize::from(length & 0x3f) << 8 | usize::from(message[at + 1]),
            length => {
                let end = at + 1 + usize::from(length);
                name.extend(&message[at..end]);
                at = end;
            }
        }
    }
}

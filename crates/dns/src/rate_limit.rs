//! How often one client is answered over UDP: whoever forges a victim's address must not have us flood it. A table of
//! fixed size; clients that meet in one place of it push each other out, which only ever answers more.

use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Places of each table; 24 bytes each.
const PLACES: usize = 8192;
/// The same question of one client: 50 a second, after 100 at once. No node asks that often, and a resolver remembers.
const SAME_QUESTION: Rate = Rate {
    pause: Duration::from_millis(20),
    burst: Duration::from_secs(2),
};
/// All questions of one client: 5,000 a second, after 10,000 at once, as a site's resolver may ask for a whole system.
const ONE_CLIENT: Rate = Rate {
    pause: Duration::from_micros(200),
    burst: Duration::from_secs(2),
};

/// What is done with a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is answered.
    Answer,
    /// The client is told to come over TCP.
    Slip,
    /// Nothing.
    Drop,
}

/// One after `pause` each on average; what was not asked for can be made up for within `burst`.
#[derive(Clone, Copy, Debug)]
struct Rate {
    pause: Duration,
    burst: Duration,
}

/// Who has asked how much.
#[derive(Debug)]
pub(crate) struct RateLimit {
    hasher: RandomState,
    questions: Box<[Place]>,
    clients: Box<[Place]>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    key: u64,
    /// When everything that was asked is paid off.
    paid_off: Instant,
    over: u32,
}

impl RateLimit {
    /// Nobody has asked yet. The hasher is random, so that nobody can aim at another client's place.
    pub(crate) fn new(now: Instant, hasher: RandomState) -> RateLimit {
        let place = Place {
            key: 0,
            paid_off: now,
            over: 0,
        };
        RateLimit {
            hasher,
            questions: vec![place; PLACES].into_boxed_slice(),
            clients: vec![place; PLACES].into_boxed_slice(),
        }
    }

    /// Counts a question; every second one beyond the limit slips.
    pub(crate) fn judge(&mut self, client: IpAddr, question: impl Hash, now: Instant) -> Verdict {
        let (asker, asked) = (
            self.hasher.hash_one(client),
            self.hasher.hash_one((client, question)),
        );
        match Place::of(&mut self.clients, asker, now).take(ONE_CLIENT, now) {
            Verdict::Answer => Place::of(&mut self.questions, asked, now).take(SAME_QUESTION, now),
            over => over,
        }
    }
}

impl Place {
    fn of(places: &mut [Place], key: u64, now: Instant) -> &mut Place {
        let at = key as usize % places.len();
        let place = &mut places[at];
        if place.key != key {
            *place = Place {
                key,
                paid_off: now,
                over: 0,
            };
        }
        place
    }

    fn take(&mut self, rate: Rate, now: Instant) -> Verdict {
        let paid_off = self.paid_off.max(now) + rate.pause;
        if paid_off.duration_since(now) <= rate.burst {
            self.paid_off = paid_off;
            return Verdict::Answer;
        }
        self.over = self.over.wrapping_add(1);
        match self.over % 2 {
            0 => Verdict::Slip,
            _ => Verdict::Drop,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(last: u8) -> IpAddr {
        IpAddr::from([10, 97, 0, last])
    }

    fn answered(limit: &mut RateLimit, client: IpAddr, times: u32, now: Instant) -> u32 {
        let asked = (0..times).map(|_| limit.judge(client, "same", now));
        u32::try_from(asked.filter(|verdict| *verdict == Verdict::Answer).count()).unwrap()
    }

    #[test]
    fn the_same_question_is_answered_a_hundred_times_at_once_then_fifty_times_a_second() {
        let start = Instant::now();
        let mut limit = RateLimit::new(start, RandomState::new());
        assert_eq!(answered(&mut limit, client(1), 300, start), 100);
        assert_eq!(answered(&mut limit, client(2), 5, start), 5, "another client");
        assert_eq!(limit.judge(client(1), "other", start), Verdict::Answer);
        let later = start + Duration::from_secs(1);
        assert_eq!(answered(&mut limit, client(1), 300, later), 50);
        assert_eq!(
            answered(&mut limit, client(1), 300, later + Duration::from_secs(60)),
            100
        );
    }

    /// A client whose address is forged must get through all the same: over TCP.
    #[test]
    fn every_second_question_too_many_is_told_to_come_over_tcp() {
        let start = Instant::now();
        let mut limit = RateLimit::new(start, RandomState::new());
        answered(&mut limit, client(1), 100, start);
        let verdicts: Vec<_> = (0..4).map(|_| limit.judge(client(1), "same", start)).collect();
        assert_eq!(
            verdicts,
            [Verdict::Drop, Verdict::Slip, Verdict::Drop, Verdict::Slip]
        );
    }

    /// Names that are made up with each question escape the first table, and meet the second.
    #[test]
    fn one_client_gets_no_more_than_its_share_whatever_it_asks() {
        let start = Instant::now();
        let mut limit = RateLimit::new(start, RandomState::new());
        let verdicts = (0..20_000).map(|n: u32| limit.judge(client(1), n, start));
        let answered = verdicts.filter(|verdict| *verdict == Verdict::Answer).count();
        assert_eq!(answered, 10_000);
        assert_eq!(limit.judge(client(2), 0, start), Verdict::Answer);
    }
}

//! The connections that other members have told of: whom to free when this member takes the address over. Pure.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::client_news::Connection;

/// Most connections remembered for one network; further ones are not taken in.
pub(crate) const CONNECTIONS_KNOWN_MAX: usize = 65_536;
/// A connection whose end was never told is forgotten after this.
const OPEN_LIFE: Duration = Duration::from_secs(600);
/// One that has ended is remembered for this long: its last bytes may still lie in a kernel whose host has vanished,
/// and a successor needs up to two seconds to take the address.
const ENDED_LIFE: Duration = Duration::from_secs(5);
/// Pause between two searches of a full table for what may be forgotten.
const SWEEP_PAUSE: Duration = Duration::from_secs(1);

/// The table.
#[derive(Debug, Default)]
pub(crate) struct KnownClients {
    /// Until when each is worth a question.
    until: HashMap<Connection, Instant>,
    swept: Option<Instant>,
}

impl KnownClients {
    /// Takes note of an open connection; false if there is no place for it.
    pub(crate) fn open(&mut self, connection: Connection, now: Instant) -> bool {
        self.note(connection, now, now + OPEN_LIFE)
    }

    /// Takes note of one that its server has ended; false if there is no place for it.
    pub(crate) fn ended(&mut self, connection: Connection, now: Instant) -> bool {
        let told_before = self.until.get(&connection).copied();
        let end = now + ENDED_LIFE;
        // a repeated word does not prolong it
        self.note(connection, now, told_before.map_or(end, |until| until.min(end)))
    }

    /// All that may still wait for an answer; the table is empty then.
    pub(crate) fn take(&mut self, now: Instant) -> Vec<Connection> {
        let known = std::mem::take(&mut self.until).into_iter();
        let waiting = known.filter(|(_, until)| now < *until);
        waiting.map(|(connection, _)| connection).collect()
    }

    fn note(&mut self, connection: Connection, now: Instant, until: Instant) -> bool {
        if self.until.len() >= CONNECTIONS_KNOWN_MAX && !self.until.contains_key(&connection) {
            self.sweep(now);
            if self.until.len() >= CONNECTIONS_KNOWN_MAX {
                return false;
            }
        }
        self.until.insert(connection, until);
        true
    }

    /// Forgets what has had its time; rarely, as it looks at everything.
    fn sweep(&mut self, now: Instant) {
        if self.swept.is_none_or(|swept| now >= swept + SWEEP_PAUSE) {
            self.swept = Some(now);
            self.until.retain(|_, until| now < *until);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, SocketAddrV4};

    fn connection(number: u32) -> Connection {
        Connection {
            client: SocketAddrV4::new(Ipv4Addr::from_bits(0x0a61_0000 + number), 49_152),
            port: 80,
        }
    }

    #[tokio::test]
    async fn each_is_given_once_and_only_in_its_time() {
        let (mut known, now) = (KnownClients::default(), Instant::now());
        for number in 0..3 {
            assert!(known.open(connection(number), now));
            assert!(
                known.open(connection(number), now),
                "the second copy of a datagram"
            );
        }
        assert!(known.ended(connection(1), now));
        let later = now + ENDED_LIFE;
        assert!(known.ended(connection(1), later), "also told twice");
        let mut waiting = known.take(later);
        waiting.sort();
        assert_eq!(waiting, [connection(0), connection(2)]);
        assert_eq!(known.take(later), []);
        known.open(connection(0), now);
        assert_eq!(known.take(now + OPEN_LIFE), []);
    }

    /// The server may have closed it while the last bytes are on their way.
    #[tokio::test]
    async fn one_that_has_just_ended_is_asked_too() {
        let (mut known, now) = (KnownClients::default(), Instant::now());
        known.ended(connection(1), now);
        assert_eq!(known.take(now + Duration::from_secs(2)), [connection(1)]);
    }

    /// Whatever the others tell, the table has a bound, and what ends makes room.
    #[tokio::test]
    async fn the_table_is_bounded_and_heals() {
        let (mut known, now) = (KnownClients::default(), Instant::now());
        let full = u32::try_from(CONNECTIONS_KNOWN_MAX).unwrap();
        for number in 0..full {
            assert!(known.open(connection(number), now));
        }
        assert!(!known.open(connection(full), now));
        assert!(known.open(connection(0), now), "one that is known needs no place");
        let later = now + OPEN_LIFE;
        assert!(known.open(connection(full), later));
        assert_eq!(known.take(later), [connection(full)]);
    }
}

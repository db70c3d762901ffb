//! Which addresses of a pool a member offers first: two members that offer at the same time, because they do not hear each other
//! or because both answer what a client repeats, must not offer one address to two clients. Pure.
//!
//! The places of a pool are dealt out to the members one by one, so that each has its share of every pool, however it grows. It
//! is a hint like the offer itself: whom an address is bound to the log decides.

/// Places of a pool that are looked at for one DHCPDISCOVER.
pub(crate) const PLACES_MAX: u64 = 1024;

/// The share of one member in every pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    rank: u64,
    of: u64,
}

impl Share {
    /// Everything: of a member that is alone.
    pub const WHOLE: Share = Share { rank: 0, of: 1 };

    /// The share of the member with this rank, from 0 on, among `of` members.
    pub fn new(rank: u64, of: u64) -> Share {
        let of = of.max(1);
        Share { rank: rank % of, of }
    }

    /// The places of a pool of this size in the order in which the member looks at them for a client: those of its own share,
    /// and for when none of them is free those of the others. `client` is a number that follows from the client's name, so that
    /// each begins at another place. At most 1,024 in all, spread over the pool; one without more places is looked at whole.
    pub(crate) fn places(
        self,
        size: u64,
        client: u64,
    ) -> (impl Iterator<Item = u64>, impl Iterator<Item = u64>) {
        let own = size.saturating_sub(self.rank).div_ceil(self.of);
        let others = size - own;
        // however many are its own, some of the others' are looked at
        let own_looked_at = own.min(PLACES_MAX - others.min(PLACES_MAX / 2));
        (
            around(own, client, own_looked_at).map(move |n| n * self.of + self.rank),
            around(others, client, PLACES_MAX - own_looked_at).map(move |n| self.of_others(n)),
        )
    }

    /// The place of a pool that is the `n`th of those that are not in this share; never asked where the share is all.
    fn of_others(self, n: u64) -> u64 {
        let in_a_row = self.of - 1;
        let (row, column) = (n / in_a_row, n % in_a_row);
        row * self.of + column + u64::from(column >= self.rank)
    }
}

/// At most `count` of the numbers below `size`, each once: one that follows from `client`, and those behind it. Where they are
/// not all looked at, they are spread over the whole: what is taken may lie in one piece.
fn around(size: u64, client: u64, count: u64) -> impl Iterator<Item = u64> {
    let first = client.checked_rem(size).unwrap_or_default();
    let step = if count < size { spread_step(size) } else { 1 };
    (0..count.min(size)).map(move |n| (first + n * step) % size)
}

/// A step that comes to every number below `size` before it comes to one again, and whose first ones lie far apart: near the
/// golden section, and without a common divisor.
fn spread_step(size: u64) -> u64 {
    let section = size / 1000 * 618 + size % 1000 * 618 / 1000;
    (section.max(1)..size)
        .find(|step| has_no_divisor_with(*step, size))
        .unwrap_or(1)
}

fn has_no_divisor_with(mut a: u64, mut b: u64) -> bool {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a == 1
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn own(share: Share, size: u64, client: u64) -> Vec<u64> {
        share.places(size, client).0.collect()
    }

    fn others(share: Share, size: u64, client: u64) -> Vec<u64> {
        share.places(size, client).1.collect()
    }

    fn sorted(mut places: Vec<u64>) -> Vec<u64> {
        places.sort_unstable();
        places
    }

    /// The point of it, for pools whose size the members do not divide, too, and for such as have fewer places than members.
    #[test]
    fn every_place_is_in_one_share_and_shares_differ_by_one_place() {
        for of in 1..=5 {
            for size in 0..40 {
                let shares = (0..of).map(|rank| own(Share::new(rank, of), size, 17));
                let sizes: Vec<usize> = shares.clone().map(|share| share.len()).collect();
                let least = sizes.iter().min().unwrap();
                assert!(sizes.iter().all(|size| size - least <= 1), "{sizes:?}");
                let all: Vec<u64> = shares.flatten().collect();
                assert_eq!(
                    sorted(all),
                    (0..size).collect::<Vec<u64>>(),
                    "{of} members, {size} places"
                );
            }
        }
    }

    #[test]
    fn what_is_not_ones_own_is_looked_at_behind_it_and_once() {
        for of in 1..=5 {
            for rank in 0..of {
                for size in 0..40 {
                    let share = Share::new(rank, of);
                    let all = [own(share, size, 17), others(share, size, 17)].concat();
                    assert_eq!(
                        sorted(all),
                        (0..size).collect::<Vec<u64>>(),
                        "{share:?}, {size} places"
                    );
                }
            }
        }
    }

    #[test]
    fn clients_begin_at_places_of_their_own() {
        let share = Share::new(1, 3);
        assert_eq!(own(share, 12, 0), [1, 4, 7, 10]);
        assert_eq!(own(share, 12, 6), [7, 10, 1, 4]);
        assert_eq!(others(share, 12, 0), [0, 2, 3, 5, 6, 8, 9, 11]);
        assert_eq!(others(share, 12, 13), [8, 9, 11, 0, 2, 3, 5, 6]);
        let firsts: BTreeSet<u64> = (0..4).map(|client| own(share, 12, client)[0]).collect();
        assert_eq!(firsts.len(), 4);
    }

    #[test]
    fn who_is_alone_has_everything() {
        assert_eq!(sorted(own(Share::WHOLE, 100, 7)), (0..100).collect::<Vec<u64>>());
        assert!(others(Share::WHOLE, 100, 7).is_empty());
        assert_eq!(Share::new(0, 1), Share::WHOLE);
        assert_eq!(Share::new(3, 0), Share::WHOLE, "nobody is less than one");
    }

    /// Half of the pool is taken in one piece, by reservations say: no client may be told for ever that nothing is left.
    #[test]
    fn what_is_looked_at_is_spread_over_the_pool() {
        for size in [1025, 4096, 65_000] {
            for client in 0..200 {
                let places = own(Share::WHOLE, size, client * 331);
                for tenth in 0..10 {
                    let piece = size * tenth / 10..size * (tenth + 1) / 10;
                    assert!(
                        places.iter().any(|place| piece.contains(place)),
                        "{size}, {piece:?}"
                    );
                }
                assert_eq!(BTreeSet::from_iter(&places).len(), places.len(), "each once");
            }
        }
    }

    /// A DHCPDISCOVER that finds nothing must not cost more because there are several members, nor find less.
    #[test]
    fn of_a_pool_with_many_places_some_are_looked_at() {
        for of in 1..=5 {
            for (size, looked_at) in [(1024, 1024), (1500, 1024), (65_000, 1024)] {
                let share = Share::new(of - 1, of);
                let (own, others) = (own(share, size, 99), others(share, size, 99));
                assert_eq!(own.len() + others.len(), looked_at, "{share:?}, {size} places");
                assert!(of == 1 || others.len() >= 512, "{share:?}, {size} places");
                assert!(own.iter().chain(&others).all(|place| *place < size));
            }
        }
    }
}

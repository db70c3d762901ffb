//! What the helper knows of the addresses it may touch: who claims each, and until when. Pure.

use std::collections::BTreeMap;

use tokio::time::Instant;

use crate::claim::{CLAIM_LIFE, Target};

/// Names one connection to the helper.
pub(crate) type ClientId = u64;

#[derive(Clone, Copy, Debug)]
struct Claim {
    client: ClientId,
    until: Instant,
}

/// What must happen on the interface before a claim may be confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claimed {
    /// The address is new here: add it and announce it.
    Added,
    /// It is here already: renew its lifetime.
    Renewed,
}

/// Why a claim changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// The address is none of those on the command line.
    #[error("{0} is not one of the addresses that this helper was started with (--allow INTERFACE=ADDRESS)")]
    NotAllowed(Target),
    /// Another live connection claims it.
    #[error("{0} is claimed by another client")]
    Taken(Target),
}

/// The allowed addresses and their claims.
#[derive(Debug)]
pub(crate) struct ClaimTable(BTreeMap<Target, Option<Claim>>);

impl ClaimTable {
    pub(crate) fn new(allowed: impl IntoIterator<Item = Target>) -> ClaimTable {
        ClaimTable(allowed.into_iter().map(|target| (target, None)).collect())
    }

    /// All addresses this table may name.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &Target> {
        self.0.keys()
    }

    /// Claims or renews. The claim lives from `now`, the moment of the call.
    pub(crate) fn claim(
        &mut self,
        client: ClientId,
        target: &Target,
        now: Instant,
    ) -> Result<Claimed, Refusal> {
        let slot = self
            .0
            .get_mut(target)
            .ok_or_else(|| Refusal::NotAllowed(target.clone()))?;
        let renewed = match slot {
            Some(claim) if claim.client == client => true,
            Some(claim) if claim.until > now => return Err(Refusal::Taken(target.clone())),
            Some(_) | None => false,
        };
        *slot = Some(Claim {
            client,
            until: now + CLAIM_LIFE,
        });
        Ok(if renewed { Claimed::Renewed } else { Claimed::Added })
    }

    /// Whether the client's claim on this address lives.
    pub(crate) fn is_claimed_by(&self, client: ClientId, target: &Target) -> bool {
        self.0
            .get(target)
            .is_some_and(|slot| slot.is_some_and(|claim| claim.client == client))
    }

    /// Ends a claim; false if the client has none on it.
    pub(crate) fn release(&mut self, client: ClientId, target: &Target) -> bool {
        match self.0.get_mut(target) {
            Some(slot) if slot.is_some_and(|claim| claim.client == client) => slot.take().is_some(),
            Some(_) | None => false,
        }
    }

    /// Ends the claims of a client that is gone and returns their addresses.
    pub(crate) fn forget(&mut self, client: ClientId) -> Vec<Target> {
        self.end(|claim| claim.client == client)
    }

    /// Ends the claims that nobody renewed in time and returns their addresses.
    pub(crate) fn lapse(&mut self, now: Instant) -> Vec<Target> {
        self.end(|claim| claim.until <= now)
    }

    /// When the next claim lapses, if there is one.
    pub(crate) fn next_lapse(&self) -> Option<Instant> {
        self.0.values().flatten().map(|claim| claim.until).min()
    }

    fn end(&mut self, ends: impl Fn(&Claim) -> bool) -> Vec<Target> {
        let mut ended = Vec::new();
        for (target, slot) in &mut self.0 {
            if slot.as_ref().is_some_and(&ends) {
                *slot = None;
                ended.push(target.clone());
            }
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn targets() -> [Target; 2] {
        [
            "eth0=10.97.0.1".parse().unwrap(),
            "eth1=10.98.0.1".parse().unwrap(),
        ]
    }

    fn table() -> (ClaimTable, [Target; 2], Instant) {
        (ClaimTable::new(targets()), targets(), Instant::now())
    }

    #[tokio::test]
    async fn a_claim_is_added_once_and_then_renewed() {
        let (mut table, [target, _], now) = table();
        assert_eq!(table.claim(1, &target, now), Ok(Claimed::Added));
        assert_eq!(
            table.claim(1, &target, now + CLAIM_LIFE / 2),
            Ok(Claimed::Renewed)
        );
        assert_eq!(table.next_lapse(), Some(now + CLAIM_LIFE / 2 + CLAIM_LIFE));
    }

    /// The helper is root's; whoever reaches its socket must not be able to give the host any other address.
    #[tokio::test]
    async fn only_named_addresses_on_their_own_interface_are_touched() {
        let (mut table, _, now) = table();
        for other in ["eth1=10.97.0.1", "eth0=10.97.0.2", "lo=10.97.0.1"] {
            let target: Target = other.parse().unwrap();
            assert_eq!(
                table.claim(1, &target, now),
                Err(Refusal::NotAllowed(target.clone()))
            );
            assert!(!table.release(1, &target));
        }
        assert_eq!(table.next_lapse(), None);
    }

    #[tokio::test]
    async fn a_claim_lapses_exactly_at_its_end() {
        let (mut table, [target, _], now) = table();
        table.claim(1, &target, now).unwrap();
        assert_eq!(table.lapse(now + CLAIM_LIFE - Duration::from_millis(1)), vec![]);
        assert_eq!(table.lapse(now + CLAIM_LIFE), vec![target.clone()]);
        assert_eq!(table.lapse(now + CLAIM_LIFE), vec![], "and is reported once");
        assert_eq!(
            table.claim(1, &target, now + CLAIM_LIFE),
            Ok(Claimed::Added),
            "the next one adds it again"
        );
    }

    /// A frozen member's successor process connects anew; it gets the address when the old claim lapses, not before.
    #[tokio::test]
    async fn a_live_claim_keeps_others_out_and_a_lapsed_one_does_not() {
        let (mut table, [target, _], now) = table();
        table.claim(1, &target, now).unwrap();
        assert_eq!(table.claim(2, &target, now), Err(Refusal::Taken(target.clone())));
        assert!(!table.release(2, &target), "nor may another client release it");
        assert!(table.is_claimed_by(1, &target) && !table.is_claimed_by(2, &target));
        assert_eq!(table.claim(2, &target, now + CLAIM_LIFE), Ok(Claimed::Added));
    }

    #[tokio::test]
    async fn a_gone_client_loses_its_claims_and_no_others() {
        let (mut table, [first, second], now) = table();
        table.claim(1, &first, now).unwrap();
        table.claim(2, &second, now).unwrap();
        assert_eq!(table.forget(1), vec![first.clone()]);
        assert_eq!(table.forget(1), vec![]);
        assert!(table.release(2, &second));
        assert_eq!(table.targets().count(), 2);
    }
}

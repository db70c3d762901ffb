//! What is counted of other servers and of probes; the names are the metric's labels.

use std::sync::atomic::{AtomicU64, Ordering};

/// One thing worth counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuardCount {
    /// A DHCPOFFER, DHCPACK or DHCPNAK of a server that is not expected on the network.
    RogueAnswers,
    /// A DHCPREQUEST of a client that has chosen such a server.
    RogueRequests,
    /// The same of a server that is expected.
    ExpectedServer,
    /// In mode `observe`: the other server answered as this member would.
    ObservedSame,
    /// In mode `observe`: it answered otherwise.
    ObservedDifferent,
    /// Addresses of pools that were asked for on the network before they were offered.
    Probed,
    /// Of these, addresses for which somebody answered.
    ProbeAnswered,
    /// Addresses that were offered unasked: too many are asked for already, or the question could not be sent.
    ProbeLeftOut,
    /// The interface could not be listened to; it is tried again.
    WireFailed,
}

impl GuardCount {
    /// Each with its name, in the order of the counters.
    const ALL: [(GuardCount, &'static str); 9] = [
        (GuardCount::RogueAnswers, "rogue_answers"),
        (GuardCount::RogueRequests, "rogue_requests"),
        (GuardCount::ExpectedServer, "expected_server"),
        (GuardCount::ObservedSame, "observed_same"),
        (GuardCount::ObservedDifferent, "observed_different"),
        (GuardCount::Probed, "probed"),
        (GuardCount::ProbeAnswered, "probe_answered"),
        (GuardCount::ProbeLeftOut, "probe_left_out"),
        (GuardCount::WireFailed, "wire_failed"),
    ];
}

/// The counters of one network; never reset.
#[derive(Debug, Default)]
pub struct GuardCounters([AtomicU64; GuardCount::ALL.len()]);

impl GuardCounters {
    pub(crate) fn add(&self, what: GuardCount) {
        self.0[what as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How often `what` has happened since the start.
    pub fn get(&self, what: GuardCount) -> u64 {
        self.0[what as usize].load(Ordering::Relaxed)
    }

    /// Every counter with its name, for metrics.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        GuardCount::ALL
            .iter()
            .map(|&(count, name)| (name, self.get(count)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_counter_and_a_name_of_its_own() {
        let counters = GuardCounters::default();
        for (n, (count, _)) in GuardCount::ALL.iter().enumerate() {
            (0..=n).for_each(|_| counters.add(*count));
        }
        let values: Vec<u64> = counters.all().map(|(_, value)| value).collect();
        assert_eq!(values, (1..=9).collect::<Vec<_>>());
        let names: std::collections::BTreeSet<_> = counters.all().map(|(name, _)| name).collect();
        assert_eq!(names.len(), 9);
    }
}

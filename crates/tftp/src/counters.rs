//! What happened, counted by a named reason; the names are the metric's labels.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counts {
    ($($variant:ident $name:literal $doc:literal),+ $(,)?) => {
        /// One thing worth counting.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Count { $(#[doc = $doc] $variant),+ }

        impl Count {
            /// Every reason, in the order of the counters.
            pub const ALL: &[Count] = &[$(Count::$variant),+];

            /// The reason as metrics and logs name it.
            pub fn name(self) -> &'static str {
                match self { $(Count::$variant => $name),+ }
            }
        }
    };
}

counts! {
    Requests "requests" "Read requests that arrived, whatever became of them.",
    CarriedOn "carried_on" "Transfers taken over in the middle from another member.",
    Completed "completed" "Files sent to the last block and acknowledged.",
    Bytes "bytes" "Bytes of file data sent, retransmissions included.",
    SizeProbes "size_probes" "UEFI's question for `tsize`, ended by error 8: not a failure.",
    AbortedByClient "aborted_by_client" "The client ended a transfer with an error packet.",
    TimedOut "timed_out" "The client fell silent; all retransmissions are spent.",
    NotFound "not_found" "A name that is not in the list of files.",
    WriteRefused "write_refused" "A write request; this server only reads.",
    ModeRefused "mode_refused" "A transfer mode other than `octet`.",
    Malformed "malformed" "A packet that is no TFTP request.",
    Unexpected "unexpected" "A packet for the request port that belongs to a transfer (ACK, DATA, ERROR).",
    Repeated "repeated" "The request of a transfer that is running already.",
    TooManyOfPeer "too_many_of_peer" "Refused: this address has its limit of transfers.",
    TooManyInAll "too_many_in_all" "Refused: the server has its limit of transfers.",
    SocketError "socket_error" "A socket could not be made, read or written.",
    Panicked "panicked" "A transfer panicked; the server lives on. A bug.",
}

/// The counters of one server; cheap to share, never reset.
#[derive(Debug, Default)]
pub struct Counters([AtomicU64; Count::ALL.len()]);

impl Counters {
    /// Counts one event.
    pub fn add(&self, what: Count) {
        self.add_many(what, 1);
    }

    /// Counts `n` events or bytes at once.
    pub fn add_many(&self, what: Count, n: u64) {
        self.0[what as usize].fetch_add(n, Ordering::Relaxed);
    }

    /// How often `what` has happened since the start.
    pub fn get(&self, what: Count) -> u64 {
        self.0[what as usize].load(Ordering::Relaxed)
    }

    /// Every counter with its name, for metrics.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Count::ALL.iter().map(|&count| (count.name(), self.get(count)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_reason_has_a_counter_and_a_name_of_its_own() {
        let counters = Counters::default();
        for (n, &count) in Count::ALL.iter().enumerate() {
            counters.add_many(count, n as u64 + 1);
        }
        let values: BTreeSet<u64> = counters.all().map(|(_, value)| value).collect();
        let names: BTreeSet<&str> = counters.all().map(|(name, _)| name).collect();
        assert_eq!(values.len(), Count::ALL.len());
        assert_eq!(names.len(), Count::ALL.len());
        assert_eq!(counters.get(Count::Requests), 1);
    }
}

//! What is counted of other servers and of probes; the names are the metric's labels.

tally::reasons! {
    /// One thing worth counting.
    pub enum GuardCount;

    RogueAnswers "rogue_answers" "A DHCPOFFER, DHCPACK or DHCPNAK of a server that is not expected on the network.",
    RogueRequests "rogue_requests" "A DHCPREQUEST of a client that has chosen such a server.",
    ExpectedServer "expected_server" "The same of a server that is expected.",
    ObservedSame "observed_same" "In mode `observe`: the other server answered as this member would.",
    ObservedDifferent "observed_different" "In mode `observe`: it answered otherwise.",
    Probed "probed" "Addresses of pools that were asked for on the network before they were offered.",
    ProbeAnswered "probe_answered" "Of these, addresses for which somebody answered.",
    ProbeLeftOut "probe_left_out" "Addresses that were offered unasked: too many are asked for already, or the question could not be sent.",
    WireFailed "wire_failed" "The interface could not be listened to; it is tried again.",
}

/// The counters of one network.
pub type GuardCounters = tally::Counters<GuardCount>;

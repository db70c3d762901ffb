//! What became of what was seen; the names are the metric's labels.

tally::reasons! {
    /// One thing worth counting.
    pub enum Count;

    Seen "seen" "Attempts of nodes that this member saw.",
    Dropped "dropped" "Lost: more came than could be taken in, or kept while there is no majority.",
    Told "told" "Entries of the log that tell of them.",
    Failed "failed" "Entries that could not be proposed now; what they tell is told later.",
    Refused "refused" "Entries that the cluster does not take: an older version's, or a bug.",
}

/// The counters of one member.
pub type Counters = tally::Counters<Count>;

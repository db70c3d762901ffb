//! What became of each question, counted by a named reason; the names are the metric's labels.

tally::reasons! {
    /// One thing worth counting: an answer, or the reason why there was none.
    pub enum Count;

    Received "received" "Questions that arrived over UDP or TCP, whatever became of them.",
    Answers "answers" "Answered with records.",
    NoData "no_data" "Answered: the name is there, but has no records of that type.",
    NoSuchName "no_such_name" "Answered, after a majority confirmed it: there is no such name.",

    NotInAZone "not_in_a_zone" "Refused: the name is in none of the zones; this server asks nobody else.",
    OtherClass "other_class" "Refused: a class other than Internet.",
    TransferRefused "transfer_refused" "Refused: zones are given to nobody as a whole.",
    NotAQuery "not_a_query" "Refused as not implemented: an update, a notification or the like.",
    Malformed "malformed" "Refused as malformed.",
    UnknownEdnsVersion "unknown_edns_version" "Refused: a version of EDNS other than 0.",
    NoMajority "no_majority" "Failed: that there is no such name needs a majority, and there is none.",
    TooManyWaiting "too_many_waiting" "Failed: too many questions wait for the majority.",

    TooShort "too_short" "Dropped: shorter than the header of a DNS message.",
    TooLong "too_long" "Dropped: longer than any question.",
    NotAQuestion "not_a_question" "Dropped: an answer, which nobody has asked for here.",
    RateLimited "rate_limited" "Dropped: the sender asks faster than it is answered.",
    Slipped "slipped" "Told to come over TCP instead: the sender asks faster than it is answered over UDP.",
    Truncated "truncated" "Answered over UDP with the flag TC, as the records do not fit; the client comes over TCP.",

    TcpRefused "tcp_refused" "Connections closed at once: there were too many, of all clients or of that one.",
    TcpTimedOut "tcp_timed_out" "Connections closed: nothing came, or nothing was read, for too long.",
    TcpBroken "tcp_broken" "Connections that ended within a message.",

    SendFailed "send_failed" "Not sent: the system refused the packet.",
    ReceiveFailed "receive_failed" "A socket failed; it is used on.",
    Panicked "panicked" "A question made the server panic and was dropped. A bug.",
}

/// The counters of one server.
pub type Counters = tally::Counters<Count>;

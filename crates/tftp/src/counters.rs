//! What happened, counted by a named reason; the names are the metric's labels.

tally::reasons! {
    /// One thing worth counting.
    pub enum Count;

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

/// The counters of one server.
pub type Counters = tally::Counters<Count>;

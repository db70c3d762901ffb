//! What became of each packet, counted by a named reason; the names are the metric's labels.

use dhcproto::v6::MessageType;

tally::reasons! {
    /// One thing worth counting: a message, an answer, or the reason of a silence.
    pub enum Count;

    Received "received" "Packets that arrived, whatever became of them.",
    Relayed "relayed" "Of these: through relays, with a message of a client inside.",
    Solicits "solicits" "SOLICIT of a client.",
    Requests "requests" "REQUEST of a client.",
    Confirms "confirms" "CONFIRM of a client.",
    Renews "renews" "RENEW of a client.",
    Rebinds "rebinds" "REBIND of a client.",
    Releases "releases" "RELEASE of a client.",
    Declines "declines" "DECLINE of a client.",
    InformationRequests "information_requests" "INFORMATION-REQUEST of a client.",

    Advertises "advertises" "ADVERTISE sent.",
    Replies "replies" "REPLY sent that says only what this member has.",
    Refusals "refusals" "ADVERTISE or REPLY sent that refuses something, after a majority confirmed what this member knows.",

    TooShort "too_short" "Dropped: shorter than the header of a message.",
    TooLong "too_long" "Dropped: longer than an Ethernet frame carries.",
    TruncatedOption "truncated_option" "Dropped: an option reaches beyond its area.",
    TooManyOptions "too_many_options" "Dropped: more options than any client and its relays send.",
    TooManyRelays "too_many_relays" "Dropped: more relays around the message, or more hops, than RFC 8415 allows.",
    RelayWithoutMessage "relay_without_message" "Dropped: a RELAY-FORW without a message in it.",
    DuplicateOption "duplicate_option" "Dropped: an option that the answer depends on stands there twice.",
    MalformedOption "malformed_option" "Dropped: an option that the answer depends on has a wrong length.",
    WrongIdentifiers "wrong_identifiers" "Dropped: a message without the identifiers that its type must have, or with one that it must not have.",
    UnsupportedMessageType "unsupported_message_type" "Dropped: a message type that clients of this server do not send.",
    NotMulticast "not_multicast" "Dropped: sent to one server, where its type must be sent to all.",
    SourceNotServed "source_not_served" "Dropped: its sender is neither on the link nor in a prefix that is served.",

    TooManyPackets "too_many_packets" "Dropped: this client asks more often than a client does (`dhcp.client-packets-per-s-max`).",
    TooManyStrangers "too_many_strangers" "Dropped: too many clients that SMD does not know, at once (`dhcp.unknown-clients-per-s-max`).",
    NotInGroups "not_in_groups" "Silence: the component is in none of the groups that are answered (`dhcp-answer-only`).",
    IgnoredByPolicy "ignored_by_policy" "Silence: a policy ignores this client (`chamois dhcp policy list`).",
    UnknownMac "unknown_mac" "Silence: no ethernet interface has this MAC.",
    NoMac "no_mac" "Silence: neither relay, address nor DUID tells the client's MAC.",
    AddressHeld "address_held" "An address of the node's was left out: whoever had it before may use it still (`chamois dhcp held`).",
    AddressOfTwo "address_of_two" "Silence: SMD has the node's address on an interface of another component, too.",
    RelayNotServed "relay_not_served" "Silence: the relay's link is in none of the prefixes that may ask here.",
    OtherServer "other_server" "Silence: the client has chosen another server.",
    NothingToConfirm "nothing_to_confirm" "Silence: a CONFIRM that names no address.",
    NotHolder "not_holder" "Silence: another member holds the service address, and lived to answer this first attempt.",
    StoodIn "stood_in" "Answered in the place of the holder of the service address, which had fallen silent.",
    NoMajority "no_majority" "Silence: a refusal needs a majority, and there is none.",
    TooManyRefusals "too_many_refusals" "Silence: too many refusals wait for the majority.",

    Released "released" "RELEASE by the owner; a reservation stays.",
    DeclinedReservation "declined_reservation" "Alarm: a client found its reserved address in use by someone else.",
    UseMulticast "use_multicast" "Told a client that wrote to this server alone to write to all.",

    LoaderMissing "loader_missing" "Answered without a boot file: the loader is not in the folder, or nobody serves it.",
    ArchitectureUnknown "architecture_unknown" "Answered without a boot file: no loader for this architecture.",
    NoUrlHost "no_url_host" "Answered without a boot file: this member has no address in the network's prefixes.",

    SendFailed "send_failed" "Not sent: the system refused the packet.",
    ReceiveFailed "receive_failed" "The socket failed; it is read again.",
    Panicked "panicked" "A packet made the server panic and was dropped. A bug.",
}

impl Count {
    /// The counter of a client's message type; none for what clients do not send.
    pub(crate) fn of_type(message_type: MessageType) -> Option<Count> {
        Some(match message_type {
            MessageType::Solicit => Count::Solicits,
            MessageType::Request => Count::Requests,
            MessageType::Confirm => Count::Confirms,
            MessageType::Renew => Count::Renews,
            MessageType::Rebind => Count::Rebinds,
            MessageType::Release => Count::Releases,
            MessageType::Decline => Count::Declines,
            MessageType::InformationRequest => Count::InformationRequests,
            _ => return None,
        })
    }
}

/// The counters of one server.
pub type Counters = tally::Counters<Count>;

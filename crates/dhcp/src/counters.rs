//! What became of each packet, counted by a named reason; the names are the metric's labels.

tally::reasons! {
    /// One thing worth counting: an answer, or the reason of a silence.
    pub enum Count;

    Received "received" "Packets that arrived, whatever became of them.",
    Offers "offers" "DHCPOFFER sent.",
    Acks "acks" "DHCPACK sent in answer to a DHCPREQUEST.",
    InformAcks "inform_acks" "DHCPACK sent in answer to a DHCPINFORM.",
    Naks "naks" "DHCPNAK sent, after a majority confirmed what this member knows.",

    TooShort "too_short" "Dropped: shorter than the fixed part of a DHCP message.",
    TooLong "too_long" "Dropped: longer than an Ethernet frame carries.",
    NotARequest "not_a_request" "Dropped: not a BOOTREQUEST.",
    HardwareAddressTooLong "hardware_address_too_long" "Dropped: hlen above the 16 bytes of the field.",
    NotEthernet "not_ethernet" "Dropped: a hardware address other than a MAC.",
    WrongCookie "wrong_cookie" "Dropped: no DHCP magic cookie.",
    TruncatedOption "truncated_option" "Dropped: an option reaches beyond its area.",
    TooManyOptions "too_many_options" "Dropped: more options than any client sends.",
    WrongOverload "wrong_overload" "Dropped: option 52 is not 1, 2 or 3.",
    MalformedOption "malformed_option" "Dropped: an option that the answer depends on has a wrong length.",
    NoMessageType "no_message_type" "Dropped: BOOTP without option 53.",
    UnsupportedMessageType "unsupported_message_type" "Dropped: a message type that clients of this server do not send.",

    TooManyPackets "too_many_packets" "Dropped: this MAC asks more often than a client does (`dhcp.client-packets-per-s-max`).",
    TooManyStrangers "too_many_strangers" "Dropped: too many MACs that SMD does not know, at once (`dhcp.unknown-clients-per-s-max`).",
    NotInGroups "not_in_groups" "Silence: the component is in none of the groups that are answered (`dhcp-answer-only`).",
    Observed "observed" "Silence: in `dhcp-mode = \"observe\"` answers are compared with another server's, and not sent.",
    ProxyOnly "proxy_only" "Silence: in `dhcp-mode = \"proxy\"` only nodes that boot are answered, and never with an address.",
    ProbeUnderWay "probe_under_way" "Silence: the client's address is being asked for; its earlier message will be answered.",
    AddressesInUse "addresses_in_use" "Silence: somebody answered for each address that was to be offered; the next message draws others.",
    UnknownMac "unknown_mac" "Silence: no ethernet interface has this MAC.",
    IgnoredByPolicy "ignored_by_policy" "Silence: a policy ignores this client (`chamois dhcp policy list`).",
    AddressHeld "address_held" "Silence: whoever had the node's address before may use it still (`chamois dhcp held`).",
    AddressOfTwo "address_of_two" "Silence: SMD has the node's address on an interface of another component, too.",
    NoAddressHere "no_address_here" "Silence: the interface has no address on the network it asks from.",
    NoSubnet "no_subnet" "Silence: no subnet is defined for the network it asks from.",
    RelayNotServed "relay_not_served" "Silence: the relay, or the subnet that it names, is none of those that may ask here.",
    OtherServer "other_server" "Silence: the client has chosen another server.",
    NoAddressAsked "no_address_asked" "Silence: a DHCPREQUEST or DHCPINFORM that names no address.",
    PoolFull "pool_full" "Silence: the subnet's pools have no address left.",
    NoLease "no_lease" "Silence: the client asks for an address of which this cluster has no record.",
    NotHolder "not_holder" "Silence: another member holds the service address, and lived to answer this first attempt.",
    StoodIn "stood_in" "Answered in the place of the holder of the service address, which had fallen silent.",
    NoMajority "no_majority" "Silence: a DHCPNAK or a new lease needs a majority, and there is none.",
    TooManyBinds "too_many_binds" "Silence: too many leases wait to be committed.",
    TooManyNaks "too_many_naks" "Silence: too many DHCPNAKs wait for the majority.",
    Released "released" "DHCPRELEASE by the owner; a reservation stays.",
    ReleaseByOther "release_by_other" "DHCPRELEASE of an address that is not the client's.",
    LeaseReleased "lease_released" "DHCPRELEASE of an address of a pool by its client.",
    LeaseDeclined "lease_declined" "DHCPDECLINE: a client found its address of a pool in use; nobody gets it for a day.",
    DeclinedReservation "declined_reservation" "Alarm: a client found its reserved address in use by someone else.",
    DeclineByOther "decline_by_other" "DHCPDECLINE of an address that is not the client's.",

    LoaderMissing "loader_missing" "Answered without a bootfile: the loader is not in the folder.",
    ArchitectureUnknown "architecture_unknown" "Answered without a bootfile: no loader for this architecture.",
    OptionsLeftOut "options_left_out" "Answered without the least options: the client takes no message that long.",

    Unroutable "unroutable" "Not sent: only a real interface reaches a client without an address.",
    SendFailed "send_failed" "Not sent: the system refused the packet.",
    ReceiveFailed "receive_failed" "The socket failed; it is read again.",
    Panicked "panicked" "A packet made the server panic and was dropped. A bug.",
}

/// The counters of one server.
pub type Counters = tally::Counters<Count>;

//! Why statements of other DHCP servers are not imported, and what to do instead.

/// Loaders and boot files.
pub(super) const BOOT: &str = "members send their own loader and boot script; `chamois boot config` and `chamois import bss` say what nodes boot";
/// Dynamic updates of another DNS server.
const DDNS: &str = "members answer DNS themselves from what SMD has; no other server is updated";
/// How the other program runs.
const PROGRAM: &str =
    "it is about that program's own files, sockets or log; the members' own are in chamois.toml";
/// Bounds of lease times.
const BOUNDS: &str = "clients are given the lease time of their subnet, whatever they ask for";
/// Two servers of the other kind.
const FAILOVER: &str = "every member answers, with the same leases; there is no partner to name";
/// What depends on what a client sends.
const CLASSES: &str = "classes and conditions are not imported; loaders are chosen by architecture here, what nodes boot by \
                       `chamois boot config`";
/// IPv6.
pub(super) const IPV6: &str =
    "only IPv4 is imported; addresses of IPv6 are those of SMD's Ethernet interfaces";
/// Everything else.
const OTHER: &str =
    "there is nothing like it here; leave it out, or say what it is for in image or cloud-init";
/// An option by a name that nobody else has.
pub(super) const ISC_OPTION: &str = "an option that is defined in the configuration is not sent; set what it says in the image or \
                                     with cloud-init";
/// `allow` and `deny` that are not about unknown clients.
pub(super) const ISC_PERMISSION: &str =
    "every known MAC is answered, and strangers as the subnet says (`chamois subnet put --unknown`)";

/// A statement of dhcpd.conf without a block, by its first word.
pub(super) fn isc(keyword: &str) -> &'static str {
    match keyword {
        "filename" | "next-server" | "server-name" | "always-reply-rfc1048" => BOOT,
        "max-lease-time" | "min-lease-time" | "dynamic-bootp-lease-length" | "dynamic-bootp-lease-cutoff" => {
            BOUNDS
        }
        "authoritative" => "members refuse what a client must not have; there is nothing to switch on",
        "not" => {
            "members refuse what a client must not have, and say nothing of networks that are not theirs"
        }
        "use-host-decl-names" | "get-lease-hostnames" => {
            "nodes are called as the cluster calls them; `chamois cloud-init defaults` sets the style"
        }
        "server-identifier" => "members name their service address",
        "subclass" | "match" | "spawn" | "set" | "unset" | "log" | "execute" => CLASSES,
        "ping-check" | "ping-timeout" | "ping-timeout-ms" => {
            "whether an address is probed before it is given out is not a setting here"
        }
        "one-lease-per-client" | "deny-duplicates" | "duplicates" => "a client has one lease in a subnet",
        "do-forward-updates"
        | "update-static-leases"
        | "update-optimization"
        | "update-conflict-detection" => DDNS,
        "db-time-format"
        | "omapi-port"
        | "omapi-key"
        | "lease-file-name"
        | "pid-file-name"
        | "log-facility"
        | "local-port"
        | "local-address"
        | "interface"
        | "limited-broadcast-address" => PROGRAM,
        "failover" | "mclt" | "split" | "max-response-delay" => FAILOVER,
        "range6" | "prefix6" | "fixed-address6" | "dhcpv6-lease-file-name" => IPV6,
        "always-broadcast" | "infinite-is-reserved" | "boot-unknown-clients" => ISC_PERMISSION,
        keyword if keyword.starts_with("ddns-") => DDNS,
        keyword if keyword.starts_with("ldap-") => {
            "LDAP is not asked; export its hosts into a file and import that"
        }
        _ => OTHER,
    }
}

/// A statement in a `host` block.
pub(super) fn isc_in_host(keyword: &str) -> &'static str {
    match keyword {
        "dhcp-client-identifier" | "uid" | "host-identifier" | "client-id" => {
            "a client is known by its MAC; firmware, loader and system send different identifiers for one interface"
        }
        "option" => "options of single hosts are not sent; give them with cloud-init, or to the whole subnet",
        "fixed-address6" | "fixed-prefix6" => IPV6,
        "deny" | "ignore" | "allow" => {
            "a MAC that is to get no answer is not imported as such; remove the host, and it is a stranger's"
        }
        keyword => isc(keyword),
    }
}

/// A block of dhcpd.conf.
pub(super) fn isc_block(keyword: &str) -> &'static str {
    match keyword {
        "class" | "subclass" | "if" | "elsif" | "else" | "switch" | "on" => CLASSES,
        "subnet6" | "pool6" => IPV6,
        "zone" | "key" => DDNS,
        "failover" => FAILOVER,
        _ => OTHER,
    }
}

/// An option of dnsmasq, by its long name.
pub(super) fn dnsmasq(name: &str) -> &'static str {
    match name {
        "dhcp-boot" | "pxe-service" | "pxe-prompt" | "dhcp-no-override" => BOOT,
        "enable-tftp" | "tftp-root" | "tftp-secure" | "tftp-no-fail" | "tftp-unique-root"
        | "tftp-lowercase" | "tftp-max" | "tftp-mtu" | "tftp-no-blocksize" | "tftp-port-range"
        | "tftp-single-port" => "members with the role tftp send loaders and the files of `chamois file put`",
        "dhcp-match"
        | "dhcp-vendorclass"
        | "dhcp-userclass"
        | "dhcp-mac"
        | "dhcp-circuitid"
        | "dhcp-remoteid"
        | "dhcp-subscrid"
        | "dhcp-name-match"
        | "tag-if"
        | "dhcp-generate-names" => CLASSES,
        "dhcp-authoritative" => "members refuse what a client must not have; there is nothing to switch on",
        "dhcp-sequential-ip" | "no-ping" | "dhcp-rapid-commit" | "bootp-dynamic" | "dhcp-ignore-clid"
        | "dhcp-broadcast" | "dhcp-ttl" => "members do so, or need not: there is nothing to set",
        "dhcp-ignore-names" => "names are those of SMD, never what a client says",
        "dhcp-lease-max" => "a pool has as many leases as addresses",
        "dhcp-script" | "dhcp-luascript" | "dhcp-scriptuser" | "script-arp" | "script-on-renewal"
        | "leasefile-ro" => "no program is run; `chamois watch` tells what changes",
        "dhcp-relay" | "dhcp-proxy" | "bridge-interface" | "shared-network" | "dhcp-alternate-port" => {
            "relays are found by themselves; list their networks as relayed-subnets in chamois.toml"
        }
        "enable-ra" | "ra-param" | "quiet-dhcp6" | "dhcp-duid" => IPV6,
        "read-ethers" => "/etc/ethers is not read; write its lines as dhcp-host=MAC,ADDRESS",
        "interface" | "except-interface" | "no-dhcp-interface" | "listen-address" | "bind-interfaces"
        | "bind-dynamic" | "user" | "group" | "pid-file" | "dhcp-leasefile" | "log-facility"
        | "log-async" | "log-dhcp" | "log-queries" | "quiet-dhcp" | "keep-in-foreground" | "no-daemon"
        | "conf-script" => PROGRAM,
        "port" | "server" | "local" | "address" | "host-record" | "cname" | "ptr-record" | "mx-host"
        | "srv-host" | "txt-record" | "addn-hosts" | "hostsdir" | "no-hosts" | "no-resolv" | "no-poll"
        | "resolv-file" | "expand-hosts" | "cache-size" | "domain-needed" | "bogus-priv" | "filterwin2k"
        | "strict-order" | "all-servers" | "auth-server" | "auth-zone" | "localise-queries"
        | "interface-name" | "rebind-domain-ok" | "stop-dns-rebind" | "dnssec" | "rev-server"
        | "dns-forward-max" | "neg-ttl" | "local-ttl" | "no-negcache" => {
            "DNS is not imported: members answer for the nodes of SMD, a resolver of the site's for everything else"
        }
        _ => OTHER,
    }
}

/// A key of Kea's configuration, in an object of this kind.
pub(super) fn kea(key: &str) -> &'static str {
    match key {
        "next-server" | "server-hostname" | "boot-file-name" => BOOT,
        "min-valid-lifetime" | "max-valid-lifetime" => BOUNDS,
        "renew-timer" | "rebind-timer" | "calculate-tee-times" | "t1-percent" | "t2-percent" => {
            "clients renew at half of the lease time and rebind at seven eighths"
        }
        "client-classes"
        | "client-class"
        | "require-client-classes"
        | "evaluate-additional-classes"
        | "only-if-required"
        | "only-in-additional-list" => CLASSES,
        "hooks-libraries"
        | "multi-threading"
        | "control-socket"
        | "control-sockets"
        | "loggers"
        | "lease-database"
        | "hosts-database"
        | "hosts-databases"
        | "interfaces-config"
        | "interface"
        | "config-control"
        | "server-tag"
        | "dhcp-queue-control"
        | "packet-queue-size"
        | "sanity-checks"
        | "statistic-default-sample-count"
        | "statistic-default-sample-age"
        | "data-directory" => PROGRAM,
        "match-client-id" | "host-reservation-identifiers" => {
            "a client is known by its MAC; firmware, loader and system send different identifiers for one interface"
        }
        "reservations-global"
        | "reservations-in-subnet"
        | "reservations-out-of-pool"
        | "reservation-mode"
        | "reservations-lookup-first"
        | "early-global-reservations-lookup"
        | "ip-reservations-unique" => "a MAC's address decides where it is; what SMD has is in no pool",
        "decline-probation-period" | "expired-leases-processing" => {
            "members keep a declined or ended lease by a rule of their own"
        }
        "authoritative" => "members refuse what a client must not have; there is nothing to switch on",
        "echo-client-id" | "compatibility" => "members answer by the RFC; there is nothing to set",
        "relay" => "relays are found by themselves; list their networks as relayed-subnets in chamois.toml",
        "hostname-char-set" | "hostname-char-replacement" => {
            "names are those of SMD, never what a client says"
        }
        "cache-threshold"
        | "cache-max-age"
        | "store-extended-info"
        | "allocator"
        | "offer-lifetime"
        | "offer-lft"
        | "parked-packet-limit"
        | "stash-agent-options" => "members have no setting for it",
        "4o6-interface" | "4o6-interface-id" | "4o6-subnet" => IPV6,
        "option-def" => ISC_OPTION,
        key if key.starts_with("ddns-") || key == "dhcp-ddns" || key == "qualifying-suffix" => DDNS,
        _ => OTHER,
    }
}

/// A plugin of coredhcp.
pub(super) fn coredhcp(plugin: &str) -> &'static str {
    match plugin {
        "nbp" => BOOT,
        "prefix" | "ipv6only" => IPV6,
        "staticroute" => "routes are not sent by DHCP here; set them in the image or with cloud-init",
        "sleep" => "it is for tests of coredhcp",
        _ => OTHER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever reads it must know what to do; "unsupported" says nothing.
    #[test]
    fn every_reason_is_a_sentence() {
        let reasons = [
            isc("filename"),
            isc("ddns-updates"),
            isc("what-is-this"),
            isc_in_host("uid"),
            isc_block("class"),
            dnsmasq("dhcp-boot"),
            dnsmasq("server"),
            dnsmasq("what-is-this"),
            kea("loggers"),
            kea("what-is-this"),
            coredhcp("nbp"),
            coredhcp("prefix"),
        ];
        for reason in reasons {
            assert!(reason.split(' ').count() >= 6, "{reason}");
        }
    }
}

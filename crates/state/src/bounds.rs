//! Bounds on everything that a client can put into the state, and the checks that share them.

pub use boot_choice::{BOOT_PRIORITY_DEFAULT, CONFIGURATIONS_PER_SELECTOR_MAX, MERGED_MAX, NODE_SETS_MAX};
use model::Rejection;

/// Objects or keys that one command may name.
pub const IDS_PER_COMMAND_MAX: usize = 100_000;
/// Keys that an outcome lists of what is gone, or of what a delete without names changed: an outcome is stored with
/// its session and must fit into a message between members, however much `all` takes away.
pub const IDS_LISTED_MAX: usize = 10_000;
/// Changes in one entry that stand or fall together: those of one node.
pub const STEPS_TOGETHER_MAX: usize = 1024;
/// Bytes of a name: a key, a role, a network, a principal.
pub const NAME_BYTES_MAX: usize = 255;
/// Bytes of a description.
pub const DESCRIPTION_BYTES_MAX: usize = 1024;
/// Bytes of the kernel parameters of one entry: four times what Linux reads.
pub const PARAMS_BYTES_MAX: usize = 4 * 4096;
/// Bytes of a kernel's or an initrd's URL.
pub const URL_BYTES_MAX: usize = 2048;
/// Bytes of the cloud-init data of one entry, encoded.
pub const CLOUD_INIT_BYTES_MAX: usize = 256 * 1024;
/// Levels of nesting of cloud-init data. A level costs three of the hundred that a protobuf decoder follows.
pub const CLOUD_INIT_DEPTH_MAX: usize = 24;
/// Groups that cloud-init has data for.
pub const CLOUD_INIT_GROUPS_MAX: usize = 4096;
/// Bytes of all of them, so that they fit into one answer.
pub const CLOUD_INIT_GROUPS_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Bytes of the file of a secret group, and of its meta-data, in the clear: sealed each still fits into a secret.
pub const CLOUD_INIT_SECRET_BYTES_MAX: usize = SECRET_BYTES_MAX - 1024;
/// Groups that are secret: 16 MiB of sealed contents.
pub const CLOUD_INIT_SECRET_GROUPS_MAX: usize = 128;
/// Bytes of the meta-data of one node, encoded.
pub const INSTANCE_META_DATA_BYTES_MAX: usize = 4 * 1024;
/// Profiles, expired ones among them.
pub const PROFILES_MAX: usize = 128;
/// Nodes of one profile.
pub const NODES_PER_PROFILE_MAX: usize = 10_000;
/// Groups, or nodes with an info of their own, that one profile has variants of.
pub const VARIANTS_PER_PROFILE_MAX: usize = 1000;
/// Bytes of one profile, encoded: all of them make 16 MiB at most.
pub const PROFILE_BYTES_MAX: usize = 128 * 1024;
/// Log time after which a profile expires at the latest, seconds: 30 days.
pub const PROFILE_LIFETIME_S_MAX: u64 = 30 * 24 * 60 * 60;
/// Log time after which a profile expires that says nothing of it, seconds: a day.
pub const PROFILE_LIFETIME_S_DEFAULT: u64 = 24 * 60 * 60;
/// Log time for which what is secret is open to a node from the first use of its boot's token on, milliseconds.
pub const BOOT_SESSION_MS: u64 = 15 * 60 * 1000;
/// Nodes whose last boot with a token is kept.
pub const BOOT_SESSIONS_MAX: usize = 200_000;
/// Nodes with an instance-info.
pub const INSTANCE_INFOS_MAX: usize = 100_000;
/// Nodes with an instance-id: it outlives the node's instance-info.
pub const INSTANCES_MAX: usize = 200_000;
/// Above this number administrators give no more instance-ids, so that nodes that boot get theirs.
pub const INSTANCES_GIVEN_MAX: usize = 100_000;
/// SSH keys of the cluster's defaults or of one node.
pub const PUBLIC_KEYS_MAX: usize = 256;
/// Bytes of one line of `authorized_keys`.
pub const PUBLIC_KEY_BYTES_MAX: usize = 8192;
/// Bytes of what host names begin with: with the longest NID a name stays below the 63 of a DNS label.
pub const SHORT_NAME_BYTES_MAX: usize = 32;
/// Digits of a NID in host names: those of the largest.
pub const NID_DIGITS_MAX: u32 = 20;
/// Bytes that one command may add to the state: its values times the keys it stores them under.
pub const STORED_BYTES_PER_COMMAND_MAX: usize = 64 * 1024 * 1024;
/// Addresses of one Ethernet interface.
pub const ADDRESSES_PER_INTERFACE_MAX: usize = 64;
/// Boot records kept per node; the oldest leaves first.
pub const BOOT_RECORDS_PER_NODE_MAX: usize = 8;
/// Boots that one entry may tell the phases of: what `apply` does in some milliseconds.
pub const BOOTS_SEEN_PER_COMMAND_MAX: usize = 256;
/// Attempts at one phase that a boot record keeps: the first ones and the last.
pub const ATTEMPTS_PER_PHASE_MAX: usize = 8;
/// Attempts that one entry may tell of one boot: all that a record keeps.
pub const PHASES_PER_BOOT_MAX: usize = 10 * ATTEMPTS_PER_PHASE_MAX;
/// Longest pause between DHCP, loader and script of one boot, milliseconds.
pub const BOOT_PAUSE_MS_MAX: u64 = 10 * 60 * 1000;
/// How far the time of an attempt may be ahead of the log's, milliseconds: a member's clock may be, a little.
pub const BOOT_PHASE_AHEAD_MS_MAX: u64 = 10 * 60 * 1000;
/// Rollouts kept, those that are over included.
pub const ROLLOUTS_MAX: usize = 100;
/// Nodes that take part in one rollout.
pub const ROLLOUT_NODES_MAX: usize = 50_000;
/// Steps of one rollout.
pub const ROLLOUT_STEPS_MAX: usize = 20;
/// Seconds that a node has from its script to its phone-home, if the rollout does not say.
pub const BOOT_DEADLINE_S_DEFAULT: u32 = 1800;
/// The same, at most.
pub const BOOT_DEADLINE_S_MAX: u32 = 24 * 3600;
/// Versions kept of one object of the boot path; the oldest leaves first.
pub const REVISIONS_PER_OBJECT_MAX: usize = 20;
/// Versions kept of all objects of the boot path: 20 each of 10,000 nodes. The oldest leaves first, but the newest two of an
/// object stay.
pub const REVISIONS_MAX: usize = 200_000;
/// Bytes of all versions together, with the same exception.
pub const REVISIONS_BYTES_MAX: usize = 64 << 20;
/// SSH host keys of one boot record.
pub const HOST_KEYS_PER_BOOT_MAX: usize = 16;
/// Bytes of one SSH host key.
pub const HOST_KEY_BYTES_MAX: usize = 8192;
/// Boot configurations of the cluster.
pub const BOOT_CONFIGURATIONS_MAX: usize = 10_000;
/// Bytes of the name of a boot configuration.
pub const BOOT_CONFIGURATION_NAME_BYTES_MAX: usize = 128;
/// Selectors of one kind of one boot configuration; whoever needs more writes a nodeset or a group.
pub const SELECTORS_PER_CONFIGURATION_MAX: usize = 10_000;
/// Highest priority of a boot configuration.
pub const BOOT_PRIORITY_MAX: u32 = 100;
/// Boot files of the cluster.
pub const BOOT_FILES_MAX: usize = 10_000;
/// Images of the cluster.
pub const IMAGES_MAX: usize = 1000;
/// Members that an image can be asked to be on.
pub const IMAGE_MEMBERS_MAX: u32 = 64;
/// Bytes of one boot file, 16 GiB: the largest that members on 10 Gbit/s store well within the 300 s of the call.
pub const BOOT_FILE_BYTES_MAX: u64 = 16 << 30;
/// Subnets of the cluster.
pub const SUBNETS_MAX: usize = 4096;
/// Deleted subnets of which leases may run; with as many no subnet may be deleted.
pub const DELETED_SUBNETS_MAX: usize = 4096;
/// Routers or DNS servers of one subnet: what a DHCP option holds is 63.
pub const SERVERS_PER_SUBNET_MAX: usize = 16;
/// Pools of one subnet.
pub const POOLS_PER_SUBNET_MAX: usize = 16;
/// Addresses left out of one pool.
pub const EXCLUDED_PER_POOL_MAX: usize = 256;
/// Leases of all pools: an address each, some 300 bytes.
pub const DHCP_LEASES_MAX: usize = 262_144;
/// Leases in one entry.
pub const LEASES_PER_COMMAND_MAX: usize = 1024;
/// Option 61, bytes: DHCP has one byte for its length.
pub const CLIENT_ID_BYTES_MAX: usize = 255;
/// A text that a client says of itself, bytes.
pub const DHCP_TEXT_BYTES_MAX: usize = 255;
/// Addresses that are held; with as many no interface may lose another.
pub const HELD_ADDRESSES_MAX: usize = 200_000;
/// MACs that have asked and that SMD does not know.
pub const UNKNOWN_CLIENTS_MAX: usize = 4096;
/// Such MACs in one entry.
pub const UNKNOWN_CLIENTS_PER_COMMAND_MAX: usize = 256;
/// DHCP policies, each of which is held against every packet and every name.
pub const DHCP_POLICIES_MAX: usize = 256;
/// Bytes of the name of a DHCP policy.
pub const DHCP_POLICY_NAME_BYTES_MAX: usize = 128;
/// Highest priority of a DHCP policy.
pub const DHCP_PRIORITY_MAX: u32 = 1000;
/// Priority of a DHCP policy that names none.
pub const DHCP_PRIORITY_DEFAULT: u32 = 500;
/// Selectors of one kind of one DHCP policy; whoever needs more makes a group.
pub const SELECTORS_PER_DHCP_POLICY_MAX: usize = 64;
/// Nodesets of all DHCP policies.
pub const DHCP_POLICY_NODE_SETS_MAX: usize = 1024;
/// Options without a field of their own, of one DHCP policy or one subnet.
pub const RAW_OPTIONS_MAX: usize = 64;
/// Bytes of one of them.
pub const RAW_OPTION_BYTES_MAX: usize = 1024;
/// Bytes of all of them: more than a DHCP message has room for.
pub const RAW_OPTIONS_BYTES_MAX: usize = 4096;
/// Groups of the cluster.
pub const GROUPS_MAX: usize = 10_000;
/// Components in one group.
pub const MEMBERS_PER_GROUP_MAX: usize = 100_000;
/// Groups that one component is in: what deleting it changes, and what its boot reads.
pub const GROUPS_PER_COMPONENT_MAX: usize = 64;
/// Tags of one group.
pub const TAGS_PER_GROUP_MAX: usize = 64;
/// Partitions of the cluster.
pub const PARTITIONS_MAX: usize = 1024;
/// Minutes of a service's reservation. Source: SMD.
pub const RESERVATION_MINUTES_MAX: u32 = 15;
/// Keys of reservations that one entry may come with.
pub const RESERVATION_KEYS_PER_ENTRY_MAX: usize = 1000;
/// Reservations that have ended whose rows go with one entry.
pub const RESERVATIONS_SWEPT_PER_ENTRY_MAX: usize = 1000;
/// Nodes with defaults for their creation.
pub const NODE_MAPS_MAX: usize = 200_000;
/// Bytes of what one of them may hold beside NID and roles, encoded.
pub const NODE_INFO_BYTES_MAX: usize = 4096;
/// Components whose power supplies are known.
pub const POWER_MAPS_MAX: usize = 200_000;
/// Supplies of one component.
pub const SUPPLIES_PER_COMPONENT_MAX: usize = 64;
/// Subscriptions to state changes: each is told by itself.
pub const SUBSCRIPTIONS_MAX: usize = 256;
/// Values of one key that a subscription is told of.
pub const TRIGGERS_PER_KEY_MAX: usize = 256;
/// Components that are found behind one Redfish endpoint: a rack PDU has a few dozen outlets.
pub const COMPONENTS_PER_ENDPOINT_MAX: usize = 1024;
/// Places of hardware behind one Redfish endpoint.
pub const HARDWARE_PER_ENDPOINT_MAX: usize = 4096;
/// Ethernet interfaces that are found at one component.
pub const INTERFACES_PER_COMPONENT_MAX: usize = 256;
/// Redfish services of one endpoint.
pub const SERVICES_PER_ENDPOINT_MAX: usize = 64;
/// Bytes of a component endpoint or a service endpoint, encoded.
pub const COMPONENT_ENDPOINT_BYTES_MAX: usize = 64 * 1024;
/// Places that hardware is in, or was.
pub const HARDWARE_LOCATIONS_MAX: usize = 1_000_000;
/// Field-replaceable units, spare parts among them.
pub const HARDWARE_FRUS_MAX: usize = 1_000_000;
/// Bytes of what is known of one place or one unit, as JSON: what Redfish says of a processor is below 2 KiB.
pub const HARDWARE_INFO_BYTES_MAX: usize = 16 * 1024;
/// Objects and arrays within each other in JSON that is kept as text.
pub const JSON_DEPTH_MAX: usize = 16;
/// Events kept per place; the oldest leaves first.
pub const HARDWARE_EVENTS_PER_PLACE_MAX: usize = 100;
/// Log time for which an event of hardware is kept, milliseconds: a year, as in SMD.
pub const HARDWARE_EVENT_LAPSE_MS: u64 = 365 * 24 * 60 * 60 * 1000;
/// Places whose events are kept; the one where nothing has happened for longest leaves first.
pub const HARDWARE_HISTORIES_MAX: usize = 1_000_000;
/// Roles of the cluster, beside the shipped ones.
pub const ROLES_MAX: usize = 128;
/// Bytes of the name of a role or an OIDC provider.
pub const AUTH_LABEL_BYTES_MAX: usize = 64;
/// Permissions of one role or token, patterns counted as one; also of all methods.
pub const PERMISSIONS_MAX: usize = 128;
/// Policies of the cluster.
pub const POLICIES_MAX: usize = 1024;
/// Bytes of the name of a policy.
pub const POLICY_NAME_BYTES_MAX: usize = 128;
/// Principals of one policy.
pub const POLICY_PRINCIPALS_MAX: usize = 256;
/// Hosts, groups, partitions or kinds of one policy.
pub const POLICY_SELECTORS_MAX: usize = 256;
/// Nodesets of all policies.
pub const POLICY_NODE_SETS_MAX: usize = 4096;
/// Policies that one entry may name as what gives its author the right.
pub const GRANT_POLICIES_MAX: usize = 32;
/// Keys that sign access tokens, those that have signed and are retired included: twenty rotations in a quarter of an hour.
pub const SIGNING_KEYS_MAX: usize = 32;
/// How long an access token is good at most, milliseconds; what is issued is good for ten minutes.
pub const ACCESS_TOKEN_MS_MAX: u64 = 15 * 60 * 1000;
/// How much later than its end something is still accepted, because clocks differ, milliseconds.
pub const LEEWAY_MS: u64 = 60 * 1000;
/// How long a key or CA is published before it signs, milliseconds.
pub const KEY_PUBLISHED_MS: u64 = 60 * 60 * 1000;
/// How long a retired key is remembered, milliseconds.
pub const KEY_REMEMBERED_MS: u64 = 90 * 24 * 60 * 60 * 1000;
/// Tokens for machines.
pub const API_TOKENS_MAX: usize = 10_000;
/// Those of one principal.
pub const API_TOKENS_PER_PRINCIPAL_MAX: usize = 256;
/// How long a token for a machine is good at most, milliseconds: 90 days.
pub const API_TOKEN_MS_MAX: u64 = 90 * 24 * 60 * 60 * 1000;
/// Logins that have not ended.
pub const LOGIN_SESSIONS_MAX: usize = 50_000;
/// Those of one principal; the oldest leaves first.
pub const LOGIN_SESSIONS_PER_PRINCIPAL_MAX: usize = 256;
/// How long a login lasts at most, milliseconds: 30 days.
pub const SESSION_MS_MAX: u64 = 30 * 24 * 60 * 60 * 1000;
/// Groups of a principal, as its provider names them.
pub const SESSION_GROUPS_MAX: usize = 256;
/// For so long after a refresh the refresh token before is taken for one whose answer was lost, milliseconds.
pub const REFRESH_LOST_MS: u64 = 10 * 1000;
/// Devices that a person has said yes to and that have not asked again.
pub const DEVICE_APPROVALS_MAX: usize = 10_000;
/// How long such a yes is good, milliseconds.
pub const DEVICE_MS: u64 = 10 * 60 * 1000;
/// What is refused though it has not ended.
pub const REVOCATIONS_MAX: usize = 100_000;
/// Beyond that there is room for so many revocations of principals, logins and certificates.
pub const REVOCATIONS_RESERVED_MAX: usize = 10_000;
/// Single access tokens that one author may have taken back at a time; who has more to take back names their principal.
pub const REVOCATIONS_OF_TOKENS_PER_AUTHOR_MAX: usize = 1000;
/// How long a revocation is remembered at most, milliseconds: ten years, longer than any certificate runs.
pub const REVOCATION_MS_MAX: u64 = 3660 * 24 * 60 * 60 * 1000;
/// Providers whose logins are believed.
pub const OIDC_PROVIDERS_MAX: usize = 16;
/// Scopes or audiences of one provider.
pub const OIDC_TEXTS_MAX: usize = 64;
/// Bytes of the CAs of one provider or of one CA's certificate, PEM.
pub const CA_PEM_BYTES_MAX: usize = 64 * 1024;
/// How long the last good keys of a provider count at most, seconds.
pub const OIDC_KEYS_AGE_S_MAX: u32 = 24 * 60 * 60;
/// CAs of the cluster.
pub const AUTHORITIES_MAX: usize = 8;
/// Jobs that are not over.
pub const JOBS_ACTIVE_MAX: usize = 500;
/// Jobs that are over and are remembered; the oldest leaves first.
pub const JOBS_OVER_MAX: usize = 500;
/// How long a job that is over is remembered at most, milliseconds: 30 days.
pub const JOB_REMEMBERED_MS: u64 = 30 * 24 * 60 * 60 * 1000;
/// Targets of one job.
pub const TARGETS_PER_JOB_MAX: usize = 100_000;
/// Targets of all jobs, some 300 bytes of memory each; jobs that are over leave where there are more.
pub const JOB_TARGETS_MAX: usize = 300_000;
/// Targets of jobs that go with one entry; one job goes as a whole.
pub const JOB_TARGETS_SWEPT_PER_ENTRY_MAX: usize = 100_000;
/// Targets that one report may tell of, those that are known and new ones each.
pub const JOB_TARGETS_PER_REPORT_MAX: usize = 10_000;
/// Bytes of what a job is to do, encoded, without the list of its targets: its row is written with every report.
pub const JOB_WORK_BYTES_MAX: usize = 16 * 1024;
/// Bytes of a scan, encoded: it has networks and ranges for targets, which stay a part of it.
pub const SCAN_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a job's own note on a target: the URI of a task.
pub const JOB_NOTE_BYTES_MAX: usize = 4096;
/// Seconds that a claim to a job is good without a report, at least.
pub const CLAIM_LAPSE_S_MIN: u32 = 5;
/// The same, at most.
pub const CLAIM_LAPSE_S_MAX: u32 = 300;
/// BMCs that were found.
pub const BMCS_MAX: usize = 100_000;
/// BMCs, or firmware inventories, in one entry.
pub const BMCS_PER_COMMAND_MAX: usize = 1000;
/// Rules for the xnames of BMCs, each of which is held against every BMC that is found.
pub const XNAME_RULES_MAX: usize = 10_000;
/// Bytes of the name of such a rule.
pub const XNAME_RULE_NAME_BYTES_MAX: usize = 128;
/// Highest priority of such a rule.
pub const XNAME_RULE_PRIORITY_MAX: u32 = 1000;
/// Priority of a rule that names none.
pub const XNAME_RULE_PRIORITY_DEFAULT: u32 = 500;
/// Numbers of one template.
pub const TEMPLATE_DIGITS_MAX: usize = 16;
/// Credentials of BMCs, groups and addresses.
pub const BMC_CREDENTIALS_MAX: usize = 100_000;
/// Bytes of the scope of one, without its kind: sealed it has a name of its own, which is longer.
pub const CREDENTIAL_SCOPE_BYTES_MAX: usize = 220;
/// Firmware of one BMC.
pub const FIRMWARE_PER_BMC_MAX: usize = 256;
/// Systems behind one BMC.
pub const SYSTEMS_PER_BMC_MAX: usize = 64;
/// BIOS attributes of one system.
pub const BIOS_ATTRIBUTES_MAX: usize = 2000;
/// Bytes of the firmware inventory of one BMC, encoded.
pub const FIRMWARE_INVENTORY_BYTES_MAX: usize = 1024 * 1024;
/// Templates of files.
pub const TEMPLATES_MAX: usize = 500;
/// Bytes of the name of one.
pub const TEMPLATE_NAME_BYTES_MAX: usize = 128;
/// Bytes of the path that it is written to.
pub const TEMPLATE_PATH_BYTES_MAX: usize = 512;
/// Bytes of its text.
pub const TEMPLATE_BODY_BYTES_MAX: usize = 64 * 1024;
/// Credentials that one template is shown.
pub const TEMPLATE_SECRETS_MAX: usize = 64;
/// Rows of what has ended that go with one entry.
pub const ENDED_FORGOTTEN_MAX: usize = 10_000;
/// Secrets that one entry seals anew.
pub const SECRETS_RESEALED_MAX: usize = 64;
/// Keys of secrets that are named as retired: a member that was away for more rotations keeps the older ones until it notices that
/// nobody names them.
pub const RETIRED_KEYS_MAX: usize = 16;
/// Bytes of a sealed secret.
pub const SECRET_BYTES_MAX: usize = 64 * 1024;
/// Clients with a live session.
pub const CLIENTS_MAX: usize = 65_536;
/// Idempotency keys whose outcomes are kept; they do not count as clients.
pub const IDEMPOTENCY_KEYS_MAX: usize = 100_000;
/// Log time for which the outcome of a request with an idempotency key is kept, milliseconds.
pub const IDEMPOTENCY_KEY_LAPSE_MS: u64 = 24 * 60 * 60 * 1000;
/// Bytes of a request's digest.
pub const REQUEST_DIGEST_BYTES: usize = 16;
/// Outcomes kept per client.
pub const OUTCOMES_PER_CLIENT_MAX: usize = 1024;
/// Bytes of outcomes per client from which on no further request of it is taken.
pub const OUTCOME_BYTES_PER_CLIENT_MAX: usize = 8 * 1024 * 1024;
/// Log time without a request after which a client's session lapses, milliseconds.
pub const SESSION_LAPSE_MS: u64 = 60 * 60 * 1000;
/// Log time since the opening of a session from which on an unknown client is refused, milliseconds. What is left of
/// `SESSION_LAPSE_MS` is for clocks: each member a client asks reckons by its own when the session was opened.
pub const NEW_SESSION_AGE_MS: u64 = SESSION_LAPSE_MS / 2;

/// A text of at most `bytes_max` bytes without control characters, so that it can neither break out of a line of a
/// boot script, a log or a terminal, nor fill the memory.
pub(crate) fn check_text(field: &str, text: &str, bytes_max: usize) -> Result<(), Rejection> {
    if text.len() > bytes_max {
        let problem = format!("it has {} bytes, at most {bytes_max} are accepted", text.len());
        return Err(Rejection::invalid(field, problem));
    }
    match text.chars().find(|c| c.is_control()) {
        Some(control) => {
            let problem = format!("it holds the control character {control:?}; write it as one line of text");
            Err(Rejection::invalid(field, problem))
        }
        None => Ok(()),
    }
}

/// One line of at most `bytes_max` bytes of what a device says: it is not the client's to mend, so what [`check_text`] would refuse
/// becomes a blank or is cut off.
pub(crate) fn line(text: &str, bytes_max: usize) -> String {
    let mut line = String::with_capacity(text.len().min(bytes_max));
    for c in text.chars().map(|c| if c.is_control() { ' ' } else { c }) {
        if line.len() + c.len_utf8() > bytes_max {
            break;
        }
        line.push(c);
    }
    line.trim().to_owned()
}

/// As `check_text`, and not empty.
pub(crate) fn check_name(field: &str, text: &str) -> Result<(), Rejection> {
    if text.is_empty() {
        return Err(Rejection::invalid(field, "it is missing"));
    }
    check_text(field, text, NAME_BYTES_MAX)
}

/// At most `items_max` items.
pub(crate) fn check_count(field: &str, items: usize, items_max: usize) -> Result<(), Rejection> {
    if items > items_max {
        let problem = format!("{items} items are given, at most {items_max} are accepted in one request");
        return Err(Rejection::invalid(field, problem));
    }
    Ok(())
}

/// Between one and `IDS_PER_COMMAND_MAX` items.
pub(crate) fn check_ids(field: &str, items: usize) -> Result<(), Rejection> {
    if items == 0 {
        return Err(Rejection::invalid(field, "none is given; name at least one"));
    }
    check_count(field, items, IDS_PER_COMMAND_MAX)
}

/// A revision is that of one object.
pub(crate) fn check_names_one(if_revision: Option<u64>, items: usize) -> Result<(), Rejection> {
    match if_revision {
        Some(_) if items != 1 => {
            let problem = format!("it is the revision of one object, and {items} are named");
            Err(Rejection::invalid("if_revision", problem))
        }
        Some(_) | None => Ok(()),
    }
}

/// Conditions of a list are one for each object, or none at all.
pub(crate) fn check_one_each(if_revisions: &[u64], items: usize) -> Result<(), Rejection> {
    if if_revisions.is_empty() || if_revisions.len() == items {
        return Ok(());
    }
    let problem = format!(
        "{} revisions are given for {items} objects; give one for each, or none",
        if_revisions.len()
    );
    Err(Rejection::invalid("if_revisions", problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_name_the_field_the_size_and_what_is_accepted() {
        assert_eq!(check_text("params", "console=ttyS0 quiet", 32), Ok(()));
        let long = check_text("params", &"x".repeat(33), 32).unwrap_err().to_string();
        assert_eq!(long, "params: it has 33 bytes, at most 32 are accepted");
        let many = check_ids("ids", IDS_PER_COMMAND_MAX + 1).unwrap_err().to_string();
        assert_eq!(
            many,
            "ids: 100001 items are given, at most 100000 are accepted in one request"
        );
        assert!(check_ids("ids", 0).is_err() && check_ids("ids", 1).is_ok());
        assert!(check_name("key", "").is_err());
    }

    #[test]
    fn what_a_device_says_becomes_one_line_that_fits() {
        assert_eq!(line(" a\nb\u{1b}[2J ", 64), "a b [2J");
        assert_eq!(
            line("\u{e9}\u{e9}\u{e9}", 5),
            "\u{e9}\u{e9}",
            "no character is cut in two"
        );
        assert_eq!(line("", 5), "");
        assert_eq!(check_text("reason", &line("\r\n\0", 64), 64), Ok(()));
    }

    #[test]
    fn every_control_character_is_refused() {
        for control in ['\n', '\r', '\0', '\t', '\u{1b}', '\u{7f}', '\u{85}'] {
            assert!(
                check_text("params", &format!("a{control}reboot"), 64).is_err(),
                "{control:?}"
            );
        }
    }
}

//! What .proto files say of methods that more people may call than those whom policies name, or that show more than their name tells.
//! Written down here once more: a method that is marked by mistake would be in no other test, because all of them go by the marks.

use std::collections::BTreeSet;

use proto::http::v1::Permission;
use rpc::Rules;

/// For everybody. None of them shows or changes what is stored, but for what they are shown themselves.
const FOR_EVERYBODY: [&str; 30] = [
    "/chamois.auth.v1.CertificateService/ListAuthorities",
    "/chamois.auth.v1.LoginService/ApproveDevice",
    "/chamois.auth.v1.LoginService/BeginDevice",
    "/chamois.auth.v1.LoginService/Callback",
    "/chamois.auth.v1.LoginService/GetDevicePage",
    "/chamois.auth.v1.LoginService/Login",
    "/chamois.auth.v1.OauthService/GetKeys",
    "/chamois.auth.v1.OauthService/GetMetadata",
    "/chamois.auth.v1.OauthService/GetToken",
    "/chamois.auth.v1.OauthService/Revoke",
    "/chamois.auth.v1.OauthService/Token",
    "/chamois.bss.v1.BmcResourceService/GetBootServiceHealth",
    "/chamois.bss.v1.ServiceStatusService/GetHsmStatus",
    "/chamois.bss.v1.ServiceStatusService/GetStatus",
    "/chamois.bss.v1.ServiceStatusService/GetStatusOfAll",
    "/chamois.bss.v1.ServiceStatusService/GetStorageStatus",
    "/chamois.bss.v1.ServiceStatusService/GetVersion",
    "/chamois.bss.v1.StateChangeService/NotifyStateChange",
    "/chamois.cloud_init.v1.ServiceVersionService/GetVersion",
    "/chamois.cluster.v1.JoinService/Join",
    "/chamois.configurator.v1.GenerateService/GetStatus",
    "/chamois.console.v1.RemoteConsoleService/ProbeRemoteConsole",
    "/chamois.power.v1.PowerHealthService/GetLiveness",
    "/chamois.power.v1.PowerHealthService/GetReadiness",
    "/chamois.smd.v1.ServiceStatusService/GetLiveness",
    "/chamois.smd.v1.ServiceStatusService/GetReady",
    "/chamois.smd.v1.ServiceStatusService/GetValues",
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/List",
    "/grpc.health.v1.Health/Watch",
];

/// For whoever has proved to be somebody; what is not his own each of them asks for by itself.
const FOR_WHOEVER_HAS_AN_IDENTITY: [&str; 9] = [
    "/chamois.auth.v1.CertificateService/IssueCertificate",
    "/chamois.auth.v1.OauthService/Exchange",
    "/chamois.auth.v1.OauthService/Introspect",
    "/chamois.auth.v1.PolicyService/CheckAccess",
    "/chamois.auth.v1.TokenService/CreateApiToken",
    "/chamois.auth.v1.TokenService/DeleteApiToken",
    "/chamois.auth.v1.TokenService/ListApiTokens",
    "/chamois.auth.v1.TokenService/ListSessions",
    "/chamois.auth.v1.TokenService/RevokeTokens",
];

/// Of these, for tokens that are limited to something else as well: what they give is no more than what is shown to them.
const FOR_LIMITED_TOKENS: [&str; 3] = [
    "/chamois.auth.v1.OauthService/Exchange",
    "/chamois.auth.v1.OauthService/Introspect",
    "/chamois.auth.v1.PolicyService/CheckAccess",
];

/// For who has only the right to read, by another name than those of reads.
const READS_OF_OTHER_NAMES: [&str; 15] = [
    "/chamois.audit.v1.AuditService/FollowAuditRecords",
    "/chamois.bss.v1.BootExplainService/ExplainBoot",
    "/chamois.bss.v1.HostService/DumpState",
    "/chamois.configurator.v1.GenerateService/Generate",
    "/chamois.configurator.v1.GenerateService/GenerateMap",
    "/chamois.configurator.v1.GenerateService/GenerateWithSecrets",
    "/chamois.dhcp.v1.DhcpExplainService/ExplainDhcp",
    "/chamois.power.v1.PowerStatusService/QueryPowerStatus",
    "/chamois.smd.v1.ComponentQueryService/QueryComponent",
    "/chamois.smd.v1.ComponentQueryService/QueryComponents",
    "/chamois.smd.v1.ComponentQueryService/QueryComponentsByNid",
    "/chamois.smd.v1.HardwareService/QueryHardware",
    "/chamois.smd.v1.LockService/QueryLockStatus",
    "/chamois.smd.v1.RedfishEndpointService/QueryRedfishEndpoints",
    "/chamois.smd.v1.ReservationService/CheckServiceReservations",
];
/// What reads are called.
const READS: [&str; 3] = ["Get", "List", "Watch"];

fn rules() -> Rules {
    Rules::from_descriptor(proto::DESCRIPTOR).unwrap()
}

fn marked(is_marked: impl Fn(&str, rpc::Rule) -> bool) -> BTreeSet<String> {
    let rules = rules();
    let marked = rules.iter().filter(|(path, rule)| is_marked(path, *rule));
    marked.map(|(path, _)| path.to_owned()).collect()
}

fn listed(paths: &[&str]) -> BTreeSet<String> {
    let listed: BTreeSet<String> = paths.iter().map(ToString::to_string).collect();
    assert_eq!(listed.len(), paths.len(), "one is there twice");
    listed
}

#[test]
fn methods_for_everybody_are_these() {
    let everybody = marked(|_, rule| rule.permission == Permission::Public);
    assert_eq!(everybody, listed(&FOR_EVERYBODY));
}

#[test]
fn methods_for_whoever_has_an_identity_are_these() {
    let identified = marked(|_, rule| rule.permission == Permission::Identified);
    assert_eq!(identified, listed(&FOR_WHOEVER_HAS_AN_IDENTITY));
    let limited = marked(|_, rule| rule.for_limited_tokens);
    assert_eq!(limited, listed(&FOR_LIMITED_TOKENS));
}

/// A write that says a consistency would be given to everybody who may read.
#[test]
fn what_readers_may_call_is_called_a_read_or_is_one_of_these() {
    let rules = rules();
    let others = marked(|path, rule| {
        let is_called_so = |path: &str| {
            let name = path.rsplit('/').next().unwrap_or_default();
            READS.iter().any(|word| name.starts_with(word))
        };
        let is_given = !matches!(rule.permission, Permission::Public | Permission::Member);
        let is_identified = rule.permission == Permission::Identified;
        let is_ours = path.starts_with("/chamois.");
        let is_read = rules.permission(rule.needs).ends_with(".read");
        is_ours && is_given && !is_identified && is_read && !is_called_so(path)
    });
    assert_eq!(others, listed(&READS_OF_OTHER_NAMES));
}

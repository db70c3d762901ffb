//! Which area of permissions a kind of rows belongs to.

use crate::RowKind;

/// The area whose `<area>.write` a change of such a row needs, whichever method makes it: that of the package that declares the
/// row, as `rpc::area_of_kind` reads it from the descriptor. A table, because what `apply` judges by must be the same in every build.
pub fn area_of(kind: RowKind) -> &'static str {
    match kind {
        RowKind::Header | RowKind::Session | RowKind::ObjectRevision => "raft",
        RowKind::Secret | RowKind::JoinToken => "cluster",
        RowKind::Component
        | RowKind::EthernetInterface
        | RowKind::Group
        | RowKind::RedfishEndpoint
        | RowKind::ComponentEndpoint
        | RowKind::ServiceEndpoint
        | RowKind::HardwareLocation
        | RowKind::HardwareFru
        | RowKind::Partition
        | RowKind::NodeMap
        | RowKind::PowerMap
        | RowKind::ComponentReservation
        | RowKind::ScnSubscription
        | RowKind::HardwareHistory => "smd",
        RowKind::BootParameters
        | RowKind::BootRecord
        | RowKind::BootConfiguration
        | RowKind::BootRollout
        | RowKind::BootRolloutNode => "bss",
        RowKind::Instance
        | RowKind::ClusterDefaults
        | RowKind::CloudInitGroup
        | RowKind::InstanceInfo
        | RowKind::Profile
        | RowKind::BootSession => "cloud-init",
        RowKind::Subnet
        | RowKind::DhcpLease
        | RowKind::HeldAddress
        | RowKind::UnknownClient
        | RowKind::DhcpPolicy
        | RowKind::DeletedSubnet => "dhcp",
        RowKind::BootFile | RowKind::Image => "boot-file",
        RowKind::Role
        | RowKind::Policy
        | RowKind::SigningKey
        | RowKind::ApiToken
        | RowKind::LoginSession
        | RowKind::DeviceApproval
        | RowKind::Revocation
        | RowKind::OidcProvider
        | RowKind::CertificateAuthority => "auth",
    }
}

/// The area of a permission, `<area>.<access>`.
pub(super) fn of_permission(permission: &str) -> &str {
    permission.split_once('.').map_or(permission, |(area, _)| area)
}

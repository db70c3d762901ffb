//! Objects and events as they are sent.

use proto::job::v1::Job;
use proto::watch::v1::event::Change;
use proto::watch::v1::object::{Kind, Value};
use proto::watch::v1::{Event, Object};
use state::RowKind;

/// An object, copied out of the state.
pub(crate) fn object(object: &state::Object) -> Object {
    use state::Object as Stored;
    let value = match object {
        Stored::Component(stored) => Value::Component(stored.as_ref().clone()),
        Stored::EthernetInterface(stored) => Value::EthernetInterface(stored.as_ref().clone()),
        Stored::Group(stored) => Value::Group(stored.as_ref().clone()),
        Stored::RedfishEndpoint(stored) => Value::RedfishEndpoint(stored.as_ref().clone()),
        Stored::ComponentEndpoint(stored) => Value::ComponentEndpoint(stored.as_ref().clone()),
        Stored::ServiceEndpoint(stored) => Value::ServiceEndpoint(stored.as_ref().clone()),
        Stored::Partition(stored) => Value::Partition(stored.as_ref().clone()),
        Stored::NodeMap(stored) => Value::NodeMap(stored.as_ref().clone()),
        Stored::HardwareLocation(stored) => Value::HardwareLocation(stored.as_ref().clone()),
        Stored::HardwareFru(stored) => Value::HardwareFru(stored.as_ref().clone()),
        Stored::BootParameters(stored) => Value::BootParameters(stored.as_ref().clone()),
        Stored::BootRecord(stored) => Value::BootRecord(stored.as_ref().clone()),
        Stored::BootConfiguration(stored) => Value::BootConfiguration(stored.as_ref().clone()),
        Stored::BootRollout(stored) => Value::BootRollout(stored.as_ref().clone()),
        Stored::Instance(stored) => Value::Instance(stored.as_ref().clone()),
        Stored::ClusterDefaults(stored) => Value::ClusterDefaults(stored.as_ref().clone()),
        Stored::CloudInitGroup(stored) => Value::CloudInitGroup(stored.as_ref().clone()),
        Stored::InstanceInfo(stored) => Value::InstanceInfo(stored.as_ref().clone()),
        Stored::Profile(stored) => Value::Profile(stored.as_ref().clone()),
        Stored::Subnet(stored) => Value::Subnet(stored.as_ref().clone()),
        Stored::DhcpLease(stored) => Value::DhcpLease(stored.as_ref().clone()),
        Stored::HeldAddress(stored) => Value::HeldAddress(stored.as_ref().clone()),
        Stored::UnknownClient(stored) => Value::UnknownClient(stored.as_ref().clone()),
        Stored::DhcpPolicy(stored) => Value::DhcpPolicy(stored.as_ref().clone()),
        Stored::BootFile(stored) => Value::BootFile(stored.as_ref().clone()),
        Stored::Image(stored) => Value::Image(stored.as_ref().clone()),
        Stored::PowerMap(stored) => Value::PowerMap(stored.as_ref().clone()),
        Stored::Role(stored) => Value::Role(stored.as_ref().clone()),
        Stored::Policy(stored) => Value::Policy(stored.as_ref().clone()),
        Stored::Bmc(stored) => Value::Bmc(stored.as_ref().clone()),
        Stored::XnameRule(stored) => Value::XnameRule(stored.as_ref().clone()),
        Stored::BmcCredential(stored) => Value::BmcCredential(stored.as_ref().clone()),
        Stored::FirmwareInventory(stored) => Value::FirmwareInventory(stored.as_ref().clone()),
        // what proves its author is nobody's business
        Stored::Job(stored) => Value::Job(Job {
            grant: None,
            ..stored.as_ref().clone()
        }),
        Stored::JobTarget(stored) => Value::JobTarget(stored.as_ref().clone()),
        Stored::Template(stored) => Value::Template(stored.as_ref().clone()),
    };
    Object {
        kind: kind(object.kind()).into(),
        key: object.id(),
        value: Some(value),
    }
}

/// An event of log index `revision`, by the object before and after it as far as they are seen; `None` if neither is.
pub(crate) fn event(
    revision: u64,
    before: Option<&state::Object>,
    after: Option<&state::Object>,
) -> Option<Event> {
    let (change, shown) = match (before, after) {
        (None, Some(after)) => (Change::Created, after),
        (Some(_), Some(after)) => (Change::Updated, after),
        (Some(before), None) => (Change::Deleted, before),
        (None, None) => return None,
    };
    Some(Event {
        revision,
        change: change.into(),
        object: Some(object(shown)),
    })
}

/// The name of a kind; `Unspecified` for what is never shown.
pub(crate) fn kind(kind: RowKind) -> Kind {
    match kind {
        RowKind::Header
        | RowKind::Session
        | RowKind::Secret
        | RowKind::JoinToken
        | RowKind::BootSession
        | RowKind::ComponentReservation
        | RowKind::ScnSubscription
        | RowKind::HardwareHistory
        | RowKind::DeletedSubnet
        | RowKind::ObjectRevision
        | RowKind::BootRolloutNode
        | RowKind::SigningKey
        | RowKind::ApiToken
        | RowKind::LoginSession
        | RowKind::DeviceApproval
        | RowKind::Revocation
        | RowKind::OidcProvider
        | RowKind::CertificateAuthority => Kind::Unspecified,
        RowKind::Component => Kind::Component,
        RowKind::EthernetInterface => Kind::EthernetInterface,
        RowKind::Group => Kind::Group,
        RowKind::RedfishEndpoint => Kind::RedfishEndpoint,
        RowKind::ComponentEndpoint => Kind::ComponentEndpoint,
        RowKind::ServiceEndpoint => Kind::ServiceEndpoint,
        RowKind::HardwareLocation => Kind::HardwareLocation,
        RowKind::HardwareFru => Kind::HardwareFru,
        RowKind::Partition => Kind::Partition,
        RowKind::NodeMap => Kind::NodeMap,
        RowKind::BootParameters => Kind::BootParameters,
        RowKind::BootRecord => Kind::BootRecord,
        RowKind::BootConfiguration => Kind::BootConfiguration,
        RowKind::BootRollout => Kind::BootRollout,
        RowKind::Instance => Kind::Instance,
        RowKind::ClusterDefaults => Kind::ClusterDefaults,
        RowKind::CloudInitGroup => Kind::CloudInitGroup,
        RowKind::InstanceInfo => Kind::InstanceInfo,
        RowKind::Profile => Kind::Profile,
        RowKind::Subnet => Kind::Subnet,
        RowKind::DhcpLease => Kind::DhcpLease,
        RowKind::HeldAddress => Kind::HeldAddress,
        RowKind::UnknownClient => Kind::UnknownClient,
        RowKind::DhcpPolicy => Kind::DhcpPolicy,
        RowKind::BootFile => Kind::BootFile,
        RowKind::Image => Kind::Image,
        RowKind::PowerMap => Kind::PowerMap,
        RowKind::Role => Kind::Role,
        RowKind::Policy => Kind::Policy,
        RowKind::Bmc => Kind::Bmc,
        RowKind::XnameRule => Kind::XnameRule,
        RowKind::BmcCredential => Kind::BmcCredential,
        RowKind::FirmwareInventory => Kind::FirmwareInventory,
        RowKind::Job => Kind::Job,
        RowKind::JobTarget => Kind::JobTarget,
        RowKind::Template => Kind::Template,
    }
}

/// A kind as requests name it, e.g. `ethernet_interface`.
pub(crate) fn name(row: RowKind) -> String {
    let name = kind(row).as_str_name();
    name.trim_start_matches("KIND_").to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A kind that could be stored and never be asked for would be missed by every copy.
    #[test]
    fn every_kind_of_row_but_eighteen_can_be_watched_under_its_number() {
        let shown: Vec<_> = RowKind::ALL
            .into_iter()
            .filter(|row| kind(*row) != Kind::Unspecified)
            .collect();
        assert_eq!(shown.len(), RowKind::ALL.len() - 18);
        for row in shown {
            assert_eq!(i32::from(row as u8), kind(row) as i32, "{row:?}");
        }
    }

    /// Token, session and certificate of whoever asked for a job are not told to those who watch it.
    #[test]
    fn a_job_is_shown_without_its_grant() {
        let job = Job {
            id: "j".into(),
            grant: Some(proto::auth::v1::Grant::default()),
            ..Job::default()
        };
        let shown = object(&state::Object::Job(job.clone().into()));
        let expected = Value::Job(Job { grant: None, ..job });
        assert_eq!((shown.key.as_str(), shown.value), ("j", Some(expected)));
    }
}

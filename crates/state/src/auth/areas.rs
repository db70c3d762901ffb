//! Which area of permissions a kind of rows belongs to.

use proto::job::v1::Job;
use proto::job::v1::job::Work;

use crate::{Event, Object, RowKind, State};

/// The area of how BMCs are logged in to.
pub(super) const CREDENTIALS: &str = "bmc-credential";
/// The area of which passwords a template is shown.
const SHOWN_SECRETS: &str = "configurator-secret";

/// The area whose `<area>.write` a change of such a row needs, whichever method makes it: that of the package that declares the
/// row, as `rpc::area_of_kind` reads it from the descriptor, but for credentials of BMCs, which have a right of their own, and jobs, which
/// need that of their work ([`area_of_job`]). A table, because what `apply` judges by must be the same in every build.
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
        RowKind::Bmc
        | RowKind::XnameRule
        | RowKind::FirmwareInventory
        | RowKind::Job
        | RowKind::JobTarget => "discovery",
        RowKind::BmcCredential => CREDENTIALS,
        RowKind::Template => "configurator",
    }
}

/// The area whose `<area>.write` a change of this job needs: that of what it does.
pub fn area_of_job(job: &Job) -> &'static str {
    match &job.work {
        Some(Work::Scan(_) | Work::Crawl(_)) | None => "discovery",
        Some(Work::CredentialRotation(_)) => CREDENTIALS,
        Some(Work::PowerTransition(_)) => "power",
        Some(Work::FirmwareUpdate(_)) => "firmware",
    }
}

/// The area of a sealed secret, by its name. The password of a Redfish endpoint may be changed by whoever may change the endpoint, and by
/// whoever may change credentials.
pub(super) fn of_secret(name: &[u8], permission: &str) -> &'static str {
    let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix.as_bytes()));
    match of_permission(permission) == CREDENTIALS {
        true if begins(&["bmc/"]) => CREDENTIALS,
        _ if begins(&["bmc-credential/", "bmc-next/"]) => CREDENTIALS,
        _ if begins(&["bmc/"]) => "smd",
        _ => "cluster",
    }
}

/// The area of what an entry has changed, between the states before and after it.
pub(super) fn of_event(event: &Event, before: &State, after: &State) -> &'static str {
    match event.object() {
        Some(Object::Job(job)) => area_of_job(job),
        Some(Object::JobTarget(target)) => {
            let job = after
                .jobs
                .get(&target.job)
                .or_else(|| before.jobs.get(&target.job));
            job.map_or("discovery", |job| area_of_job(job))
        }
        Some(Object::Template(_)) if is_grant(event) => SHOWN_SECRETS,
        _ => area_of(event.key().kind()),
    }
}

/// Whether all that became of a template is which passwords it is shown. A change of its text takes passwords away and is the right
/// of whoever writes templates.
fn is_grant(event: &Event) -> bool {
    let (Some(Object::Template(before)), Some(Object::Template(after))) = (event.before(), event.after())
    else {
        return false;
    };
    before.secrets != after.secrets && before.body == after.body && before.path == after.path
}

/// The area of a permission, `<area>.<access>`.
pub(super) fn of_permission(permission: &str) -> &str {
    permission.split_once('.').map_or(permission, |(area, _)| area)
}

#[cfg(test)]
mod tests {
    use proto::configurator::v1::Template;

    use super::*;

    #[test]
    fn a_password_belongs_to_whoever_may_change_it() {
        for (name, permission, area) in [
            ("bmc/x0c0s0b0", "smd.write", "smd"),
            ("bmc/x0c0s0b0", "discovery.write", "smd"),
            ("bmc/x0c0s0b0", "bmc-credential.write", "bmc-credential"),
            ("bmc-next/x0c0s0b0", "smd.write", "bmc-credential"),
            ("bmc-credential/default", "smd.write", "bmc-credential"),
            ("login-key", "bmc-credential.write", "cluster"),
        ] {
            assert_eq!(
                of_secret(name.as_bytes(), permission),
                area,
                "{name}, {permission}"
            );
        }
    }

    #[test]
    fn what_a_template_is_shown_is_not_for_whoever_writes_it() {
        let template = |body: &str, secrets: &[&str]| Template {
            name: "a".into(),
            body: body.into(),
            secrets: secrets.iter().map(ToString::to_string).collect(),
            ..Template::default()
        };
        let area = |before: Template, after: Template| {
            let objects = [before, after].map(|template| Some(Object::Template(template.into())));
            let [before, after] = objects;
            let event = Event::new(crate::RowKey::text(RowKind::Template, "a"), before, after);
            of_event(&event, &State::new(), &State::new())
        };
        let granted = template("a", &["default"]);
        assert_eq!(area(template("a", &[]), granted.clone()), "configurator-secret");
        assert_eq!(area(granted.clone(), template("a", &[])), "configurator-secret");
        assert_eq!(area(granted.clone(), template("b", &[])), "configurator");
        assert_eq!(area(granted.clone(), granted), "configurator");
    }

    #[test]
    fn a_job_belongs_to_what_it_does() {
        for (work, area) in [
            (Work::Scan(Default::default()), "discovery"),
            (Work::Crawl(Default::default()), "discovery"),
            (Work::CredentialRotation(Default::default()), "bmc-credential"),
            (Work::PowerTransition(Default::default()), "power"),
            (Work::FirmwareUpdate(Default::default()), "firmware"),
        ] {
            let job = Job {
                work: Some(work),
                ..Job::default()
            };
            assert_eq!(area_of_job(&job), area);
        }
        assert_eq!(area_of_job(&Job::default()), "discovery");
    }
}

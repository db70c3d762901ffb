//! Going back: an object of the boot path, or a template, becomes what it was once, by the same commands and checks as any other change.

use model::Rejection;
use prost::Message;
use proto::bss::v1::bss_command::{Delete, DeleteBootConfiguration, PutBootConfiguration, Replace, Rollback};
use proto::bss::v1::{BootConfiguration, BootParametersEntry, BssCommand, bss_command};
use proto::cloud_init::v1::cloud_init_command::{
    DeleteGroup, DeleteInstanceInfo, DeleteProfile, PutGroup, PutInstanceInfo, PutProfile,
    UpdateClusterDefaults,
};
use proto::cloud_init::v1::{
    CloudInitCommand, ClusterDefaults, Group, InstanceInfo, Profile, cloud_init_command,
};
use proto::configurator::v1::configurator_command::{DeleteTemplate, PutTemplate};
use proto::configurator::v1::{ConfiguratorCommand, Template, configurator_command};
use proto::raft::v1::ObjectRevision;
use proto::raft::v1::entry::Command;

use crate::cloud_init::DEFAULTS_FIELDS;
use crate::log_position::modified_revision;
use crate::{RowKind, State};

impl State {
    /// The command that makes the object what `rollback` names.
    ///
    /// # Errors
    /// `Invalid` for a kind whose versions are not kept, `RevisionMismatch`, `NotFound` for a version that is not kept (any
    /// more).
    pub(crate) fn command_back(&self, rollback: &Rollback) -> Result<Command, Rejection> {
        let kind = RowKind::of_number(rollback.kind).filter(|kind| crate::revisions::is_kept(*kind));
        let kind = kind.ok_or_else(|| Rejection::invalid("kind", "no versions are kept of this kind"))?;
        let actual = self.live_revision(kind, &rollback.id);
        if let Some(expected) = rollback.if_revision.filter(|expected| *expected != actual) {
            return Err(Rejection::RevisionMismatch {
                id: rollback.id.clone(),
                expected,
                actual,
            });
        }
        let version = self.revisions.get(kind, &rollback.id, rollback.revision);
        let version = version.ok_or_else(|| {
            let kept: Vec<String> = self
                .revisions
                .of(kind, &rollback.id)
                .map(|version| revision(version).to_string())
                .collect();
            let kept = match kept.is_empty() {
                true => "none is kept of it".to_owned(),
                false => format!("kept are {}", kept.join(", ")),
            };
            Rejection::not_found(
                "version",
                format!("{} of {}; {kept}", rollback.revision, rollback.id),
            )
        })?;
        command_to(kind, &version).map_err(|problem| Rejection::Bug {
            detail: format!("version {} of {}: {problem}", rollback.revision, rollback.id),
        })
    }
}

impl State {
    /// Revision of the last change of an object whose versions are kept; 0 if there is no such object.
    pub fn live_revision(&self, kind: RowKind, id: &str) -> u64 {
        let meta = match kind {
            RowKind::BootParameters => self.bss.entry(id).and_then(|stored| stored.meta.clone()),
            RowKind::BootConfiguration => self.bss.configuration(id).and_then(|stored| stored.meta.clone()),
            RowKind::CloudInitGroup => self.cloud_init.group(id).and_then(|stored| stored.meta.clone()),
            RowKind::InstanceInfo => {
                let node = id.parse().ok();
                let info = node.and_then(|node| self.cloud_init.instance_info(&node));
                info.and_then(|stored| stored.meta.clone())
            }
            RowKind::Profile => {
                let profile = self.cloud_init.profile(id);
                profile.and_then(|stored| stored.meta.clone())
            }
            RowKind::ClusterDefaults => {
                let defaults = self.cloud_init.cluster_defaults();
                defaults.and_then(|stored| stored.meta.clone())
            }
            RowKind::Template => {
                let template = self.configurator.template(id);
                template.and_then(|stored| stored.meta.clone())
            }
            _ => None,
        };
        modified_revision(meta.as_ref())
    }
}

fn revision(version: &ObjectRevision) -> u64 {
    version.change.as_ref().map_or(0, |change| change.revision)
}

/// What is sealed of a secret group stays as it is now: of what it was there is only ever the name of the file.
fn without_placeholder(group: Group) -> Group {
    let file = group.file.filter(|_| !group.secret);
    Group { file, ..group }
}

/// A profile for as long as that version was to be.
fn profile_again(version: &ObjectRevision) -> Result<PutProfile, prost::DecodeError> {
    let profile = Profile::decode(version.object.as_slice())?;
    let began_at_ms = version.change.as_ref().map_or(0, |change| change.at_ms);
    Ok(PutProfile {
        lifetime_s: profile.expires_at_ms.saturating_sub(began_at_ms) / 1000,
        profile: Some(profile),
        if_revision: None,
    })
}

/// The command that gives `version` again.
fn command_to(kind: RowKind, version: &ObjectRevision) -> Result<Command, prost::DecodeError> {
    let (id, gone, bytes) = (version.id.clone(), version.deleted, version.object.as_slice());
    let bss = |change| Command::Bss(BssCommand { change: Some(change) });
    let configurator = |change| Command::Configurator(ConfiguratorCommand { change: Some(change) });
    let cloud_init = |change| Command::CloudInit(CloudInitCommand { change: Some(change) });
    Ok(match kind {
        RowKind::BootParameters if gone => bss(bss_command::Change::Delete(Delete {
            keys: vec![id],
            ..Delete::default()
        })),
        RowKind::BootParameters => bss(bss_command::Change::Replace(Replace {
            keys: vec![id],
            values: Some(BootParametersEntry {
                meta: None,
                ..BootParametersEntry::decode(bytes)?
            }),
        })),
        RowKind::BootConfiguration if gone => bss(bss_command::Change::DeleteBootConfiguration(
            DeleteBootConfiguration {
                name: id,
                if_revision: None,
            },
        )),
        RowKind::BootConfiguration => bss(bss_command::Change::PutBootConfiguration(PutBootConfiguration {
            configuration: Some(BootConfiguration::decode(bytes)?),
            ..PutBootConfiguration::default()
        })),
        RowKind::CloudInitGroup if gone => cloud_init(cloud_init_command::Change::DeleteGroup(DeleteGroup {
            name: id,
            ..DeleteGroup::default()
        })),
        RowKind::CloudInitGroup => cloud_init(cloud_init_command::Change::PutGroup(PutGroup {
            group: Some(without_placeholder(Group::decode(bytes)?)),
            ..PutGroup::default()
        })),
        RowKind::InstanceInfo if gone => cloud_init(cloud_init_command::Change::DeleteInstanceInfo(
            DeleteInstanceInfo {
                id,
                ..DeleteInstanceInfo::default()
            },
        )),
        RowKind::InstanceInfo => cloud_init(cloud_init_command::Change::PutInstanceInfo(PutInstanceInfo {
            info: Some(InstanceInfo::decode(bytes)?),
            ..PutInstanceInfo::default()
        })),
        RowKind::Profile if gone => cloud_init(cloud_init_command::Change::DeleteProfile(DeleteProfile {
            name: id,
            if_revision: None,
        })),
        RowKind::Profile => cloud_init(cloud_init_command::Change::PutProfile(profile_again(version)?)),
        RowKind::Template if gone => {
            configurator(configurator_command::Change::DeleteTemplate(DeleteTemplate {
                name: id,
                if_revision: None,
            }))
        }
        // which passwords it was shown does not come back: they are granted, and for one text
        RowKind::Template => configurator(configurator_command::Change::PutTemplate(PutTemplate {
            template: Some(Template::decode(bytes)?),
            if_revision: None,
        })),
        // the cluster's defaults: `is_kept` lets no other kind in
        _ => cloud_init(cloud_init_command::Change::UpdateClusterDefaults(
            UpdateClusterDefaults {
                defaults: Some(ClusterDefaults::decode(bytes)?),
                clear: DEFAULTS_FIELDS.iter().map(|field| (*field).to_owned()).collect(),
                ..UpdateClusterDefaults::default()
            },
        )),
    })
}

//! Roles: permissions under one name. Some are shipped with every version and never stored.

use std::sync::{Arc, LazyLock};

use model::Rejection;
use proto::auth::v1::Role;
use proto::auth::v1::auth_command::{DeleteRole, PutRole};
use proto::raft::v1::outcome::Applied;

use super::policies::Policies;
use super::{created, forms, full, malformed, permissions, updated};
use crate::RowKind;
use crate::bounds::{DESCRIPTION_BYTES_MAX, ROLES_MAX, check_text};
use crate::changes::Changes;
use crate::cluster::{
    FEATURE_LEVEL_AUTH, FEATURE_LEVEL_CONFIGURATOR, FEATURE_LEVEL_DISCOVERY, FEATURE_LEVEL_KNOWN,
};
use crate::log_position::LogPosition;
use crate::outcome::deleted;
use crate::snapshot::SnapshotError;
use crate::table::Table;

/// Name, what it is for, permissions.
///
/// `apply` judges by them and they stand in no snapshot: members of two versions that disagree would make different states of one log.
/// So every change here, another role too, is a feature level of its own, and below it the roles are as they were ([`BEFORE`]); the test
/// `shipped_roles_are_what_every_member_of_this_level_has` holds them.
const SHIPPED: [(&str, &str, &[&str]); 7] = [
    (
        "viewer",
        "Reads everything but who may do what, and who did what",
        &["*.read"],
    ),
    (
        "operator",
        "Runs the nodes: inventory, discovery, power, consoles, locks, boot parameters, templates of files",
        &[
            "*.read",
            "bss.write",
            "configurator.write",
            "console.write",
            "discovery.write",
            "power.write",
            "smd.write",
            "watch.write",
        ],
    ),
    (
        "boot-admin",
        "Decides what nodes boot and which addresses they get",
        &[
            "*.read",
            "boot-file.*",
            "bss.*",
            "cloud-init.*",
            "dhcp.*",
            "watch.write",
        ],
    ),
    (
        "security-admin",
        "Decides who may do what and how BMCs are logged in to, and reads who did what",
        &[
            "audit.read",
            "auth.*",
            "bmc-credential.*",
            "cluster.read",
            "configurator-secret.*",
            "watch.read",
        ],
    ),
    ("admin", "May do everything", &["*.*"]),
    (
        "service",
        "What OpenCHAMI's services do with each other",
        &["bss.*", "smd.*", "watch.*"],
    ),
    ("node", "Nothing beyond what every node may", &[]),
];

/// Up to which level, not with it, these roles have these permissions; of one role the lower level first. What is not here is as
/// [`SHIPPED`] has it.
const BEFORE: [(u32, &str, &[&str]); 4] = [
    (
        FEATURE_LEVEL_DISCOVERY,
        "operator",
        &["*.read", "bss.write", "smd.write", "watch.write"],
    ),
    (
        FEATURE_LEVEL_DISCOVERY,
        "security-admin",
        &["audit.read", "auth.*", "cluster.read", "watch.read"],
    ),
    (
        FEATURE_LEVEL_CONFIGURATOR,
        "operator",
        &[
            "*.read",
            "bss.write",
            "console.write",
            "discovery.write",
            "power.write",
            "smd.write",
            "watch.write",
        ],
    ),
    (
        FEATURE_LEVEL_CONFIGURATOR,
        "security-admin",
        &[
            "audit.read",
            "auth.*",
            "bmc-credential.*",
            "cluster.read",
            "watch.read",
        ],
    ),
];
/// Levels with which the shipped roles became what they were until the next of them.
const CHANGED_AT: [u32; 3] = [
    FEATURE_LEVEL_AUTH,
    FEATURE_LEVEL_DISCOVERY,
    FEATURE_LEVEL_CONFIGURATOR,
];

/// In the order of [`CHANGED_AT`].
static SHIPPED_ROLES: LazyLock<[Vec<Arc<Role>>; CHANGED_AT.len()]> =
    LazyLock::new(|| CHANGED_AT.map(|level| SHIPPED.iter().map(|role| shipped(role, level)).collect()));

/// The roles that this version ships, in the order in which they are shown, as they are in a cluster whose members all have it.
pub fn shipped_roles() -> &'static [Arc<Role>] {
    shipped_at(FEATURE_LEVEL_KNOWN)
}

/// As [`shipped_roles`], in a cluster at this feature level.
pub(super) fn shipped_at(level: u32) -> &'static [Arc<Role>] {
    let place = CHANGED_AT.iter().rposition(|changed| *changed <= level);
    &SHIPPED_ROLES[place.unwrap_or_default()]
}

fn shipped((name, description, permissions): &(&str, &str, &[&str]), level: u32) -> Arc<Role> {
    let mut before = BEFORE
        .iter()
        .filter(|(from, role, _)| role == name && level < *from);
    let permissions = before.next().map_or(*permissions, |(_, _, before)| *before);
    Arc::new(Role {
        name: (*name).to_owned(),
        description: (*description).to_owned(),
        permissions: permissions.iter().map(ToString::to_string).collect(),
        meta: None,
    })
}

fn is_shipped(name: &str) -> bool {
    SHIPPED.iter().any(|(shipped, _, _)| *shipped == name)
}

/// Those that are stored, by name, and which of the shipped ones there are.
#[derive(Clone, Default)]
pub(super) struct Roles {
    table: Table<Role>,
    /// The cluster's.
    feature_level: u32,
}

impl Roles {
    pub(super) fn get(&self, name: &str) -> Option<&Arc<Role>> {
        let mut shipped = self.shipped().iter();
        shipped
            .find(|role| role.name == name)
            .or_else(|| self.stored_as(name))
    }

    /// In the order in which they are shown.
    pub(super) fn shipped(&self) -> &'static [Arc<Role>] {
        shipped_at(self.feature_level)
    }

    pub(super) fn set_level(&mut self, feature_level: u32) {
        self.feature_level = feature_level;
    }

    pub(super) fn stored_as(&self, name: &str) -> Option<&Arc<Role>> {
        self.table.get(&name.to_owned())
    }

    /// Sorted by name; one that a later version ships is not what its name means any more, see [`Roles::in_use`].
    pub(super) fn stored(&self) -> impl Iterator<Item = &Arc<Role>> {
        self.table.values()
    }

    /// Those that are what their name means: the shipped one wins where there are two.
    pub(super) fn in_use(&self) -> impl Iterator<Item = &Arc<Role>> {
        self.stored().filter(|role| !is_shipped(&role.name))
    }

    pub(super) fn put(
        &mut self,
        put: &PutRole,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let given = put
            .role
            .as_ref()
            .ok_or_else(|| Rejection::invalid("role", "it is missing"))?;
        check_not_shipped(&given.name)?;
        let mut role = normalised(given)?;
        let before = self.stored_as(&role.name).cloned();
        if before.is_none() && self.table.len() >= ROLES_MAX {
            return Err(full(ROLES_MAX));
        }
        let name = role.name.clone();
        let (meta, applied) = match before {
            Some(before) => (at.modified(before.meta.as_ref()), updated(&name)),
            None => (at.created(), created(&name)),
        };
        role.meta = meta;
        self.table.put(name, role, changes);
        Ok(applied)
    }

    pub(super) fn delete(
        &mut self,
        delete: &DeleteRole,
        policies: &Policies,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let name = &delete.name;
        if self.stored_as(name).is_none() {
            check_not_shipped(name)?;
            return Err(Rejection::not_found("role", name));
        }
        // what policies mean by a name that is shipped is not this one
        let policy = policies.with_role(name).filter(|_| !is_shipped(name));
        if let Some(policy) = policy {
            let detail = format!(
                "policy {} gives the role {name}; change or delete the policy first",
                policy.name
            );
            return Err(Rejection::Conflict { detail }.of_another("policy", &policy.name));
        }
        self.table.remove(name, changes);
        Ok(deleted(std::iter::once(name.clone())))
    }

    /// A role whose name this version ships was stored by one that did not: it is kept, or the snapshot could not be read.
    pub(super) fn load(&mut self, row: Role, changes: &mut Changes) -> Result<(), SnapshotError> {
        let name = self.table.check_load(&row, RowKind::Role)?;
        let normal = normalised(&row).map_err(|problem| malformed(RowKind::Role, problem))?;
        if normal.permissions != row.permissions {
            return Err(malformed(
                RowKind::Role,
                "its permissions are not sorted, each once",
            ));
        }
        self.table.put(name, row, changes);
        Ok(())
    }
}

/// Permissions sorted, each once. Its meta is not the client's to give.
fn normalised(given: &Role) -> Result<Role, Rejection> {
    forms::check_label("name", &given.name)?;
    check_text("description", &given.description, DESCRIPTION_BYTES_MAX)?;
    Ok(Role {
        permissions: permissions::some("permissions", &given.permissions)?,
        meta: None,
        ..given.clone()
    })
}

fn check_not_shipped(name: &str) -> Result<(), Rejection> {
    match is_shipped(name) {
        false => Ok(()),
        true => {
            let problem = format!("{name} is shipped and stays as it is; choose another name");
            Err(Rejection::invalid("name", problem))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::gives;

    fn may(role: &str, permission: &str) -> bool {
        may_at(FEATURE_LEVEL_KNOWN, role, permission)
    }

    fn may_at(level: u32, role: &str, permission: &str) -> bool {
        let mut roles = Roles::default();
        roles.set_level(level);
        gives(&roles.get(role).unwrap().permissions, permission)
    }

    /// A shipped role that could not be stored under another name could not be copied.
    #[test]
    fn shipped_roles_are_in_normal_form() {
        for role in shipped_roles().iter().filter(|role| role.name != "node") {
            let copy = Role {
                name: format!("my-{}", role.name),
                ..role.as_ref().clone()
            };
            assert_eq!(normalised(&copy), Ok(copy));
        }
    }

    /// Whoever changes this test needs a feature level for it: see [`SHIPPED`].
    #[test]
    fn shipped_roles_are_what_every_member_of_this_level_has() {
        let lines = |level: u32| -> Vec<String> {
            let line = |role: &Arc<Role>| format!("{}: {}", role.name, role.permissions.join(" "));
            shipped_at(level).iter().map(line).collect()
        };
        let operator = "operator: *.read bss.write smd.write watch.write";
        let security = "security-admin: audit.read auth.* cluster.read watch.read";
        let at_level_6 = [
            "viewer: *.read",
            operator,
            "boot-admin: *.read boot-file.* bss.* cloud-init.* dhcp.* watch.write",
            security,
            "admin: *.*",
            "service: bss.* smd.* watch.*",
            "node: ",
        ];
        assert_eq!(lines(6), at_level_6);
        let at_level_7 = at_level_6.map(|line| match line {
            _ if line == operator => {
                "operator: *.read bss.write console.write discovery.write power.write smd.write watch.write"
            }
            _ if line == security => {
                "security-admin: audit.read auth.* bmc-credential.* cluster.read watch.read"
            }
            line => line,
        });
        assert_eq!(lines(7), at_level_7);
        let at_level_8 = [
            "viewer: *.read",
            "operator: *.read bss.write configurator.write console.write discovery.write power.write smd.write watch.write",
            at_level_6[2],
            "security-admin: audit.read auth.* bmc-credential.* cluster.read configurator-secret.* watch.read",
            "admin: *.*",
            "service: bss.* smd.* watch.*",
            "node: ",
        ];
        assert_eq!(lines(8), at_level_8);
        assert_eq!(shipped_roles(), shipped_at(FEATURE_LEVEL_KNOWN));
    }

    /// As long as there is a member that does not know it, nobody is given what it would refuse.
    #[test]
    fn what_a_level_gives_is_not_given_before_it() {
        for (role, permission) in [
            ("operator", "power.write"),
            ("operator", "discovery.write"),
            ("operator", "console.write"),
            ("security-admin", "bmc-credential.write"),
        ] {
            assert!(!may_at(6, role, permission), "{role}: {permission}");
            assert!(may_at(7, role, permission), "{role}: {permission}");
        }
        for (role, permission) in [
            ("operator", "configurator.write"),
            ("security-admin", "configurator-secret.write"),
        ] {
            assert!(!may_at(7, role, permission), "{role}: {permission}");
            assert!(may_at(8, role, permission), "{role}: {permission}");
        }
    }

    /// An older version let somebody store a role under a name that this one ships.
    #[test]
    fn a_stored_role_whose_name_is_shipped_now_is_kept_and_means_nothing() {
        let row = Role {
            name: "viewer".into(),
            permissions: vec!["*.*".into()],
            ..Role::default()
        };
        let mut roles = Roles::default();
        roles.load(row.clone(), &mut Changes::silent()).unwrap();
        assert_eq!(roles.stored_as("viewer").cloned(), Some(Arc::new(row)));
        assert_eq!(roles.get("viewer").unwrap().permissions, ["*.read"]);
        assert_eq!(roles.in_use().count(), 0);
        let delete = DeleteRole {
            name: "viewer".into(),
        };
        let gone = roles.delete(&delete, &Policies::default(), &mut Changes::default());
        assert_eq!(gone.unwrap().deleted, ["viewer"]);
        assert!(
            roles
                .delete(&delete, &Policies::default(), &mut Changes::default())
                .is_err()
        );
    }

    #[test]
    fn only_those_who_decide_about_rights_see_them() {
        for (role, reads, writes) in [
            ("viewer", false, false),
            ("operator", false, false),
            ("boot-admin", false, false),
            ("service", false, false),
            ("node", false, false),
            ("security-admin", true, true),
            ("admin", true, true),
        ] {
            assert_eq!(
                (may(role, "auth.read"), may(role, "auth.write")),
                (reads, writes),
                "{role}"
            );
            assert_eq!(may(role, "audit.read"), reads, "{role}: who did what");
        }
    }

    #[test]
    fn a_role_gives_what_it_is_for() {
        for (role, permission, expected) in [
            ("viewer", "smd.read", true),
            ("viewer", "smd.write", false),
            ("operator", "bss.write", true),
            ("operator", "dhcp.write", false),
            ("boot-admin", "dhcp.write", true),
            ("boot-admin", "smd.write", false),
            ("security-admin", "smd.read", false),
            ("admin", "cluster.admin", true),
            ("operator", "cluster.admin", false),
            ("service", "watch.read", true),
            ("node", "smd.read", false),
            ("viewer", "discovery.read", true),
            ("viewer", "power.read", true),
            ("viewer", "power.write", false),
            ("viewer", "console.write", false),
            ("operator", "firmware.write", false),
            ("operator", "bmc-credential.write", false),
            ("boot-admin", "power.write", false),
            ("security-admin", "power.write", false),
            ("admin", "firmware.write", true),
            ("admin", "bmc-credential.write", true),
            ("viewer", "configurator.read", true),
            ("viewer", "configurator-secret.read", false),
            ("operator", "configurator-secret.read", false),
            ("operator", "configurator-secret.write", false),
            ("boot-admin", "configurator.write", false),
            ("security-admin", "configurator-secret.read", true),
            ("security-admin", "configurator.write", false),
            ("admin", "configurator-secret.read", true),
        ] {
            assert_eq!(may(role, permission), expected, "{role}: {permission}");
        }
    }
}

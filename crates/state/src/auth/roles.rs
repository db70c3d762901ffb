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
use crate::log_position::LogPosition;
use crate::outcome::deleted;
use crate::snapshot::SnapshotError;
use crate::table::Table;

/// Name, what it is for, permissions.
const SHIPPED: [(&str, &str, &[&str]); 7] = [
    (
        "viewer",
        "Reads everything but who may do what, and who did what",
        &["*.read"],
    ),
    (
        "operator",
        "Runs the nodes: inventory, locks, boot parameters",
        &["*.read", "bss.write", "smd.write", "watch.write"],
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
        "Decides who may do what, and reads who did what",
        &["audit.read", "auth.*", "cluster.read", "watch.read"],
    ),
    ("admin", "May do everything", &["*.*"]),
    (
        "service",
        "What OpenCHAMI's services do with each other",
        &["bss.*", "smd.*", "watch.*"],
    ),
    ("node", "Nothing beyond what every node may", &[]),
];

static SHIPPED_ROLES: LazyLock<Vec<Arc<Role>>> = LazyLock::new(|| SHIPPED.iter().map(shipped).collect());

/// The roles that every version has, in the order in which they are shown.
pub fn shipped_roles() -> &'static [Arc<Role>] {
    &SHIPPED_ROLES
}

fn shipped((name, description, permissions): &(&str, &str, &[&str])) -> Arc<Role> {
    Arc::new(Role {
        name: (*name).to_owned(),
        description: (*description).to_owned(),
        permissions: permissions.iter().map(ToString::to_string).collect(),
        meta: None,
    })
}

fn shipped_as(name: &str) -> Option<&'static Arc<Role>> {
    shipped_roles().iter().find(|role| role.name == name)
}

/// Those that are stored, by name.
#[derive(Clone, Default)]
pub(super) struct Roles(Table<Role>);

impl Roles {
    pub(super) fn get(&self, name: &str) -> Option<&Arc<Role>> {
        shipped_as(name).or_else(|| self.stored_as(name))
    }

    pub(super) fn stored_as(&self, name: &str) -> Option<&Arc<Role>> {
        self.0.get(&name.to_owned())
    }

    /// Sorted by name.
    pub(super) fn stored(&self) -> impl Iterator<Item = &Arc<Role>> {
        self.0.values()
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
        let mut role = normalised(given)?;
        let before = self.stored_as(&role.name).cloned();
        if before.is_none() && self.0.len() >= ROLES_MAX {
            return Err(full(ROLES_MAX));
        }
        let name = role.name.clone();
        let (meta, applied) = match before {
            Some(before) => (at.modified(before.meta.as_ref()), updated(&name)),
            None => (at.created(), created(&name)),
        };
        role.meta = meta;
        self.0.put(name, role, changes);
        Ok(applied)
    }

    pub(super) fn delete(
        &mut self,
        delete: &DeleteRole,
        policies: &Policies,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let name = &delete.name;
        check_not_shipped(name)?;
        if self.stored_as(name).is_none() {
            return Err(Rejection::not_found("role", name));
        }
        if let Some(policy) = policies.with_role(name) {
            let detail = format!(
                "policy {} gives the role {name}; change or delete the policy first",
                policy.name
            );
            return Err(Rejection::Conflict { detail });
        }
        self.0.remove(name, changes);
        Ok(deleted(std::iter::once(name.clone())))
    }

    pub(super) fn load(&mut self, row: Role, changes: &mut Changes) -> Result<(), SnapshotError> {
        let name = self.0.check_load(&row, RowKind::Role)?;
        let normal = normalised(&row).map_err(|problem| malformed(RowKind::Role, problem))?;
        if normal.permissions != row.permissions {
            return Err(malformed(
                RowKind::Role,
                "its permissions are not sorted, each once",
            ));
        }
        self.0.put(name, row, changes);
        Ok(())
    }
}

/// Permissions sorted, each once. Its meta is not the client's to give.
fn normalised(given: &Role) -> Result<Role, Rejection> {
    forms::check_label("name", &given.name)?;
    check_not_shipped(&given.name)?;
    check_text("description", &given.description, DESCRIPTION_BYTES_MAX)?;
    Ok(Role {
        permissions: permissions::some("permissions", &given.permissions)?,
        meta: None,
        ..given.clone()
    })
}

fn check_not_shipped(name: &str) -> Result<(), Rejection> {
    match shipped_as(name) {
        None => Ok(()),
        Some(_) => {
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
        gives(&shipped_as(role).unwrap().permissions, permission)
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
        ] {
            assert_eq!(may(role, permission), expected, "{role}: {permission}");
        }
    }
}

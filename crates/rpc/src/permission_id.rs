//! What a method's permission is called: `<area>.<access>`, as roles give it. Read from the descriptor, numbered for the guard.

use std::collections::BTreeSet;

use proto::http::v1::{Access, Consistency, MethodRule};

/// Permissions of all methods together: a role's are the bits of a `u128`.
pub(crate) const PERMISSIONS_MAX: usize = 128;

/// One of the permissions of [`crate::Rules::permissions`], by its place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PermissionId(u8);

impl PermissionId {
    /// Its place in [`crate::Rules::permissions`], from 0 to 127.
    pub(crate) fn index(self) -> usize {
        self.0.into()
    }
}

/// The names of all permissions, sorted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Permissions(Vec<String>);

impl Permissions {
    /// # Errors
    /// How many there are, if that is too many.
    pub(crate) fn of(names: BTreeSet<String>) -> Result<Self, usize> {
        match names.len() {
            0..=PERMISSIONS_MAX => Ok(Self(names.into_iter().collect())),
            count => Err(count),
        }
    }

    /// The id of a permission; `None` for a name that no method needs.
    pub(crate) fn id(&self, name: &str) -> Option<PermissionId> {
        let place = self.0.binary_search_by(|known| known.as_str().cmp(name)).ok()?;
        u8::try_from(place).ok().map(PermissionId)
    }

    pub(crate) fn name(&self, id: PermissionId) -> &str {
        self.0.get(id.index()).map_or("", String::as_str)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// The permission of a method of `package` with this rule.
pub(crate) fn name_of(package: &str, rule: &MethodRule) -> String {
    let area = match rule.area.as_str() {
        "" => area_of(package),
        named => named.to_owned(),
    };
    let access = match (rule.access(), rule.consistency()) {
        (Access::Read, _) => "read",
        (Access::Write, _) => "write",
        (Access::Admin, _) => "admin",
        (Access::Unspecified, Consistency::Unspecified) => "write",
        (Access::Unspecified, Consistency::Linearizable | Consistency::Local) => "read",
    };
    format!("{area}.{access}")
}

/// The area of what is declared in `package`: `cloud-init` of `chamois.cloud_init.v1`.
pub(crate) fn area_of(package: &str) -> String {
    package.split('.').nth(1).unwrap_or(package).replace('_', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> BTreeSet<String> {
        (0..count)
            .map(|number| format!("area-{number:03}.read"))
            .collect()
    }

    /// A role's permissions are the bits of one number.
    #[test]
    fn more_than_128_are_refused() {
        let all = Permissions::of(names(PERMISSIONS_MAX)).unwrap();
        let last = all.id("area-127.read").unwrap();
        assert_eq!((last.index(), all.name(last)), (127, "area-127.read"));
        assert_eq!(all.iter().count(), PERMISSIONS_MAX);
        assert_eq!(Permissions::of(names(129)).unwrap_err(), 129);
    }

    #[test]
    fn a_name_that_no_method_needs_has_no_number() {
        let all = Permissions::of(names(3)).unwrap();
        for unknown in ["", "area-003.read", "area-000.write", "*.*"] {
            assert_eq!(all.id(unknown), None, "{unknown}");
        }
    }

    /// Area and access are those of the package and the consistency, unless the method says otherwise.
    #[test]
    fn a_permission_is_named_after_what_the_method_says() {
        let rule = |area: &str, access: Access, consistency: Consistency| MethodRule {
            area: area.to_owned(),
            access: access.into(),
            consistency: consistency.into(),
            ..MethodRule::default()
        };
        for (area, access, consistency, expected) in [
            (
                "",
                Access::Unspecified,
                Consistency::Linearizable,
                "cloud-init.read",
            ),
            ("", Access::Unspecified, Consistency::Local, "cloud-init.read"),
            (
                "",
                Access::Unspecified,
                Consistency::Unspecified,
                "cloud-init.write",
            ),
            ("bss", Access::Unspecified, Consistency::Unspecified, "bss.write"),
            ("", Access::Admin, Consistency::Linearizable, "cloud-init.admin"),
            ("", Access::Write, Consistency::Local, "cloud-init.write"),
            ("auth", Access::Read, Consistency::Unspecified, "auth.read"),
        ] {
            let name = name_of("chamois.cloud_init.v1", &rule(area, access, consistency));
            assert_eq!(name, expected);
        }
        assert_eq!(area_of("grpc"), "grpc");
    }
}

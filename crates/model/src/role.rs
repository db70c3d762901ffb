//! SMD's roles and subroles. Sites add their own, so roles are text and these are only the known spellings.

/// Roles that every SMD knows.
pub const ROLES: [&str; 6] = [
    "Compute",
    "Service",
    "System",
    "Application",
    "Storage",
    "Management",
];

/// Subroles that every SMD knows.
pub const SUB_ROLES: [&str; 3] = ["Master", "Worker", "Storage"];

/// SMD's spelling of a role given in any case; `None` for a role of the site's own, which is kept as written.
pub fn canonical_role(text: &str) -> Option<&'static str> {
    ROLES.into_iter().find(|role| role.eq_ignore_ascii_case(text))
}

/// SMD's spelling of a subrole given in any case; `None` for one of the site's own, which is kept as written.
pub fn canonical_sub_role(text: &str) -> Option<&'static str> {
    SUB_ROLES.into_iter().find(|role| role.eq_ignore_ascii_case(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_roles_get_their_spelling_and_others_are_the_sites_own() {
        assert_eq!(canonical_role("compute"), Some("Compute"));
        assert_eq!(canonical_role("MANAGEMENT"), Some("Management"));
        assert_eq!(canonical_role("Worker"), None);
        assert_eq!(canonical_role("Visualisation"), None);
        assert_eq!(canonical_sub_role("wOrKeR"), Some("Worker"));
        assert_eq!(canonical_sub_role("Compute"), None);
        assert_eq!(canonical_role(""), None);
    }
}

//! Whether this host has the boot loaders that nodes are sent to.

use std::path::Path;

use super::around::Around;
use super::finding::Finding;

/// For BIOS, and for UEFI on x86-64; others are needed only where there are such nodes, and `chamois boot explain` tells.
const USUAL: [&str; 2] = ["undionly.kpxe", "snponly.efi"];
/// What `dhcp.loaders-dir` is without being said.
const FOLDER: &str = "/usr/lib/ipxe";

pub(super) fn check(around: &Around) -> Vec<Finding> {
    let Some(config) = around.host.config() else {
        return vec![Finding::note("boot loaders", "are looked at on a member's host")];
    };
    let needs = |role: &str| config.networks.iter().any(|network| network.has_role(role));
    if !needs("dhcp") && !needs("tftp") {
        return vec![Finding::ok(
            "boot loaders",
            "are not needed: no network here has the role dhcp or tftp",
        )];
    }
    let folder = config.loaders_dir.as_deref().unwrap_or(Path::new(FOLDER));
    let missing: Vec<&str> = USUAL
        .into_iter()
        .filter(|name| !folder.join(name).is_file())
        .collect();
    vec![judge(folder, &missing)]
}

fn judge(folder: &Path, missing: &[&str]) -> Finding {
    let about = folder.display().to_string();
    let remedy = "Install the package `ipxe` (Debian) or copy the loaders there, on every member; `dhcp.loaders-dir` names the folder.";
    let what = format!("has no {}", missing.join(" and no "));
    match missing.len() {
        0 => Finding::ok(about, "has the loaders for BIOS and UEFI"),
        some if some == USUAL.len() => Finding::error(
            about,
            format!("{what}: no node finds a loader by this member"),
            remedy,
        ),
        _ => Finding::warning(
            about,
            format!("{what}: those nodes find no loader by this member"),
            remedy,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::around::with;
    use super::super::finding::Severity;
    use super::super::host::{Host, HostConfig, Network};
    use super::*;

    fn found(files: &[&str], roles: &[&str]) -> Finding {
        let dir = tempfile::tempdir().unwrap();
        files
            .iter()
            .for_each(|name| std::fs::write(dir.path().join(name), "x").unwrap());
        let mut around = with(Vec::new());
        around.host = Host::Member(Box::new(HostConfig {
            loaders_dir: Some(dir.path().to_owned()),
            networks: vec![Network {
                roles: roles.iter().map(|role| (*role).to_owned()).collect(),
                ..Network::default()
            }],
            ..HostConfig::default()
        }));
        check(&around).remove(0)
    }

    #[test]
    fn loaders_that_are_missing_are_named() {
        assert_eq!(found(&USUAL, &["dhcp"]).severity, Severity::Ok);
        let one = found(&["snponly.efi"], &["tftp"]);
        assert_eq!(one.severity, Severity::Warning);
        assert!(
            one.what.contains("undionly.kpxe") && one.remedy.contains("ipxe"),
            "{one:?}"
        );
        assert_eq!(found(&[], &["dhcp"]).severity, Severity::Error);
    }

    #[test]
    fn who_answers_no_node_needs_none_and_another_host_is_not_judged() {
        assert_eq!(found(&[], &["discovery"]).severity, Severity::Ok);
        assert_eq!(check(&with(Vec::new()))[0].severity, Severity::Note);
    }
}

//! The boot loaders of `dhcp.loaders-dir`: read once at start, served by TFTP and, for UEFI HTTP boot, by HTTP.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use dhcp::{BIOS_LOADER, Loaders, UEFI_ARM32_LOADER, UEFI_ARM64_LOADER, UEFI_IA32_LOADER, UEFI_LOADER};
use proto::smd::v1::component::Arch;
use tftp::Files;

use super::config::{Config, NetworkConfig, Role};

/// Reads the loaders, and says what is missing: nodes that need it get no boot file. Without the roles that need
/// loaders there are none.
pub(super) fn load(config: &Config) -> Files {
    if !(config.serves(Role::Tftp) || config.serves(Role::Dhcp)) {
        return Files::default();
    }
    let folder = &config.dhcp.loaders_dir;
    let (files, skipped) = Files::load(&[folder]);
    for skipped in skipped {
        tracing::warn!(%skipped, "not served as a boot loader");
    }
    for missing in Loaders::new(files.names()).missing() {
        tracing::warn!(missing, folder = %folder.display(), "no such boot loader (`dhcp.loaders-dir`)");
    }
    files
}

/// The same files for the gateway.
pub(super) fn by_name(files: &Files) -> BTreeMap<String, Bytes> {
    let content = |name: &str| Some((name.to_owned(), files.get(name)?));
    files.names().filter_map(content).collect()
}

/// What nodes of a network can fetch, and how.
pub(super) fn offered(files: &Files, network: &NetworkConfig) -> Loaders {
    let loaders = if network.roles.contains(&Role::Tftp) {
        Loaders::new(files.names())
    } else {
        Loaders::default()
    };
    if network.roles.contains(&Role::Boot) {
        loaders.and_over_http(files.names())
    } else {
        loaders
    }
}

/// The architectures that there is a loader for; `None` if there are no loaders at all, as where nodes bring their own.
pub(super) fn architectures(files: &Files) -> Option<Arc<[Arch]>> {
    let has = |loaders: &[&str]| loaders.iter().any(|loader| files.get(loader).is_some());
    let known = [
        (Arch::X86, has(&[BIOS_LOADER, UEFI_LOADER, UEFI_IA32_LOADER])),
        (Arch::Arm, has(&[UEFI_ARM64_LOADER, UEFI_ARM32_LOADER])),
    ];
    let served: Vec<Arch> = known
        .into_iter()
        .filter(|(_, has)| *has)
        .map(|(arch, _)| arch)
        .collect();
    (!served.is_empty()).then(|| served.into())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn config(roles: &str, folder: &Path) -> Config {
        let text = include_str!("../../../../deploy/examples/member-1.toml")
            .replace(
                "roles = [\"boot\", \"dhcp\", \"tftp\", \"dns\"]",
                &format!("roles = [{roles}]"),
            )
            .replace("/usr/lib/ipxe", folder.to_str().expect("a test's folder"));
        Config::parse(&text, Path::new("member-1.toml")).expect("the example parses")
    }

    #[test]
    fn tftp_and_http_have_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("snponly.efi"), b"MZ").unwrap();
        let files = load(&config("\"boot\", \"dhcp\"", folder.path()));
        let by_name = by_name(&files);
        assert_eq!(by_name.len(), 1);
        assert_eq!(by_name["snponly.efi"], "MZ");
        assert!(load(&config("\"boot\"", folder.path())).names().next().is_none());
    }

    #[test]
    fn each_loader_serves_its_architecture_and_none_is_not_known() {
        let folder = tempfile::tempdir().unwrap();
        let served = || architectures(&load(&config("\"boot\", \"dhcp\"", folder.path())));
        assert_eq!(served(), None);
        std::fs::write(folder.path().join("snponly-arm64.efi"), b"MZ").unwrap();
        assert_eq!(served().as_deref(), Some(&[Arch::Arm][..]));
        std::fs::write(folder.path().join("undionly.kpxe"), b"x").unwrap();
        assert_eq!(served().as_deref(), Some(&[Arch::X86, Arch::Arm][..]));
    }

    /// An offer of what nobody serves there would end a boot in a 404.
    #[test]
    fn a_loader_is_offered_only_where_it_is_served() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("snponly.efi"), b"MZ").unwrap();
        let offered = |roles: &str| {
            let config = config(roles, folder.path());
            format!("{:?}", offered(&load(&config), &config.networks[0]))
        };
        let (tftp, http) = ("over_tftp: {\"snponly.efi\"}", "over_http: {\"snponly.efi\"}");
        let all = offered("\"boot\", \"dhcp\", \"tftp\"");
        assert!(all.contains(tftp) && all.contains(http), "{all}");
        let no_tftp = offered("\"boot\", \"dhcp\"");
        assert!(!no_tftp.contains(tftp) && no_tftp.contains(http), "{no_tftp}");
        let no_http = offered("\"dhcp\", \"tftp\"");
        assert!(no_http.contains(tftp) && !no_http.contains(http), "{no_http}");
    }
}

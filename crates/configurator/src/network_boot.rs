//! What a DHCP server of another make tells nodes to boot: firmware its iPXE by TFTP, iPXE its script.

use std::net::Ipv4Addr;

use crate::lines::line;
use crate::{Error, OptionSpec, Options};

/// DHCP's option 93 of a client, and the loader that fits it, as Chamois' own DHCP server hands them out
/// (`dhcp::pxe_loader`).
pub(crate) const LOADERS: [(&str, &[u16], &str); 3] = [
    ("bios", &[0], "undionly.kpxe"),
    ("uefi-x64", &[7, 9], "snponly.efi"),
    ("uefi-arm64", &[11], "snponly-arm64.efi"),
];
/// iPXE says who it is by this option.
pub(crate) const IPXE_OPTION: u8 = 175;

pub(crate) const BOOT_SERVER: OptionSpec = OptionSpec {
    name: "boot-server",
    meaning: "IPv4 address that nodes have iPXE from by TFTP and their script by HTTP, a service address of Chamois; \
              default: nothing is said about booting",
};
pub(crate) const BOOT_SCRIPT: OptionSpec = OptionSpec {
    name: "boot-script",
    meaning: "URL of the script that iPXE is given; default: http://BOOT-SERVER:8081/boot/v1/bootscript?mac=${net0/mac}",
};

/// Where nodes boot from.
pub(crate) struct NetworkBoot {
    pub(crate) server: Ipv4Addr,
    pub(crate) script: String,
}

/// As the two options say.
///
/// # Errors
/// `Option` for a server that is no IPv4 address, or a script without a server.
pub(crate) fn network_boot(options: &Options) -> Result<Option<NetworkBoot>, Error> {
    let Some(server) = options.get(BOOT_SERVER.name) else {
        return match options.get(BOOT_SCRIPT.name) {
            Some(_) => Err(Error::option(BOOT_SCRIPT.name, "it needs a boot-server, too")),
            None => Ok(None),
        };
    };
    let server: Ipv4Addr = server
        .trim()
        .parse()
        .map_err(|_| Error::option(BOOT_SERVER.name, format!("`{server}` is no IPv4 address")))?;
    let usual = format!("http://{server}:8081/boot/v1/bootscript?mac=${{net0/mac}}");
    let script = line(options, BOOT_SCRIPT.name, &usual)?.to_owned();
    Ok(Some(NetworkBoot { server, script }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boot(values: &[(&str, &str)]) -> Result<Option<NetworkBoot>, Error> {
        network_boot(&Options::new(
            values.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())),
        ))
    }

    #[test]
    fn a_server_has_the_usual_script_or_the_one_given() {
        assert!(boot(&[]).unwrap().is_none());
        let usual = boot(&[("boot-server", "10.1.0.1")]).unwrap().unwrap();
        assert_eq!(
            usual.script,
            "http://10.1.0.1:8081/boot/v1/bootscript?mac=${net0/mac}"
        );
        let own = boot(&[("boot-server", "10.1.0.1"), ("boot-script", "http://a/b")]).unwrap();
        assert_eq!(own.map(|boot| boot.script).as_deref(), Some("http://a/b"));
    }

    #[test]
    fn what_cannot_be_booted_from_is_refused() {
        for (values, problem) in [
            (
                &[("boot-server", "boot.example")][..],
                "option boot-server: `boot.example` is no IPv4 address",
            ),
            (
                &[("boot-script", "http://a")],
                "option boot-script: it needs a boot-server, too",
            ),
            (
                &[("boot-server", "10.1.0.1"), ("boot-script", "a\nb")],
                "option boot-script: it must be on one line",
            ),
        ] {
            assert_eq!(
                boot(values).err().map(|e| e.to_string()).as_deref(),
                Some(problem)
            );
        }
    }
}

//! NoCloud's `network-config`: the boot NIC, found by its MAC, asks for its address by DHCP.
//!
//! Newer cloud-init asks for this document first and spends ten seconds of every boot on a 404.

use model::MacAddr;

/// The document, version 2 (netplan). The interface keeps its name; `boot` is only the label of the entry.
///
/// The MAC is quoted: unquoted, YAML 1.1 reads one without letters, such as `52:54:00:12:34:56`, as a number to
/// the base 60.
#[must_use]
pub fn render(boot_mac: MacAddr) -> String {
    format!(
        "version: 2\nethernets:\n  boot:\n    match:\n      macaddress: \"{boot_mac}\"\n    dhcp4: true\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_what_cloud_init_expects() {
        let text = render("52-54-00-12-34-56".parse().unwrap());
        assert_eq!(
            text,
            "version: 2\nethernets:\n  boot:\n    match:\n      macaddress: \"52:54:00:12:34:56\"\n    dhcp4: true\n"
        );
    }

    /// A reader gets a text for the MAC, whatever its digits.
    #[test]
    fn the_mac_stays_a_text() {
        let document: serde_yaml_ng::Value =
            serde_yaml_ng::from_str(&render("10:20:30:40:50:59".parse().unwrap())).unwrap();
        assert_eq!(
            document["ethernets"]["boot"]["match"]["macaddress"].as_str(),
            Some("10:20:30:40:50:59")
        );
        assert_eq!(document["ethernets"]["boot"]["dhcp4"].as_bool(), Some(true));
        assert_eq!(document["version"].as_u64(), Some(2));
    }
}

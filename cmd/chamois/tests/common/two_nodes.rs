//! Two nodes, of which the first is in a group, and what its boot is told.

use super::http::Administrator;
use super::{Single, text};

pub(crate) const NODE: &str = "x1000c0s0b0n0";
/// The one that is not in the group.
pub(crate) const OTHER: &str = "x1000c0s0b0n1";
/// What the first one boots.
pub(crate) const SCRIPT: &str = "/boot/v1/bootscript?mac=02:00:00:00:00:01";

/// Stores both, at the addresses 1 and 2 of nodes, and the group.
pub(crate) fn seed(single: &Single, administrator: &Administrator, group: &str) {
    let interface = |mac: u8, xname: &str| {
        let address = single.net.node_address(usize::from(mac)).unwrap();
        format!(
            r#"{{"MACAddress":"02:00:00:00:00:0{mac}","ComponentID":"{xname}","IPAddresses":[{{"IPAddress":"{address}"}}]}}"#
        )
    };
    for (path, body) in [
        (
            "/hsm/v2/State/Components",
            format!(r#"{{"Components":[{{"ID":"{NODE}","State":"On"}},{{"ID":"{OTHER}","State":"On"}}]}}"#),
        ),
        ("/hsm/v2/Inventory/EthernetInterfaces", interface(1, NODE)),
        ("/hsm/v2/Inventory/EthernetInterfaces", interface(2, OTHER)),
        (
            "/hsm/v2/groups",
            format!(r#"{{"label":"{group}","members":{{"ids":["{NODE}"]}}}}"#),
        ),
        (
            "/boot/v1/bootparameters",
            format!(r#"{{"hosts":["{NODE}","{OTHER}"],"kernel":"http://x/k","params":"quiet"}}"#),
        ),
    ] {
        let answer = administrator.send(single.own(), "POST", path, &body);
        assert!((200..300).contains(&answer.status), "{path}: {answer:?}");
    }
}

/// Gives the group a file of cloud-init; nothing of it is left beside the cluster.
pub(crate) fn put_file(single: &Single, group: &str, content: &str, is_secret: bool) {
    let file = single.dir.path().join(format!("{group}.yaml"));
    std::fs::write(&file, content).unwrap();
    let mut put = vec!["cloud-init", "group", "put", group, "--file", text(&file)];
    put.extend(is_secret.then_some("--secret"));
    let (code, out, err) = single.ask(&put);
    assert_eq!(code, 0, "{out}{err}");
    std::fs::remove_file(&file).unwrap();
}

/// Where a boot script says that the node's documents are.
pub(crate) fn documents_url(script: &str) -> &str {
    let url = script.split(";s=").nth(1);
    let url = url.unwrap_or_else(|| panic!("{script}"));
    url.split([' ', '\n']).next().unwrap()
}

/// Where vendor-data says that the file of a group is.
pub(crate) fn file_url<'a>(vendor_data: &'a str, group: &str) -> &'a str {
    let end = format!("/{group}.yaml");
    let line = vendor_data.lines().find(|line| line.ends_with(&end));
    line.unwrap_or_else(|| panic!("{vendor_data}")).trim()
}

/// Path of a URL.
pub(crate) fn path_of(url: &str) -> String {
    format!("/{}", url.splitn(4, '/').nth(3).unwrap())
}

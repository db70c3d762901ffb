//! cloud-init's phone_home form becomes a boot record.

use model::{BootContext, Xname};
use proto::bss::v1::{BootRecord, HostKey};
use proto::cloud_init::v1::PhoneHomeRequest;
use rpc::Error;

use crate::node::Node;

/// Longest name that a node may report, bytes; a domain name's limit.
const NAME_BYTES_MAX: usize = 253;
/// Longest host key that a node may report, bytes; an RSA key of 16384 bits takes some 2,800.
const HOST_KEY_BYTES_MAX: usize = 8 * 1024;
/// What cloud-init writes for a key that the node has not.
const ABSENT: &str = "N/A";

/// Whether `id` of the URL is the caller's own: its xname in any notation, or its instance-id.
pub(crate) fn is_own(id: &str, xname: &Xname, instance_id: Option<&str>) -> bool {
    instance_id == Some(id) || id.parse::<Xname>().is_ok_and(|id| id == *xname)
}

/// The record of what `node` reports. `state` stamps the time.
///
/// # Errors
/// `Invalid` for a value that is too long or holds control characters.
pub(crate) fn record(
    node: &Node,
    context: Option<BootContext>,
    form: &PhoneHomeRequest,
) -> Result<BootRecord, Error> {
    let keys = [
        ("pub_key_rsa", &form.pub_key_rsa),
        ("pub_key_ecdsa", &form.pub_key_ecdsa),
        ("pub_key_ed25519", &form.pub_key_ed25519),
        ("pub_key_dsa", &form.pub_key_dsa),
    ];
    let mut host_keys = Vec::new();
    for (name, key) in keys {
        let key = line(name, key, HOST_KEY_BYTES_MAX)?;
        if !key.is_empty() {
            host_keys.push(HostKey {
                name: name.to_owned(),
                key,
            });
        }
    }
    Ok(BootRecord {
        node: node.xname.to_string(),
        boot_id: context
            .map(|context| format!("{:016x}", context.boot_id))
            .unwrap_or_default(),
        instance_id: line("instance_id", &form.instance_id, NAME_BYTES_MAX)?,
        hostname: line("hostname", &form.hostname, NAME_BYTES_MAX)?,
        fqdn: line("fqdn", &form.fqdn, NAME_BYTES_MAX)?,
        host_keys,
        address: node.address.to_string(),
        ..BootRecord::default()
    })
}

/// One line of text without what stands around it; `N/A` is nothing.
fn line(field: &str, text: &str, bytes_max: usize) -> Result<String, Error> {
    let text = text.trim();
    if text.len() > bytes_max {
        return Err(rpc::invalid(field, format!("longer than {bytes_max} bytes")));
    }
    if text.chars().any(char::is_control) {
        return Err(rpc::invalid(
            field,
            "holds control characters; one line of text is accepted",
        ));
    }
    Ok(if text == ABSENT {
        String::new()
    } else {
        text.to_owned()
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proto::smd::v1::Component;

    use super::*;

    fn node() -> Node {
        Node {
            xname: "x0c0s0b0n0".parse().unwrap(),
            mac: "02:00:00:00:00:01".parse().unwrap(),
            address: "10.97.3.4".parse().unwrap(),
            component: Arc::new(Component::default()),
        }
    }

    fn form() -> PhoneHomeRequest {
        PhoneHomeRequest {
            instance_id: "i-00112233445566aa".into(),
            hostname: "de0001".into(),
            fqdn: "de0001.example.org".into(),
            pub_key_rsa: "ssh-rsa AAAA root@de0001\n".into(),
            pub_key_ecdsa: "N/A".into(),
            pub_key_dsa: "N/A".into(),
            ..PhoneHomeRequest::default()
        }
    }

    #[test]
    fn the_form_becomes_a_record_and_absent_keys_are_left_out() {
        let record = record(
            &node(),
            Some(BootContext {
                revision: 7,
                boot_id: 0xab,
            }),
            &form(),
        )
        .unwrap();
        assert_eq!(record.node, "x0c0s0b0n0");
        assert_eq!(record.boot_id, "00000000000000ab");
        assert_eq!(record.instance_id, "i-00112233445566aa");
        assert_eq!(record.address, "10.97.3.4");
        assert_eq!(
            record.host_keys,
            [HostKey {
                name: "pub_key_rsa".into(),
                key: "ssh-rsa AAAA root@de0001".into()
            }]
        );
    }

    #[test]
    fn oversized_and_hostile_values_are_refused_by_name() {
        type Change = fn(&mut PhoneHomeRequest);
        let cases: [(&str, Change); 3] = [
            ("hostname", |form| form.hostname = "h".repeat(254)),
            ("fqdn", |form| form.fqdn = "a\u{1b}[2Jb".into()),
            ("pub_key_rsa", |form| {
                form.pub_key_rsa = "k".repeat(HOST_KEY_BYTES_MAX + 1)
            }),
        ];
        for (field, change) in cases {
            let mut form = form();
            change(&mut form);
            let refused = record(&node(), None, &form);
            assert!(
                matches!(&refused, Err(Error::Invalid { field: named, .. }) if named == field),
                "{refused:?}"
            );
        }
    }

    #[test]
    fn only_the_callers_own_ids_are_its_own() {
        let xname = node().xname;
        assert!(is_own("x0c0s0b0n0", &xname, None));
        assert!(is_own("X0C0S0B0N00", &xname, None));
        assert!(is_own("i-1", &xname, Some("i-1")));
        assert!(!is_own("i-1", &xname, None));
        assert!(!is_own("x0c0s0b0n1", &xname, Some("i-1")));
        assert!(!is_own("", &xname, None));
    }
}

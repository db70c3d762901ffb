//! What a node is called, in DHCP's option 12 and in cloud-init's `local-hostname` alike.

use crate::{Nid, Xname};

/// Digits of a NID in a hostname; OpenCHAMI's default `nid-length`.
const NID_DIGITS: usize = 4;
/// Characters of the cluster's name that begin a hostname.
const CLUSTER_CHARS: usize = 2;

/// The first letters of the cluster's name and the NID, e.g. `de0006` in `demo`; without a NID the xname.
///
/// Source: `generateHostname` of OpenCHAMI/cloud-init.
pub fn hostname(cluster_name: &str, nid: Option<Nid>, xname: &Xname) -> String {
    let Some(nid) = nid else { return xname.to_string() };
    let letters = cluster_name.chars().filter(char::is_ascii_alphanumeric);
    let cluster: String = letters.take(CLUSTER_CHARS).collect();
    // A hostname of digits only would be taken for an address by some resolvers.
    let prefix = match cluster.chars().any(|c| c.is_ascii_alphabetic()) {
        true => cluster.to_ascii_lowercase(),
        false => "nid".to_owned(),
    };
    format!("{prefix}{:0width$}", nid.0, width = NID_DIGITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostnames_come_from_cluster_and_nid() {
        let xname = "x1000c0s0b2n1".parse().unwrap();
        let cases = [
            ("demo", Some(6), "de0006"),
            ("Prod-1", Some(123_456), "pr123456"),
            ("x", Some(1), "x0001"),
            ("-_", Some(1), "nid0001"),
            ("42", Some(1), "nid0001"),
            ("demo", None, "x1000c0s0b2n1"),
        ];
        for (cluster, nid, expected) in cases {
            assert_eq!(
                hostname(cluster, nid.map(Nid), &xname),
                expected,
                "{cluster} {nid:?}"
            );
        }
    }
}

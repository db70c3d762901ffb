//! What a node is called, in DHCP's option 12 and in cloud-init's `local-hostname` alike.

use crate::{Nid, Xname};

/// Digits of a NID in a hostname; OpenCHAMI's default `nid-length`.
const NID_DIGITS: usize = 4;
/// Characters of the cluster's name that begin a hostname.
const CLUSTER_CHARS: usize = 2;

/// How a cluster calls its nodes: OpenCHAMI's `cluster-name`, `short-name` and `nid-length`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostnameStyle<'a> {
    /// Its first two letters or digits begin the name if there is no `short_name`.
    pub cluster_name: &'a str,
    /// What the name begins with, e.g. `nid`; empty for none.
    pub short_name: &'a str,
    /// Digits of the NID, filled up with zeros; 0 is four. A longer NID is never cut.
    pub nid_digits: usize,
}

impl HostnameStyle<'_> {
    /// Beginning and NID, e.g. `de0006` in `demo`; without a NID the xname.
    ///
    /// Source: `generateHostname` of OpenCHAMI/cloud-init.
    pub fn hostname(&self, nid: Option<Nid>, xname: &Xname) -> String {
        nid.map_or_else(|| xname.to_string(), |nid| self.numbered(nid))
    }

    /// The NID in a hostname of this style, whatever the case of its letters: the way back from [`HostnameStyle::hostname`].
    /// `None` for every other name, one with more or fewer zeros included.
    pub fn nid(&self, hostname: &str) -> Option<Nid> {
        let beginning = self.beginning();
        let (begins, digits) = hostname.split_at_checked(beginning.len())?;
        let nid = digits
            .parse()
            .ok()
            .filter(|_| begins.eq_ignore_ascii_case(&beginning))?;
        (self.numbered(nid).len() == hostname.len()).then_some(nid)
    }

    fn numbered(&self, nid: Nid) -> String {
        let width = match self.nid_digits {
            0 => NID_DIGITS,
            digits => digits,
        };
        format!("{}{:0width$}", self.beginning(), nid.0)
    }

    fn beginning(&self) -> String {
        if !self.short_name.is_empty() {
            return self.short_name.to_owned();
        }
        let letters = self.cluster_name.chars().filter(char::is_ascii_alphanumeric);
        let cluster: String = letters.take(CLUSTER_CHARS).collect();
        // A hostname of digits only would be taken for an address by some resolvers.
        match cluster.chars().any(|c| c.is_ascii_alphabetic()) {
            true => cluster.to_ascii_lowercase(),
            false => "nid".to_owned(),
        }
    }
}

/// The name in a cluster that has set nothing but its own name.
pub fn hostname(cluster_name: &str, nid: Option<Nid>, xname: &Xname) -> String {
    let style = HostnameStyle {
        cluster_name,
        ..HostnameStyle::default()
    };
    style.hostname(nid, xname)
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

    /// Both ways: what a node calls itself finds it, and nothing that only looks like it.
    #[test]
    fn a_hostname_leads_back_to_its_nid() {
        let style = |short_name, nid_digits| HostnameStyle {
            cluster_name: "demo",
            short_name,
            nid_digits,
        };
        let xname = "x1000c0s0b2n1".parse().unwrap();
        for nid in [0, 6, 9999, 10_000, u64::MAX] {
            for style in [style("", 0), style("nid", 6), style("n2", 1)] {
                let name = style.hostname(Some(Nid(nid)), &xname);
                assert_eq!(style.nid(&name), Some(Nid(nid)), "{name}");
                assert_eq!(style.nid(&name.to_ascii_uppercase()), Some(Nid(nid)));
            }
        }
        for other in [
            "",
            "de",
            "de6",
            "de00006",
            "nid0006",
            "de+006",
            "de0006x",
            "d\u{e9}0006",
            "x1000c0s0b2n1",
        ] {
            assert_eq!(style("", 0).nid(other), None, "{other}");
        }
    }

    #[test]
    fn a_cluster_may_name_the_beginning_and_the_digits() {
        let xname = "x1000c0s0b2n1".parse().unwrap();
        let cases = [
            ("nid", 3, Some(6), "nid006"),
            ("nid", 0, Some(6), "nid0006"),
            ("", 6, Some(6), "de000006"),
            ("c-", 1, Some(123), "c-123"),
            ("nid", 3, None, "x1000c0s0b2n1"),
        ];
        for (short_name, nid_digits, nid, expected) in cases {
            let style = HostnameStyle {
                cluster_name: "demo",
                short_name,
                nid_digits,
            };
            assert_eq!(style.hostname(nid.map(Nid), &xname), expected, "{style:?}");
        }
    }
}

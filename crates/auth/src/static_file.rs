//! FILE of `chamois init --static FILE`: which members the cluster begins with.

use std::collections::BTreeSet;
use std::net::IpAddr;

use rpc::client::endpoint_host;
use rpc::tls::SpiffeId;
use rustls_pki_types::ServerName;
use serde::Deserialize;

/// Members that one file may list.
pub(crate) const MEMBERS_MAX: usize = 64;
/// Extra names and addresses of one member.
const NAMES_MAX: usize = 32;

/// Why FILE cannot be used: names the key and what is accepted.
#[derive(Debug, thiserror::Error)]
pub enum StaticFileError {
    /// Not TOML, an unknown or missing key, or a value of the wrong type.
    #[error("{0}")]
    Toml(#[from] toml::de::Error),
    /// A value that cannot work.
    #[error("{key}: {problem}")]
    Value {
        /// The key, with the member it belongs to.
        key: String,
        /// What is wrong and what is accepted.
        problem: String,
    },
}

/// The file's content, checked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StaticFile {
    /// The cluster's name: the trust domain of every certificate. It cannot be changed later.
    pub(crate) cluster: String,
    /// The members, in any order.
    #[serde(rename = "member")]
    pub(crate) members: Vec<StaticMember>,
}

/// One `[[member]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct StaticMember {
    /// From 1; never reused.
    pub(crate) id: u64,
    /// `host:port` of the peer port, as the other members dial it.
    pub(crate) address: String,
    /// `host:port` of the gRPC API.
    pub(crate) api_address: String,
    /// More host names and addresses that clients reach it by, service addresses included.
    #[serde(default)]
    pub(crate) names: Vec<String>,
}

impl StaticFile {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// Names the first key that is wrong, and what is accepted.
    pub(crate) fn parse(text: &str) -> Result<Self, StaticFileError> {
        let file: Self = toml::from_str(text)?;
        check_cluster_name(&file.cluster)?;
        match file.members.len() {
            0 => {
                return Err(value(
                    "member",
                    "list at least one [[member]]; three survive the loss of one",
                ));
            }
            n if n > MEMBERS_MAX => {
                return Err(value("member", &format!("{n} members; at most {MEMBERS_MAX}")));
            }
            _ => {}
        }
        let mut seen = Seen::default();
        for member in &file.members {
            member.check(&mut seen)?;
        }
        Ok(file)
    }

    /// What works, but is probably not what was meant.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let n = self.members.len();
        match n {
            1 => vec!["1 member: the cluster stops when it does; three survive the loss of one".to_owned()],
            n if n % 2 == 0 => vec![format!(
                "{n} members survive the loss of {}, as {} do: one less is as safe and faster, one more is safer",
                (n - 1) / 2,
                n - 1
            )],
            _ => Vec::new(),
        }
    }
}

#[derive(Default)]
struct Seen {
    ids: BTreeSet<u64>,
    addresses: BTreeSet<String>,
}

impl StaticMember {
    fn check(&self, seen: &mut Seen) -> Result<(), StaticFileError> {
        let id = self.id;
        if id == 0 {
            return Err(value("member id", "0 is not an id; count from 1"));
        }
        if !seen.ids.insert(id) {
            return Err(value(
                "member id",
                &format!("{id} is given twice; every member has its own"),
            ));
        }
        for (key, address) in [("address", &self.address), ("api-address", &self.api_address)] {
            let key = format!("member {id}: {key}");
            let host = endpoint_host(address).map_err(|error| value(&key, &error))?;
            if host.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified()) {
                return Err(value(
                    &key,
                    &format!("{host} is not an address that others can dial"),
                ));
            }
            if !seen.addresses.insert(address.clone()) {
                return Err(value(
                    &key,
                    &format!("{address} is given twice; every port is one member's"),
                ));
            }
        }
        if self.names.len() > NAMES_MAX {
            return Err(value(
                &format!("member {id}: names"),
                &format!("more than {NAMES_MAX} names"),
            ));
        }
        for name in &self.names {
            ServerName::try_from(name.as_str()).map_err(|_| {
                value(
                    &format!("member {id}: names"),
                    &format!("{name:?} is neither a host name nor an address"),
                )
            })?;
        }
        Ok(())
    }

    /// Every name and address that the member's certificate is good for, each once.
    pub(crate) fn certificate_names(&self) -> Vec<String> {
        let dialled = [&self.address, &self.api_address]
            .into_iter()
            .filter_map(|a| endpoint_host(a).ok());
        let all: BTreeSet<String> = dialled.chain(self.names.iter().cloned()).collect();
        all.into_iter().collect()
    }
}

/// Checks that `name` can be the trust domain of certificates.
pub(crate) fn check_cluster_name(name: &str) -> Result<(), StaticFileError> {
    let id: Result<SpiffeId, _> = SpiffeId::member(name, 1).to_string().parse();
    if id == Ok(SpiffeId::member(name, 1)) {
        return Ok(());
    }
    Err(value(
        "cluster",
        &format!("{name:?} is not a cluster name: 1 to 64 of a-z 0-9 - . _"),
    ))
}

fn value(key: &str, problem: &(impl ToString + ?Sized)) -> StaticFileError {
    StaticFileError::Value {
        key: key.to_owned(),
        problem: problem.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        cluster = "demo"
        [[member]]
        id = 1
        address = "10.97.1.1:7440"
        api-address = "10.97.1.1:7441"
        names = ["admin1.example", "10.97.0.1"]
        [[member]]
        id = 2
        address = "admin2.example:7440"
        api-address = "10.97.1.2:7441"
        [[member]]
        id = 3
        address = "[fd00::3]:7440"
        api-address = "[fd00::3]:7441"
    "#;

    fn refusal(text: &str) -> String {
        StaticFile::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn a_good_file_gives_each_member_its_names() {
        let file = StaticFile::parse(GOOD).unwrap();
        let names: Vec<_> = file.members.iter().map(StaticMember::certificate_names).collect();
        assert_eq!(names[0], ["10.97.0.1", "10.97.1.1", "admin1.example"]);
        assert_eq!(names[1], ["10.97.1.2", "admin2.example"]);
        assert_eq!(names[2], ["fd00::3"]);
        assert_eq!(file.warnings(), Vec::<String>::new());
    }

    /// Each change makes the file wrong in one way; the error must name the key and the way out.
    #[test]
    fn what_cannot_work_is_refused_by_key() {
        for (from, to, says) in [
            (
                "cluster = \"demo\"",
                "cluster = \"De mo\"",
                "cluster: \"De mo\" is not a cluster name",
            ),
            ("cluster = \"demo\"", "cluster = \"a/b\"", "is not a cluster name"),
            ("cluster = \"demo\"", "", "missing field `cluster`"),
            (
                "cluster = \"demo\"",
                "cluster = \"demo\"\ncolour = 1",
                "unknown field `colour`",
            ),
            ("names =", "name =", "unknown field `name`"),
            (
                "api-address = \"10.97.1.1:7441\"",
                "",
                "missing field `api-address`",
            ),
            ("id = 2", "id = 1", "member id: 1 is given twice"),
            ("id = 2", "id = 0", "member id: 0 is not an id"),
            ("id = 2", "id = -2", "invalid value"),
            (
                "10.97.1.2:7441",
                "10.97.1.1:7441",
                "member 2: api-address: 10.97.1.1:7441 is given twice",
            ),
            ("10.97.1.2:7441", "10.97.1.1:7440", "is given twice"),
            (
                "10.97.1.2:7441",
                "10.97.1.2",
                "member 2: api-address: \"10.97.1.2\" is not an endpoint",
            ),
            (
                "10.97.1.2:7441",
                "0.0.0.0:7441",
                "not an address that others can dial",
            ),
            (
                "admin1.example",
                "not a name",
                "member 1: names: \"not a name\" is neither",
            ),
        ] {
            assert_ne!(GOOD.replacen(from, to, 1), GOOD, "{from} is not in the file");
            let error = refusal(&GOOD.replacen(from, to, 1));
            assert!(error.contains(says), "{to}: {error}");
        }
        assert!(refusal("cluster = \"demo\"\nmember = []").contains("at least one [[member]]"));
    }

    fn with_members(n: usize) -> String {
        let member = |id| format!("[[member]]\nid = {id}\naddress = \"h:{id}\"\napi-address = \"i:{id}\"\n");
        format!("cluster = \"demo\"\n{}", (1..=n).map(member).collect::<String>())
    }

    /// An even count works and is almost never what was meant.
    #[test]
    fn even_and_single_member_counts_are_warned_about() {
        let warnings = |n| StaticFile::parse(&with_members(n)).unwrap().warnings();
        assert!(
            warnings(4)[0].starts_with("4 members survive the loss of 1, as 3 do"),
            "{:?}",
            warnings(4)
        );
        assert!(warnings(2)[0].starts_with("2 members survive the loss of 0, as 1 do"));
        assert!(warnings(1)[0].starts_with("1 member"));
        assert!(warnings(5).is_empty());
        assert!(refusal(&with_members(MEMBERS_MAX + 1)).contains("at most 64"));
    }
}

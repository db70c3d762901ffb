//! `cluster.toml` in a member's identity: who the members are and which keys count.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// What `init` writes above the content.
const HEADER: &str = "# Written by `chamois init` or `chamois join`: the members that this one knew when it was made. Who is a\n\
                      # member since then stands in the replicated state.\n";

/// The members that a cluster begins with.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClusterFile {
    pub(crate) cluster: String,
    /// The member joined a cluster that there was: an empty store is filled by the others, and founds none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) joined: bool,
    #[serde(rename = "member")]
    pub(crate) members: Vec<ClusterMember>,
}

/// A member as the others know it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ClusterMember {
    /// Its id.
    pub id: u64,
    /// `host:port` of its peer port.
    pub address: String,
    /// `host:port` of its gRPC API.
    pub api_address: String,
    /// Its public key (SPKI, DER); base64 in the file.
    #[serde(with = "base64_text")]
    pub public_key: Vec<u8>,
}

impl ClusterFile {
    /// Reads the file's text.
    ///
    /// # Errors
    /// A text for the operator: the line and key that is wrong, or what is there twice.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let file: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        let mut ids = BTreeSet::new();
        let mut keys = BTreeSet::new();
        for member in &file.members {
            if !ids.insert(member.id) {
                return Err(format!("member {} is listed twice", member.id));
            }
            if !keys.insert(&member.public_key) {
                return Err(format!(
                    "member {} has the public key of another member",
                    member.id
                ));
            }
        }
        Ok(file)
    }

    /// The file's text.
    ///
    /// # Errors
    /// Never for values that `parse` accepts.
    pub(crate) fn to_text(&self) -> Result<String, toml::ser::Error> {
        Ok(format!("{HEADER}{}", toml::to_string(self)?))
    }
}

mod base64_text {
    use super::{Engine, STANDARD};
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(key: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(key))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD
            .decode(text)
            .map_err(|_| de::Error::custom("a public key is base64 of its DER form (SPKI)"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> ClusterFile {
        let member = |id: u64| ClusterMember {
            id,
            address: format!("10.97.1.{id}:7440"),
            api_address: format!("10.97.1.{id}:7441"),
            public_key: vec![u8::try_from(id).unwrap(); 91],
        };
        ClusterFile {
            cluster: "demo".into(),
            joined: false,
            members: vec![member(1), member(2), member(3)],
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let text = file().to_text().unwrap();
        assert_eq!(ClusterFile::parse(&text).unwrap(), file());
        assert!(
            text.contains("api-address = \"10.97.1.2:7441\"") && text.contains("public-key = \""),
            "{text}"
        );
    }

    /// One key for two ids would be two votes.
    #[test]
    fn ids_and_keys_are_unique() {
        let mut twice = file();
        twice.members[1].id = 1;
        assert_eq!(
            ClusterFile::parse(&twice.to_text().unwrap()).unwrap_err(),
            "member 1 is listed twice"
        );
        let mut shared = file();
        shared.members[2].public_key = shared.members[0].public_key.clone();
        let error = ClusterFile::parse(&shared.to_text().unwrap()).unwrap_err();
        assert_eq!(error, "member 3 has the public key of another member");
    }

    #[test]
    fn unknown_keys_and_bad_base64_are_named() {
        let text = file().to_text().unwrap();
        let error = ClusterFile::parse(&text.replacen("address", "adress", 1)).unwrap_err();
        assert!(error.contains("adress"), "{error}");
        let error = ClusterFile::parse(&text.replacen("public-key = \"", "public-key = \"!", 1)).unwrap_err();
        assert!(error.contains("base64"), "{error}");
    }
}

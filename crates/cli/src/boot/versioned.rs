//! What has a history that it can go back in, as the command line names it; and its changes, asked for page by page.

use std::str::FromStr;

use proto::watch::v1::history_service_client::HistoryServiceClient;
use proto::watch::v1::{ListChangesRequest, PastChange};
use rpc::client::ExactlyOnce;

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::nodes;

/// Words before the `/`, and the kinds of objects that they mean.
const KINDS: [(&str, &str); 5] = [
    ("params", "boot_parameters"),
    ("config", "boot_configuration"),
    ("group", "cloud_init_group"),
    ("node", OF_NODE),
    ("profile", "profile"),
];
/// The kind of object that a node is the key of.
const OF_NODE: &str = "instance_info";
/// The one object without a name of its own.
const DEFAULTS: (&str, &str, &str) = ("defaults", "cluster_defaults", "cluster-defaults");

/// An object of the boot path: `params/KEY`, or `KEY` alone, `config/NAME`, `group/NAME`, `node/NODE`, `profile/NAME`,
/// `defaults`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned {
    /// Kind, as the API names it.
    pub(super) kind: &'static str,
    /// What it is found by.
    pub(super) id: String,
}

impl Versioned {
    /// A template of files: `chamois configure template` has its history.
    pub(crate) fn template(name: String) -> Versioned {
        Versioned {
            kind: "template",
            id: name,
        }
    }

    /// The same, where a node may be called by its host name or NID. Keys of boot parameters stay as they are: `nid7` is one.
    ///
    /// # Errors
    /// As [`nodes::one_xname`].
    pub(super) async fn resolved(self, global: &GlobalArgs) -> Result<Versioned, CliError> {
        Ok(match self.kind {
            OF_NODE => Versioned {
                id: nodes::one_xname(global, &self.id).await?.to_string(),
                ..self
            },
            _ => self,
        })
    }
}

impl FromStr for Versioned {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (word, kind, id) = DEFAULTS;
        if text == word {
            let id = id.to_owned();
            return Ok(Versioned { kind, id });
        }
        let (word, id) = text.split_once('/').unwrap_or((KINDS[0].0, text));
        let found = KINDS.iter().find(|(known, _)| *known == word);
        let accepted =
            "write KEY or params/KEY, config/NAME, group/NAME, node/NODE, profile/NAME, or defaults";
        match found {
            Some((_, kind)) if !id.is_empty() => Ok(Versioned {
                kind,
                id: id.to_owned(),
            }),
            Some(_) => Err(format!("`{text}` names nothing; {accepted}")),
            None => Err(format!("`{word}` is no kind with a history; {accepted}")),
        }
    }
}

/// Whoever answers for the history.
pub(super) fn client(global: &GlobalArgs) -> Result<HistoryServiceClient<ExactlyOnce>, CliError> {
    Ok(HistoryServiceClient::new(connect::to_any(global)?))
}

/// All changes that are kept of it, newest first, and the revision up to which none are (0: all are).
pub(super) async fn changes(
    global: &GlobalArgs,
    object: &Versioned,
) -> Result<(Vec<PastChange>, u64), CliError> {
    let mut client = client(global)?;
    let mut request = ListChangesRequest {
        kind: object.kind.to_owned(),
        id: object.id.clone(),
        ..ListChangesRequest::default()
    };
    let mut all = Vec::new();
    loop {
        let page = client.list_changes(request.clone()).await?.into_inner();
        all.extend(page.changes);
        if page.next_page_token.is_empty() {
            return Ok((all, page.oldest_revision));
        }
        request.page_token = page.next_page_token;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_word_and_a_key_alone_means_parameters() {
        for (text, kind, id) in [
            ("x1000c0s0b0n0", "boot_parameters", "x1000c0s0b0n0"),
            ("Default", "boot_parameters", "Default"),
            ("params/Compute", "boot_parameters", "Compute"),
            ("config/compute", "boot_configuration", "compute"),
            ("group/compute", "cloud_init_group", "compute"),
            ("node/x0c0s0b0n0", "instance_info", "x0c0s0b0n0"),
            ("profile/test", "profile", "test"),
            ("defaults", "cluster_defaults", "cluster-defaults"),
        ] {
            let id = id.to_owned();
            assert_eq!(text.parse(), Ok(Versioned { kind, id }), "{text}");
        }
    }

    #[test]
    fn an_error_says_what_is_accepted() {
        for wrong in ["grupe/compute", "params/", ""] {
            let error = wrong.parse::<Versioned>().unwrap_err();
            assert!(error.contains("group/NAME"), "{error}");
        }
    }

    /// A node is called as everywhere else; what is no node is not taken for one.
    #[tokio::test]
    async fn only_the_name_of_a_node_is_looked_for() {
        let nobody = GlobalArgs::default();
        let resolved = async |text: &str| {
            let object: Versioned = text.parse().unwrap();
            object.resolved(&nobody).await
        };
        for (text, id) in [
            ("node/X0c0s00b0n0", "x0c0s0b0n0"),
            ("nid7", "nid7"),
            ("Default", "Default"),
            ("group/login", "login"),
        ] {
            assert_eq!(resolved(text).await.unwrap().id, id, "{text}");
        }
        for asks in ["node/login", "node/nid7"] {
            let error = resolved(asks).await.unwrap_err().to_string();
            assert!(error.contains("no endpoint"), "{asks}: {error}");
        }
        let error = resolved("node/x0c0s[0-1]b0n0").await.unwrap_err().to_string();
        assert!(error.contains("means 2 nodes"), "{error}");
    }
}

//! `chamois apply`, `diff`, `edit` and `get`: objects as files declare them.
//!
//! ```text
//! -f ── files.rs ── document.rs (strict) ─┐
//! cluster.rs ── present.rs (by kind) ─────┴─ plan.rs (pure) ── trial.rs (validate_only) ── sent.rs ── record.rs
//!                                             kinds.rs: the table; written.rs: a step as requests; normal.rs, words.rs: one form
//! ```

pub(crate) mod apply;
mod asked;
mod cluster;
pub(crate) mod diff;
mod document;
pub(crate) mod edit;
#[cfg(test)]
mod fake;
mod files;
pub(crate) mod get;
mod kinds;
mod misfit;
mod normal;
mod plan;
mod present;
mod record;
mod sent;
mod text;
mod told;
mod trial;
mod words;
mod written;

use std::collections::BTreeSet;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use openapi::Catalogue;
use serde_json::{Value, json};
use tonic::Code;

use cluster::{Cluster, How};
use document::Document;
use kinds::{KINDS, Kind};
use plan::{Known, Plan};
use record::Record;

use crate::error::CliError;

/// Full name of the message that a kind is, if there is one of this name: what `chamois explain KIND` shows.
pub(crate) fn message_of(kind: &str) -> Option<&'static str> {
    kinds::find(kind).ok().map(|kind| kind.message)
}

/// What the cluster has of these kinds, all read at once.
async fn known(
    cluster: &impl Cluster,
    catalogue: &Catalogue,
    kinds: impl IntoIterator<Item = &'static Kind>,
) -> Result<Known, CliError> {
    let names: BTreeSet<&str> = kinds.into_iter().map(|kind| kind.name).collect();
    let kinds = KINDS.iter().filter(|kind| names.contains(kind.name));
    let read = kinds.map(|kind| async move {
        let objects = present::read(cluster, catalogue, kind).await?;
        Ok::<_, CliError>((kind.name, objects))
    });
    stream::iter(read)
        .buffer_unordered(KINDS.len())
        .try_collect()
        .await
}

/// What tells the cluster from others: its id. Only administrators are told it; to others the members that they ask are the cluster.
async fn cluster_id(cluster: &impl Cluster, endpoints: &[String]) -> Result<String, CliError> {
    let method = "chamois.cluster.v1.ClusterService.GetStatus";
    let status = match cluster.call(method, json!({}), How::Made).await {
        Ok(answer) => answer.json,
        Err(status) if status.code() == Code::PermissionDenied => Value::Null,
        Err(status) => return Err(status.into()),
    };
    let id = status.get("clusterId").and_then(Value::as_str);
    if let Some(id) = id.filter(|id| !id.is_empty()) {
        return Ok(id.to_owned());
    }
    let members: BTreeSet<&str> = endpoints.iter().map(String::as_str).collect();
    Ok(members.into_iter().collect::<Vec<_>>().join(","))
}

/// The difference between documents and cluster; with a record and the cluster's id also what is to go.
async fn planned(
    cluster: &impl Cluster,
    catalogue: &Catalogue,
    documents: &[Document],
    prune: Option<(&Record, &str)>,
) -> Result<Plan, CliError> {
    let of_record = prune.map(|(record, id)| record.kinds(id)).unwrap_or_default();
    let kinds = documents.iter().map(|document| document.kind).chain(of_record);
    let known = known(cluster, catalogue, kinds).await?;
    let mut plan = plan::compare(documents, &known)?;
    if let Some((record, id)) = prune {
        plan.delete(record.gone(id, documents, &known));
    }
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::fake::Fake;
    use super::*;

    #[tokio::test]
    async fn a_cluster_is_known_by_its_id_or_by_its_members() {
        let endpoints = ["b:7441".to_owned(), "a:7441".to_owned()];
        let cluster = Fake::default();
        assert_eq!(cluster_id(&cluster, &endpoints).await.unwrap(), "a:7441,b:7441");
        *cluster.id.borrow_mut() = Some("0badcafe".into());
        assert_eq!(cluster_id(&cluster, &endpoints).await.unwrap(), "0badcafe");
    }
}
